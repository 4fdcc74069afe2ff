"""Operations on tasks and instances: what each takes and gives, for checks and for the page.

The shape of a task stands in `tipman.definitions`; the OpenAPI document is made from that.
"""

from collections.abc import Sequence
from typing import Any, Literal

from tipman.charts import STATES
from tipman.definitions import TaskType
from tipman.definitions.shapes import Shape

from tipman_api.parameters import WAIT_S_MAX
from tipman_api.problems import documented
from tipman_api.registry_lists import PAGING
from tipman_api.repetition import PARAMETER as IDEMPOTENCY_KEY
from tipman_api.schemas import ID, INSTANT, TEXT, Schema, ref


class Batch(Shape):
    """Tasks to be submitted together."""

    tasks: list[Any]
    on_failure: Literal["skip"] = "skip"


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


_REFERENCE = {
    "name": "reference",
    "in": "path",
    "required": True,
    "description": "A UUID, or a key.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "examples": {"key": {"value": "pack"}},
}


def _query(name: str, words: str, schema: Schema) -> Schema:
    return {
        "name": name, "in": "query", "required": False, "description": words, "schema": schema,
    }  # fmt: skip


def _header(name: str, words: str, schema: Schema) -> Schema:
    return {**_query(name, words, schema), "in": "header"}


_NAMED = {"type": "string", "minLength": 1, "maxLength": 200}
NAMESPACE = _query("namespace", "Where a key is looked up, and what is listed.", _NAMED)
_STATES = f"States, with commas between them: {', '.join(sorted(STATES))}."
_TYPES = f"Types, with commas between them: {', '.join(TaskType.__args__)}."  # type: ignore[attr-defined] # of every Literal
FILTERS: Sequence[Schema] = (
    _query("state", _STATES, TEXT),
    _query("type", _TYPES, TEXT),
    _query("name", "The whole name.", _NAMED),
    _query("key", "The whole key.", _NAMED),
    _query("queue", "The whole name of the queue.", _NAMED),
    _query("run", "UUID or URI of a run.", TEXT),
    _query("schedule", "Comes with schedules; refused until then.", TEXT),
    _query("since", "Submitted at this instant or later.", INSTANT),
    _query("until", "Submitted before this instant.", INSTANT),
    _query("text", "Stands somewhere in name, key or arguments, in whatever case.", _NAMED),
    NAMESPACE,
)
WAIT = _header(
    "Prefer",
    f"`wait=10` waits up to so many seconds, {WAIT_S_MAX:g} at most, for the task to settle.",
    {"type": "string", "examples": ["wait=10"]},
)
IF_NONE_MATCH = _header("If-None-Match", "The `ETag` that the client has.", TEXT)
_ETAG = {"ETag": {"description": "Same bytes, same tag.", "schema": TEXT}}
_APPLIED = {"Preference-Applied": {"schema": TEXT}}
_LOCATION = {"Location": {"description": "Where it is from now on.", "schema": TEXT}}
_TASK_EXAMPLE = {
    "type": "exec", "arguments": "make pack", "key": "pack", "retry": {"attempts_max": 3},
}  # fmt: skip
_AFTER_EVENT = {
    **PAGING[0],
    "description": "`next` of the page before: a sequence number.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
}


def _takes(
    name: str, example: object, parameters: Sequence[Schema], *, is_keyed: bool = True
) -> Schema:
    content = {"application/json": {"schema": ref(name), "example": example}}
    said = [*parameters, *([IDEMPOTENCY_KEY] if is_keyed else [])]
    return {"requestBody": {"required": True, "content": content}, "parameters": said}


def _gives(
    status: int,
    words: str,
    name: str | None,
    *,
    headers: Schema | None = None,
    media_type: str = "application/json",
) -> dict[int | str, dict[str, Any]]:
    said: dict[str, Any] = {"description": words}
    if name is not None:
        said["content"] = {media_type: {"schema": ref(name)}}
    if headers:
        said["headers"] = headers
    return {status: said}


def _shows(words: str, name: str) -> dict[int | str, dict[str, Any]]:
    return {
        **_gives(200, words, name, headers=_ETAG),
        **_gives(304, "It has not changed.", None, headers=_ETAG),
    }


def _follows(
    words: str, schema: Schema, media_type: str = "application/json"
) -> dict[int | str, dict[str, Any]]:
    """Return what is shown at once, or with `Accept: text/event-stream` followed."""
    told = {media_type: {"schema": schema}, "text/event-stream": {"schema": TEXT}}
    return {
        200: {"description": words, "content": told, "headers": _ETAG},
        **_gives(304, "It has not changed.", None, headers=_ETAG),
        **documented(["too_many_streams"]),
    }


