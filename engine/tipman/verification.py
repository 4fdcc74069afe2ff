"""Verification: every log folded to its row, and its chain followed to the last link.

Instances and entries are read in the order of ids, a small part at a time, each part in a
snapshot of its own: an engine may go on meanwhile. Damage, and whatever somebody changed by hand,
shows as a line that is missing, out of place or not what its link says, or as a row that its log
does not lead to.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import Any, NamedTuple

from tipman.chain import link
from tipman.charts import ENDED, public_state
from tipman.database import DRIVER_ERRORS, Database, Row
from tipman.ids import text_of
from tipman.schedules.anchors import Anchor, anchors_of, beginning

FAULTS_MAX = 100
"""Faults that are kept; the rest is counted."""
_INSTANCES_AT_ONCE = 200
_ENTRIES_AT_ONCE = 200

_INSTANCES = (
    "SELECT id, state, configuration, sequence, opening, settled_at, chain FROM instance"
    " WHERE id > ? ORDER BY id LIMIT ?"
)
_ENTRIES = (
    'SELECT instance, sequence, position, name, at, actor, "before", "after", data, announced'
    " FROM log_entry WHERE (instance, sequence) > (?, ?) AND instance <= ?"
    " ORDER BY instance, sequence LIMIT ?"
)
_OWNED = (
    ("task", "id"),
    ("attempt", "instance"),
    ("dependency", "dependent"),
    ("context", "instance"),
    ("schedule", "id"),
    ("slot", "schedule"),
)
"""Tables whose rows belong to an instance, and the column that says to which."""
_AT_REST = "AND NOT EXISTS (SELECT 1 FROM inbox)"
"""What holds between two events that follow from one another does so when none is on its way."""
_ORPHANED_RUN = """
    SELECT id FROM workflow_run AS r
    WHERE NOT EXISTS (SELECT 1 FROM instance AS i WHERE i.id = r.id)
    AND NOT EXISTS (SELECT 1 FROM instance AS i WHERE i.run = r.id)
"""
"""Runs of earlier versions are no instances themselves."""
_ENDED_TOO_EARLY = """
    SELECT r.id FROM instance AS r WHERE r.kind = 'run' AND r.settled_at IS NOT NULL
    AND EXISTS (SELECT 1 FROM instance AS i WHERE i.run = r.id AND i.settled_at IS NULL)
"""
_FORGOTTEN = """
    SELECT r.id FROM instance AS r WHERE r.kind = 'run' AND r.state = 'running'
    AND NOT EXISTS (SELECT 1 FROM instance AS i WHERE i.run = r.id AND i.settled_at IS NULL)
"""
_MISCOUNTED = """
    SELECT i.id FROM instance AS i WHERE i.settled_at IS NULL AND i.kind = 'task'
    AND i.schedule IS NULL AND i.dependencies_remaining <> (
        SELECT count(*) FROM dependency AS e JOIN instance AS d ON d.id = e.dependency
        WHERE e.dependent = i.id AND d.settled_at IS NULL
    )
"""
_CONTRADICTIONS = {
    "there is a row of `workflow_run` and no instance": _ORPHANED_RUN,
    "it has settled, and a task of it is open": _ENDED_TOO_EARLY,
    "it is running, and no task of it is open": _FORGOTTEN,
    "it counts other dependencies as open than are": _MISCOUNTED,
}
"""How an instance contradicts others, and what finds those that do."""
_REOPENINGS = frozenset({"task.reopened", "run.reopened"})
_BEYOND = b"\xff" * 17
_SEQUENCE_MAX = 2**31 - 1


class Fault(NamedTuple):
    """Something that is not as an engine leaves it."""

    instance: bytes
    text: str


class _Head(NamedTuple):
    """What the row of an instance says of its log."""

    id: bytes
    state: str
    configuration: str
    sequence: int
    opening: int
    settled_at: int | None
    chain: bytes


class Verification:
    """What was looked at, and what was found."""

    def __init__(self) -> None:
        self.instances = self.entries = self.faults_found = 0
        self.faults: list[Fault] = []
        """The first `FAULTS_MAX` of them."""

    @property
    def is_whole(self) -> bool:
        """Whether there was nothing wrong."""
        return not self.faults_found

    def add(self, instance: bytes, text: str) -> None:
        """Take note of a fault."""
        self.faults_found += 1
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(Fault(instance, text))

    def view(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "ok": self.is_whole,
            "instances": self.instances,
            "entries": self.entries,
            "faults_found": self.faults_found,
            "faults": [
                {"instance": text_of(fault.instance), "text": fault.text} for fault in self.faults
            ],
        }


def verify(database: Database, go_on: Callable[[], None] = lambda: None) -> Verification:
    """Look at every instance that *database*, a reader, sees.

    *go_on* is called before each part, and ends it all by raising.
    """
    found = Verification()
    after = b""
    while True:
        go_on()
        try:
            with _snapshot(database):
                last = _verify_part(database, after, _INSTANCES_AT_ONCE, found)
        except DRIVER_ERRORS:
            last = _verify_one_by_one(database, after, found)
        if last is None:
            break
        after = last
    for table, column in _OWNED:
        # The names are our own.
        sql = (
            f'SELECT DISTINCT "{column}" FROM "{table}" AS o WHERE NOT EXISTS'  # noqa: S608 - see above
            f' (SELECT 1 FROM instance AS i WHERE i.id = o."{column}") LIMIT {FAULTS_MAX}'
        )
        for (identifier,) in database.fetch(sql):
            found.add(bytes(identifier), f"there is a row of `{table}` and no instance")
    for fault, sql in _CONTRADICTIONS.items():
        go_on()
        for (identifier,) in database.fetch(f"{sql} {_AT_REST} LIMIT {FAULTS_MAX}"):
            found.add(bytes(identifier), fault)
    return found


def _verify_part(
    database: Database, after: bytes, instances_max: int, found: Verification
) -> bytes | None:
    """Look at the next instances; return the last one's id, None when these were all."""
    rows = database.fetch(_INSTANCES, (after, instances_max))
    heads = {head.id: head for head in map(_head, rows)}
    anchors = anchors_of(database, heads)
    is_last = len(rows) < instances_max
    last = _BEYOND if is_last else bytes(rows[-1][0])
    part = Verification()
    for identifier, entries in _logs(database, after, last):
        head = heads.pop(identifier, None)
        if head is None:
            part.add(identifier, "there are log entries and no instance")
            part.entries += sum(1 for _ in entries)
        else:
            _fold(head, entries, anchors.get(identifier) or beginning(identifier), part)
    for identifier in heads:
        part.add(identifier, "it has no log")
    # Only now, when nothing can fail any more: a part that failed is looked at again.
    found.instances += len(rows)
    found.entries += part.entries
    for fault in part.faults:
        found.add(*fault)
    found.faults_found += part.faults_found - len(part.faults)
    return None if is_last else last


