"""Trimming: of schedules that go on, what they decided long ago goes.

A slot goes when its time is over and its run has been pruned, or when it had none. With the slots
goes the first part of the log, up to the same time; an anchor says where the rest begins, so that
it can still be followed. It is done between two drains of the bus, as pruning is.
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from tipman.chain import link
from tipman.database import Database, Row
from tipman.schedules.anchors import Anchor, anchors_of, beginning, keep

ROWS_MAX = 500
"""Slots, and entries of the log, that one transaction removes at most of a schedule."""
AT_ONCE = 10
"""Schedules that one transaction looks at."""
_LOOK = 1_000

_OPEN = (
    "SELECT s.id FROM schedule AS s JOIN instance AS i ON i.id = s.id"
    " WHERE i.settled_at IS NULL AND s.id > ? ORDER BY s.id LIMIT ?"
)
# A row for many instants may still grow: it is as old as its last decision.
_OLD_SLOTS = (
    " FROM slot AS o WHERE o.schedule = ? AND o.due_at < ? AND o.backfill = 0"
    " AND coalesce(o.due_until, o.due_at) < ? AND o.decided_at < ?"
    " AND NOT EXISTS (SELECT 1 FROM instance AS i WHERE i.id = o.instance"
)
_SLOTS = f"SELECT due_at, manual, coalesce(due_until, due_at){_OLD_SLOTS}) LIMIT ?"
# Those whose runs will have gone by then.
_COUNT_SLOTS = f"SELECT count(*){_OLD_SLOTS} AND (i.settled_at IS NULL OR i.settled_at > ?))"
_DELETE_SLOT = "DELETE FROM slot WHERE schedule = ? AND due_at = ? AND backfill = 0 AND manual = ?"
_ENTRIES = (
    'SELECT position, sequence, name, at, actor, "before", "after", data, announced'
    " FROM log_entry WHERE instance = ? ORDER BY sequence LIMIT ?"
)
_COUNT_ENTRIES = (
    "SELECT count(*) FROM log_entry WHERE instance = ? AND at < ? AND sequence <"
    " (SELECT max(sequence) FROM log_entry WHERE instance = ?)"
)
_DELETE_ENTRIES = "DELETE FROM log_entry WHERE instance = ? AND sequence <= ?"


def candidates(database: Database) -> Iterator[list[bytes]]:
    """Yield the schedules that go on, so many together as one transaction looks at."""
    after = b""
    while rows := database.fetch(_OPEN, (after, _LOOK)):
        found = [bytes(row[0]) for row in rows]
        after = found[-1]
        for low in range(0, len(found), AT_ONCE):
            yield found[low : low + AT_ONCE]


def is_old(database: Database, schedules: Sequence[bytes], before_us: int) -> bool:
    """Tell whether anything of these goes."""
    return any(
        _old_slots(database, each, before_us, 1) or _old_entries(database, each, before_us, 1)
        for each in schedules
    )


def trim(database: Database, schedules: Sequence[bytes], before_us: int) -> dict[str, int]:
    """Remove what is old of these in the open transaction, a part; return how many rows."""
    known = anchors_of(database, schedules)
    counts = {"slots": 0, "log_entries": 0}
    for schedule in schedules:
        anchor = known.get(schedule) or beginning(schedule)
        slots = _old_slots(database, schedule, before_us, ROWS_MAX)
        if slots:
            database.execute_many(_DELETE_SLOT, [(schedule, *row[:2]) for row in slots])
            until = max(row[2] for row in slots)
            anchor = anchor._replace(slots_until=max(until, anchor.slots_until or until))
        entries = _old_entries(database, schedule, before_us, ROWS_MAX)
        for position, *entry in entries:
            anchor = _followed(anchor, position, entry)
        if entries:
            database.execute(_DELETE_ENTRIES, (schedule, entries[-1][1]))
        if slots or entries:
            keep(database, schedule, anchor)
        counts["slots"] += len(slots)
        counts["log_entries"] += len(entries)
    return counts


def count(database: Database, schedules: Sequence[bytes], before_us: int) -> dict[str, int]:
    """Return how many rows would go; of a log in which the clock was set back perhaps fewer."""
    slots = entries = 0
    for each in schedules:
        slots += database.fetch(_COUNT_SLOTS, (each, *[before_us] * 4))[0][0]
        entries += database.fetch(_COUNT_ENTRIES, (each, before_us, each))[0][0]
    return {"slots": slots, "log_entries": entries}


def _old_slots(database: Database, schedule: bytes, before_us: int, most: int) -> list[Row]:
    return database.fetch(_SLOTS, (schedule, *[before_us] * 3, most))


def _old_entries(database: Database, schedule: bytes, before_us: int, most: int) -> list[Row]:
    """Return the first entries of a log, up to one that is to stay; the last one always is."""
    rows = database.fetch(_ENTRIES, (schedule, most + 1))
    return list(takewhile(lambda row: row[3] < before_us, rows[:-1]))


def _followed(anchor: Anchor, position: int, entry: Sequence[Any]) -> Anchor:
    number, name, at, actor, before, after, data, announced = entry
    line = number, name, at, actor, before, after, data, announced
    return anchor._replace(
        sequence=number + (announced is not None),
        configuration=after,
        position=position,
        chain=link(anchor.chain, line),
    )
