"""Operations on runs: what each takes and gives, for checks and for the page."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tipman.charts import RUN_STATES, STATES
from tipman.definitions import TaskType
from tipman.definitions.shapes import Shape
from tipman.drawings import FORMATS

from tipman_api.operations import (
    AFTER_EVENT,
    IF_NONE_MATCH,
    LAST_EVENT_ID,
    LOCATION,
    NAMED,
    NAMESPACE,
    NOT_FOUND,
    REFERENCE,
    WAIT,
    follows,
    gives,
    query,
    shows,
    takes,
)
from tipman_api.problems import documented
from tipman_api.registry_lists import PAGING
from tipman_api.schemas import (
    COUNT,
    ERROR,
    EXPLANATION,
    ID,
    INSTANT,
    MAYBE_INSTANT,
    TEXT,
    Schema,
    maybe,
    object_of,
    page_of,
    ref,
)

EVENT_NAMES = ("cancel.requested", "suspend.requested", "resume.requested", "retry.requested")
LONGEST_MAX = 1_000


class EventBody(Shape):
    """What is asked of a run."""

    name: Literal["cancel.requested", "suspend.requested", "resume.requested", "retry.requested"]
    data: Any = None
    id: str | None = None


_INTEGER = {"type": "integer"}
_SECONDS = maybe("number", minimum=0)
_RUN: dict[str, Schema] = {
    "id": ID,
    "uri": TEXT,
    "kind": {"const": "run"},
    "key": maybe("string"),
    "namespace": TEXT,
    "name": {"type": "string", "description": "that of its workflow"},
    "workflow": TEXT,
    "version": maybe("integer", description="null of a workflow that is not registered"),
    "content": {"type": "string", "description": "a hash of what decides how it goes"},
    "state": {"type": "string", "enum": list(RUN_STATES)},
    "settled": {"type": "boolean", "description": "has it ended, with its hooks"},
    "input": {"type": "object"},
    "schedule": maybe("string", description="the schedule that it is of"),
    "parent": maybe("string", description="the task that started it"),
    "depth": {**COUNT, "description": "how many runs it lies within"},
    "origin": maybe("string", description="the run that it was forked from"),
    "opening": COUNT,
    "submitted_at": INSTANT,
    "started_at": MAYBE_INSTANT,
    "settled_at": MAYBE_INSTANT,
}
_SPENT = object_of(
    {
        "name": TEXT,
        "uri": TEXT,
        "state": {"type": "string", "enum": sorted(STATES)},
        "attempts": COUNT,
        "queue_s": {**_SECONDS, "description": "ready, and no slot was free"},
        "run_s": {**_SECONDS, "description": "in all its attempts"},
        "started_at": MAYBE_INSTANT,
        "settled_at": MAYBE_INSTANT,
    }
)
_REASON = EXPLANATION["properties"]["waiting_for"]["items"]
COMPONENTS: Mapping[str, Schema] = {
    "Run": object_of(
        {
            **_RUN,
            "tasks": {
                "type": "object",
                "description": "how many tasks of its graph are in which state, and `total`",
                "additionalProperties": COUNT,
            },
            "error": ERROR,
            "aftermath": {
                "type": "array",
                "description": "its compensations and hooks, the first 100",
                "items": object_of(
                    {
                        "uri": TEXT,
                        "name": TEXT,
                        "state": {"type": "string", "enum": sorted(STATES)},
                    }
                ),
            },
        }
    ),
    "RunListed": object_of(_RUN),
    "RunPage": page_of(ref("RunListed")),
    "RunBody": object_of(
        {
            "input": maybe("object", description="in place of values of the workflow's own"),
            "key": maybe("string", minLength=1, maxLength=200),
            "priority": maybe("integer", minimum=-1000, maximum=1000),
            "version": maybe("integer", minimum=1, description="by default the newest"),
            "namespace": NAMED,
        },
        optional=("input", "key", "priority", "version", "namespace"),
    ),
    "RunEventBody": object_of(
        {
            "name": {"type": "string", "enum": list(EVENT_NAMES)},
            "data": {
                "description": "`tasks`, names; with `descendants` all below them too;"
                " `in_flight: stop` to suspend"
            },
            "id": maybe(
                "string", description="makes it once, as an `Idempotency-Key`", maxLength=255
            ),
        },
        optional=("data", "id"),
    ),
    "RunExplanation": object_of(
        {
            "state": {"type": "string", "enum": list(RUN_STATES)},
            "waiting_for": {
                "type": "array",
                "items": {
                    **_REASON,
                    "properties": {**_REASON["properties"], "task": maybe("string")},
                    "required": [*_REASON["required"], "task"],
                },
            },
            "left_out": {**COUNT, "description": "open tasks that are not told of"},
        }
    ),
    "RunGraph": object_of(
        {
            "run": TEXT,
            "name": TEXT,
            "nodes": {
                "type": "array",
                "items": object_of(
                    {
                        "name": TEXT,
                        "type": TEXT,
                        "state": TEXT,
                        "when": {"description": "its rule, null for the default"},
                        "uri": TEXT,
                    }
                ),
            },
            "edges": {
                "type": "array",
                "items": object_of(
                    {
                        "from": TEXT,
                        "to": TEXT,
                        "carry": {"type": "string", "enum": ["data", "order"]},
                        "rule": maybe("string", description="what the rule says of it"),
                    }
                ),
            },
        }
    ),
    "RunSummary": object_of(
        {
            "run": TEXT,
            "state": {"type": "string", "enum": list(RUN_STATES)},
            "submitted_at": INSTANT,
            "started_at": MAYBE_INSTANT,
            "settled_at": MAYBE_INSTANT,
            "elapsed_s": _SECONDS,
            "queue_s": {**_SECONDS, "description": "of all its tasks together"},
            "run_s": {**_SECONDS, "description": "of all its tasks together"},
            "critical_path": {"type": "array", "items": _SPENT},
            "critical_path_s": _SECONDS,
            "tasks": {"type": "array", "items": _SPENT, "description": "the longest first"},
            "left_out": COUNT,
        }
    ),
}

_SHOWN: Sequence[Schema] = (REFERENCE, NAMESPACE, IF_NONE_MATCH)
_STATES = f"States, with commas between them: {', '.join(RUN_STATES)}."
_TASK_STATES = f"States, with commas between them: {', '.join(sorted(STATES))}."
_TYPES = f"Types, with commas between them: {', '.join(TaskType.__args__)}."  # type: ignore[attr-defined] # of every Literal


def _pictures() -> dict[int | str, dict[str, Any]]:
    shown = shows("Its tasks as they stand, and who waits for whom.", "RunGraph")
    shown[200]["content"]["text/plain"] = {"schema": TEXT}
    return shown


NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "The workflow's, or `name@version`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}
START: dict[str, Any] = {
    "openapi_extra": takes(
        "RunBody", {"input": {"day": "2026-11-21"}}, [NAME, NAMESPACE, WAIT], is_required=False
    ),
    "responses": {
        **gives(202, "It is on disk.", "Run", headers=LOCATION),
        **gives(200, "It has settled within the wait.", "Run", headers=LOCATION),
        **documented(["invalid", "not_found", "conflict", "key_exists", "quota_reached"]),
    },
}
LIST: dict[str, Any] = {
    "openapi_extra": {
        "parameters": [
            query("state", _STATES, TEXT),
            query("workflow", "The whole name.", NAMED),
            query("key", "The whole key.", NAMED),
            query("schedule", "UUID, key or URI of a schedule.", NAMED),
            query("parent", "UUID, key or URI of the task that started them.", NAMED),
            query("origin", "UUID, key or URI of the run that they were forked of.", NAMED),
            query("since", "Submitted at this instant or later.", INSTANT),
            query("until", "Submitted before this instant.", INSTANT),
            NAMESPACE,
            *PAGING,
            IF_NONE_MATCH,
        ]
    },
    "responses": {
        **shows(
            "Runs, newest first. A page may have fewer items than `limit`, or none, and still a"
            " `next`.",
            "RunPage",
        ),
        **documented(["invalid"]),
    },
}
SHOW: dict[str, Any] = {
    "openapi_extra": {"parameters": [*_SHOWN, WAIT]},
    "responses": {**shows("The run.", "Run"), **NOT_FOUND},
}
TASKS: dict[str, Any] = {
    "openapi_extra": {
        "parameters": [
            *_SHOWN,
            query("state", _TASK_STATES, TEXT),
            query("type", _TYPES, TEXT),
            query("name", "The whole name.", NAMED),
            *PAGING,
        ]
    },
    "responses": {
        **shows("Its tasks, in the order they were submitted.", "TaskPage"),
        **NOT_FOUND,
    },
}
EVENTS: dict[str, Any] = {
    "openapi_extra": {"parameters": [*_SHOWN, AFTER_EVENT, PAGING[1], LAST_EVENT_ID]},
    "responses": {**follows("Lines of its log, oldest first.", ref("EventPage")), **NOT_FOUND},
}
SEND: dict[str, Any] = {
    "openapi_extra": takes("RunEventBody", {"name": "cancel.requested"}, [REFERENCE, NAMESPACE]),
    "responses": {
        **gives(202, "The run as it is after the commit.", "Run"),
        **documented(["invalid", "not_found", "conflict"]),
    },
}
EXPLAIN: dict[str, Any] = {
    "openapi_extra": {"parameters": [*_SHOWN]},
    "responses": {**shows("What it waits for, the causes first.", "RunExplanation"), **NOT_FOUND},
}
GRAPH: dict[str, Any] = {
    "openapi_extra": {
        "parameters": [
            *_SHOWN,
            query(
                "format",
                "A picture is text: of Mermaid, or DOT of Graphviz.",
                {"type": "string", "enum": list(FORMATS), "default": "json"},
            ),
        ]
    },
    "responses": {**_pictures(), **NOT_FOUND},
}
SUMMARY: dict[str, Any] = {
    "openapi_extra": {
        "parameters": [
            *_SHOWN,
            query(
                "limit",
                "How many tasks at most, the longest.",
                {"type": "integer", "minimum": 1, "maximum": LONGEST_MAX, "default": LONGEST_MAX},
            ),
        ]
    },
    "responses": {**shows("Where its time went.", "RunSummary"), **NOT_FOUND},
}
