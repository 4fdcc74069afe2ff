"""What people see of schedules: JSON objects, read from committed rows only."""

import json
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any, NamedTuple

from tipman.clock import rfc3339
from tipman.cursors import cursor_of, mark_of, place_in
from tipman.database import Database, Row
from tipman.definitions.schedules import Schedule, stored_schedule
from tipman.errors import NotFoundError
from tipman.ids import parse, text_of
from tipman.resources import RUNS_URI
from tipman.resources import URI as TASKS_URI
from tipman.schedules.models import RECORD
from tipman.schedules.records import Record

URI = "/api/v1/schedules/"
STATES = frozenset({"active", "paused", "finished"})
LIMIT = 100
_HEAD = "i.namespace, i.name, i.state, i.submitted_at, i.settled_at, i.wake_at"
_SELECT = f"SELECT {_HEAD}, {RECORD} FROM instance AS i JOIN schedule AS s ON s.id = i.id"  # noqa: S608 - our names
_OPEN = (
    "SELECT i.schedule, i.id, i.kind FROM instance AS i"
    " WHERE i.settled_at IS NULL AND i.schedule IN (??) ORDER BY i.id"
)
_SLOT = (
    "SELECT s.due_at, s.backfill, s.manual, s.decision, s.reason, s.instance, s.blocking,"
    " s.decided_at, s.due_until, s.count, i.state, a.result, a.error, i.kind, b.kind"
    " FROM slot AS s LEFT JOIN instance AS i ON i.id = s.instance"
    " LEFT JOIN instance AS b ON b.id = s.blocking"
    " LEFT JOIN attempt AS a ON a.instance = i.id AND a.number = i.attempt WHERE s.schedule = ?"
)
_ID_BYTES = 16
_PLACE = "(s.due_at, s.backfill, s.manual)"
_PLACE_BYTES = Struct(">qii")
"""A place in a cursor: as the columns are, signed."""


class Stored(NamedTuple):
    """A schedule as its rows have it."""

    namespace: str
    name: str
    state: str
    created_at: int
    settled_at: int | None
    wake_at: int | None
    record: Record

    @property
    def spec(self) -> Schedule:
        """What was asked for."""
        return stored_schedule(self.record.spec)


class Page(NamedTuple):
    """Items, and the cursor of what follows, None at the end."""

    items: list[dict[str, Any]]
    next: str | None


def find(database: Database, reference: str, namespace: str = "default") -> bytes:
    """Return the id of the schedule that a UUID, a key or a URI names.

    Raises:
        NotFoundError: there is none.
    """
    text = reference.removeprefix(URI)
    rows: list[Row] = []
    if text.isprintable():
        identifier = parse(text)
        where, parameters = "key = ? AND namespace = ?", (text, namespace)
        if identifier is not None:
            where, parameters = "id = ?", (identifier,)  # type: ignore[assignment]  # either way
        rows = database.fetch(
            f"SELECT id FROM instance WHERE kind = 'schedule' AND {where}",  # noqa: S608 - our names
            parameters,
        )
    if not rows:
        raise NotFoundError(f"no schedule {reference!r}")
    return bytes(rows[0][0])


def stored(database: Database, identifier: bytes) -> Stored:
    """Return a schedule with its open runs' ids.

    Raises:
        NotFoundError: it never existed, or was pruned.
    """
    found = _stored(database.fetch(f"{_SELECT} WHERE i.id = ?", (identifier,)))
    if not found:
        raise NotFoundError(f"no schedule at {URI}{text_of(identifier)}")
    return found[0]


def page(
    database: Database,
    *,
    namespace: str | None = None,
    states: Sequence[str] = (),
    after: str | None = None,
    limit: int = LIMIT,
) -> tuple[list[Stored], str | None]:
    """Return schedules, newest first, and the cursor of what follows.

    Raises:
        InvalidError: *after* is no cursor of such a list.
    """
    terms, parameters = ["i.kind = 'schedule'"], []
    if namespace is not None:
        terms.append("i.namespace = ?")
        parameters.append(namespace)
    if states:
        terms.append(f"i.state IN ({', '.join('?' * len(states))})")
        parameters += states
    mark = mark_of(("schedules", namespace, tuple(states)))
    before = b"\xff" * _ID_BYTES if after is None else place_in(after, mark, size=_ID_BYTES)
    rows = database.fetch(
        f"{_SELECT} WHERE {' AND '.join(terms)} AND i.id < ? ORDER BY i.id DESC LIMIT ?",
        (*parameters, before, limit + 1),
    )
    found = _stored(rows[:limit])
    return found, cursor_of(mark, found[-1].record.id) if len(rows) > limit else None


def open_runs(database: Database, identifiers: Sequence[bytes]) -> dict[bytes, list[str]]:
    """Return the addresses of the runs that have not settled, oldest first, by schedule."""
    found: dict[bytes, list[str]] = {}
    for schedule, run, kind in database.fetch_in(_OPEN, list(identifiers)):
        found.setdefault(bytes(schedule), []).append(address_of(bytes(run), kind))
    return found


def address_of(run: bytes, kind: str | None) -> str:
    """Return the address of a run of a schedule; of one that was pruned nobody knows the kind."""
    return (RUNS_URI if kind == "run" else TASKS_URI) + text_of(run)


