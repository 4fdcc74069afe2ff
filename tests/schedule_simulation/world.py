"""The world of one run: a core without threads, its clock, its people, and how it dies."""

import heapq
import itertools
import shutil
from pathlib import Path
from random import Random

from schedule_simulation.clock import LeapingClock
from schedule_simulation.evidence import Absence, Setback
from schedule_simulation.plan import Plan
from schedules.leads import fix_lead
from simulation.executions import Execution, Executions
from simulation.violation import ViolationError
from simulation.world import NODE, Crashed
from tipman.clock import MICROSECONDS
from tipman.core import Core
from tipman.definitions.schedules import schedule_of
from tipman.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from tipman.events import (
    AttemptFailed,
    AttemptInterrupted,
    AttemptSucceeded,
    Event,
    Failure,
    ScheduleChanged,
    ScheduleCreated,
)
from tipman.handlers.plans import task_text
from tipman.ids import IdSource
from tipman.jsontext import dumps, parsed
from tipman.receipts import Receipt
from tipman.settings import Durability, Settings

ACTOR = "simulation"
_HOUR_S = 3_600
_TURNS_MAX = 100_000
_AT = 3
"""Where a log entry says when it was."""
_BOOM = Failure("exception", "boom", None, ("exception:ValueError",))
_WAKE = "SELECT min(coalesce(wake_at, times_out_at)) FROM instance WHERE settled_at IS NULL"
_POSITION = "SELECT max(position) FROM log_entry"
_SPEC = (
    "SELECT s.spec, s.task, s.revision, i.state FROM schedule AS s"
    " JOIN instance AS i ON i.id = s.id WHERE s.id = ?"
)


