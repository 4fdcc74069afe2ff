"""The world of one run: a core without threads, its clock, its clients, and how it dies."""

import shutil
from pathlib import Path
from random import Random

from simulation.audit import Audit
from simulation.executions import Execution, Executions
from simulation.plan import Plan
from simulation.violation import ViolationError
from tipman.clock import ManualClock
from tipman.core import Core
from tipman.definitions import Task
from tipman.errors import (
    ConflictError,
    KeyExistsError,
    NotFoundError,
    TipmanError,
    UnavailableError,
    UnknownDependencyError,
)
from tipman.events import CancelRequested, Event, Report, TasksSubmitted
from tipman.ids import IdSource
from tipman.receipts import Receipt
from tipman.settings import Durability, Settings
from tipman.submission import Submitter

TYPES = ("inline", "sleep", "counter", "exec")
NODE = "node-1"
_NOBODY = bytes(16)
_TURNS_MAX = 10_000
_NOW_S = 1e-6
"""An alarm that is nearer than the clock can tell rings now."""


class Crashed(BaseException):
    """The process of the engine ended here: no handler and no `except Exception` goes on."""


class World:
    """One database file and the engines that live on it, one after the other."""

    types = TYPES
    """The types of tasks that its executor takes."""

    def __init__(self, plan: Plan, folder: Path, template: Path):
        """Begin with a copy of *template*, a database without a task."""
        self.plan = plan
        self._folder = folder
        self._lives = 0
        self.file = folder / "tipman.db"
        shutil.copyfile(template, self.file)
        self.clock = ManualClock()
        self.settings = Settings(
            durability=Durability.NORMAL,
            slots=plan.slots,
            queues={"narrow": plan.narrow},
            lost_max=plan.lost_max,
        )
        entropy = Random(plan.seed).randbytes
        self._new_id = IdSource(lambda: self.clock.wall_us() // 1000, entropy)
        self.submitter = Submitter(self._new_id)
        self.tasks: dict[bytes, Task] = {}
        """All that is known to be on disk."""
        self.handed_in: dict[bytes, Task] = {}
        self._to_be_refused: list[TasksSubmitted] = []
        self._waiting: list[tuple[Event, Receipt]] = []
        self.effects_before_crash: int | None = None
        """Crash at the next commit, after so many of its effects; None for not."""
        self.audit = self.make_audit()
        self.failure: BaseException | None = None
        self.begin_life()

    def make_audit(self) -> Audit:
        """Return who judges what is committed."""
        return Audit(self.plan, self.handed_in)

    # Lives.

    def begin_life(self) -> None:
        """Start an engine; one that dies while it recovers is followed by another."""
        while True:
            self.has_jumped = False
            self.executions = Executions(self.plan.slots, self.audit.started)
            try:
                self._boot()
            except Crashed:
                self._end_life()
            else:
                return

    def _boot(self) -> None:
        executions = self.executions
        self.core = Core(
            f"sqlite:///{self.file}",
            self.settings,
            self.clock,
            lambda _core: dict.fromkeys(self.types, lambda: executions),
            node=NODE,
        )
        # The same seed has the same ids.
        self.core.handlers.adopt(self._new_id, lambda _task: True)
        self._perform = self.core.bus.perform
        self.core.bus.perform = self._perform_or_crash
        self.core.bus.failed = self._failed
        self.recover()

    def recover(self) -> None:
        self.core.recover()
        self._check_failure()

    def crash(self, *, again_after: int | None = None) -> None:
        """Lose all that is in memory; what was committed stays.

        With *again_after* the next engine dies at its first commit, after so many effects.
        """
        self._end_life()
        self.effects_before_crash = again_after
        self.begin_life()
        self.effects_before_crash = None

    def stop_in_order(self, random: Random) -> None:
        """Stop as `Engine.close` does, and start again."""
        self.effects_before_crash = None
        self.core.handlers.stop_starting()
        self.drain()
        self.core.worker.interrupt(self.settings.grace_s)
        for execution in self.executions.attached:
            self.end_attempt(execution, random)
        self.quiesce()
        self.core.bus.close(UnavailableError("the engine has stopped"))
        self._settle_receipts()
        self.audit.end_life(self.core.database)
        if self.audit.in_state("running"):
            raise ViolationError("the engine stopped in good order and left attempts behind")
        self.core.close()
        self.clock = ManualClock(self.clock.wall_us())
        self.begin_life()

    def _end_life(self) -> None:
        self.audit.ends.orphan(self.executions)
        self.audit.end_life(self.core.database)
        self._waiting.clear()
        self.effects_before_crash = None
        self._keep_what_was_committed()
        for identifier in self.audit.instances:
            self.tasks.setdefault(identifier, self.handed_in[identifier])
        self.clock = ManualClock(self.clock.wall_us())

    def _keep_what_was_committed(self) -> None:
        """Go on with the files as they are now: nothing of this engine's closing gets there."""
        self._lives += 1
        file = self._folder / f"tipman-{self._lives}.db"
        for suffix in ("", "-wal"):
            source = self.file.with_name(self.file.name + suffix)
            if source.exists():
                shutil.copyfile(source, file.with_name(file.name + suffix))
        self.abandon()
        self.file = file

    def abandon(self) -> None:
        """Close the files of the last engine."""
        self.core.scheduler.close()
        self.core.database.close()

    def _perform_or_crash(self, effects, lines) -> None:
        if self.effects_before_crash is None:
            self._perform(effects, lines)
            return
        self._perform(effects[: self.effects_before_crash], [])
        raise Crashed

    def _failed(self, error: BaseException) -> None:
        self.failure = error

    # Clients.

    def submit(self, event: TasksSubmitted) -> None:
        for submission in event.submissions:
            self.handed_in[submission.instance] = submission.task
            self.audit.dependencies_of(submission)
        self.publish(event)

    def submit_in_vain(self, event: TasksSubmitted) -> None:
        """Hand in what must be refused."""
        self._to_be_refused.append(event)
        self.publish(event)

    def publish(self, event: Event) -> None:
        self.audit.asked(event)
        self._waiting.append((event, self.core.bus.publish_nowait(event)))

    # Executors.

    def end_attempt(self, execution: Execution, random: Random) -> None:
        """Let an attempt end in one of the ways that its executor may report."""
        task = self.handed_in[execution.effect.instance]
        report = self.audit.ends.end(self.executions, execution, task, random)
        self.report(report)

    def report(self, report: Report) -> None:
        """Pass on what an executor says."""
        self.core.worker.report(report)

    def succeed(self, execution: Execution) -> None:
        """Let an attempt end well."""
        task = self.handed_in[execution.effect.instance]
        self.report(self.audit.ends.succeed(self.executions, execution, task))

    def come_back(self, execution: Execution) -> None:
        """Let a detached attempt come back."""
        self.report(self.audit.ends.come_back(self.executions, execution))

    # Time, and a look at the log.

    def jump(self, seconds: float) -> None:
        """Let somebody set the wall clock."""
        self.clock.jump(seconds)
        self.has_jumped = True

    def states(self) -> dict[bytes, str]:
        """Return the states of all tasks on disk, as the log has them."""
        self.audit.ledger.read(self.core.database)
        return {identifier: folded.state for identifier, folded in self.audit.instances.items()}

    # Turns.

    def drain(self) -> bool:
        """Let the bus drain once; return whether there was anything."""
        try:
            had_any = self.core.bus.drain()
        except Crashed:
            self.crash()
            return True
        self._check_failure()
        self._settle_receipts()
        return had_any

    def quiesce(self) -> None:
        """Let everything happen that needs neither time nor somebody outside."""
        for _ in range(_TURNS_MAX):
            core = self.core
            while (alarm_s := self.clock.next_alarm_s()) is not None and alarm_s < _NOW_S:
                self.clock.advance(_NOW_S)
            # Behind it in the queue is nothing; a drain that had nothing to write may not be
            # the last one.
            mark = core.bus.publish_nowait(CancelRequested(_NOBODY, "simulation", None))
            while not mark.is_decided and core is self.core:
                self.drain()
            while self.drain():
                pass
            alarm_s = self.clock.next_alarm_s()
            if core is self.core and (alarm_s is None or alarm_s >= _NOW_S):
                return
        raise ViolationError("the core never comes to rest")

    def look(self) -> None:
        """Check all that must hold whenever nothing moves."""
        self.quiesce()
        self.audit.check(self.core, self.executions, self.tasks)
        self.audit.check_alarm(self.core.database, self.clock, has_jumped=self.has_jumped)

    def _check_failure(self) -> None:
        if self.executions.violation is not None:
            raise self.executions.violation
        if self.failure is not None:
            raise ViolationError(f"the engine stopped: {self.failure}") from self.failure

    def _settle_receipts(self) -> None:
        still = []
        for event, receipt in self._waiting:
            if receipt.is_decided:
                self._answered(event, receipt)
            else:
                still.append((event, receipt))
        self._waiting = still

    def _answered(self, event: Event, receipt: Receipt) -> None:
        try:
            receipt.result()
        except UnavailableError:
            return
        except ConflictError:
            self.audit.refused(event)
            return
        except TipmanError as error:
            if not self._is_rightly_refused(event, error):
                raise ViolationError(f"{event.wire} was refused: {error}") from error
            return
        if event in self._to_be_refused:
            raise ViolationError("tasks were taken that had to be refused")
        self.audit.acknowledged(event)
        if isinstance(event, TasksSubmitted):
            for submission in event.submissions:
                self.tasks[submission.instance] = submission.task

    def _is_rightly_refused(self, event: Event, error: TipmanError) -> bool:
        if isinstance(error, NotFoundError):
            return event.instance not in self.tasks
        is_wrong = isinstance(error, (KeyExistsError, UnknownDependencyError))
        return is_wrong and event in self._to_be_refused
