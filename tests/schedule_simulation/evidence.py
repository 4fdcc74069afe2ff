"""What is left of a run: the rows of schedules, as they are read from outside."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tipman.database import Database


class Absence(NamedTuple):
    """A time by the wall clock, in µs, in which no engine was there to see it pass."""

    kind: str
    """`down` or `asleep`."""
    since: int
    until: int


class Setback(NamedTuple):
    """The wall clock was set back after a line of the log."""

    position: int
    microseconds: int


class Line(NamedTuple):
    """One line of the log."""

    position: int
    sequence: int
    instance: bytes
    name: str
    at: int
    before: str
    after: str
    data: str | None


class Slot(NamedTuple):
    """One row of decisions."""

    schedule: bytes
    due_at: int
    backfill: int
    manual: int
    decision: str
    reason: str | None
    instance: bytes | None
    blocking: bytes | None
    decided_at: int
    due_until: int | None
    count: int


class Run(NamedTuple):
    """One instance that a schedule submitted."""

    id: bytes
    schedule: bytes
    state: str


class Evidence(NamedTuple):
    """All that the checker looks at."""

    lines: Iterable[Line]
    """In the order of their events; can be gone through once."""
    slots: list[Slot]
    """By schedule and due instant."""
    runs: dict[bytes, Run]


_LINES = (
    'SELECT position, sequence, instance, name, at, "before", "after", data FROM log_line'
    " WHERE position > ? AND position <= ? ORDER BY position, sequence"
)
_LAST = "SELECT max(position) FROM log_entry"
_AT_ONCE = 10_000
_SLOTS = (
    "SELECT schedule, due_at, backfill, manual, decision, reason, instance, blocking, decided_at,"
    " due_until, count FROM slot ORDER BY schedule, due_at"
)
_RUNS = "SELECT id, schedule, state FROM instance WHERE schedule IS NOT NULL"


def evidence_of(database: Database) -> Evidence:
    """Read all there is."""
    return Evidence(
        _lines(database),
        [Slot(*row) for row in database.fetch(_SLOTS)],
        {bytes(row[0]): Run(*row) for row in database.fetch(_RUNS)},
    )


def _lines(database: Database) -> Iterator[Line]:
    last = database.fetch(_LAST)[0][0] or 0
    for first in range(0, last, _AT_ONCE):
        for row in database.fetch(_LINES, (first, first + _AT_ONCE)):
            yield Line(*row)
