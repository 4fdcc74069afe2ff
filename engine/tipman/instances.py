"""Instances: one row of the directory, as the bus works with it."""

from tipman.charts import ENDED, Move, history_text, initial_of, snapshot_of
from tipman.database import Row
from tipman.definitions import Task
from tipman.resources import TaskRow
from tipman.statecharts import Snapshot


class Instance:
    """One row of the directory, as the bus works with it."""

    __slots__ = (
        "arguments",
        "attempt",
        "attempts_used",
        "cause",
        "chain",
        "configuration",
        "dependencies_remaining",
        "dependencies_unmet",
        "dependents",
        "due_at",
        "early",
        "epoch",
        "held_by",
        "id",
        "key",
        "kind",
        "lost",
        "name",
        "namespace",
        "opening",
        "parent",
        "queued_at",
        "reason",
        "run",
        "schedule",
        "sequence",
        "settled_at",
        "slot",
        "snapshot",
        "started_at",
        "state",
        "stored_deadline",
        "stored_rare",
        "stored_sequence",
        "submitted_at",
        "task",
        "times_out_at",
        "wake_at",
    )

    id: bytes
    kind: str
    namespace: str
    key: str | None
    name: str
    submitted_at: int
    snapshot: Snapshot
    configuration: str
    state: str
    sequence: int
    opening: int
    attempt: int
    attempts_used: int
    lost: int
    dependencies_remaining: int
    dependencies_unmet: int
    dependents: int
    cause: bytes | None
    epoch: int | None
    due_at: int | None
    wake_at: int | None
    times_out_at: int | None
    """When the attempt that runs is ended."""
    queued_at: int | None
    started_at: int | None
    settled_at: int | None
    chain: bytes
    early: str | None
    run: bytes | None
    schedule: bytes | None
    """The schedule that it is a run of."""
    parent: bytes | None
    """Who is told when it settles, besides its dependents."""
    reason: str | None
    """Why its rule skipped it, or why the run failed, as JSON text."""
    held_by: bytes | None
    """Whose suspension suspended it: its run's, or another's above it; None for its own."""
    slot: tuple[int, int, int] | None
    """Of a run that shares its task with others of its schedule; else its task says it."""
    task: Task | None
    arguments: str
    stored_deadline: tuple[int | None, int | None]
    """`deadline` as it stands in the row."""
    stored_rare: Row
    stored_sequence: int

    def __init__(
        self, identifier: bytes, task: Task, arguments: str, submitted_at: int, move: Move
    ) -> None:
        self.id = self.chain = identifier
        self.arguments = arguments
        self.kind = "task"
        self.namespace = task.namespace
        self.key = task.key
        self.name = task.name
        self.submitted_at = submitted_at
        self.task = task
        self.stored_deadline, self.stored_rare = OPEN, PLAIN
        self.stored_sequence = self.sequence = 0
        self.opening = 1
        self.attempt = self.attempts_used = self.lost = 0
        self.dependencies_remaining = self.dependencies_unmet = self.dependents = 0
        self.cause = self.epoch = self.due_at = self.wake_at = self.times_out_at = None
        self.queued_at = self.started_at = self.settled_at = None
        self.early = self.run = self.schedule = self.parent = self.reason = self.held_by = None
        self.slot = None
        self.take(move)

    def take(self, move: Move) -> None:
        """Be where a step of the chart leads."""
        self.snapshot = move.snapshot
        self.configuration = move.configuration
        self.state = move.state

    @property
    def is_settled(self) -> bool:
        """Whether it has ended, for this opening."""
        return self.state in ENDED

    @classmethod
    def from_row(cls, row: Row) -> "Instance":
        """Return what a row of `SELECT_INSTANCE` says, its task not loaded yet."""
        self = cls.__new__(cls)
        (
            identifier, self.kind, self.namespace, self.key, self.name, self.submitted_at,
            self.state, self.configuration, self.sequence, self.attempt, self.epoch,
            self.wake_at, self.times_out_at, self.queued_at, self.started_at, self.settled_at,
            chain, history, self.opening, self.attempts_used, self.lost,
            self.dependencies_remaining, self.dependencies_unmet, self.dependents, self.cause,
            self.due_at, self.early,
            self.run, self.schedule, self.parent, self.reason, self.held_by,
        ) = row  # fmt: skip
        self.id, self.chain = bytes(identifier), bytes(chain)
        self.cause = None if self.cause is None else bytes(self.cause)
        self.run = None if self.run is None else bytes(self.run)
        self.schedule = None if self.schedule is None else bytes(self.schedule)
        self.parent = None if self.parent is None else bytes(self.parent)
        self.held_by = None if self.held_by is None else bytes(self.held_by)
        self.snapshot = snapshot_of(self.kind, self.configuration, history)
        self.stored_sequence = self.sequence
        self.stored_deadline, self.stored_rare = self.deadline(), self.rare()
        self.task, self.slot, self.arguments = None, None, ""
        return self

    def steady(self) -> Row:
        """Return the columns that never change."""
        return (self.id, self.kind, self.namespace, self.key, self.name, self.submitted_at)

    def often(self) -> Row:
        """Return the columns that change with every step."""
        return (
            self.state, self.configuration, self.sequence, self.attempt, self.epoch,
            self.wake_at, self.times_out_at, self.queued_at, self.started_at, self.settled_at,
            self.chain,
        )  # fmt: skip

    def deadline(self) -> tuple[int | None, int | None]:
        """Return the columns of what is often that stand in an index."""
        return (self.wake_at, self.settled_at)

    def besides(self) -> Row:
        """Return the columns that change with every step, without those of `deadline`."""
        return (
            self.state, self.configuration, self.sequence, self.attempt, self.epoch,
            self.times_out_at, self.queued_at, self.started_at, self.chain,
        )  # fmt: skip

    def within(self) -> Row:
        """Return the columns that change with every step within a state."""
        return (self.configuration, self.sequence, self.chain)

    def rearmed(self) -> Row:
        """Return the columns that change with a decision of a schedule within its state."""
        return (
            self.wake_at, self.attempt, self.queued_at, self.started_at,
            self.configuration, self.sequence, self.chain,
        )  # fmt: skip

    def rare(self) -> Row:
        """Return the columns that change rarely."""
        return (
            history_text(self.snapshot, self.kind), self.opening, self.attempts_used, self.lost,
            self.dependencies_remaining, self.dependencies_unmet, self.dependents,
            self.cause, self.due_at, self.early, self.run, self.schedule, self.parent, self.reason,
            self.held_by,
        )  # fmt: skip