def _verify_one_by_one(database: Database, after: bytes, found: Verification) -> bytes | None:
    """Look at the part again in which something can not even be read, to say where."""
    last: bytes | None = after
    for _ in range(_INSTANCES_AT_ONCE):
        before = last or b""
        try:
            with _snapshot(database):
                last = _verify_part(database, before, 1, found)
        except DRIVER_ERRORS as error:
            rows = database.fetch(
                "SELECT id FROM instance WHERE id > ? ORDER BY id LIMIT 1", (before,)
            )
            if not rows:
                found.add(before, f"what comes after it can not be read: {error}")
                return None
            last = bytes(rows[0][0])
            found.instances += 1
            found.add(last, f"it can not be read: {error}")
        if last is None:
            return None
    return last


def _logs(database: Database, after: bytes, last: bytes) -> Iterator[tuple[bytes, Iterable[Row]]]:
    yield from groupby(_entries(database, after, last), lambda row: bytes(row[0]))


def _entries(database: Database, after: bytes, last: bytes) -> Iterator[Row]:
    mark: tuple[bytes, int] = (after, _SEQUENCE_MAX)
    while rows := database.fetch(_ENTRIES, (*mark, last, _ENTRIES_AT_ONCE)):
        yield from rows
        mark = (bytes(rows[-1][0]), rows[-1][1])


def _fold(head: _Head, entries: Iterable[Row], anchor: Anchor, found: Verification) -> None:
    """Follow one log from its first entry to the row it must lead to."""
    sequence, configuration, position, chain, _ = anchor
    opening = 1
    for row in entries:
        _, number, place, name, _, _, _, after, _, announced = row
        found.entries += 1
        fault = _misplaced(row, sequence, configuration, position)
        if fault is not None:
            found.add(head.id, fault)
            return
        chain = link(chain, (number, *row[3:]))
        sequence = number + (announced is not None)
        configuration, position = after, place
        opening += name in _REOPENINGS or announced in _REOPENINGS
    for fault in _compare(head, sequence, configuration, opening, chain):
        found.add(head.id, fault)


def _misplaced(row: Row, sequence: int, configuration: str, position: int) -> str | None:
    """Say how an entry does not follow the one before, None if it does."""
    number, place, before = row[1], row[2], row[6]
    if number != sequence + 1:
        return f"after line {sequence} of its log comes line {number}"
    if before != configuration:
        return f"line {number} begins in {before!r}, the one before ended in {configuration!r}"
    if place <= position:
        return f"line {number} stands before the one that it follows"
    return None


def _compare(
    head: _Head, sequence: int, configuration: str, opening: int, chain: bytes
) -> Iterator[str]:
    """Yield how the row is not what its log leads to."""
    if head.sequence != sequence:
        yield f"its log has {sequence} lines, its row counts {head.sequence}"
    if head.configuration != configuration:
        yield f"its log ends in {configuration!r}, its row is in {head.configuration!r}"
    elif head.state != public_state(configuration):
        yield f"its row says {head.state!r} and is in {configuration!r}"
    if (head.settled_at is not None) != (head.state in ENDED):
        yield f"its row is {head.state!r}, and settled_at is {head.settled_at}"
    if head.opening != opening:
        yield f"its log opens it {opening} times, its row counts {head.opening}"
    if head.chain != chain:
        yield "an entry of its log is not as it was written: the chain does not lead to its row"


def _head(row: Row) -> _Head:
    identifier, state, configuration, sequence, opening, settled_at, chain = row
    return _Head(
        bytes(identifier), state, configuration, sequence, opening, settled_at, bytes(chain)
    )


@contextmanager
def _snapshot(database: Database) -> Iterator[None]:
    """Let a reader see one state of the database for as long as the block lasts."""
    database.execute("BEGIN")
    try:
        if not database.is_sqlite:
            database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield
    finally:
        with suppress(*DRIVER_ERRORS):
            database.execute("ROLLBACK")
