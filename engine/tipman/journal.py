"""The journal: the logs of all instances as one, in the order of commits, read from a mark on.

Positions are given by the database when a row is inserted. One connection writes, so they are
the order of commits too: whoever has read up to a mark has missed nothing before it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tipman.database import Database, Row
from tipman.errors import InvalidError

ENTRIES_MAX = 256
"""Entries that are read at once at most."""
WINDOW = 5_000
"""Entries that one query looks through at most, however few of them are wanted."""
TEXT_MAX = 65_536
"""Characters of `data` up to which it is read along; a longer one is read by itself."""
PAGE_TEXT_MAX = 1024 * 1024
"""Characters of `data` after which a page ends; one line may go beyond."""
_LAST_LINE = 9
_POSITION_MAX = 2**63 - 1
_MARK = re.compile(r"(\d{1,19})(?:\.(\d))?", re.ASCII)


class Mark(NamedTuple):
    """A place in the journal: just after one line.

    An entry of the log may be two lines, so a place is an entry's position and the line in it.
    """

    position: int
    line: int

    def __str__(self) -> str:
        return f"{self.position}.{self.line}" if self.line else str(self.position)


START = Mark(0, 0)
"""Before all lines."""


def mark_of(text: str) -> Mark:
    """Return the mark that a cursor stands for.

    >>> mark_of("123.1")
    Mark(position=123, line=1)
    >>> str(mark_of("123"))
    '123'

    Raises:
        InvalidError: it is no cursor of the journal.
    """
    found = _MARK.fullmatch(text)
    if found is None or int(found[1]) > _POSITION_MAX:
        raise InvalidError(f"{text[:40]!r} is no cursor of the event log")
    return Mark(int(found[1]), int(found[2] or 0))


def end_of(position: int) -> Mark:
    """Return the mark after every line of the entry at *position*, and of all before."""
    return Mark(position, _LAST_LINE)


@dataclass(slots=True)
class Line:
    """One line of the log, and whose it is; `data` is JSON text, `at` µs since 1970."""

    mark: Mark
    instance: bytes
    sequence: int
    name: str
    at: int
    actor: str
    before: str
    after: str
    data: str | None
    namespace: str
    kind: str
    key: str | None
    label: str
    """The name that the instance was given."""
    run: bytes | None = None
    """The run that the instance is a task of."""
    rendered: Any = field(default=None, compare=False)
    """What a reader made of it, kept so that it is made once for all who follow."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines somebody wants; what is None or empty is no condition."""

    namespace: str | None = None
    instance: bytes | None = None
    run: bytes | None = None
    """A run and all tasks of it."""
    kind: str | None = None
    names: frozenset[str] = frozenset()
    since_us: int | None = None

    def select(self, lines: Sequence[Line]) -> Sequence[Line]:
        """Return those of *lines* that are wanted, in their order."""
        if self == ALL:
            return lines
        return [line for line in lines if self._admits(line)]

    def _admits(self, line: Line) -> bool:
        return (
            (self.instance is None or line.instance == self.instance)
            and (self.run is None or self.run in (line.run, line.instance))
            and (self.namespace is None or line.namespace == self.namespace)
            and (not self.names or line.name in self.names)
            and (self.kind is None or line.kind == self.kind)
            and (self.since_us is None or line.at >= self.since_us)
        )


ALL = Wanted()


class Page(NamedTuple):
    """What was found after a mark."""

    lines: Sequence[Line]
    mark: Mark
    """Everything up to here was looked at; whoever reads on begins here."""
    is_last: bool
    """Whether nothing more was committed when this was read."""


_SELECT = (
    'SELECT e.position, e.instance, e.sequence, e.name, e.at, e.actor, e."before", e."after",'
    " CASE WHEN length(e.data) > ? THEN NULL ELSE e.data END, length(e.data),"
    " e.announced, i.namespace, i.kind, i.key, i.name, i.run"
    " FROM log_entry AS e JOIN instance AS i ON i.id = e.instance"
    " WHERE e.position >= ? AND e.position <= ?"
)
_DATA, _LENGTH = 8, 9


def newest(database: Database) -> Mark:
    """Return the mark after all that is committed."""
    rows = database.fetch("SELECT max(position) FROM log_entry")
    return end_of(rows[0][0] or 0)


