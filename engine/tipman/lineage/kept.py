"""What is kept of a task's part in a lineage: what it added and, rarely, what it saw."""

import json
from typing import Any

from tipman.context import Context, Entry, Part
from tipman.jsontext import dumps


def kept_text(added: Any, saw: Context | None) -> str:
    """Return what is kept of a task's part, as JSON text: what it added, and what it saw."""
    kept: dict[str, Any] = {} if added is None else {"added": added}
    if saw is not None:
        kept["saw"] = {
            key: [entry.value, [list(part) for part in entry.parts], sorted(entry.superseded)]
            for key, entry in saw.items()
        }
    return dumps(kept)


def saw_of(kept: str | None) -> Context | None:
    """Return what a task saw, where that is kept."""
    if kept is None or '"saw"' not in kept:
        return None
    saw = json.loads(kept).get("saw")
    if saw is None:
        return None
    return {
        key: Entry(value, tuple(Part(*part) for part in parts), frozenset(superseded))
        for key, (value, parts, superseded) in saw.items()
    }