class World:
    """One database file and the engines that live on it, one after the other."""

    def __init__(self, plan: Plan, folder: Path, template: Path):
        """Begin with a copy of *template*, a database without a schedule."""
        self.plan = plan
        self._folder = folder
        self._lives = 0
        self.file = folder / "tipman.db"
        shutil.copyfile(template, self.file)
        self.clock = LeapingClock()
        self.settings = Settings(durability=Durability.NORMAL, slots=plan.slots)
        self.random = Random(plan.seed)
        self.new_id = IdSource(
            lambda: self.clock.wall_us() // 1000, Random(plan.seed + 1).randbytes
        )
        self.schedules: list[bytes] = []
        """All that somebody asked for, in vain or not."""
        self.absences: list[Absence] = []
        self.setbacks: list[Setback] = []
        self._waiting: list[Receipt] = []
        self._numbers = itertools.count()
        self.drains_before_crash: int | None = None
        self.effects_before_crash: int | None = None
        """Crash at the next commit, after so many of its effects; None for not."""
        self.down_s = 0
        """How long nobody starts the engine again after the next crash."""
        self.failure: BaseException | None = None
        self._started: set[tuple[bytes, int]] = set()
        self.begin_life()

    # Lives.

    def begin_life(self) -> None:
        """Start an engine; one that dies while it recovers is followed by another."""
        while True:
            self.executions = Executions(self.plan.slots, self._started)
            self._ends: list[tuple[int, int, Execution]] = []
            try:
                self._boot()
            except Crashed:
                self._end_life()
            else:
                return

    def _boot(self) -> None:
        executions = self.executions
        url = f"sqlite:///{self.file}"
        self.core = Core(
            url, self.settings, self.clock, lambda _core: {"sleep": lambda: executions}, node=NODE
        )
        # The same seed has the same ids.
        self.core.handlers.firing._new_id = self.new_id
        self.core.handlers.presence._id = self.new_id()
        if self.plan.lead_us:
            fix_lead(self.core, self.plan.lead_us)
        self._perform = self.core.bus.perform
        self.core.bus.perform = self._perform_or_crash
        self.core.bus.failed = self._failed
        self.guard()
        self.core.recover()
        self._check_failure()

    def guard(self) -> None:
        """Switch protections off, in the worlds that lack one."""

    def crash(self) -> None:
        """Lose all that is in memory; what was committed stays."""
        self._end_life()
        self.begin_life()

    def stop_in_order(self) -> None:
        """Stop as `Engine.close` does, and start again."""
        self.effects_before_crash = self.drains_before_crash = None
        self.core.handlers.stop_starting()
        self.core.worker.interrupt(self.settings.grace_s)
        for execution in self.executions.attached:
            self._interrupt(execution)
        self.rest()
        died_at = self.clock.wall_us()
        self.core.bus.close(UnavailableError("the engine has stopped"))
        self.core.close()
        self._be_down(died_at)
        self.begin_life()

    def _end_life(self) -> None:
        died_at = self.clock.wall_us()
        self._waiting.clear()
        self.effects_before_crash = self.drains_before_crash = None
        self._keep_what_was_committed()
        self._be_down(died_at)

    def _be_down(self, died_at: int) -> None:
        self.clock.forget_alarms()
        self.clock.leap(self.down_s * MICROSECONDS)
        self.down_s = 0
        self.absences.append(Absence("down", died_at, self.clock.wall_us()))

    def _keep_what_was_committed(self) -> None:
        """Go on with the files as they are now: nothing of this engine's closing gets there."""
        self._lives += 1
        file = self._folder / f"tipman-{self._lives}.db"
        for suffix in ("", "-wal"):
            source = self.file.with_name(self.file.name + suffix)
            if source.exists():
                shutil.copyfile(source, file.with_name(file.name + suffix))
        self.abandon()
        self.file.unlink()
        self.file = file

    def abandon(self) -> None:
        """Close the files of the last engine."""
        self.core.scheduler.close()
        self.core.database.close()

    def _perform_or_crash(self, effects, lines) -> None:
        if any(line[_AT] > self.clock.wall_us() for line in lines):
            raise ViolationError("it is on disk before its time")
        if self.effects_before_crash is None:
            self._perform(effects, lines)
            return
        self._perform(effects[: self.effects_before_crash], [])
        raise Crashed

    def _failed(self, error: BaseException) -> None:
        self.failure = error

    # People.

    def create(self, given: dict[str, object]) -> bytes:
        """Make a schedule, without the engine's part in judging it; return its id."""
        schedule, task = schedule_of(given)
        identifier = self.new_id()
        self.schedules.append(identifier)
        self.publish(
            ScheduleCreated(
                identifier, ACTOR, schedule.text, task_text(task), schedule, "default", None,
                task.name,
            )
        )  # fmt: skip
        return identifier

    def change(self, identifier: bytes, changes: dict[str, object]) -> None:
        """Change a schedule; None goes back to the default."""
        rows = self.core.database.fetch(_SPEC, (identifier,))
        if not rows:
            return
        spec, task, revision, state = rows[0]
        given = {**parsed(spec), **changes}
        given = {name: value for name, value in given.items() if value is not None}
        given["paused"] = state == "paused"
        try:
            schedule, _ = schedule_of(given)
        except InvalidError:
            # Nobody gets so far with what makes no sense together.
            return
        names = tuple(sorted(changes))
        self.publish(
            ScheduleChanged(identifier, ACTOR, schedule.text, task, schedule, revision, names)
        )

    def publish(self, event: Event) -> None:
        self._waiting.append(self.core.bus.publish_nowait(event))

    # Executors.

    def _end(self, execution: Execution) -> None:
        owner = execution.effect.instance, execution.effect.attempt, execution.effect.epoch
        if execution.stop is not None:
            self._interrupt(execution)
            return
        self.executions.open.pop(execution.number)
        if self.random.random() < 0.85:
            self.core.worker.report(AttemptSucceeded(*owner, dumps(None)))
        else:
            self.core.worker.report(AttemptFailed(*owner, _BOOM))

    def _interrupt(self, execution: Execution) -> None:
        effect, stop = execution.effect, execution.stop
        self.executions.open.pop(execution.number)
        self.core.worker.report(
            AttemptInterrupted(effect.instance, effect.attempt, effect.epoch, stop.reason)
        )

    def _plan_ends(self) -> None:
        planned = {execution.number: at for at, _, execution in self._ends}
        now = self.clock.boot_us()
        for number, execution in self.executions.open.items():
            if number not in planned:
                length_s = self._length_s()
            elif execution.stop is not None and planned[number] > now + 5 * MICROSECONDS:
                length_s = 5 * self.random.random()
            else:
                continue
            at = now + round(length_s * MICROSECONDS)
            heapq.heappush(self._ends, (at, next(self._numbers), execution))

    def _length_s(self) -> float:
        most = self.random.choice((0, 10, 10, _HOUR_S, 5 * _HOUR_S, 24 * _HOUR_S))
        return most * self.random.random()

    # Time.

    def set_clock(self, seconds: float) -> None:
        """Let somebody set the wall clock."""
        self.look()
        before = self.clock.wall_us()
        self.clock.jump(seconds)
        if seconds > 0:
            self.absences.append(Absence("asleep", before, self.clock.wall_us()))
        else:
            position = self.core.database.fetch(_POSITION)[0][0] or 0
            self.setbacks.append(Setback(position, round(-seconds * MICROSECONDS)))

    def suspend(self, seconds: int) -> None:
        """Let the machine sleep."""
        self.look()
        before = self.clock.wall_us()
        self.clock.suspend(seconds)
        self.absences.append(Absence("asleep", before, self.clock.wall_us()))

    def look(self) -> None:
        """Ring what the leaps passed over: an engine looks at its clocks every half minute."""
        self.clock.ring()
        self.rest()

    def run_until(self, boot_us: int) -> None:
        """Let time pass, and happen what falls due meanwhile."""
        for _ in range(_TURNS_MAX):
            self.rest()
            now = self.clock.boot_us()
            due = self._next_us(now)
            ends_at = self._ends[0][0] if self._ends else boot_us
            if min(due, ends_at, boot_us) >= boot_us:
                self.clock.leap(max(boot_us - now, 0))
                return
            self.clock.leap(max(min(due, ends_at) - now, 0))
            while self._ends and self._ends[0][0] <= self.clock.boot_us():
                _, _, execution = heapq.heappop(self._ends)
                if self.executions.open.get(execution.number) is execution:
                    self._end(execution)
            if due <= ends_at:
                self.clock.ring()
        raise ViolationError("something is due again and again")

    def _next_us(self, now: int) -> int:
        """Return when an alarm rings that has something to do, on the clock that never stops."""
        wake_at = self.core.database.fetch(_WAKE)[0][0]
        if wake_at is None:
            return 1 << 62
        alarm_s = self.clock.next_alarm_s()
        if alarm_s is None:
            raise ViolationError("there is a deadline, and no alarm is armed")
        away = wake_at - self.clock.wall_us()
        if away <= 0:
            # What is due may have to wait until somebody looks at a clock that was set.
            return now + round(alarm_s * MICROSECONDS) + 1
        if away > 2 * self.plan.lead_us > 0:
            # Some time around that at which it would be prepared.
            return now + away - round(2 * self.random.random() * self.plan.lead_us)
        return now + away + round(self.random.random() * self.plan.lag_s * MICROSECONDS)

    # Turns.

    def rest(self) -> None:
        """Let everything happen that needs neither time nor somebody outside."""
        for _ in range(_TURNS_MAX):
            if not self.core.bus._has_work:
                self._plan_ends()
                return
            self.drain()
        raise ViolationError("the core never comes to rest")

    def drain(self) -> None:
        """Let the bus drain once, if the engine lives so long."""
        if self.drains_before_crash is not None:
            self.drains_before_crash -= 1
            if self.drains_before_crash < 0:
                self.crash()
                return
        try:
            self.core.bus.drain()
        except Crashed:
            self.crash()
            return
        self._check_failure()
        self._settle_receipts()

    def _check_failure(self) -> None:
        if self.executions.violation is not None:
            raise self.executions.violation
        if self.failure is not None:
            raise ViolationError(f"the engine stopped: {self.failure}") from self.failure

    def _settle_receipts(self) -> None:
        still = []
        for receipt in self._waiting:
            if not receipt.is_decided:
                still.append(receipt)
                continue
            try:
                receipt.result()
            except (ConflictError, NotFoundError):
                continue
        self._waiting = still
