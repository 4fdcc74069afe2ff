"""A campaign: databases full of schedules whose engines are killed, and what is left of them."""

import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from crash import aims, leftovers
from crash.driver import Orders
from crash.tasks import LANDED
from schedule_simulation.checker import check
from schedule_simulation.evidence import evidence_of
from simulation.violation import ViolationError
from tipman.clock import rfc3339
from tipman.database import Database
from tipman.ids import parse, text_of

KEEPER = "crash_schedules.keeper"
PATIENCE_S = 30.0
LIFE_S_MAX = 1.8
RANDOM_SHARE = 0.6
PLACES = {
    "commit.before": (1, 60),
    "commit.after": (1, 60),
    "effects.after": (1, 60),
    "write": (1, 200),
    "checkpoint": (1, 8),
    **aims.BOOT,
}
_LAST = "SELECT min(started_at) FROM instance WHERE kind = 'schedule'"
_WAIT_S = 0.05


class Life:
    """A folder with a database, through many deaths."""

    life_s_max = LIFE_S_MAX

    def __init__(self, seed, nest):
        self.seed = seed
        self.found = None
        self.folder = Path(tempfile.mkdtemp(prefix="tipman-crash-"))
        self.kills = 0
        self.seen = Counter()
        self._nest = nest

    @property
    def landed(self):
        """How many deaths came where they were aimed."""
        return self._log().count(LANDED)

    def live(self, kills):
        """Die so many times, and come to an end in good order."""
        dice = random.Random(self.seed)
        durability = dice.choice(["full", "normal"])
        orders = {"durability": durability, "drain_events_max": dice.choice([None, None, 10])}
        try:
            for _ in range(kills):
                self.round(dice, **orders)
            self.finish(**orders)
        except ViolationError as error:
            self.found = error

    def round(self, dice, **orders):
        """Start an engine, have it killed somewhere, and check what is left."""
        if dice.random() >= RANDOM_SHARE:
            aim, (first, last) = dice.choice(list(PLACES.items()))
            orders |= {"aim": aim, "nth": dice.randint(first, last)}
        self.die(within_s=dice.uniform(0.05, self.life_s_max), **orders)

    def die(self, *, within_s, **orders):
        """Start an engine that is killed after so long, if not before where it is aimed.

        Raises:
            ViolationError: what is left is not as it was promised.
        """
        self._nest.start(Orders(str(self.folder), republish=False, **orders))
        leftovers.wait_for_end(self._nest.pid, within_s)
        self._nest.kill()
        self._nest.bury()
        self.kills += 1
        self._check(0)

    def finish(self, **orders):
        """Start once more, until all that was missed is decided; stop, and check it all."""
        now = time.time_ns() // 1_000
        self._nest.start(Orders(str(self.folder), republish=False, **orders))
        self._wait_until_decided(now)
        os.kill(self._nest.pid, signal.SIGTERM)
        status = self._nest.bury()
        if status:
            raise ViolationError(f"the engine ended with {status}: {self._log()[-2000:]}")
        self._check(now)

    def _wait_until_decided(self, instant):
        end = time.perf_counter() + PATIENCE_S
        with closing(
            Database(f"sqlite:///{self.folder / 'tipman.db'}", read_only=True)
        ) as database:
            database.open()
            while (decided := database.fetch(_LAST)[0][0]) is None or decided < instant:
                if time.perf_counter() > end:
                    words = "nothing" if decided is None else rfc3339(decided)
                    raise ViolationError(f"all is decided up to {words} only")
                threading.Event().wait(_WAIT_S)

    def _log(self):
        log = self.folder / "driver.log"
        return log.read_text() if log.exists() else ""

    def _check(self, now):
        """Judge a copy: the next engine is to find the files as the dead one left them."""
        if "Traceback" in self._log():
            raise ViolationError(f"the engine complained: {self._log()[-2000:]}")
        with tempfile.TemporaryDirectory(prefix="tipman-evidence-") as copy:
            for path in self.folder.glob("tipman.db*"):
                if path.suffix in {".db", ".db-wal"}:
                    shutil.copy2(path, copy)
            with closing(Database(f"sqlite:///{Path(copy) / 'tipman.db'}")) as database:
                database.open()
                if not database.fetch("SELECT 1 FROM sqlite_master WHERE name = 'slot'"):
                    return
                if database.fetch("PRAGMA integrity_check") != [("ok",)]:
                    raise ViolationError("the file is damaged")
                found = evidence_of(database)
                found = found._replace(lines=[*found.lines])
        check(found, now)
        self.seen = Counter(slot.reason or slot.decision for slot in found.slots)
        self._compare(found)

    def _compare(self, found):
        """Compare rows with what the world outside of the database saw."""
        known = {text_of(bytes(line.instance)) for line in found.lines}
        lost = set(self._lines("acknowledged")) - known
        if lost:
            raise ViolationError(f"acknowledged, and not there: {lost}")
        marks = Counter(tuple(line.split()) for line in self._lines("marks"))
        if twice := [mark for mark, count in marks.items() if count > 1]:
            raise ViolationError(f"attempts were started twice: {twice}")
        ran = {parse(task) for task, *_ in marks}
        if not ran <= found.runs.keys():
            raise ViolationError(f"what ran was not submitted by any slot: {ran - {*found.runs}}")
        done = {run.id for run in found.runs.values() if run.state == "succeeded"}
        if not done <= ran:
            raise ViolationError("something succeeded that nobody saw run")

    def _lines(self, name):
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []
