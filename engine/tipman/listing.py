"""Listings: instances by filters, newest first, a bounded look at a time.

Ids are in the order of submission, so they are the order of a list and what its cursors hold:
what is submitted meanwhile comes before the first page and moves nothing. A filter that no index
serves looks through so many rows a call and no more; its page may then have few items, or none,
and still go on.
"""

import json
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from tipman import cursors, queries
from tipman.charts import SETTLED, UNSUCCESSFUL
from tipman.clock import rfc3339
from tipman.database import Database, Row
from tipman.errors import NotFoundError
from tipman.ids import text_of

WINDOW = 10_000
"""Rows that one call looks through at most."""
WINDOW_TEXT = 2_000
"""The same where it looks into their arguments."""
LIMIT_MAX = 1_000
PAGE_BYTES = 8 * 1024 * 1024
"""Characters after which a page ends; one item may go beyond."""
_CHUNK = 50
_NARROW = 4
"""A narrow window has so many rows for each that is wanted."""
_ID_BYTES = 16
NEWEST = b"\xff" * _ID_BYTES
"""After every id there is."""
# As the index says it, so that the database knows that the index will do.
_UNSUCCESSFUL = (
    "(i.state = 'abandoned' OR i.state = 'cancelled' OR i.state = 'failed' OR i.state = 'skipped')"
)
"""Written as the index of such instances is, or that would not be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which instances are wanted; what is None or empty wants all.

    Of each tuple one is enough. *since_us* and *until_us* bound when it was submitted, the second
    from above and not itself. *text* stands somewhere in name, key or arguments, in whatever case.
    """

    kind: str | None = None
    namespace: str | None = None
    states: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    name: str | None = None
    queue: str | None = None
    key: str | None = None
    run: bytes | None = None
    schedule: bytes | None = None
    parent: bytes | None = None
    since_us: int | None = None
    until_us: int | None = None
    text: str | None = None

    @property
    def mark(self) -> bytes:
        """A few bytes that tell the cursors of this list from those of others."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return cursors.mark_of(sorted(parts.items()))


class Page(NamedTuple):
    """Items as JSON texts, and the cursor of what follows, None at the end."""

    items: list[str]
    next: str | None


class Found(NamedTuple):
    """Ids with the states of their instances, and the last id that was looked at, None at the end.

    Newest first.
    """

    instances: list[tuple[bytes, str]]
    last: bytes | None


def cursor_of(wanted: Filter, last: bytes) -> str:
    """Return the cursor of what follows an instance in a list."""
    return cursors.cursor_of(wanted.mark, last)


def position_of(wanted: Filter, cursor: str | None) -> bytes:
    """Return the id that a page begins after.

    Raises:
        InvalidError: it is no cursor, or one of another list.
    """
    if cursor is None:
        return NEWEST
    return cursors.place_in(cursor, wanted.mark, size=_ID_BYTES)


def page(
    database: Database, wanted: Filter, *, cursor: str | None, limit: int, epoch: int
) -> Page:
    """Return a page of instances as they are shown.

    Raises:
        InvalidError: the cursor is not of this list.
    """
    found = find(database, wanted, before=position_of(wanted, cursor), limit=limit)
    items: list[str] = []
    size = 0
    for low in range(0, len(found.instances), _CHUNK):
        chunk = [identifier for identifier, _ in found.instances[low : low + _CHUNK]]
        texts = queries.task_texts(database, chunk, epoch=epoch)
        items += texts
        size += sum(map(len, texts))
        if size > PAGE_BYTES and low + _CHUNK < len(found.instances):
            return Page(items, cursor_of(wanted, chunk[-1]))
    return Page(items, None if found.last is None else cursor_of(wanted, found.last))


def dumps_stored(value: object) -> str:
    """Return the JSON text of what was stored, which was checked when it came."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def find(database: Database, wanted: Filter, *, before: bytes, limit: int) -> Found:
    """Return the next of the wanted instances, older than one."""
    looked = _window(database, wanted, before, limit)
    if looked.ids is not None:
        return _among(database, wanted, looked.ids, limit)
    instances: list[tuple[bytes, str]] = []
    edge: bytes | None = None
    # Where a window ends is found by going through it: mostly a narrow one will do.
    for size in (min(limit * _NARROW, looked.size), looked.size):
        edge = _edge(database, looked, before, size)
        instances = _between(database, wanted, looked, (edge or b"", before), limit)
        if len(instances) == limit:
            return Found(instances, instances[-1][0])
        if edge is None:
            break
    return Found(instances, edge)


