"""Queries: what people see of instances, read from committed rows only.

Every function takes a reader's connection and returns plain JSON values as CONTRACT shapes.
"""

import json
from collections.abc import Sequence
from typing import Any

from tipman.awaits import awaited
from tipman.charts import RUNNING, SETTLED
from tipman.clock import rfc3339
from tipman.database import Database, Row
from tipman.errors import NotFoundError
from tipman.ids import parse, text_of
from tipman.outlook import NOTHING, contexts_of, may_have_any
from tipman.resources import (
    SCHEDULES_URI,
    URI,
    TaskRow,
    error_text,
    superseded_text,
    task_text,
)
from tipman.triggers import rule_of
from tipman.values import MARK

_ALL = 2**31 - 1
_TABLES = {
    **dict.fromkeys(TaskRow._fields, "i"),
    **dict.fromkeys(("type", "queue", "priority", "arguments", "options"), "t"),
    **dict.fromkeys(("result", "error"), "a"),
}
"""Where each of the columns stands that a task is shown by."""
_FROM = (
    " FROM instance AS i JOIN task AS t ON t.id = i.id"
    " LEFT JOIN attempt AS a ON a.instance = i.id AND a.number = i.attempt"
)
_HAS_DEPENDENCIES = "EXISTS (SELECT 1 FROM dependency AS d WHERE d.dependent = i.id)"
_COLUMNS = [*(f"{t}.{name}" for name, t in _TABLES.items()), _HAS_DEPENDENCIES]
_SELECT = "SELECT " + ", ".join(_COLUMNS) + _FROM


def find_task(database: Database, reference: str, namespace: str = "default") -> bytes:
    """Return the id of the task that a UUID, a key or a URI names.

    Raises:
        NotFoundError: there is none.
    """
    identifier = find(database, reference, namespace)
    rows = database.fetch("SELECT 1 FROM instance WHERE id = ? AND kind = 'task'", (identifier,))
    if not rows:
        raise NotFoundError(f"no task {reference!r}")
    return identifier


def find(database: Database, reference: str, namespace: str = "default") -> bytes:
    """Return the id of the instance that a UUID, or of the task that a key or a URI names.

    Raises:
        NotFoundError: there is none.
    """
    text = reference.removeprefix(URI)
    if not text.isprintable():
        # No key has such characters, and the databases refuse some of them.
        raise NotFoundError(f"no task {reference!r}")
    identifier = parse(text)
    if identifier is not None:
        rows = database.fetch("SELECT id FROM instance WHERE id = ?", (identifier,))
    else:
        rows = database.fetch(
            "SELECT id FROM instance WHERE namespace = ? AND kind = 'task' AND key = ?",
            (namespace, text),
        )
    if not rows:
        raise NotFoundError(f"no task {reference!r}")
    return bytes(rows[0][0])


def count_open(database: Database) -> int:
    """Return how many tasks have not settled."""
    rows = database.fetch(
        "SELECT count(*) FROM instance WHERE settled_at IS NULL AND kind = 'task'"
    )
    return int(rows[0][0])


def has_inbox(database: Database) -> bool:
    """Tell whether events of the engine's own wait to be handled."""
    return bool(database.fetch("SELECT 1 FROM inbox LIMIT 1"))


def is_settled(database: Database, identifier: bytes) -> bool:
    """Tell whether an instance has ended; one that does not exist has not."""
    rows = database.fetch("SELECT settled_at FROM instance WHERE id = ?", (identifier,))
    return bool(rows) and rows[0][0] is not None


def exclusive_mark(database: Database, identifier: bytes) -> str | None:
    """Return the mark of a task that may not run beside another with the same mark."""
    rows = database.fetch("SELECT exclusive FROM task WHERE id = ?", (identifier,))
    return rows[0][0] if rows else None


def task_texts(database: Database, identifiers: Sequence[bytes], *, epoch: int) -> list[str]:
    """Return tasks as lists show them, as JSON texts in the order given.

    A context may be large and is worked out from all tasks above, so it is null here wherever
    there may be any. *epoch* is the living engine's.
    """
    rows, edges = _rows(database, identifiers)
    found = {
        row.id: task_text(
            row, edges.get(row.id, ()), epoch, "null" if may_have_any(row, edges) else NOTHING
        )
        for row in rows
    }
    return [found[i] for i in identifiers if i in found]


def texts_by_id(
    database: Database, identifiers: Sequence[bytes], *, epoch: int
) -> dict[bytes, str]:
    """Return those of these tasks that there are, whole, as JSON texts by their ids."""
    rows, edges = _rows(database, identifiers)
    contexts = contexts_of(database, rows, edges)
    return {
        row.id: task_text(row, edges.get(row.id, ()), epoch, contexts.get(row.id, NOTHING))
        for row in rows
    }


