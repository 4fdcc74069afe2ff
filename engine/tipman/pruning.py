"""Pruning: what has settled and is old goes, a whole family at a time, in small transactions.

A family is a run with all its tasks and all that hangs on them, as the runs that they started and
the items of maps, or a task by itself with what hangs on it. It is chosen by a reader, which may
take its time, and looked at again by whoever removes it, between two drains of the bus: all of it
has settled, and nothing open waits for any of it. Ids sort by the instant of submission, so what
is old is found from the front, without an index that every task would have to pay for.

What refers to something that was pruned says so by its id alone: dependencies of a task that
settled stay in its row, and lead to 404.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from tipman.clock import rfc3339
from tipman.database import Database
from tipman.ids import text_of
from tipman.models import UPSERT_KEPT
from tipman.schedules import anchors

BATCH = 200
"""Instances that one transaction removes at most."""
_LOOK = 500
_MARK = ("", "pruned", "newest")
"""Where the tombstone of all that was pruned stands among the values that are kept."""

_WALK = (
    "SELECT id, kind, run, parent, settled_at FROM instance WHERE id > ? AND id < ?"
    " ORDER BY id LIMIT ?"
)
_ABOVE = "SELECT run, parent FROM instance WHERE id = ?"
_WITH_CHILDREN = "SELECT DISTINCT parent FROM instance WHERE parent IN (??)"
_BELOW = (
    "SELECT id, settled_at FROM instance WHERE run IN (??)",
    "SELECT id, settled_at FROM instance WHERE parent IN (??)",
)
_KEPT = (
    "SELECT id FROM instance WHERE id IN (??) AND settled_at IS NULL",
    (
        "SELECT e.dependency FROM dependency AS e JOIN instance AS i ON i.id = e.dependent"
        " WHERE i.settled_at IS NULL AND e.dependency IN (??)"
    ),
    (
        "SELECT e.dependent FROM dependency AS e JOIN instance AS i ON i.id = e.dependency"
        " WHERE i.settled_at IS NULL AND e.dependent IN (??)"
    ),
    "SELECT schedule FROM instance WHERE settled_at IS NULL AND schedule IN (??)",
)
"""Each finds, among ids, those that something keeps."""
# The positions of the log count on: a database that has lost its last row gives its number again.
_LAST = "SELECT instance FROM log_entry ORDER BY position DESC LIMIT 1"
_SETTLED = "SELECT settled_at FROM instance WHERE id IN (??)"
_RUN_THAT_IS_EMPTY = (
    "DELETE FROM workflow_run WHERE id = ? AND NOT EXISTS (SELECT 1 FROM instance WHERE run = ?)"
)
_ATTEMPTS = "SELECT id, attempt FROM instance WHERE id IN (??)"
_COUNTED = (
    ("log_entries", "log_entry", "instance"),
    ("attempts", "attempt", "instance"),
    ("dependencies", "dependency", "dependent"),
    ("tasks", "task", "id"),
    ("contexts", "context", "instance"),
    ("runs", "workflow_run", "id"),
    ("slots", "slot", "schedule"),
    ("schedules", "schedule", "id"),
    ("instances", "instance", "id"),
)
"""What goes with an instance: how it is counted, its table, and whose it is."""


_REFERRING = (
    "SELECT 1 FROM attempt WHERE result = ? AND substr(result, 1, 1) = '@' LIMIT 1",
    "SELECT 1 FROM context WHERE text = ? AND substr(text, 1, 1) = '@' LIMIT 1",
)


class Family(NamedTuple):
    """What goes together, or stays together."""

    head: bytes | None
    """The run or the task that all belong to, None for one that is alone."""
    ids: tuple[bytes, ...]
    """Of a large run, the next part."""


class Removal(NamedTuple):
    """What one transaction removed."""

    rows: dict[str, int]
    """How many, by what they were."""
    ids: list[bytes]


class Tombstone(NamedTuple):
    """What is known of all that was pruned."""

    newest: bytes
    """The largest id among them."""
    settled_before_us: int
    """All of them had settled by then."""
    at_us: int
    """When the last of them was pruned."""
    last: list[bytes]
    """Those that went then: a crash may have come before their folders were removed."""


def settled_count(database: Database) -> int:
    """Return how many instances have settled; looks at every one."""
    rows = database.fetch("SELECT count(*) FROM instance WHERE settled_at IS NOT NULL")
    return int(rows[0][0])


def families(database: Database, settled_before_us: int) -> Iterator[Family]:
    """Yield what may go, oldest first; nothing of it settled after that instant.

    While it is read the rows may be removed; what is kept is not found again.
    """
    after = b""
    # An id is made before its instance settles, so what lies beyond has settled too late.
    end = (settled_before_us // 1000 + 1).to_bytes(6, "big")
    seen: set[bytes] = set()
    heads: dict[bytes, bytes] = {}
    while rows := database.fetch(_WALK, (after, end, _LOOK)):
        after = bytes(rows[-1][0])
        parents = {
            bytes(row[0]) for row in database.fetch_in(_WITH_CHILDREN, [r[0] for r in rows])
        }
        for identifier, kind, run, parent, settled_at in rows:
            if settled_at is None or settled_at > settled_before_us:
                continue
            task = bytes(identifier)
            if kind != "run" and run is None and parent is None and task not in parents:
                # Most are alone.
                yield Family(None, (task,))
                continue
            nearest = bytes(run or parent or identifier)
            head = heads.get(nearest)
            if head is None:
                head = heads[nearest] = _head_of(database, task, run, parent)
            if head not in seen:
                # Looked at once, whether it goes or stays.
                seen.add(head)
                yield from _parts(database, head, settled_before_us)


def _head_of(
    database: Database, identifier: bytes, run: bytes | None, parent: bytes | None
) -> bytes:
    """Return the task or the run that an instance belongs to in the end, there or not."""
    while (above := run or parent) is not None:
        identifier = bytes(above)
        rows = database.fetch(_ABOVE, (identifier,))
        run, parent = rows[0] if rows else (None, None)
    return identifier


def _parts(database: Database, head: bytes, settled_before_us: int) -> Iterator[Family]:
    """Yield a family, the head last, so that what is left of it is found again; or nothing."""
    rows = database.fetch("SELECT id, settled_at FROM instance WHERE id = ?", (head,))
    members = {head: rows[0][1]} if rows else {}
    newest = [head]
    while newest:
        found = (row for sql in _BELOW for row in database.fetch_in(sql, newest))
        fresh = {bytes(row[0]): row[1] for row in found if bytes(row[0]) not in members}
        members.update(fresh)
        newest = list(fresh)
    if any(at is None or at > settled_before_us for at in members.values()):
        return
    ids = list(members)[::-1]
    if kept(database, ids):
        return
    for low in range(0, len(ids), BATCH):
        yield Family(head, tuple(ids[low : low + BATCH]))


def batches(found: Iterator[Family]) -> Iterator[list[Family]]:
    """Gather families into what one transaction removes."""
    batch: list[Family] = []
    size = 0
    for family in found:
        if batch and size + len(family.ids) > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(family)
        size += len(family.ids)
    if batch:
        yield batch


def kept(database: Database, ids: Sequence[bytes]) -> set[bytes]:
    """Return those of *ids* that must stay: open, waited for, waiting, or the end of the log."""
    found = {bytes(row[0]) for sql in _KEPT for row in database.fetch_in(sql, ids)}
    return found | ({bytes(row[0]) for row in database.fetch(_LAST)} & {*ids})


def remove(
    database: Database,
    batch: Sequence[Family],
    now_us: int,
    holds: Callable[[bytes, int], bool],
) -> Removal:
    """Remove families in the open transaction; those that are to be kept by now stay, whole.

    *holds* tells whether an attempt still has a slot.
    """
    everyone = [identifier for family in batch for identifier in family.ids]
    staying = kept(database, everyone)
    for identifier, attempts in database.fetch_in(_ATTEMPTS, everyone):
        if any(holds(bytes(identifier), number) for number in range(1, attempts + 1)):
            staying.add(bytes(identifier))
    going = [family for family in batch if staying.isdisjoint(family.ids)]
    ids = [identifier for family in going for identifier in family.ids]
    if not ids:
        return Removal({}, [])
    latest = max(row[0] for row in database.fetch_in(_SETTLED, ids))
    counts = {}
    for what, table, column in _COUNTED:
        # The names are our own.
        sql = f'DELETE FROM "{table}" WHERE "{column}" IN ({_marks(ids)})'  # noqa: S608 - see above
        counts[what] = database.execute(sql, ids)
    anchors.drop(database, ids)
    heads = {family.head for family in going if family.head is not None}
    # Runs of earlier versions have no instance of their own.
    counts["runs"] += sum(database.execute(_RUN_THAT_IS_EMPTY, (run, run)) for run in heads)
    _mark(database, ids, latest, now_us)
    return Removal(counts, ids)


def count(database: Database, batch: Sequence[Family]) -> dict[str, int]:
    """Return how many rows `remove` would remove, by what they are."""
    ids = [identifier for family in batch for identifier in family.ids]
    counts = {}
    for what, table, column in _COUNTED:
        # The names are our own.
        sql = f'SELECT count(*) FROM "{table}" WHERE "{column}" IN ({_marks(ids)})'  # noqa: S608 - see above
        counts[what] = int(database.fetch(sql, ids)[0][0])
    return counts


def sweep(database: Database, references: Sequence[str]) -> int:
    """Remove the large values among these to which no row refers; return how many there were."""
    return sum(
        not _is_referred_to(database, reference) and database.values.remove(reference)
        for reference in references
    )


def _is_referred_to(database: Database, reference: str) -> bool:
    return any(database.fetch(sql, (reference,)) for sql in _REFERRING)


def _marks(ids: Sequence[bytes]) -> str:
    return ",".join("?" * len(ids))


def tombstone(database: Database) -> Tombstone | None:
    """Return what is known of what was pruned, None when nothing ever was."""
    rows = database.fetch(
        "SELECT value FROM kept WHERE namespace = ? AND kind = ? AND name = ?", _MARK
    )
    if not rows:
        return None
    value: dict[str, Any] = json.loads(rows[0][0])
    last = [bytes.fromhex(each) for each in value["last"]]
    return Tombstone(bytes.fromhex(value["newest"]), value["settled_before"], value["at"], last)


def last_removed(database: Database) -> list[bytes]:
    """Return what the last transaction that pruned has removed."""
    mark = tombstone(database)
    return [] if mark is None else mark.last


def absence(database: Database, identifier: bytes) -> str:
    """Say what is known of an id that no instance has.

    What was submitted after the newest that was pruned was never there; of what is older nobody
    knows.
    """
    text = text_of(identifier)
    mark = tombstone(database)
    if mark is None or identifier > mark.newest:
        return f"no instance {text}; it never existed"
    return (
        f"no instance {text}; if it existed it was pruned, at {rfc3339(mark.at_us)} at the latest"
    )


def _mark(database: Database, ids: Sequence[bytes], settled_at: int, now_us: int) -> None:
    newest, before = max(ids), tombstone(database)
    if before is not None:
        newest = max(newest, before.newest)
        settled_at = max(settled_at, before.settled_before_us)
    value = {
        "newest": newest.hex(),
        "settled_before": settled_at,
        "at": now_us,
        "last": [identifier.hex() for identifier in ids],
    }
    database.execute(UPSERT_KEPT, (*_MARK, json.dumps(value)))
