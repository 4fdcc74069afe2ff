"""One database through many deaths: starts engines on it, has them killed, checks what is left."""

import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from crash import aims, checker, evidence, leftovers
from crash.claims import ACKNOWLEDGED, REFUSED, Claims, Sent
from crash.clients import PROCESSES, SCRIPT, Client, Connection, GoneError
from crash.driver import Orders
from crash.tasks import LANDED

CLIENTS = 4
PATIENCE_S = 20.0
"""For everything to settle, or for processes to be gone."""
AIMED_S = 0.7
HELP = {
    "suspended": ("resume.requested", None),
    "awaiting": ("finish.reported", "at last"),
}
"""What nothing but an event from outside brings on."""
LOG_CHARACTERS_MAX = 2000
KNOWN_MAX = 60
"""So many older tasks the clients of a new round know of."""


class Findings(list):
    """Violations, each once."""

    def __iadd__(self, more):
        self.extend(what for what in dict.fromkeys(more) if what not in self)
        return self


class Life:
    """A folder with a database; `rounds` of start, load, kill and check.

    `found` are the violations so far, `kills` the places of all kills, of which `landed` came
    where they were aimed.
    """

    clients = CLIENTS
    aimed_s = AIMED_S
    processes = PROCESSES

    def __init__(self, seed, nest, *, requests=30, script=SCRIPT, patience_s=PATIENCE_S, **orders):
        """Take *orders* for the drivers; *script* weighs what clients ask, see `clients`."""
        self.seed = seed
        self.folder = Path(tempfile.mkdtemp(prefix="tipman-crash-"))
        self.claims = Claims()
        self.found = Findings()
        self.kills = Counter()
        self.landed = Counter()
        self._orders = orders
        self._requests = requests
        self._script = script
        self._patience_s = patience_s
        self._nest = nest
        self._rounds = 0
        self._log_read = 0
        self._last = None

    def close(self):
        """End what was left behind; keep the folder, for inspection, if something is wrong."""
        leftovers.end(self.folder, self._nest.pid)
        if not self.found:
            self.forget()

    def forget(self):
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def round(self, place=None, nth=1, *, within_s=None):
        """Start an engine, load it and have it killed; check what is left, tell if all is well.

        Killed at the *nth* passing of *place*, but not later than *within_s* (by default
        `aimed_s`), or when the clients have nothing more to ask.
        """
        self._rounds += 1
        deaths, acknowledged = self._deaths(), self.claims.acknowledged
        if place in aims.PROCESS:
            (self.folder / "armed").touch()
        self._start(aim=place, nth=nth)
        threads = self._load(self.processes if place in aims.PROCESS else self._script)
        _join(threads, self.aimed_s if within_s is None else within_s)
        if place in aims.CLOSE:
            self._stop_if_alive()
        self._nest.kill()
        self._nest.bury()
        _join(threads, PATIENCE_S)
        (self.folder / "armed").unlink(missing_ok=True)
        self.kills[place or "random"] += 1
        self.landed[place or "random"] += place is None or self._deaths() > deaths
        self._check_what_is_left(served=self.claims.acknowledged > acknowledged)
        return not self.found

    def finish(self):
        """Start once more, help everything to settle, stop in good order, and check it all."""
        self._rounds += 1
        self._start(republish=False)
        is_well = self._settle_and_stop()
        if is_well:
            self._nest.kill()
        else:
            # If it lives, and answers no more, it says where it stands.
            self._nest.abort()
        self._nest.bury()
        self._check_what_is_left(served=True)
        if is_well:
            self.found += checker.unfinished(self._last)
        else:
            self.found += [f"the engine died by itself: {self._log()[-LOG_CHARACTERS_MAX:]}"]

    def _settle_and_stop(self):
        try:
            with self._connect() as connection:
                self._settle_all(connection)
                self._stop(connection, drain_s=1.0)
        except GoneError:
            return False
        return True

    # How an engine is reached.

    def _start(self, **orders):
        self._nest.start(Orders(str(self.folder), **{**self._orders, **orders}))

    def _connect(self):
        return Connection(self.folder / "socket")

    def _stop(self, connection, *, drain_s):
        connection.ask("stop", drain_s=drain_s)

    def _client(self, name, *, known, script):
        seed = f"{self.seed}/{name}"
        return Client(self.folder, self.claims, name, seed, known=known, script=script)

    # What was seen of it.

    @staticmethod
    def _is_complaint(text):
        return "Traceback" in text

    @property
    def tasks(self):
        """How many tasks the database has."""
        return 0 if self._last is None else len(self._last.instances)

    @property
    def attempts(self):
        """How many attempts left a mark."""
        return 0 if self._last is None else len(self._last.marks)

    def _deaths(self):
        return self._log().count(LANDED)

    def _log(self):
        log = self.folder / "driver.log"
        return log.read_text() if log.exists() else ""

    def _load(self, script):
        threads = []
        known = self._known()
        for number in range(self.clients):
            client = self._client(f"r{self._rounds}c{number}", known=known, script=script)
            thread = threading.Thread(target=client.play, args=(self._requests,), daemon=True)
            thread.start()
            threads.append(thread)
        return threads

    def _known(self):
        known = [
            (identifier, task["type"])
            for claim in self.claims.submitted
            for identifier, task in zip(claim.ids, claim.tasks, strict=False)
        ]
        return random.Random(f"{self.seed}/{self._rounds}").sample(
            known, min(len(known), KNOWN_MAX)
        )

    def _stop_if_alive(self):
        # It may be dead already, or die of it.
        with suppress(GoneError), self._connect() as connection:
            self._stop(connection, drain_s=0.05)

    def _check_what_is_left(self, *, served):
        self.found += leftovers.outliving(self.folder, self._nest.pid, self._patience_s)
        self.found += self.claims.unexpected
        log = self._log()
        if self._is_complaint(log[self._log_read :]):
            self.found += [f"the engine complained: {log[self._log_read :]}"]
        self._log_read = len(log)
        now = evidence.gather(self.folder)
        self.found += checker.violations(now, self.claims)
        self.found += checker.orphans(now) if served else ()
        if self._last is not None:
            self.found += checker.rewritten(self._last, now)
        self._last = now

    def _settle_all(self, connection):
        """Resume what is suspended, report what is awaited, wait for the rest; all in turns."""
        end = time.perf_counter() + self._patience_s
        helped = 0
        while open_tasks := connection.ask("open")["ok"]:
            for identifier, state in open_tasks:
                if state in HELP:
                    helped += 1
                    self._help(connection, identifier, state, f"helper-{self._rounds}-{helped}")
            for identifier, state in open_tasks:
                if state not in HELP and state != "waiting":
                    self._wait(connection, identifier, end - time.perf_counter())
            if time.perf_counter() > end:
                break
        for identifier, _ in connection.ask("open")["ok"]:
            why = connection.ask("explain", reference=identifier)
            self.found += [f"task {identifier}: stuck, {why}"]

    def _help(self, connection, identifier, state, actor):
        name, data = HELP[state]
        question = {"reference": identifier, "name": name, "data": data, "actor": actor}
        outcome = ACKNOWLEDGED if "ok" in connection.ask("send", **question) else REFUSED
        self.claims.add(Sent(outcome, actor, identifier, name))

    def _wait(self, connection, identifier, left_s):
        """Wait until a task has settled; to be told only when the wait runs out is a violation."""
        began = time.perf_counter()
        view = connection.ask("wait", reference=identifier, timeout_s=max(left_s, 0.0))["ok"]
        if view["settled"] and time.perf_counter() - began > left_s > 1:
            self.found += [f"task {identifier}: nobody was told that it settled: {view}"]


def _join(threads, within_s):
    end = time.perf_counter() + within_s
    for thread in threads:
        thread.join(max(end - time.perf_counter(), 0))
