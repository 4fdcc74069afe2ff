"""What is read from the database, by the names of its columns."""

from typing import NamedTuple

from tipman.database import Database


class InstanceRow(NamedTuple):
    """What the audit reads of one instance."""

    id: bytes
    state: str
    configuration: str
    sequence: int
    opening: int
    attempt: int
    dependencies_remaining: int
    dependencies_unmet: int
    cause: bytes | None
    wake_at: int | None
    settled_at: int | None


class Line(NamedTuple):
    """One line of the event log, and where it stands in the whole log."""

    position: int
    instance: bytes
    sequence: int
    name: str
    at: int
    before: str
    after: str
    data: str | None


_INSTANCES = (
    "SELECT id, state, configuration, sequence, opening, attempt, dependencies_remaining,"
    " dependencies_unmet, cause, coalesce(wake_at, times_out_at), settled_at FROM instance"
    " WHERE kind = 'task' ORDER BY id"
)
_LINES = (
    'SELECT position, instance, sequence, name, at, "before", "after", data'
    " FROM log_line WHERE position > ? AND instance IN"
    " (SELECT id FROM instance WHERE kind = 'task') ORDER BY position, sequence"
)


def instances(database: Database) -> dict[bytes, InstanceRow]:
    """Return all tasks by their ids."""
    return {bytes(row[0]): InstanceRow(*row) for row in database.fetch(_INSTANCES)}


def lines_after(database: Database, position: int) -> list[Line]:
    """Return the lines of tasks that were committed after *position*, in order."""
    return [Line(*row) for row in database.fetch(_LINES, (position,))]
