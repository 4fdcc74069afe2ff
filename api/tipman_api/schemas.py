"""Schemas of the OpenAPI document: what tasks and what belongs to them look like."""

from collections.abc import Mapping, Sequence
from typing import Any

from tipman.charts import SETTLED, STATES
from tipman.requests import REQUESTS

Schema = Mapping[str, Any]


def ref(name: str) -> dict[str, str]:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Schema, *, optional: Sequence[str] = (), closed: bool = True) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": not closed,
    }


def maybe(kind: str, **more: object) -> Schema:
    """Return the schema of a value that may be null."""
    return {"type": [kind, "null"], **more}


def _page(item: Schema) -> Schema:
    return _object({"items": {"type": "array", "items": item}, "next": maybe("string")})


ID = {"type": "string", "format": "uuid"}
INSTANT = {"type": "string", "format": "date-time"}
__MAYBE_INSTANT = maybe("string", format="date-time")
_COUNT = {"type": "integer", "minimum": 0}
TEXT = {"type": "string"}
_ERROR = {
    **_object(
        {"code": TEXT, "message": TEXT, "traceback": TEXT, "cause": TEXT},
        optional=("traceback", "cause"),
    ),
    "type": ["object", "null"],
}
TASK = _object(
    {
        "id": ID,
        "uri": TEXT,
        "kind": {"const": "task"},
        "key": maybe("string"),
        "namespace": TEXT,
        "name": TEXT,
        "type": TEXT,
        "arguments": {},
        "state": {"type": "string", "enum": sorted(STATES)},
        "settled": {
            "type": "boolean",
            "description": f"is it one of {', '.join(sorted(SETTLED))}",
        },
        "running": {
            "type": "boolean",
            "description": "is an attempt in progress in a live engine",
        },
        "attempt": _COUNT,
        "attempts_max": _COUNT,
        "dependencies": {"type": "array", "items": TEXT},
        "dependencies_remaining": _COUNT,
        "run": maybe("string"),
        "schedule": maybe("string"),
        "definition": maybe("string"),
        "queue": TEXT,
        "priority": {"type": "integer"},
        "timeout_s": maybe("number"),
        "due_at": __MAYBE_INSTANT,
        "owner": maybe("string"),
        "lease_expires_at": __MAYBE_INSTANT,
        "submitted_at": INSTANT,
        "queued_at": __MAYBE_INSTANT,
        "started_at": __MAYBE_INSTANT,
        "settled_at": __MAYBE_INSTANT,
        "result": {},
        "error": _ERROR,
        "context": {"type": "object"},
    }
)
EVENT = _object(
    {
        "seq": _COUNT,
        "name": TEXT,
        "at": INSTANT,
        "actor": TEXT,
        "before": TEXT,
        "after": TEXT,
        "data": {},
    }
)
CLOUD_EVENT = _object(
    {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "description": "a cursor: where to go on after it"},
        "source": TEXT,
        "type": {"type": "string", "examples": ["task.settled"]},
        "subject": {"type": "string", "description": "the address of its instance"},
        "time": INSTANT,
        "datacontenttype": {"const": "application/json"},
        "namespace": TEXT,
        "kind": TEXT,
        "subjectkey": TEXT,
        "subjectname": TEXT,
        "data": ref("Event"),
    },
    optional=("subjectkey",),
)
ATTEMPT = _object(
    {
        "number": _COUNT,
        "opening": _COUNT,
        "epoch": _COUNT,
        "started_at": INSTANT,
        "ended_at": INSTANT,
        "outcome": TEXT,
        "result": {},
        "error": _ERROR,
    }
)
EXPLANATION = _object(
    {
        "state": {"type": "string", "enum": sorted(STATES)},
        "waiting_for": {
            "type": "array",
            "items": _object(
                {
                    "kind": TEXT,
                    "uri": maybe("string"),
                    "until": __MAYBE_INSTANT,
                    "text": TEXT,
                }
            ),
        },
    }
)
_EVENT_NAME = {"type": "string", "enum": sorted(REQUESTS)}
TEXTS = {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}
EVENT_BODY = _object(
    {
        "name": _EVENT_NAME,
        "data": {"description": "what the event carries"},
        "id": maybe("string", description="makes it once, as an `Idempotency-Key`", maxLength=255),
    },
    optional=("data", "id"),
)
COMPONENTS: Mapping[str, Schema] = {
    "Task": TASK,
    "TaskPage": _page(ref("Task")),
    "Event": EVENT,
    "EventPage": _page(ref("Event")),
    "CloudEvent": CLOUD_EVENT,
    "CloudEventPage": _page(ref("CloudEvent")),
    "Attempt": ATTEMPT,
    "AttemptPage": _page(ref("Attempt")),
    "Explanation": EXPLANATION,
    "EventBody": EVENT_BODY,
    "TaskBatch": _object(
        {
            "tasks": {"type": "array", "minItems": 1, "items": ref("TaskBody")},
            "on_failure": {"const": "skip"},
        },
        optional=("on_failure",),
    ),
    "TaskItems": _object({"items": {"type": "array", "items": ref("Task")}}),
    "BulkEvent": _object(
        {
            "filter": {
                "type": "object",
                "description": "the parameters of the list, as texts or lists of texts",
                "additionalProperties": TEXTS,
            },
            "name": _EVENT_NAME,
            "data": {},
        },
        optional=("data",),
    ),
    "BulkResult": _object({"matched": _COUNT, "changed": _COUNT}),
}
"""The schemas that operations refer to; `TaskBody` is made from the shape when it is asked for."""
