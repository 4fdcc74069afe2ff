"""Events: facts that happened, frozen, each with a wire name.

Only an event moves an instance. What executors report, what a timer says, what somebody asked for:
all of it arrives as one of these, in order, on the bus.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, NamedTuple


class StopReason(Enum):
    """Why a running attempt is ended before it ended by itself."""

    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    SUSPENDED = "suspended"
    INTERRUPTED = "interrupted"
    """The engine is stopping; the task is queued again at the next start."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt failed.

    `code` is stable (`exit_code exception timeout lost http too_large interpreter …`). `matches`
    holds every retry condition that this failure meets, such as `exit:3`,
    `exception:ValueError` with its bases, `http:503` or `timeout`.
    """

    code: str
    message: str
    traceback: str | None = None
    matches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events; `wire` is the name in the log and over REST."""

    wire: ClassVar[str] = "event"
    instance: bytes
    """The instance it is for: a UUID in 16 bytes."""


@dataclass(frozen=True, slots=True)
class Report(Event):
    """What the owner of an attempt says of it; only the current attempt's counts."""

    attempt: int
    epoch: int
    """The engine start that owns the attempt."""


@dataclass(frozen=True, slots=True)
class AttemptSucceeded(Report):
    """The attempt ended well."""

    wire: ClassVar[str] = "attempt.succeeded"
    result: str
    """JSON text."""
    kept: str | None = None
    """JSON text of what is kept between runs (a class task's fields), None for nothing."""
    added: str | None = None
    """JSON text of what it adds to the context, where that is not its result."""


@dataclass(frozen=True, slots=True)
class AttemptFailed(Report):
    """The attempt ended badly by itself."""

    wire: ClassVar[str] = "attempt.failed"
    failure: Failure
    result: str | None = None
    """JSON text of what is known all the same, as an exit code."""


@dataclass(frozen=True, slots=True)
class AttemptTimedOut(Report):
    """The attempt was ended because it took longer than it may."""

    wire: ClassVar[str] = "attempt.timed_out"
    result: str | None = None
    detached: bool = False
    """It could not be ended: it goes on unseen and `AttemptReturned` will follow."""


@dataclass(frozen=True, slots=True)
class AttemptInterrupted(Report):
    """The attempt was ended because somebody asked, or because the engine stops."""

    wire: ClassVar[str] = "attempt.interrupted"
    reason: StopReason
    result: str | None = None
    detached: bool = False


class AttemptLost(Report):
    """The attempt's engine died, and the attempt with it."""

    __slots__ = ()
    wire: ClassVar[str] = "attempt.lost"


class AttemptReturned(Report):
    """A detached attempt has come back at last: its outcome is fenced, its slot is free."""

    __slots__ = ()
    wire: ClassVar[str] = "attempt.returned"


@dataclass(frozen=True, slots=True)
class Requested(Event):
    """Something that was asked for from outside."""

    actor: str
    data: Any  # a JSON value, None for nothing


class CancelRequested(Requested):
    """Somebody wants it ended."""

    __slots__ = ()
    wire: ClassVar[str] = "cancel.requested"


class SuspendRequested(Requested):
    """Somebody wants it held."""

    __slots__ = ()
    wire: ClassVar[str] = "suspend.requested"


class ResumeRequested(Requested):
    """Somebody wants it to go on."""

    __slots__ = ()
    wire: ClassVar[str] = "resume.requested"


class RetryRequested(Requested):
    """Somebody wants what ended badly to be tried again."""

    __slots__ = ()
    wire: ClassVar[str] = "retry.requested"


class FinishReported(Requested):
    """The outside event that a `wait` task waits for; `data` is its result."""

    __slots__ = ()
    wire: ClassVar[str] = "finish.reported"


class FailReported(Requested):
    """The outside says that what a `wait` task waits for will not come."""

    __slots__ = ()
    wire: ClassVar[str] = "fail.reported"


class ApproveReported(Requested):
    """Somebody approves what an `approval` task asks; `data` is what its form wants."""

    __slots__ = ()
    wire: ClassVar[str] = "approve.reported"


class RejectReported(Requested):
    """Somebody rejects what an `approval` task asks; `data` says why."""

    __slots__ = ()
    wire: ClassVar[str] = "reject.reported"


class AwaitingStarted(Event):
    """A task waits for people, or for what others do for it: look what there is to begin."""

    __slots__ = ()
    wire: ClassVar[str] = "awaiting.started"


class TimerFired(Event):
    """The instant that the instance waited for has come."""

    __slots__ = ()
    wire: ClassVar[str] = "timer.fired"


@dataclass(frozen=True, slots=True)
class TimersFired(Event):
    """The instants of several have come; `instance` is the first of them."""

    wire: ClassVar[str] = "timers.fired"
    instances: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class DependencySettled(Event):
    """Something that the instance waits for has settled."""

    wire: ClassVar[str] = "dependency.settled"
    dependency: bytes
    succeeded: bool