def view(found: Stored, runs: Sequence[str], *, is_orphan: bool) -> dict[str, Any]:
    """Return a schedule as a JSON object; *runs* are those that have not settled."""
    record, spec = found.record, found.spec
    uri = URI + text_of(record.id)
    given = json.loads(record.spec)
    shown = {name: given.get(name) for name in _SHOWN}
    return {
        "id": uri.removeprefix(URI), "uri": uri, "kind": "schedule", "key": record.key,
        "namespace": found.namespace, "name": found.name, "state": found.state,
        "settled": found.settled_at is not None, "running": bool(runs),
        "paused": found.state == "paused", "orphan": is_orphan, "revision": record.revision,
        **shown, "arguments": spec.arguments, "timezone": spec.timezone,
        "runs_max": spec.runs_max, "jitter_s": spec.jitter_s,
        "exclude": [day.isoformat() for day in spec.exclude],
        "pause_after_failures": spec.pause_after_failures, "overlap": spec.overlap,
        "queue_max": spec.queue_max, "catch_up": spec.catch_up.model_dump(),
        "runs": record.runs, "failures": record.failures, "open": list(runs),
        "next_at": _instant(record.next_at if found.state == "active" else None),
        "created_at": _instant(found.created_at), "settled_at": _instant(found.settled_at),
    }  # fmt: skip


_SHOWN = (
    "cron", "every_s", "at", "starts_at", "ends_at", "task", "definition", "workflow", "input",
)  # fmt: skip


def slots(
    database: Database,
    identifier: bytes,
    *,
    decisions: Sequence[str] = (),
    after: str | None = None,
    limit: int = LIMIT,
) -> Page:
    """Return the slots of a schedule, those of the latest instants first.

    Raises:
        InvalidError: *after* is no cursor of such a list.
    """
    terms = ""
    parameters: list[Any] = [identifier, *decisions]
    if decisions:
        terms = f" AND s.decision IN ({', '.join('?' * len(decisions))})"
    mark = mark_of(("slots", identifier, tuple(decisions)))
    if after is not None:
        terms += f" AND {_PLACE} < (?, ?, ?)"
        parameters += _PLACE_BYTES.unpack(place_in(after, mark, size=_PLACE_BYTES.size))
    rows = database.fetch(
        f"{_SLOT}{terms} ORDER BY s.due_at DESC, s.backfill DESC, s.manual DESC LIMIT ?",
        (*parameters, limit + 1),
    )
    items = [_slot(row, database) for row in rows[:limit]]
    if len(rows) <= limit:
        return Page(items, None)
    return Page(items, cursor_of(mark, _PLACE_BYTES.pack(*rows[limit - 1][:3])))


def next_due(database: Database, *, namespace: str | None, limit: int) -> list[bytes]:
    """Return the schedules whose next instants come first, so many at most."""
    terms, parameters = "", ()
    if namespace is not None:
        terms, parameters = " AND namespace = ?", (namespace,)  # type: ignore[assignment]  # either
    rows = database.fetch(
        "SELECT id FROM instance WHERE settled_at IS NULL AND wake_at IS NOT NULL"  # noqa: S608 - our names
        f" AND kind = 'schedule'{terms} ORDER BY wake_at LIMIT ?",
        (*parameters, limit),
    )
    return [bytes(row[0]) for row in rows]


def explain(found: Stored, runs: Sequence[str], *, is_orphan: bool) -> dict[str, Any]:
    """Return what a schedule waits for, *runs* being the addresses of its open ones."""
    waiting: list[dict[str, Any]] = []
    if found.state == "paused":
        limit, failures = found.spec.pause_after_failures, found.record.failures
        text = "resume.requested"
        if limit is not None and failures >= limit:
            text += f": {failures} in a row did not succeed"
        waiting.append(_reason("event", text))
    elif found.wake_at is not None:
        text = "its next instant"
        if found.wake_at != found.record.next_at:
            text += f", {_instant(found.record.next_at)}, put off by its jitter"
        if is_orphan:
            text += ", which is skipped while what it submits is gone"
        waiting.append(_reason("timer", text, until=_instant(found.wake_at)))
    waiting += (_reason(_kind(uri), "a run of it", uri=uri) for uri in runs)
    return {"state": found.state, "waiting_for": waiting}


def _kind(uri: str) -> str:
    return "run" if uri.startswith(RUNS_URI) else "task"


def upcoming(
    due_after: Callable[[int], int | None],
    shown: Callable[[int], dict[str, Any]],
    after_us: int,
    limit: int,
) -> list[dict[str, Any]]:
    """Return the next instants after one, so many at most, each as *shown*."""
    items: list[dict[str, Any]] = []
    due = due_after(after_us)
    while due is not None and len(items) < limit:
        items.append(shown(due))
        due = due_after(due)
    return items


def _stored(rows: Sequence[Row]) -> list[Stored]:
    return [Stored._make((*row[:6], Record.from_row(row[6:]))) for row in rows]


def _slot(row: Row, database: Database) -> dict[str, Any]:
    due_at, backfill, manual, decision, reason, instance, blocking, decided_at, *rest = row
    due_until, count, state, result, error, kind, kind_of_blocking = rest
    shown: dict[str, Any] = {
        "due_at": _instant(due_at),
        "decision": decision,
        "reason": reason,
        "instance": _uri(instance, kind),
        "blocking": _uri(blocking, kind_of_blocking),
        "decided_at": _instant(decided_at),
        "manual": manual > 0,
        "backfill": backfill or None,
        "due_until": _instant(due_until),
        "count": count,
        "state": state,
        "result": None if result is None else json.loads(database.values.whole(result)),
        "error": None if error is None else json.loads(error),
    }
    return shown


def _reason(
    kind: str, text: str, *, uri: str | None = None, until: str | None = None
) -> dict[str, Any]:
    return {"kind": kind, "uri": uri, "until": until, "text": text}


def _uri(identifier: bytes | None, kind: str | None) -> str | None:
    return None if identifier is None else address_of(bytes(identifier), kind)


def _instant(value: int | None) -> str | None:
    return None if value is None else rfc3339(value)