def find_any(database: Database, wanted: Filter, *, before: bytes, limit: int) -> Found:
    """Return the next of the wanted instances of every kind together, older than one.

    Those that are no tasks are looked for by kind, namespace and state alone.
    """
    if wanted.kind in _TABLES:
        return _others(database, wanted, _TABLES[wanted.kind], before, limit)
    found = [_others(database, wanted, table, before, limit) for table in _TABLES.values()]
    found.append(find(database, replace(wanted, kind="task"), before=before, limit=limit))
    # Below the highest of the ends nobody knows yet what the other lists have.
    edge = max(each.last or b"" for each in found)
    merged = sorted((each for part in found for each in part.instances), reverse=True)
    known = [each for each in merged if each[0] >= edge][:limit]
    if len(known) == limit and len(merged) > limit:
        return Found(known, known[-1][0])
    return Found(known, edge or None)


_TABLES = {"schedule": "schedule", "run": "workflow_run"}
"""Where the instances of a kind have their ids, of those that are no tasks."""


def _others(database: Database, wanted: Filter, table: str, before: bytes, limit: int) -> Found:
    terms: list[str] = ["s.id < ?"]
    parameters: list[Any] = [before]
    if wanted.namespace is not None:
        terms.append("i.namespace = ?")
        parameters.append(wanted.namespace)
    if wanted.states:
        terms.append(f"i.state IN ({', '.join('?' * len(wanted.states))})")
        parameters += wanted.states
    rows = database.fetch(
        f"SELECT s.id, i.state FROM {table} AS s JOIN instance AS i ON i.id = s.id"  # noqa: S608 - our names
        f" WHERE {' AND '.join(terms)} ORDER BY s.id DESC LIMIT ?",
        (*parameters, limit + 1),
    )
    found = [(bytes(row[0]), str(row[1])) for row in rows[:limit]]
    return Found(found, found[-1][0] if len(rows) > limit else None)


def _edge(database: Database, looked: "_Path", before: bytes, size: int) -> bytes | None:
    """Return the last id of a window, None when there are not so many."""
    rows = database.fetch(
        f"SELECT id FROM instance AS i WHERE {looked.path} AND i.id < ?"  # noqa: S608 - our names
        " ORDER BY i.id DESC LIMIT 1 OFFSET ?",
        (*looked.parameters, before, size - 1),
    )
    return bytes(rows[0][0]) if rows else None


def _between(
    database: Database, wanted: Filter, looked: "_Path", bounds: tuple[bytes, bytes], limit: int
) -> list[tuple[bytes, str]]:
    """Return the wanted instances from the lower bound on and below the upper."""
    sql, parameters = _conditions(wanted)
    rows = database.fetch(
        f"SELECT i.id, i.state FROM instance AS i {_JOIN} WHERE {looked.path}"  # noqa: S608 - our names
        f" AND i.id >= ? AND i.id < ? AND {sql} ORDER BY i.id DESC LIMIT ?",
        (*looked.parameters, *bounds, *parameters, limit),
    )
    return [(bytes(row[0]), row[1]) for row in rows]


def namespace_of(database: Database, identifier: bytes) -> str:
    """Return the namespace that an instance of any kind is in.

    Raises:
        NotFoundError: it never existed, or was pruned.
    """
    rows = database.fetch("SELECT namespace FROM instance WHERE id = ?", (identifier,))
    if not rows:
        raise NotFoundError(f"no instance {text_of(identifier)}")
    return str(rows[0][0])


def kind_of(database: Database, identifier: bytes) -> str:
    """Return what kind of instance has an id.

    Raises:
        NotFoundError: it never existed, or was pruned.
    """
    rows = database.fetch("SELECT kind FROM instance WHERE id = ?", (identifier,))
    if not rows:
        raise NotFoundError(f"no instance {text_of(identifier)}")
    return str(rows[0][0])


def keeper_view(database: Database, identifier: bytes) -> dict[str, Any]:
    """Return an instance that only keeps a log as a JSON object: an engine, or a registry.

    Raises:
        NotFoundError: it never existed, or was pruned.
    """
    rows = database.fetch(
        "SELECT kind, namespace, name, state, submitted_at FROM instance WHERE id = ?",
        (identifier,),
    )
    if not rows:
        raise NotFoundError(f"no instance {text_of(identifier)}")
    kind, namespace, name, state, submitted_at = rows[0]
    text = text_of(identifier)
    return {
        "id": text,
        "uri": f"/api/v1/instances/{text}",
        "kind": kind,
        "namespace": namespace or None,
        "name": name,
        "state": state,
        "submitted_at": rfc3339(submitted_at),
    }


