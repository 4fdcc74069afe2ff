"""What people see of runs: JSON objects, read from committed rows only."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tipman.charts import RUN_STATES, SETTLED
from tipman.clock import rfc3339
from tipman.cursors import cursor_of, mark_of, place_in
from tipman.database import Database, Row
from tipman.errors import NotFoundError
from tipman.ids import parse, text_of
from tipman.resources import RUNS_URI, SCHEDULES_URI
from tipman.resources import URI as TASKS_URI
from tipman.runs.models import COUNT_NODES

STATES = frozenset(RUN_STATES)
LIMIT = 100
WINDOW = 10_000
"""Runs that one page looks through at most where no index serves its filter."""
_AFTERMATH_MAX = 100
"""Compensations and hooks that a run is shown with."""
_ID_BYTES = 16
_BEFORE_ALL, _AFTER_ALL = b"\x00" * _ID_BYTES, b"\xff" * _ID_BYTES
_COLUMNS = (
    "i.id, i.key, i.namespace, i.name, i.state, i.submitted_at, i.started_at, i.settled_at,"
    " i.schedule, i.opening, r.version, r.content, r.input, r.parent, r.depth, r.origin"
)
_FROM = " FROM workflow_run AS r JOIN instance AS i ON i.id = r.id"


class Page(NamedTuple):
    """Items, and the cursor of what follows, None at the end."""

    items: list[dict[str, Any]]
    next: str | None


class Ids(NamedTuple):
    """Ids, and the cursor of what follows, None at the end."""

    ids: list[bytes]
    next: str | None


class Waits(NamedTuple):
    """What a run waits for itself, and its open tasks, ids and names, the causes first.

    What its own suspension holds is not among these; *total* is how many there are in all.
    """

    state: str
    reasons: list[dict[str, Any]]
    tasks: list[tuple[bytes, str]]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs are wanted; what is None or empty wants all."""

    namespace: str | None = None
    states: tuple[str, ...] = ()
    workflow: str | None = None
    key: str | None = None
    schedule: bytes | None = None
    parent: bytes | None = None
    """The task that started them."""
    origin: bytes | None = None
    """The run that they were forked of."""
    since_us: int | None = None
    until_us: int | None = None

    def conditions(self) -> tuple[str, tuple[Any, ...]]:
        """Return what each row must meet, and the values in it."""
        terms: list[str] = []
        values: list[Any] = []
        if self.states:
            terms.append(f"i.state IN ({', '.join('?' * len(self.states))})")
            values += self.states
        for column, value in (
            ("i.namespace =", self.namespace),
            ("r.name =", self.workflow),
            ("i.key =", self.key),
            ("i.schedule =", self.schedule),
            ("r.parent =", self.parent),
            ("r.origin =", self.origin),
            ("i.submitted_at >=", self.since_us),
            ("i.submitted_at <", self.until_us),
        ):
            if value is not None:
                terms.append(f"{column} ?")
                values.append(value)
        return "".join(f" AND {term}" for term in terms), tuple(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksWanted:
    """Which tasks of a run are wanted; what is None or empty wants all."""

    states: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    name: str | None = None


def find(database: Database, reference: str, namespace: str = "default") -> bytes:
    """Return the id of the run that a UUID, a key or a URI names.

    Raises:
        NotFoundError: there is none.
    """
    text = reference.removeprefix(RUNS_URI)
    rows: list[Row] = []
    if text.isprintable():
        identifier = parse(text)
        if identifier is None:
            rows = database.fetch(
                "SELECT id FROM instance WHERE kind = 'run' AND namespace = ? AND key = ?",
                (namespace, text),
            )
        else:
            rows = database.fetch(
                "SELECT id FROM instance WHERE kind = 'run' AND id = ?", (identifier,)
            )
    if not rows:
        raise NotFoundError(f"no run {reference!r}")
    return bytes(rows[0][0])


def view(database: Database, identifier: bytes) -> dict[str, Any]:
    """Return a run as a JSON object, its nodes counted.

    Raises:
        NotFoundError: it never existed, or was pruned.
    """
    rows = database.fetch(f"SELECT {_COLUMNS}{_FROM} WHERE r.id = ?", (identifier,))
    if not rows:
        raise NotFoundError(f"no run at {RUNS_URI}{text_of(identifier)}")
    shown = _shown(rows[0])
    counts = counts_of(database, identifier)
    shown["tasks"] = {"total": sum(counts.values()), **dict(sorted(counts.items()))}
    shown["error"] = _error(database, identifier, shown["state"])
    shown["aftermath"] = _aftermath(database, identifier)
    return shown


def counts_of(database: Database, run: bytes) -> dict[str, int]:
    """Return how many nodes of a run are in which state, without those no node is in."""
    return {state: nodes for _, state, nodes in database.fetch_in(COUNT_NODES, [run])}


def page(
    database: Database,
    wanted: Wanted,
    *,
    after: str | None,
    limit: int = LIMIT,
    window: int = WINDOW,
) -> Page:
    """Return runs, newest first, their nodes not counted, and the cursor of what follows.

    Among the next *window* runs: there may be fewer than *limit*, or none, and still more.

    Raises:
        InvalidError: *after* is no cursor of such a list.
    """
    mark = mark_of(wanted)
    before = _AFTER_ALL if after is None else place_in(after, mark, size=_ID_BYTES)
    edge = _edge(database, before, max(window, limit))
    sql, values = wanted.conditions()
    rows = database.fetch(
        f"SELECT {_COLUMNS}{_FROM} WHERE r.id < ? AND r.id >= ?{sql} ORDER BY r.id DESC LIMIT ?",
        (before, edge or _BEFORE_ALL, *values, limit + 1),
    )
    items = [_shown(row) for row in rows[:limit]]
    last = bytes(rows[limit - 1][0]) if len(rows) > limit else edge
    return Page(items, None if last is None else cursor_of(mark, last))


def task_ids(
    database: Database, run: bytes, wanted: TasksWanted, *, after: str | None, limit: int = LIMIT
) -> Ids:
    """Return the tasks of a run in the order they were submitted, and the cursor of what follows.

    Raises:
        InvalidError: *after* is no cursor of such a list.
    """
    mark = mark_of((run, wanted))
    first = _BEFORE_ALL if after is None else place_in(after, mark, size=_ID_BYTES)
    terms, values = "", [run, first]
    for column, among in (("i.state", wanted.states), ("t.type", wanted.types)):
        if among:
            terms += f" AND {column} IN ({', '.join('?' * len(among))})"
            values += among  # type: ignore[arg-type]  # texts beside ids
    if wanted.name is not None:
        terms += " AND i.name = ?"
        values.append(wanted.name)  # type: ignore[arg-type]  # as above
    rows = database.fetch(
        "SELECT i.id FROM instance AS i JOIN task AS t ON t.id = i.id"  # noqa: S608 - our names
        f" WHERE i.run = ? AND i.id > ?{terms} ORDER BY i.id LIMIT ?",
        (*values, limit + 1),
    )
    ids = [bytes(row[0]) for row in rows[:limit]]
    return Ids(ids, cursor_of(mark, ids[-1]) if len(rows) > limit else None)


def names_of(database: Database, run: bytes) -> dict[str, bytes]:
    """Return the ids of the nodes of a run by their names, in the order they were submitted."""
    rows = database.fetch(
        "SELECT name, id FROM instance WHERE run = ? AND parent IS NULL AND kind = 'task'"
        " ORDER BY id",
        (run,),
    )
    return {name: bytes(identifier) for name, identifier in rows}


def waits_of(database: Database, run: bytes, *, limit: int) -> Waits:
    """Return what a run and what is open of it wait for: first what waits for no other task of it.

    Raises:
        NotFoundError: it never existed, or was pruned.
    """
    rows = database.fetch(
        "SELECT state, schedule, dependencies_remaining FROM instance WHERE id = ?", (run,)
    )
    if not rows:
        raise NotFoundError(f"no run at {RUNS_URI}{text_of(run)}")
    state, schedule, turns = rows[0]
    reasons = []
    if state == "suspended" and turns:
        uri = _uri(SCHEDULES_URI, schedule)
        reasons.append(_reason("schedule", "its turn among the runs of its schedule", uri))
    elif state == "suspended":
        reasons.append(_reason("event", "resume.requested", None))
    opened = (
        "FROM instance AS i WHERE run = ? AND kind = 'task' AND settled_at IS NULL"
        " AND (state <> 'suspended' OR held_by IS NULL OR held_by <> ?)"
    )
    total = database.fetch(f"SELECT count(*) {opened}", (run, run))[0][0]
    found = database.fetch(
        f"SELECT id, name {opened} ORDER BY {_RANK}, id LIMIT ?", (run, run, limit)
    )
    return Waits(state, reasons, [(bytes(task), name) for task, name in found], total)


def _reason(kind: str, text: str, uri: str | None) -> dict[str, Any]:
    return {"kind": kind, "uri": uri, "until": None, "text": text, "task": None}


_CAUSES = ("blocked", "suspended", "awaiting", "running", "backing_off", "delayed", "queued")
"""The states in which a task does not wait for others of its run; those of people first."""
_HAS_ITEMS = (
    "EXISTS (SELECT 1 FROM instance AS c"
    " WHERE c.parent = i.id AND c.kind = 'task' AND c.settled_at IS NULL)"
)
_RANK = "CASE WHEN state = 'awaiting' AND {} THEN {} {} ELSE {} END".format(
    _HAS_ITEMS,
    len(_CAUSES),
    " ".join(f"WHEN state = '{state}' THEN {at}" for at, state in enumerate(_CAUSES)),
    len(_CAUSES) + 1,
)
"""A map waits for its items, which are told of themselves."""


def instant(value: int | None) -> str | None:
    """Return an instant in µs as it is shown."""
    return None if value is None else rfc3339(value)


def _shown(row: Row) -> dict[str, Any]:
    (
        identifier, key, namespace, name, state, submitted_at, started_at, settled_at,
        schedule, opening, version, content, given, parent, depth, origin,
    ) = row  # fmt: skip
    uri = RUNS_URI + text_of(bytes(identifier))
    return {
        "id": uri.removeprefix(RUNS_URI), "uri": uri, "kind": "run", "key": key,
        "namespace": namespace, "name": name, "workflow": name, "version": version,
        "content": content, "state": state, "settled": state in SETTLED,
        "input": json.loads(given), "schedule": _uri(SCHEDULES_URI, schedule),
        "parent": _uri(TASKS_URI, parent), "depth": depth, "origin": _uri(RUNS_URI, origin),
        "opening": opening, "submitted_at": instant(submitted_at),
        "started_at": instant(started_at), "settled_at": instant(settled_at),
    }  # fmt: skip


def _error(database: Database, run: bytes, state: str) -> dict[str, Any] | None:
    """Return why a run did not succeed.

    That its time was over, or what its first node said that failed; or which run of its schedule
    took its place.
    """
    reason, by = database.fetch("SELECT reason, cause FROM instance WHERE id = ?", (run,))[0]
    if state == "cancelled" and by is not None:
        return _superseded(bytes(by))
    if state != "failed":
        return None
    if reason is not None:
        found: dict[str, Any] = json.loads(reason)
        return {**found, "cause": None}
    rows = database.fetch(
        "SELECT i.id, i.name, i.state, a.error FROM instance AS i"
        " LEFT JOIN attempt AS a ON a.instance = i.id AND a.number = i.attempt"
        " WHERE i.run = ? AND i.parent IS NULL AND i.state IN ('failed', 'abandoned')"
        " ORDER BY i.settled_at, i.id LIMIT 1",
        (run,),
    )
    if not rows:
        return None
    identifier, name, how, error = rows[0]
    said: Mapping[str, Any] = {} if error is None else json.loads(error)
    why = f": {said['code']}: {said['message']}" if said else ""
    return {
        "code": f"task_{how}",
        "message": f"the task {name!r} {how}{why}",
        "cause": TASKS_URI + text_of(bytes(identifier)),
    }


def _superseded(by: bytes) -> dict[str, Any]:
    uri = RUNS_URI + text_of(by)
    message = f"cancelled because a newer run of its schedule, {uri}, took its place"
    return {"code": "superseded", "message": message, "cause": uri}


def _aftermath(database: Database, run: bytes) -> list[dict[str, Any]]:
    """Return the compensations and hooks of a run, oldest first; they change no outcome."""
    rows = database.fetch(
        "SELECT id, name, state FROM instance WHERE parent = ? ORDER BY id LIMIT ?",
        (run, _AFTERMATH_MAX),
    )
    return [
        {"uri": TASKS_URI + text_of(bytes(task)), "name": name, "state": state}
        for task, name, state in rows
    ]


def _edge(database: Database, before: bytes, size: int) -> bytes | None:
    """Return the last id of a window, None when there are not so many."""
    rows = database.fetch(
        "SELECT id FROM workflow_run WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?",
        (before, size - 1),
    )
    return bytes(rows[0][0]) if rows else None


def _uri(collection: str, identifier: bytes | None) -> str | None:
    return None if identifier is None else collection + text_of(bytes(identifier))


def shown_of(database: Database, identifiers: Sequence[bytes]) -> dict[bytes, dict[str, Any]]:
    """Return those of these runs that there are, as JSON objects by their ids, not counted."""
    rows = database.fetch_in(f"SELECT {_COLUMNS}{_FROM} WHERE r.id IN (??)", list(identifiers))
    return {bytes(row[0]): _shown(row) for row in rows}
