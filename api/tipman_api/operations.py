"""Operations on tasks and instances: what each takes and gives, for checks and for the page.

The shape of a task stands in `tipman.definitions`; the OpenAPI document is made from that.
"""

from collections.abc import Sequence
from typing import Any

from tipman.charts import STATES
from tipman.definitions import TaskType
from tipman.definitions.shapes import Shape
from tipman.submission import BatchFailure

from tipman_api.parameters import WAIT_S_MAX
from tipman_api.problems import documented
from tipman_api.registry_lists import PAGING
from tipman_api.repetition import PARAMETER as IDEMPOTENCY_KEY
from tipman_api.schemas import ID, INSTANT, TEXT, Schema, ref


class Batch(Shape):
    """Tasks to be submitted together."""

    tasks: list[Any]
    on_failure: BatchFailure = "skip"


class EventBody(Shape):
    """What is asked of one instance."""

    name: str
    data: Any = None
    id: str | None = None


class BulkEvent(Shape):
    """What is asked of all that match."""

    filter: dict[str, Any]
    name: str
    data: Any = None


REFERENCE = {
    "name": "reference",
    "in": "path",
    "required": True,
    "description": "A UUID, or a key.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "examples": {"key": {"value": "pack"}},
}


def query(name: str, words: str, schema: Schema) -> Schema:
    """Return a parameter of a query."""
    return {
        "name": name, "in": "query", "required": False, "description": words, "schema": schema,
    }  # fmt: skip


def header(name: str, words: str, schema: Schema) -> Schema:
    """Return a header of a request."""
    return {**query(name, words, schema), "in": "header"}


NAMED = {"type": "string", "minLength": 1, "maxLength": 200}
NAMESPACE = query("namespace", "Where a key is looked up, and what is listed.", NAMED)
_STATES = f"States, with commas between them: {', '.join(sorted(STATES))}."
_TYPES = f"Types, with commas between them: {', '.join(TaskType.__args__)}."  # type: ignore[attr-defined] # of every Literal
FILTERS: Sequence[Schema] = (
    query("state", _STATES, TEXT),
    query("type", _TYPES, TEXT),
    query("name", "The whole name.", NAMED),
    query("key", "The whole key.", NAMED),
    query("queue", "The whole name of the queue.", NAMED),
    query("run", "UUID, key or URI of a run.", NAMED),
    query("schedule", "UUID, key or URI of a schedule.", NAMED),
    query("parent", "UUID, key or URI of a map, for its items.", NAMED),
    query("since", "Submitted at this instant or later.", INSTANT),
    query("until", "Submitted before this instant.", INSTANT),
    query("text", "Stands somewhere in name, key or arguments, in whatever case.", NAMED),
    NAMESPACE,
)
WAIT = header(
    "Prefer",
    f"`wait=10` waits up to so many seconds, {WAIT_S_MAX:g} at most, for the task to settle.",
    {"type": "string", "examples": ["wait=10"]},
)
IF_NONE_MATCH = header("If-None-Match", "The `ETag` that the client has.", TEXT)
_ETAG = {"ETag": {"description": "Same bytes, same tag.", "schema": TEXT}}
_APPLIED = {"Preference-Applied": {"schema": TEXT}}
LOCATION = {"Location": {"description": "Where it is from now on.", "schema": TEXT}}
_TASK_EXAMPLE = {
    "type": "exec", "arguments": "make pack", "key": "pack", "retry": {"attempts_max": 3},
}  # fmt: skip
AFTER_EVENT = {
    **PAGING[0],
    "description": "`next` of the page before: a sequence number.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
}


def takes(
    name: str,
    example: object,
    parameters: Sequence[Schema],
    *,
    is_keyed: bool = True,
    is_required: bool = True,
) -> Schema:
    """Return what an operation says of its body, and of its key."""
    content = {"application/json": {"schema": ref(name), "example": example}}
    said = [*parameters, *([IDEMPOTENCY_KEY] if is_keyed else [])]
    return {"requestBody": {"required": is_required, "content": content}, "parameters": said}


def gives(
    status: int,
    words: str,
    name: str | None,
    *,
    headers: Schema | None = None,
    media_type: str = "application/json",
) -> dict[int | str, dict[str, Any]]:
    """Return what an operation says of an answer."""
    said: dict[str, Any] = {"description": words}
    if name is not None:
        said["content"] = {media_type: {"schema": ref(name)}}
    if headers:
        said["headers"] = headers
    return {status: said}


def shows(words: str, name: str) -> dict[int | str, dict[str, Any]]:
    """Return what an operation that reads answers."""
    return {
        **gives(200, words, name, headers=_ETAG),
        **gives(304, "It has not changed.", None, headers=_ETAG),
    }


def follows(
    words: str, schema: Schema, media_type: str = "application/json"
) -> dict[int | str, dict[str, Any]]:
    """Return what is shown at once, or with `Accept: text/event-stream` followed."""
    told = {media_type: {"schema": schema}, "text/event-stream": {"schema": TEXT}}
    return {
        200: {"description": words, "content": told, "headers": _ETAG},
        **gives(304, "It has not changed.", None, headers=_ETAG),
        **documented(["too_many_streams"]),
    }