def _rows(
    database: Database, identifiers: Sequence[bytes]
) -> tuple[list[TaskRow], dict[bytes, list[bytes]]]:
    """Return the rows of those of these tasks that there are, and what they depend on."""
    rows = database.fetch_in(f"{_SELECT} WHERE i.id IN (??)", list(identifiers))
    waiting = [bytes(row[0]) for row in rows if row[-1]]
    edges = _edges(database, waiting) if waiting else {}
    return [_whole(database, _task_row(row[:-1])) for row in rows], edges


def _whole(database: Database, row: TaskRow) -> TaskRow:
    """Return a row with its result, where only a reference to it is kept."""
    if row.result is None or row.result[0] != MARK[0]:
        return row
    return row._replace(result=database.values.whole(row.result))


def tasks(database: Database, identifiers: Sequence[bytes], *, epoch: int) -> list[dict[str, Any]]:
    """Return tasks as lists show them, as JSON objects in the order given."""
    return [json.loads(text) for text in task_texts(database, identifiers, epoch=epoch)]


def task(database: Database, identifier: bytes, *, epoch: int) -> dict[str, Any]:
    """Return one task as a JSON object.

    Raises:
        NotFoundError: it never existed, or was pruned.
    """
    found = texts_by_id(database, [identifier], epoch=epoch)
    if not found:
        raise NotFoundError(f"no task at {URI}{text_of(identifier)}")
    shown: dict[str, Any] = json.loads(found[identifier])
    return shown


def outcome(database: Database, identifier: bytes) -> tuple[str, Any, dict[str, Any] | None]:
    """Return state, result and error of one task.

    Raises:
        NotFoundError: it never existed, or was pruned.
    """
    rows = database.fetch(
        "SELECT i.state, i.cause, i.schedule, i.reason, a.result, a.error FROM instance AS i"
        " LEFT JOIN attempt AS a ON a.instance = i.id AND a.number = i.attempt WHERE i.id = ?",
        (identifier,),
    )
    if not rows:
        raise NotFoundError(f"no task at {URI}{text_of(identifier)}")
    state, cause, schedule, reason, result, error = rows[0]
    if result is not None:
        result = database.values.whole(result)
    if reason is not None:
        return state, _value(result), _value(reason)
    if cause is not None and schedule is not None:
        return state, _value(result), _value(superseded_text(bytes(cause)))
    return state, _value(result), _error(error, cause)


def last_attempt(database: Database, identifier: bytes) -> int:
    """Return the number of a task's last attempt, 0 before the first.

    Raises:
        NotFoundError: it never existed, or was pruned.
    """
    rows = database.fetch("SELECT attempt FROM instance WHERE id = ?", (identifier,))
    if not rows:
        raise NotFoundError(f"no task at {URI}{text_of(identifier)}")
    return int(rows[0][0])


def attempts(
    database: Database, identifier: bytes, *, after: int = 0, limit: int = _ALL
) -> list[dict[str, Any]]:
    """Return the attempts of a task that have ended, oldest first, after one of a number."""
    rows = database.fetch(
        "SELECT number, opening, epoch, started_at, ended_at, outcome, result, error"
        " FROM attempt WHERE instance = ? AND number > ? ORDER BY number LIMIT ?",
        (identifier, after, limit),
    )
    return [
        {
            "number": number,
            "opening": opening,
            "epoch": epoch,
            "started_at": rfc3339(started_at),
            "ended_at": rfc3339(ended_at),
            "outcome": outcome_,
            "result": None if result is None else _value(database.values.whole(result)),
            "error": _value(error),
        }
        for number, opening, epoch, started_at, ended_at, outcome_, result, error in rows
    ]


def log(
    database: Database, identifier: bytes, *, after: int = 0, limit: int = _ALL
) -> list[dict[str, Any]]:
    """Return the event log of one instance, oldest line first, after one of a sequence."""
    rows = database.fetch(
        'SELECT instance, sequence, name, at, actor, "before", "after", data FROM log_line'
        " WHERE instance = ? AND sequence > ? ORDER BY sequence LIMIT ?",
        (identifier, after, limit),
    )
    return [log_line(row) for row in rows]


def log_line(row: Row) -> dict[str, Any]:
    """Return one line of the event log as a JSON object."""
    _, sequence, name, at, actor, before, after, data = row
    return {
        "seq": sequence,
        "name": name,
        "at": rfc3339(at),
        "actor": actor,
        "before": before,
        "after": after,
        "data": _value(data),
    }