def bare_instance(
    kind: str, identifier: bytes, namespace: str, key: str | None, name: str, now: int
) -> Instance:
    """Return an instance that is no task and has taken no step yet."""
    steady = (identifier, kind, namespace, key, name, now)
    first = initial_of(kind)
    often = (first.state, first.configuration, 0, 0, *(None,) * 6, identifier)
    return Instance.from_row((*steady, *often, *PLAIN))


def row_of(instance: Instance, task_row: Row) -> TaskRow:
    """Return what a task in memory is shown by, before any of its attempts has ended."""
    _, type_, queue, priority, _, arguments, options = task_row
    return TaskRow(
        instance.id, instance.key, instance.namespace, instance.name, instance.state,
        instance.attempt, instance.epoch, instance.dependencies_remaining, instance.cause,
        instance.reason, instance.due_at, instance.submitted_at, instance.queued_at,
        instance.started_at, instance.settled_at, instance.run, instance.schedule,
        instance.parent, type_, queue, priority, arguments, options, None, None,
    )  # fmt: skip


OPEN = (None, None)
"""`Instance.deadline` of an instance that is open and wakes at no time."""
PLAIN: Row = (None, 1, *(0,) * 5, *(None,) * 8)
"""`Instance.rare` of an instance to which nothing unusual has happened: the column defaults."""
_COUNTS = slice(4, 6)
_SCHEDULE = 11
_BEFORE_SCHEDULE, _AFTER_SCHEDULE = PLAIN[:_SCHEDULE], PLAIN[_SCHEDULE + 1 :]


def plain_run(schedule: bytes) -> Row:
    """Return `PLAIN` for a run of a schedule, which has that beside the defaults."""
    return (*_BEFORE_SCHEDULE, schedule, *_AFTER_SCHEDULE)


def counts_in(rare: Row) -> Row:
    """Return, of `Instance.rare`, how many dependencies remain and how many are unmet."""
    return rare[_COUNTS]


def without_counts(rare: Row) -> Row:
    """Return what `counts_in` leaves.

    >>> without_counts(PLAIN) + counts_in(PLAIN) == (None, 1, 0, 0, 0, *(None,) * 8, 0, 0)
    True
    """
    return rare[: _COUNTS.start] + rare[_COUNTS.stop :]