class _Path(NamedTuple):
    """The order in which rows are looked at: by a condition that an index serves, or by ids."""

    path: str
    parameters: Row
    size: int
    ids: list[bytes] | None = None


_OF_SCHEDULE = "i.id IN (SELECT instance FROM slot WHERE schedule = ? AND instance IS NOT NULL)"
_JOIN = "JOIN task AS t ON t.id = i.id"


def _window(database: Database, wanted: Filter, before: bytes, limit: int) -> _Path:
    size = max(WINDOW_TEXT if wanted.text else WINDOW, limit)
    if wanted.key is not None:
        namespaces = (wanted.namespace,) if wanted.namespace else ()
        by = "i.namespace = ? AND " if namespaces else ""
        return _Path(f"{by}i.kind = 'task' AND i.key = ?", (*namespaces, wanted.key), size)
    for whole, path in (
        (wanted.parent, "i.parent = ?"),
        (wanted.run, "i.run = ?"),
        (wanted.schedule, _OF_SCHEDULE),
    ):
        if whole is not None:
            return _Path(path, (whole,), size)
    states = set(wanted.states)
    if states and states <= UNSUCCESSFUL:
        return _Path(_UNSUCCESSFUL, (), size)
    if states and not states & SETTLED:
        ids = _open_ids(database, size)
        if ids is not None:
            return _Path("", (), size, [i for i in ids if i < before])
    if wanted.namespace not in {None, "default"}:
        return _Path("i.namespace = ? AND i.namespace <> 'default'", (wanted.namespace,), size)
    return _Path("1 = 1", (), size)


def _open_ids(database: Database, most: int) -> list[bytes] | None:
    """Return the ids of all that is open, newest first, None when they are too many."""
    rows = database.fetch("SELECT id FROM instance WHERE settled_at IS NULL LIMIT ?", (most + 1,))
    return sorted((bytes(row[0]) for row in rows), reverse=True) if len(rows) <= most else None


def _among(database: Database, wanted: Filter, ids: list[bytes], limit: int) -> Found:
    sql, parameters = _conditions(wanted)
    found: list[tuple[bytes, str]] = []
    for low in range(0, len(ids), LIMIT_MAX):
        rows = database.fetch_in(
            f"SELECT i.id, i.state FROM instance AS i {_JOIN} WHERE {sql} AND i.id IN (??)",  # noqa: S608 - our names
            ids[low : low + LIMIT_MAX],
            before=parameters,
        )
        found += sorted(((bytes(row[0]), row[1]) for row in rows), reverse=True)
        if len(found) > limit:
            return Found(found[:limit], found[limit - 1][0])
    return Found(found, None)


def _conditions(wanted: Filter) -> tuple[str, Row]:
    """Return what every row must meet, of `instance AS i` joined with `task AS t`."""
    terms: list[str] = []
    parameters: list[Any] = []

    def add(term: str, *values: object) -> None:
        terms.append(term)
        parameters.extend(values)

    for column, values in (("i.state", wanted.states), ("t.type", wanted.types)):
        if values:
            add(f"{column} IN ({', '.join('?' * len(values))})", *values)
    for column, value in (
        ("i.kind =", wanted.kind),
        ("i.namespace =", wanted.namespace),
        ("i.key =", wanted.key),
        ("i.name =", wanted.name),
        ("t.queue =", wanted.queue),
        ("i.run =", wanted.run),
        ("i.schedule =", wanted.schedule),
        ("i.parent =", wanted.parent),
        ("i.submitted_at >=", wanted.since_us),
        ("i.submitted_at <", wanted.until_us),
    ):
        if value is not None:
            add(f"{column} ?", value)
    if wanted.text:
        pattern = f"%{_escaped(wanted.text)}%"
        looks = " OR ".join(
            f"lower({column}) LIKE lower(?) ESCAPE '!'"
            for column in ("i.name", "coalesce(i.key, '')", "t.arguments")
        )
        add(f"({looks})", pattern, pattern, pattern)
    return " AND ".join(terms) or "1 = 1", tuple(parameters)


def _escaped(text: str) -> str:
    """Return a text of which `LIKE` takes no character for a pattern.

    >>> _escaped("50%!")
    '50!%!!'
    """
    for character in "!%_":
        text = text.replace(character, f"!{character}")
    return text