@dataclass(frozen=True, slots=True)
class DependencyReopened(Event):
    """Something that had settled is tried again, so the instance may wait for it anew."""

    wire: ClassVar[str] = "dependency.reopened"
    dependency: bytes
    had_succeeded: bool = False
    """As a map with items that failed all the same."""


class Submission(NamedTuple):
    """A task that is ready to be written down: validated, its rows built."""

    instance: bytes
    task: Any
    """The `tipman.definitions.Task`; calls of one function share it, but for the arguments."""
    row: tuple[Any, ...]
    """The row of the `task` table, the arguments of this instance in it."""
    dependencies: tuple[bytes | str, ...]
    """Ids, or keys in the same namespace that were not in the batch."""

    @property
    def arguments(self) -> str:
        """JSON text."""
        return str(self.row[5])


@dataclass(frozen=True, slots=True)
class RunDraft:
    """A run of a workflow that is ready to be written down."""

    namespace: str
    key: str | None
    row: tuple[Any, ...]
    """The row of the `workflow_run` table, its id and its name first."""
    schedule: bytes | None = None
    """The schedule that it is of."""


@dataclass(frozen=True, slots=True)
class TasksSubmitted(Event):
    """Somebody handed in tasks, all or none of them; `instance` is the first."""

    wire: ClassVar[str] = "task.submitted"
    submissions: tuple[Submission, ...]
    actor: str
    run: RunDraft | None = None
    """What all of them belong to, None for no run."""


class RunStarted(Event):
    """The first task of a run has begun."""

    __slots__ = ()
    wire: ClassVar[str] = "run.started"


class RunDrained(Event):
    """No node of a run is open any more."""

    __slots__ = ()
    wire: ClassVar[str] = "run.drained"


class RunReopened(Event):
    """A node of a run that had none open is tried again."""

    __slots__ = ()
    wire: ClassVar[str] = "run.reopened"


@dataclass(frozen=True, slots=True)
class ChildSettled(Event):
    """What an instance waits for, besides its dependencies, has settled."""

    wire: ClassVar[str] = "child.settled"
    child: bytes
    state: str


@dataclass(frozen=True, slots=True)
class ChildReopened(Event):
    """What had settled below an instance is tried again."""

    wire: ClassVar[str] = "child.reopened"
    child: bytes


@dataclass(frozen=True, slots=True)
class Specified(Event):
    """Somebody said when a schedule is to submit what; *spec* and *task* are JSON texts."""

    actor: str
    spec: str
    task: str
    parsed: Any
    """The `tipman.definitions.schedules.Schedule` of the first."""


@dataclass(frozen=True, slots=True)
class ScheduleCreated(Specified):
    """Somebody made a schedule."""

    wire: ClassVar[str] = "schedule.created"
    namespace: str
    key: str | None
    name: str


@dataclass(frozen=True, slots=True)
class ScheduleChanged(Specified):
    """Somebody gave fields, *changes*, of a schedule other values; refused if it was overtaken."""

    wire: ClassVar[str] = "schedule.changed"
    revision: int
    """The one that was looked at."""
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScheduleDeleted(Event):
    """Somebody ended a schedule; its key is free again."""

    wire: ClassVar[str] = "schedule.deleted"
    actor: str


class PauseRequested(Requested):
    """Somebody wants a schedule to submit nothing for a while."""

    __slots__ = ()
    wire: ClassVar[str] = "pause.requested"


class TriggerRequested(Requested):
    """Somebody wants a schedule to submit once more, now."""

    __slots__ = ()
    wire: ClassVar[str] = "trigger.requested"


class BackfillRequested(Requested):
    """Somebody wants instants of the past to be run; *data* is a `Backfill`."""

    __slots__ = ()
    wire: ClassVar[str] = "backfill.requested"


@dataclass(frozen=True, slots=True)
class SlotSettled(Event):
    """A run of a schedule, which *instance* names, has settled."""

    wire: ClassVar[str] = "slot.settled"
    run: bytes
    slot: tuple[int, int, int, bool]
    state: str


@dataclass(frozen=True, slots=True)
class SlotReopened(Event):
    """A run of a schedule that had settled is tried again."""

    wire: ClassVar[str] = "slot.reopened"
    run: bytes
    due_at: int
    backfill: int
    manual: int


class SlotReleased(Event):
    """The turn of a run has come that waited for others of its schedule."""

    __slots__ = ()
    wire: ClassVar[str] = "slot.released"


@dataclass(frozen=True, slots=True)
class SlotSuperseded(Event):
    """A newer run of its schedule took the place of one that waited."""

    wire: ClassVar[str] = "slot.superseded"
    by: bytes
