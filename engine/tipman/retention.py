"""Retention: when to prune, how much, and what goes with the rows.

A pass reads on a connection of its own and removes in interludes of the bus, batch by batch, so
that events wait for no more than one. It comes every hour, and sooner where a number of instances
is kept and many have settled since.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from tipman import pruning, trimming
from tipman.bus import Bus
from tipman.clock import AGAIN_S, MICROSECONDS, Alarm, Clock, rfc3339
from tipman.database import DRIVER_ERRORS, Database
from tipman.errors import TipmanError
from tipman.frontier import Frontier
from tipman.ids import text_of
from tipman.settings import Settings
from tipman.tipman import TIPMan

PASS_EVERY_S = 3600.0
FIRST_PASS_S = 60.0
"""After a start, which has other things to do at first."""
CLOSE_WAIT_S = 5.0
_DAY_S = 86_400
_SLACK = 0.25
"""Share of what is kept that may have settled on top of it before a pass comes early."""
_FAILURES: tuple[type[Exception], ...] = (TipmanError, *DRIVER_ERRORS)
_log = logging.getLogger(__name__)


class Pruned(NamedTuple):
    """What a pass removed, or what one would remove."""

    settled_before_us: int
    rows: dict[str, int]
    """How many, by what they were: `instances`, `log_entries`, …"""

    def view(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"settled_before": rfc3339(self.settled_before_us), "rows": self.rows}


class Retention:
    """Prunes the rows of one engine, and the folders of their attempts."""

    def __init__(
        self,
        clock: Clock,
        bus: Bus,
        directory: TIPMan,
        frontier: Frontier,
        settings: Settings,
        reader: Callable[[], Database],
    ) -> None:
        self._clock = clock
        self._bus = bus
        self._directory = directory
        self._frontier = frontier
        self._settings = settings
        self._open_reader = reader
        self._attempts = settings.home / "attempts"
        self._turn = threading.Lock()
        self._alarm: Alarm | None = None
        self._alarm_lock = threading.Lock()
        self._entries = 0
        self._is_early = self._is_closed = False

    # When.

    def start(self) -> None:
        """Arm the alarm."""
        self._arm(FIRST_PASS_S)

    def close(self) -> None:
        """Call the alarm off, and let a pass end, which the bus takes nothing from any more."""
        with self._alarm_lock:
            self._is_closed = True
            if self._alarm is not None:
                self._alarm.cancel()
        if self._turn.acquire(timeout=CLOSE_WAIT_S):
            self._turn.release()

    def notice(self, entries: int) -> None:
        """Take note of a commit of so many log entries; on the bus's thread."""
        most = self._settings.retention_tasks_max
        if most is None or self._is_early:
            return
        self._entries += entries
        # No task settles with fewer than two entries, so this is never too late by much.
        if self._entries > 2 * (_SLACK * most + pruning.BATCH):
            self._is_early = True
            self._arm(0.0)

    def _arm(self, delay_s: float) -> None:
        with self._alarm_lock:
            if self._is_closed:
                return
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = self._clock.call_later(delay_s, self._ring)

    def _ring(self) -> None:
        try:
            self.prune()
        except _FAILURES as error:
            if not self._is_closed:
                _log.error("pruning came to an end: %s", error)
        while not self._has_armed():
            self._clock.wait(AGAIN_S)

    def _has_armed(self) -> bool:
        try:
            self._arm(PASS_EVERY_S)
        except RuntimeError:
            # No thread was to be had for the alarm.
            return False
        return True

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Remove nothing meanwhile. It waits for a pass to end, and a pass for this."""
        with self._turn:
            yield

    # What.

    def prune(self) -> Pruned:
        """Remove all that is not to be kept; from any thread but the bus's, one pass at a time.

        Raises:
            UnavailableError: the engine is stopping; what was removed so far is gone.
            DatabaseError: as above, for a worse reason.
        """
        rows: Counter[str] = Counter()
        before_us = self._aged_before()
        with self._turn, self._reading() as database:
            self._entries, self._is_early = 0, False
            self._remove_folders(pruning.last_removed(database))
            for batch in pruning.batches(pruning.families(database, before_us)):
                rows.update(self._remove(batch))
            for batch in pruning.batches(self._surplus(database)):
                rows.update(self._remove(batch))
            for schedules in trimming.candidates(database):
                rows.update(self._trim(database, schedules, before_us))
            self._sweep(database)
        if rows:
            _log.info("pruned %d instances, %d rows in all", rows["instances"], rows.total())
        return Pruned(before_us, dict(rows))

    def preview(self) -> Pruned:
        """Say what `prune` would remove now, and remove nothing."""
        rows: Counter[str] = Counter()
        before_us = self._aged_before()
        with self._reading() as database:
            seen: set[pruning.Family] = set()
            for batch in pruning.batches(pruning.families(database, before_us)):
                seen.update(batch)
                rows.update(pruning.count(database, batch))
            for batch in pruning.batches(self._surplus(database)):
                rows.update(pruning.count(database, [each for each in batch if each not in seen]))
            for schedules in trimming.candidates(database):
                rows.update(trimming.count(database, schedules, before_us))
        return Pruned(before_us, {what: count for what, count in rows.items() if count})

    def _aged_before(self) -> int:
        kept_us = round(self._settings.retention_days * _DAY_S * MICROSECONDS)
        return max(self._clock.wall_us() - kept_us, 0)

    def _surplus(self, database: Database) -> Iterator[pruning.Family]:
        """Yield the oldest of what has settled beyond the number that is kept."""
        most = self._settings.retention_tasks_max
        if most is None:
            return
        left = pruning.settled_count(database) - most
        if left <= 0:
            return
        for family in pruning.families(database, self._clock.wall_us()):
            yield family
            left -= len(family.ids)
            if left <= 0:
                return

    # How.

    def _remove(self, batch: list[pruning.Family]) -> dict[str, int]:
        removal: pruning.Removal = self._between(partial(self._step, batch))
        self._remove_folders(removal.ids)
        return removal.rows

    def _trim(self, database: Database, schedules: list[bytes], before_us: int) -> Counter[str]:
        """Remove what schedules that go on decided long ago, part by part."""
        rows: Counter[str] = Counter()
        step = partial(trimming.trim, schedules=schedules, before_us=before_us)
        while trimming.is_old(database, schedules, before_us):
            rows.update(self._between(step))
        return rows

    def _sweep(self, database: Database) -> None:
        """Remove the large values that nothing refers to any more."""
        references = list(database.values.references())
        for low in range(0, len(references), pruning.BATCH):
            part = references[low : low + pruning.BATCH]
            self._between(partial(pruning.sweep, references=part))
        if references:
            self._between(_turn)

    def _between(self, step: Callable[[Database], Any]) -> Any:
        """Do something between two drains of the bus; return what it returned."""
        done = self._bus.interludes.put(step)
        while not done.done() and not self._bus.is_running:
            self._bus.drain()
        return done.result()

    def _step(self, batch: list[pruning.Family], database: Database) -> pruning.Removal:
        now_us = self._clock.wall_us()
        removal = pruning.remove(database, batch, now_us, self._frontier.holds)
        self._directory.forget(removal.ids)
        return removal

    def _remove_folders(self, ids: Iterable[bytes]) -> None:
        # It brings three libraries that compress, for which nothing else has a use.
        import shutil  # noqa: PLC0415 - see above

        for identifier in ids:
            folder = self._attempts / text_of(identifier)
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                continue
            except OSError as error:
                _log.warning("can not remove %s, whose task was pruned: %s", folder, error)

    @contextmanager
    def _reading(self) -> Iterator[Database]:
        database = self._open_reader()
        try:
            yield database
        finally:
            database.close()


def _turn(database: Database) -> None:
    database.values.turn()
