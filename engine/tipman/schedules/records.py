"""Records: what a schedule is and where it stands, as the bus works with it."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tipman.database import Row


class OpenRun(NamedTuple):
    """A run of a schedule that has not settled, and the slot that it is of."""

    due_at: int
    backfill: int
    manual: int
    held: bool = False
    """Whether it waits for its turn."""
    superseded: bool = False
    """Whether another took its place, which it has yet to be told."""


@dataclass(slots=True)
class Record:
    """The row of a schedule, its open runs beside it; instants in µs.

    Up to `anchor_at` all is as its last revision made it. The three after it change with every
    decision and stand in the row of its instance, where `arm` puts them; few change the rest.
    """

    id: bytes
    key: str | None
    spec: str
    """JSON text, as it was asked for."""
    task: str
    """JSON text of what it submits."""
    revision: int
    anchor_at: int
    decided_until: int
    next_at: int | None
    runs: int = 0
    failures: int = 0
    manuals: int = 0
    backfills: int = 0
    stretch_at: int | None = None
    backlog_until: int | None = None
    wanted_from: int | None = None
    wanted_until: int | None = None
    paused_until: int | None = None
    open: dict[bytes, OpenRun] = field(default_factory=dict)
    """In the order of their decisions."""
    plan: Any = None
    """What the handlers made of spec and task; None before somebody did."""

    @classmethod
    def from_row(cls, row: Row) -> "Record":
        """Return what a row of `SELECT_SCHEDULE` says, its runs not loaded yet."""
        return cls(bytes(row[0]), *row[1:])

    def row(self) -> Row:
        """Return all columns of its own row."""
        return (self.id, self.key, *self.specified())

    def specified(self) -> Row:
        """Return the columns that a new revision changes."""
        return (self.spec, self.task, self.revision, self.anchor_at, *self.changing())

    def changing(self) -> Row:
        """Return the columns that few decisions change."""
        return (
            self.failures, self.manuals, self.backfills, self.stretch_at, self.backlog_until,
            self.wanted_from, self.wanted_until, self.paused_until,
        )  # fmt: skip

    def scheduled(self) -> dict[bytes, OpenRun]:
        """Return the open runs that overlap counts: not those of backfills, nor superseded."""
        return {
            run: slot for run, slot in self.open.items() if not (slot.backfill or slot.superseded)
        }


class Slot(NamedTuple):
    """The row of one decision."""

    schedule: bytes
    due_at: int
    backfill: int
    manual: int
    decision: str
    reason: str | None
    instance: bytes | None
    blocking: bytes | None
    decided_at: int
    due_until: int | None = None
    covers: int = 1
    """So many instants, from `due_at` to `due_until`."""
