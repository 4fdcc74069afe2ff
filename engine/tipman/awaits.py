"""Awaits: what a task waits for that takes no slot, in words, read from committed rows only."""

import json
from collections.abc import Mapping
from typing import Any

from tipman.database import Database
from tipman.frontier import Group
from tipman.ids import text_of
from tipman.resources import RUNS_URI, URI

CHILDREN_MAX = 20
"""Of what is open below a task so many are named at most."""
_SETTLED_BY: Mapping[str, str] = {
    "wait": "finish.reported or fail.reported",
    "approval": "approve.reported or reject.reported",
}
_AFTERWARDS = {
    "awaiting": "",
    "closing": "; then it fails",
    "withdrawing": "; then it is cancelled",
}


def awaited(
    database: Database, identifier: bytes, configuration: str, until: str | None
) -> list[dict[str, Any]]:
    """Return what a task that is `awaiting` waits for, each as `explain` says it."""
    type_, arguments = database.fetch(
        "SELECT type, arguments FROM task WHERE id = ?", (identifier,)
    )[0]
    settled_by = _SETTLED_BY.get(type_)
    if settled_by is not None:
        assignee = json.loads(arguments).get("assignee")
        whose = "" if assignee is None else f" from {assignee}"
        return [_reason("event", settled_by + whose, until=until)]
    return _open_below(database, identifier, _AFTERWARDS[configuration], until)


def _open_below(
    database: Database, identifier: bytes, then: str, until: str | None
) -> list[dict[str, Any]]:
    found = [
        _reason(
            "run" if kind == "run" else "task",
            f"{name}, which is {state}{then}",
            uri=(RUNS_URI if kind == "run" else URI) + text_of(bytes(child)),
            until=until,
        )
        for child, kind, name, state in database.fetch(
            "SELECT id, kind, name, state FROM instance WHERE parent = ? AND settled_at IS NULL"
            " ORDER BY id LIMIT ?",
            (identifier, CHILDREN_MAX + 1),
        )
    ]
    if len(found) > CHILDREN_MAX:
        count = database.fetch(
            "SELECT count(*) FROM instance WHERE parent = ? AND settled_at IS NULL", (identifier,)
        )[0][0]
        rest = _reason("task", f"{count - CHILDREN_MAX:,} more of its items{then}", until=until)
        found[CHILDREN_MAX:] = [rest]
    return found or [_reason("task", "what it has yet to begin", until=until)]


def shared_slots(database: Database, identifier: bytes) -> tuple[Group, ...]:
    """Return what a task shares slots with: its run, and its map, where these have a limit."""
    rows = database.fetch(
        "SELECT r.id, r.settings, m.id, m.early FROM instance AS i"
        " LEFT JOIN workflow_run AS r ON r.id = i.run"
        " LEFT JOIN instance AS m ON m.id = i.parent AND m.kind = 'task' WHERE i.id = ?",
        (identifier,),
    )
    found: list[Group] = []
    for run, settings, map_, charge in rows:
        slots = None if run is None else json.loads(settings).get("slots")
        if slots is not None:
            found.append(Group(bytes(run), slots, "run"))
        limit = None if charge is None else json.loads(charge).get("parallel_max")
        if limit is not None:
            found.append(Group(bytes(map_), limit, "map"))
    return tuple(found)


def _reason(
    kind: str, text: str, *, uri: str | None = None, until: str | None = None
) -> dict[str, Any]:
    return {"kind": kind, "uri": uri, "until": until, "text": text}