LAST_EVENT_ID = header(
    "Last-Event-ID", "Who follows goes on after this; it comes before `after`.", TEXT
)
_AFTER_PLACE = query("after", "Who follows goes on here: `OFFSET` or `ATTEMPT.OFFSET`.", TEXT)
NOT_FOUND = documented(["not_found", "invalid"])
_PLACED = [NAMESPACE]
_SHOWN = [REFERENCE, NAMESPACE, IF_NONE_MATCH]
_SUBMITTED = {**LOCATION, **_APPLIED}
_REFUSED = documented(
    ["invalid", "unknown_dependency", "cycle", "type_off", "key_exists", "quota_reached"]
)
SUBMIT_TASK: dict[str, Any] = {
    "openapi_extra": takes("TaskBody", _TASK_EXAMPLE, [*_PLACED, WAIT]),
    "responses": {
        **gives(202, "It is on disk.", "Task", headers=_SUBMITTED),
        **gives(200, "It has settled within the wait.", "Task", headers=_SUBMITTED),
        **_REFUSED,
    },
}
SUBMIT_BATCH: dict[str, Any] = {
    "openapi_extra": takes(
        "TaskBatch",
        {
            "tasks": [
                {"type": "exec", "arguments": "make", "key": "make"},
                {"type": "exec", "arguments": "make pack", "dependencies": ["make"]},
            ]
        },
        [*_PLACED, WAIT],
    ),
    "responses": {
        **gives(202, "They are on disk, in the order given.", "TaskItems", headers=_APPLIED),
        **gives(200, "All have settled within the wait.", "TaskItems", headers=_APPLIED),
        **_REFUSED,
    },
}
LIST_TASKS: dict[str, Any] = {
    "openapi_extra": {"parameters": [*FILTERS, *PAGING, IF_NONE_MATCH]},
    "responses": {
        **shows(
            "Tasks, newest first. A page may have fewer items than `limit`, or none, and still a"
            " `next`: a filter that no index serves looks through so many tasks at a time.",
            "TaskPage",
        ),
        **documented(["invalid"]),
    },
}
SHOW_TASK: dict[str, Any] = {
    "openapi_extra": {"parameters": [*_SHOWN, WAIT]},
    "responses": {**shows("The task.", "Task"), **NOT_FOUND},
}
LIST_TASK_EVENTS: dict[str, Any] = {
    "openapi_extra": {"parameters": [*_SHOWN, AFTER_EVENT, PAGING[1], LAST_EVENT_ID]},
    "responses": {**follows("Lines of its log, oldest first.", ref("EventPage")), **NOT_FOUND},
}
LIST_TASK_ATTEMPTS: dict[str, Any] = {
    "openapi_extra": {"parameters": [*_SHOWN, AFTER_EVENT, PAGING[1]]},
    "responses": {**shows("Its attempts, oldest first.", "AttemptPage"), **NOT_FOUND},
}
EXPLAIN_TASK: dict[str, Any] = {
    "openapi_extra": {"parameters": _SHOWN},
    "responses": {**shows("What it waits for.", "Explanation"), **NOT_FOUND},
}
SHOW_TASK_OUTPUT: dict[str, Any] = {
    "openapi_extra": {
        "parameters": [
            *_SHOWN,
            query("stream", "", {"type": "string", "enum": ["stdout", "stderr"]}),
            query("attempt", "By default the last.", {"type": "integer", "minimum": 1}),
            _AFTER_PLACE,
            LAST_EVENT_ID,
        ]
    },
    "responses": {
        **follows("What was written, byte for byte.", TEXT, "text/plain"),
        **gives(204, "Who follows was told the end already.", None),
        **NOT_FOUND,
    },
}
EVENT_KINDS = ("task", "run", "schedule", "registry", "engine")
LIST_EVENTS: dict[str, Any] = {
    "openapi_extra": {
        "parameters": [
            query("instance", "UUID, key or URI of one instance.", NAMED),
            query("run", "UUID, key or URI of a run: its own, and those of its tasks.", NAMED),
            query(
                "kind", "The kind of their instances.", {"type": "string", "enum": [*EVENT_KINDS]}
            ),
            query("name", "Names of events, with commas between them.", TEXT),
            query("since", "From this instant on.", INSTANT),
            {**NAMESPACE, "description": "By default every one that the token may see."},
            *PAGING,
            IF_NONE_MATCH,
            LAST_EVENT_ID,
        ]
    },
    "responses": {
        **follows("Events of all instances, oldest first.", ref("CloudEventPage")),
        **documented(["invalid", "not_found"]),
    },
}
SEND_TASK_EVENT: dict[str, Any] = {
    "openapi_extra": takes("EventBody", {"name": "cancel.requested"}, [REFERENCE, NAMESPACE]),
    "responses": {
        **gives(202, "The task as it is after the commit.", "Task"),
        **documented(["invalid", "not_found", "conflict", "quota_reached"]),
    },
}
SEND_TASK_EVENTS: dict[str, Any] = {
    "openapi_extra": takes(
        "BulkEvent", {"filter": {"state": "failed"}, "name": "retry.requested"}, [NAMESPACE]
    ),
    "responses": {
        **gives(202, "How many matched, and how many it changed something for.", "BulkResult"),
        **documented(["invalid"]),
    },
}
LIST_INSTANCES: dict[str, Any] = {
    "openapi_extra": {
        "parameters": [
            query("kind", "", {"type": "string", "enum": ["task", "run", "schedule"]}),
            query("state", "States of whatever kind, with commas between them.", TEXT),
            query("chart", "Comes with charts; refused until then.", TEXT),
            query("in", "Comes with charts; refused until then.", TEXT),
            NAMESPACE,
            *PAGING,
            IF_NONE_MATCH,
        ]
    },
    "responses": {
        **shows("Instances of every kind, newest first.", "InstancePage"),
        **documented(["invalid"]),
    },
}
SHOW_INSTANCE: dict[str, Any] = {
    "openapi_extra": {
        "parameters": [{**REFERENCE, "description": "A UUID.", "schema": ID}, IF_NONE_MATCH]
    },
    "responses": {**shows("The instance; `kind` says which.", "Instance"), **NOT_FOUND},
}
