"""Schemas of the OpenAPI document: what tasks and what belongs to them look like."""

from collections.abc import Mapping, Sequence
from typing import Any

from tipman.charts import SETTLED, STATES
from tipman.requests import REQUESTS
from tipman.triggers import WORDS

Schema = Mapping[str, Any]


def ref(name: str) -> dict[str, str]:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(properties: Schema, *, optional: Sequence[str] = (), closed: bool = True) -> Schema:
    """Return the schema of an object with these properties."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": not closed,
    }


def maybe(kind: str, **more: object) -> Schema:
    """Return the schema of a value that may be null."""
    return {"type": [kind, "null"], **more}


def page_of(item: Schema) -> Schema:
    """Return the schema of a page of a list."""
    return object_of({"items": {"type": "array", "items": item}, "next": maybe("string")})


ID = {"type": "string", "format": "uuid"}
INSTANT = {"type": "string", "format": "date-time"}
MAYBE_INSTANT = maybe("string", format="date-time")
COUNT = {"type": "integer", "minimum": 0}
TEXT = {"type": "string"}
ERROR = {
    **object_of(
        {
            "code": TEXT,
            "message": TEXT,
            "traceback": TEXT,
            "cause": TEXT,
            "rule": {"type": ["string", "object"]},
            "seen": {"type": "object"},
        },
        optional=("traceback", "cause", "rule", "seen"),
    ),
    "type": ["object", "null"],
}
TASK = object_of(
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
        "attempt": COUNT,
        "attempts_max": COUNT,
        "dependencies": {"type": "array", "items": TEXT},
        "dependencies_remaining": COUNT,
        "run": maybe("string"),
        "schedule": maybe("string"),
        "parent": maybe("string"),
        "definition": maybe("string"),
        "queue": TEXT,
        "priority": {"type": "integer"},
        "timeout_s": maybe("number"),
        "due_at": MAYBE_INSTANT,
        "owner": maybe("string"),
        "lease_expires_at": MAYBE_INSTANT,
        "submitted_at": INSTANT,
        "queued_at": MAYBE_INSTANT,
        "started_at": MAYBE_INSTANT,
        "settled_at": MAYBE_INSTANT,
        "result": {},
        "error": ERROR,
        "context": {"type": ["object", "null"]},
    }
)
EVENT = object_of(
    {
        "seq": COUNT,
        "name": TEXT,
        "at": INSTANT,
        "actor": TEXT,
        "before": TEXT,
        "after": TEXT,
        "data": {},
    }
)
CLOUD_EVENT = object_of(
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
ATTEMPT = object_of(
    {
        "number": COUNT,
        "opening": COUNT,
        "epoch": COUNT,
        "started_at": INSTANT,
        "ended_at": INSTANT,
        "outcome": TEXT,
        "result": {},
        "error": ERROR,
    }
)
EXPLANATION = object_of(
    {
        "state": {"type": "string", "enum": sorted(STATES)},
        "waiting_for": {
            "type": "array",
            "items": object_of(
                {
                    "kind": TEXT,
                    "uri": maybe("string"),
                    "until": MAYBE_INSTANT,
                    "text": TEXT,
                }
            ),
        },
    }
)
EVENT_NAME = {"type": "string", "enum": sorted(REQUESTS)}
TEXTS = {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}
EVENT_BODY = object_of(
    {
        "name": EVENT_NAME,
        "data": {"description": "what the event carries"},
        "id": maybe("string", description="makes it once, as an `Idempotency-Key`", maxLength=255),
    },
    optional=("data", "id"),
)
KEEPER = object_of(
    {
        "id": ID,
        "uri": TEXT,
        "kind": {"type": "string", "enum": ["engine", "registry"]},
        "namespace": {"type": ["string", "null"]},
        "name": TEXT,
        "state": TEXT,
        "submitted_at": INSTANT,
    }
)
GRAPH_FIELDS: Mapping[str, Schema] = {
    "dependencies": {
        "items": {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": 200},
                object_of(
                    {"task": TEXT, "carry": {"type": "string", "enum": ["data", "order"]}},
                    optional=["carry"],
                ),
            ]
        }
    },
    "when": {
        "anyOf": [{"type": "string", "enum": [*WORDS]}, {"type": "object"}, {"type": "null"}],
        "description": "a rule over the outcomes of its dependencies, and over its context",
    },
}
"""What tasks in a graph say that their shape alone does not tell."""
_INSTANCE = {"anyOf": [ref("Task"), ref("Run"), ref("RunListed"), ref("Schedule"), ref("Keeper")]}
COMPONENTS: Mapping[str, Schema] = {
    "Task": TASK,
    "TaskPage": page_of(ref("Task")),
    "Instance": _INSTANCE,
    "Keeper": KEEPER,
    "InstancePage": page_of(ref("Instance")),
    "Event": EVENT,
    "EventPage": page_of(ref("Event")),
    "CloudEvent": CLOUD_EVENT,
    "CloudEventPage": page_of(ref("CloudEvent")),
    "Attempt": ATTEMPT,
    "AttemptPage": page_of(ref("Attempt")),
    "Explanation": EXPLANATION,
    "EventBody": EVENT_BODY,
    "TaskBatch": object_of(
        {
            "tasks": {"type": "array", "minItems": 1, "items": ref("TaskBody")},
            "on_failure": {"type": "string", "enum": ["skip", "block", "continue"]},
        },
        optional=("on_failure",),
    ),
    "TaskItems": object_of({"items": {"type": "array", "items": ref("Task")}}),
    "BulkEvent": object_of(
        {
            "filter": {
                "type": "object",
                "description": "the parameters of the list, as texts or lists of texts",
                "additionalProperties": TEXTS,
            },
            "name": EVENT_NAME,
            "data": {},
        },
        optional=("data",),
    ),
    "BulkResult": object_of({"matched": COUNT, "changed": COUNT}),
}
"""The schemas that operations refer to; `TaskBody` is made from the shape when it is asked for."""