def explain(database: Database, identifier: bytes, obstacle: str) -> dict[str, Any]:
    """Return what an unsettled task waits for.

    *obstacle* says what keeps a queued one, in the words of the frontier that starts it.

    Raises:
        NotFoundError: it never existed, or was pruned.
    """
    rows = database.fetch(
        "SELECT state, configuration, attempt, coalesce(wake_at, times_out_at), due_at, schedule"
        " FROM instance WHERE id = ?",
        (identifier,),
    )
    if not rows:
        raise NotFoundError(f"no task at {URI}{text_of(identifier)}")
    state, configuration, attempt, deadline, due_at, schedule = rows[0]
    until = None if deadline is None else rfc3339(deadline)
    waiting: list[dict[str, Any]] = []
    if state == "waiting" and schedule is not None:
        uri = SCHEDULES_URI + text_of(bytes(schedule))
        waiting = [_reason("schedule", "its turn among the runs of its schedule", uri=uri)]
    elif state == "waiting":
        waiting = _unsettled_dependencies(database, identifier)
    elif state == "blocked":
        waiting = _failed_dependencies(database, identifier)
    elif state == "queued":
        waiting = [_reason("slot", obstacle)]
    elif state in {"delayed", "backing_off"}:
        words = "its due time" if state == "delayed" else "its next attempt"
        waiting = [_reason("timer", words, until=until or _instant(due_at))]
    elif state == "running":
        waiting = [_reason("attempt", _RUNNING_WORDS[configuration].format(attempt), until=until)]
    elif state == "awaiting":
        waiting = awaited(database, identifier, configuration, until)
    elif state == "suspended":
        waiting = [_reason("event", "resume.requested")]
    return {"state": state, "waiting_for": waiting}


_RUNNING_WORDS = {
    "executing": "the end of attempt {}",
    "finishing": "the end of attempt {}; then it is suspended",
    "parking": "the end of attempt {}, which is being ended; then it is suspended",
    "ending": "the end of attempt {}, which is being ended",
    "cancelling": "the end of attempt {}, which is being ended; then it is cancelled",
}
if _RUNNING_WORDS.keys() != RUNNING:
    raise AssertionError("explain must know every state in which an attempt is in progress")


def _unsettled_dependencies(database: Database, identifier: bytes) -> list[dict[str, Any]]:
    needs = _dependencies(database, identifier)
    waiting = [
        _reason("task", f"{name}, which is {state}", uri=uri)
        for uri, name, state in needs
        if state not in SETTLED
    ]
    options = database.fetch("SELECT options FROM task WHERE id = ?", (identifier,))[0][0]
    when = json.loads(options).get("when")
    if when is None:
        return waiting
    outcomes: dict[str, str | None] = {}
    for uri, name, state in needs:
        # Tasks of a batch may have the same name.
        called = uri if name in outcomes else name
        outcomes[called] = state if state in SETTLED else None
    decision = rule_of(when).decide(outcomes, dict)
    return [_reason("rule", decision.why), *waiting]


def _failed_dependencies(database: Database, identifier: bytes) -> list[dict[str, Any]]:
    return [
        _reason("task", f"a retry of {name}, which {was}", uri=uri)
        for uri, name, state in _dependencies(database, identifier)
        if (was := _ENDED_BADLY.get(state)) is not None
    ]


_ENDED_BADLY = {"failed": "failed", "cancelled": "was cancelled", "abandoned": "was abandoned"}


def _dependencies(database: Database, identifier: bytes) -> list[tuple[str, str, str]]:
    """Return address, name and state of all that a task depends on."""
    rows = database.fetch(
        "SELECT d.id, d.name, d.state FROM dependency AS e JOIN instance AS d"
        " ON d.id = e.dependency WHERE e.dependent = ? ORDER BY e.position",
        (identifier,),
    )
    return [(URI + text_of(bytes(dependency)), name, state) for dependency, name, state in rows]


def _reason(
    kind: str, text: str, *, uri: str | None = None, until: str | None = None
) -> dict[str, Any]:
    return {"kind": kind, "uri": uri, "until": until, "text": text}


def _edges(database: Database, identifiers: Sequence[bytes]) -> dict[bytes, list[bytes]]:
    edges: dict[bytes, list[bytes]] = {}
    for dependent, dependency in database.fetch_in(
        "SELECT dependent, dependency FROM dependency WHERE dependent IN (??)"
        " ORDER BY dependent, position",
        list(identifiers),
    ):
        edges.setdefault(bytes(dependent), []).append(bytes(dependency))
    return edges


def _task_row(row: Row) -> TaskRow:
    found = TaskRow(*row)
    if type(found.id) is bytes and (found.cause is None or type(found.cause) is bytes):
        return found
    # The driver of PostgreSQL gives views of its own memory.
    return found._replace(
        id=bytes(found.id),
        cause=None if found.cause is None else bytes(found.cause),
        run=None if found.run is None else bytes(found.run),
        schedule=None if found.schedule is None else bytes(found.schedule),
        parent=None if found.parent is None else bytes(found.parent),
    )


def _instant(value: int | None) -> str | None:
    return None if value is None else rfc3339(value)


def _value(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _error(error: str | None, cause: bytes | None) -> Any:
    return _value(error_text(error, None if cause is None else bytes(cause)))