def read(
    database: Database,
    wanted: Wanted,
    after: Mark,
    *,
    limit: int = ENTRIES_MAX,
    window: int = WINDOW,
) -> Page:
    """Return the wanted lines after a mark, at most *limit*, among the next *window* entries.

    It may be none although there are more: then `mark` is further on, and `is_last` false.
    """
    head = newest(database).position
    upper = head if wanted.instance is not None else _upper(database, after, head, window)
    conditions, values = _conditions(wanted)
    order = "e.sequence" if wanted.instance is not None else "e.position"
    # One more, as the first may be an entry of which all lines were read before.
    entries = limit + 1
    rows = database.fetch(
        f"{_SELECT}{conditions} ORDER BY {order} LIMIT ?",
        (TEXT_MAX, after.position, upper, *values, entries),
    )
    bounded = _with_long_data(database, rows)
    found = wanted.select([line for line in _lines(bounded) if line.mark > after])
    if len(found) > limit:
        return Page(found[:limit], found[limit - 1].mark, is_last=False)
    if len(rows) == entries or len(bounded) < len(rows):
        return Page(found, end_of(bounded[-1][0]), is_last=False)
    return Page(found, max(after, end_of(upper)), is_last=upper == head)


def mark_in(database: Database, instance: bytes, sequence: int) -> Mark:
    """Return the mark after the line with this number of one instance, the start for 0.

    Raises:
        InvalidError: the instance has no such line.
    """
    if sequence == 0:
        return START
    rows = database.fetch(
        "SELECT position, sequence, announced FROM log_entry WHERE instance = ? AND sequence <= ?"
        " ORDER BY sequence DESC LIMIT 1",
        (instance, min(sequence, _POSITION_MAX)),
    )
    if rows:
        position, first, announced = rows[0]
        if sequence <= first + (announced is not None):
            return Mark(position, sequence - first)
    raise InvalidError(f"this log has no line {sequence}")


def _upper(database: Database, after: Mark, head: int, window: int) -> int:
    """Return how far one query may look, so that a rare filter does not hold up others."""
    if head - after.position <= window:
        return head
    # The bound is of entries, not of positions: pruning may have left wide gaps.
    rows = database.fetch(
        "SELECT max(position) FROM (SELECT position FROM log_entry"
        " WHERE position > ? ORDER BY position LIMIT ?) AS part",
        (after.position, window),
    )
    return min(rows[0][0] or head, head)


def _conditions(wanted: Wanted) -> tuple[str, list[Any]]:
    text, values = "", []
    given: list[tuple[str, Any]] = [
        (" AND e.instance = ?", wanted.instance),
        (" AND i.namespace = ?", wanted.namespace),
        (" AND i.kind = ?", wanted.kind),
        (" AND e.at >= ?", wanted.since_us),
    ]
    for condition, value in given:
        if value is not None:
            text += condition
            values.append(value)
    if wanted.run is not None:
        text += " AND (i.run = ? OR e.instance = ?)"
        values += [wanted.run, wanted.run]
    if wanted.names:
        marks = ",".join("?" * len(wanted.names))
        text += f" AND (e.name IN ({marks}) OR e.announced IN ({marks}))"
        values += [*wanted.names, *wanted.names]
    return text, values


def _with_long_data(database: Database, rows: Sequence[Row]) -> list[Row]:
    """Return the first of *rows* that are not too much at once, with what was left out of them."""
    found, total = [], 0
    for row in rows:
        length = row[_LENGTH] or 0
        if length > TEXT_MAX:
            data = database.fetch("SELECT data FROM log_entry WHERE position = ?", (row[0],))
            row = (*row[:_DATA], data[0][0] if data else None, *row[_LENGTH:])  # noqa: PLW2901 - a row with its data is meant
        found.append(row)
        total += length
        if total > PAGE_TEXT_MAX:
            break
    return found


def _lines(rows: Iterable[Row]) -> Iterator[Line]:
    for row in rows:
        position, instance, sequence, name, at, actor, before, after, data, _, announced = row[:11]
        run = row[15]
        owner = (*row[11:15], None if run is None else bytes(run))
        identifier = bytes(instance)
        yield Line(
            Mark(position, 0), identifier, sequence, name, at, actor, before, after, data, *owner
        )
        if announced is not None:
            step = (announced, at, "engine", after, after, None)
            yield Line(Mark(position, 1), identifier, sequence + 1, *step, *owner)


def log_lines(entries: Iterable[Row]) -> Iterator[Row]:
    """Yield log lines by themselves, as the view `log_line` has them, without a position."""
    for entry in entries:
        yield entry[:8]
        if entry[8] is not None:
            instance, sequence, _, at, _, _, after, _, announced = entry
            yield (instance, sequence + 1, announced, at, "engine", after, after, None)