LAST_EVENT_ID = _header(
    "Last-Event-ID", "Who follows goes on after this; it comes before `after`.", TEXT
)
_AFTER_PLACE = _query("after", "Who follows goes on here: `OFFSET` or `ATTEMPT.OFFSET`.", TEXT)
_NOT_FOUND = documented(["not_found", "invalid"])
_PLACED = [NAMESPACE]
_SHOWN = [_REFERENCE, NAMESPACE, IF_NONE_MATCH]
_SUBMITTED = {**_LOCATION, **_APPLIED}
_REFUSED = documented(
    ["invalid", "unknown_dependency", "cycle", "type_off", "key_exists", "quota_reached"]
)
SUBMIT_TASK: dict[str, Any] = {
    "openapi_extra": _takes("TaskBody", _TASK_EXAMPLE, [*_PLACED, WAIT]),
    "responses": {
        **_gives(202, "It is on disk.", "Task", headers=_SUBMITTED),
        **_gives(200, "It has settled within the wait.", "Task", headers=_SUBMITTED),
        **_REFUSED,
    },
}
SUBMIT_BATCH: dict[str, Any] = {
    "openapi_extra": _takes(
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
        **_gives(202, "They are on disk, in the order given.", "TaskItems", headers=_APPLIED),
        **_gives(200, "All have settled within the wait.", "TaskItems", headers=_APPLIED),
        **_REFUSED,
    },
}
LIST_TASKS: dict[str, Any] = {
    "openapi_extra": {"parameters": [*FILTERS, *PAGING, IF_NONE_MATCH]},
    "responses": {
        **_shows(
            "Tasks, newest first. A page may have fewer items than `limit`, or none, and still a"
            " `next`: a filter that no index serves looks through so many tasks at a time.",
            "TaskPage",
        ),
        **documented(["invalid"]),
    },
}
SHOW_TASK: dict[str, Any] = {
    "openapi_extra": {"parameters": [*_SHOWN, WAIT]},
    "responses": {**_shows("The task.", "Task"), **_NOT_FOUND},
}
LIST_TASK_EVENTS: dict[str, Any] = {
    "openapi_extra": {"parameters": [*_SHOWN, _AFTER_EVENT, PAGING[1], LAST_EVENT_ID]},
    "responses": {**_follows("Lines of its log, oldest first.", ref("EventPage")), **_NOT_FOUND},
}
LIST_TASK_ATTEMPTS: dict[str, Any] = {
    "openapi_extra": {"parameters": [*_SHOWN, _AFTER_EVENT, PAGING[1]]},
    "responses": {**_shows("Its attempts, oldest first.", "AttemptPage"), **_NOT_FOUND},
}
EXPLAIN_TASK: dict[str, Any] = {
    "openapi_extra": {"parameters": _SHOWN},
    "responses": {**_shows("What it waits for.", "Explanation"), **_NOT_FOUND},
}
SHOW_TASK_OUTPUT: dict[str, Any] = {
    "openapi_extra": {
        "parameters": [
            *_SHOWN,
            _query("stream", "", {"type": "string", "enum": ["stdout", "stderr"]}),
            _query("attempt", "By default the last.", {"type": "integer", "minimum": 1}),
            _AFTER_PLACE,
            LAST_EVENT_ID,
        ]
    },
    "responses": {
        **_follows("What was written, byte for byte.", TEXT, "text/plain"),
        **_gives(204, "Who follows was told the end already.", None),
        **_NOT_FOUND,
    },
}
LIST_EVENTS: dict[str, Any] = {
    "openapi_extra": {
        "parameters": [
            _query("instance", "UUID, key or URI of one instance.", _NAMED),
            _query("kind", "The kind of their instances.", _NAMED),
            _query("name", "Names of events, with commas between them.", TEXT),
            _query("since", "From this instant on.", INSTANT),
            {**NAMESPACE, "description": "By default every one that the token may see."},
            *PAGING,
            IF_NONE_MATCH,
            LAST_EVENT_ID,
        ]
    },
    "responses": {
        **_follows("Events of all instances, oldest first.", ref("CloudEventPage")),
        **documented(["invalid", "not_found"]),
    },
}
SEND_TASK_EVENT: dict[str, Any] = {
    "openapi_extra": _takes("EventBody", {"name": "cancel.requested"}, [_REFERENCE, NAMESPACE]),
    "responses": {
        **_gives(202, "The task as it is after the commit.", "Task"),
        **documented(["invalid", "not_found", "conflict", "quota_reached"]),
    },
}
SEND_TASK_EVENTS: dict[str, Any] = {
    "openapi_extra": _takes(
        "BulkEvent", {"filter": {"state": "failed"}, "name": "retry.requested"}, []
    ),
    "responses": {
        **_gives(202, "How many matched, and how many it changed something for.", "BulkResult"),
        **documented(["invalid"]),
    },
}
LIST_INSTANCES: dict[str, Any] = {
    "openapi_extra": {
        "parameters": [
            _query("kind", "", {"type": "string", "enum": ["task"]}),
            FILTERS[0],
            _query("chart", "Comes with charts; refused until then.", TEXT),
            _query("in", "Comes with charts; refused until then.", TEXT),
            NAMESPACE,
            *PAGING,
            IF_NONE_MATCH,
        ]
    },
    "responses": {
        **_shows("Instances of every kind, newest first.", "TaskPage"),
        **documented(["invalid"]),
    },
}
SHOW_INSTANCE: dict[str, Any] = {
    "openapi_extra": {
        "parameters": [{**_REFERENCE, "description": "A UUID.", "schema": ID}, IF_NONE_MATCH]
    },
    "responses": {**_shows("The instance; `kind` says which.", "Task"), **_NOT_FOUND},
}
