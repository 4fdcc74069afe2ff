"""The core without threads: rows, bus, frontier, worker and scheduler, wired to one another.

`Engine` runs it on a thread; a simulation drains it by hand, under a clock that it moves.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from tipman import backup, migrations
from tipman.bus import Bus
from tipman.clock import Clock
from tipman.database import DRIVER_ERRORS, Database, Row
from tipman.effects import Effect
from tipman.errors import DatabaseError, TipmanError
from tipman.events import AttemptSucceeded, Report
from tipman.frontier import Frontier
from tipman.handlers import Handlers
from tipman.journal import log_lines
from tipman.leases import begin_epoch, end_epoch, hold_server
from tipman.recovery import recover
from tipman.retention import Retention
from tipman.scheduler import Scheduler
from tipman.settings import Settings
from tipman.telemetry import Telemetry
from tipman.tipman import TIPMan
from tipman.values import LARGE
from tipman.worker import Factory, Worker

_log = logging.getLogger(__name__)


class Core:
    """One engine start on one database; whoever makes it holds the lock on its file."""

    def __init__(
        self,
        url: str,
        settings: Settings,
        clock: Clock,
        factories: Callable[[Worker], Mapping[str, Factory]],
        *,
        node: str = "node-1",
        version: str = "0",
    ) -> None:
        """Open the database, migrate it and begin an epoch.

        *factories* is given the worker and makes the executors, by types of task.

        Raises:
            DatabaseError: not to be opened, of a newer version, or not ours.
            EngineRunningError: another engine holds the PostgreSQL database.
        """
        pending = migrations.check(url)
        _copy_first(url, pending, settings, clock)
        self.settings = settings
        self.clock = clock
        self.node = node
        self.database = Database(url, durability=settings.durability)
        self.database.open()
        try:
            hold_server(self.database)
            migrations.migrate(self.database, pending)
            self.epoch = begin_epoch(self.database, clock, node=node, version=version)
            self.directory = TIPMan(self.database, self.epoch)
            self.directory.registry.open(clock.wall_us())
        except DRIVER_ERRORS as error:
            self.database.close()
            raise DatabaseError(f"can not set up the database {url}: {error}") from error
        self.frontier = _frontier(settings, self.directory)
        self.handlers = Handlers(settings, self.frontier, clock)
        self.bus = Bus(
            self.database,
            self.directory,
            clock,
            self.handlers.table(),
            self.handlers.dispatch,
        )
        self.bus.is_alone = self._is_alone
        self.worker = Worker(factories, self._report, self._hand_in)
        self.scheduler = Scheduler(clock, self.bus, self.database.reader, self.directory.deadlines)
        self.retention = Retention(
            clock, self.bus, self.directory, self.frontier, settings, self.database.reader
        )
        self.committed: Callable[[Sequence[Row]], None] = lambda _entries: None
        """Is told of every commit, by its log entries."""
        self.listeners: list[Callable[[Sequence[Row]], None]] = []
        """Are told of every commit, by its log lines."""
        self.telemetry: Telemetry | None = None
        self.bus.perform = self._perform

    def observe(self, telemetry: Telemetry) -> None:
        """Tell *telemetry* of every commit from now on, and close it in the end."""
        self.telemetry = telemetry
        self.listeners.append(telemetry.hear)

    def recover(self) -> int:
        """Close what died with earlier engines; return how many attempts were lost.

        What was queued begins to run meanwhile; a long row of it does not hold up the start.
        """
        lost = recover(
            self.database, self.bus, self.directory, self.frontier,
            node=self.node, epoch=self.epoch,
        )  # fmt: skip
        self.bus.drain()
        while lost and not lost[-1].is_decided:
            # The queue is in order: when the last is decided, all are.
            self.bus.drain()
        self.scheduler.start()
        return len(lost)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Let the bus run until *stopped* says so; nobody waits for ever for one that breaks."""
        try:
            self.bus.run(stopped)
        except Exception as error:  # noqa: BLE001 - the last border of this thread
            _log.exception("the bus broke, which only a defect can bring about")
            failure = TipmanError(f"the engine stopped by a defect of its own: {error!r}")
            self.bus.close(failure)
            self.bus.failed(failure)

    def _report(self, report: Report) -> None:
        self._lay_down(report)
        self.bus.report(report)

    def _hand_in(self, report: Report) -> None:
        self._lay_down(report)
        self.bus.hand_in(report)

    def _lay_down(self, report: Report) -> None:
        """Put a large result onto the disk before the bus sees it."""
        largest = self.settings.result_bytes_max
        if isinstance(report, AttemptSucceeded) and LARGE < len(report.result) <= largest:
            # Should it fail here, the bus will meet the same fault, and say so.
            with suppress(OSError):
                self.database.values.kept(report.result)

    def _is_alone(self) -> bool:
        return self.frontier.slots_taken <= 1

    def close(self) -> None:
        """End the epoch and let go of everything; attempts must have ended before."""
        self.scheduler.close()
        self.retention.close()
        self.worker.close()
        if self.telemetry is not None:
            self.telemetry.close()
        end_epoch(self.database, self.clock, self.epoch)
        self.database.close()

    def _perform(self, effects: list[Effect], entries: list[Row]) -> None:
        deadlines = self.directory.deadlines
        if deadlines.earliest is not None:
            self.scheduler.notice(deadlines.earliest, deadlines.together)
        if self.telemetry is not None:
            effects = self.telemetry.outfit(effects)
        self.worker.perform(effects)
        self.retention.notice(len(entries))
        self.committed(entries)
        if self.listeners:
            lines = list(log_lines(entries))
            for listener in tuple(self.listeners):
                self._tell(listener, lines)

    def _tell(self, listener: Callable[[Sequence[Row]], None], lines: Sequence[Row]) -> None:
        try:
            listener(lines)
        except Exception:  # noqa: BLE001 - it is somebody else's code
            # What somebody else does with the log must not stop the engine.
            _log.exception("a listener failed and is told no more")
            self.listeners.remove(listener)


def _frontier(settings: Settings, directory: TIPMan) -> Frontier:
    frontier = Frontier(settings.slots, settings.queues)
    for namespace in directory.registry.namespaces.values():
        frontier.limit(namespace.name, namespace.slots_max)
    return frontier


def _copy_first(url: str, pending: list[str], settings: Settings, clock: Clock) -> None:
    made = backup.back_up_before(url, pending, settings.home / backup.FOLDER, clock)
    if made is not None:
        _log.info("%s before the migrations %s", made.path, ", ".join(pending))
