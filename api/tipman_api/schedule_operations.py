"""Operations on schedules: what each takes and gives, for checks and for the page."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field
from tipman.definitions.shapes import Instant, Shape

from tipman_api.operations import (
    AFTER_EVENT,
    IF_NONE_MATCH,
    LAST_EVENT_ID,
    LOCATION,
    NAMED,
    NAMESPACE,
    NOT_FOUND,
    REFERENCE,
    follows,
    gives,
    query,
    shows,
    takes,
)
from tipman_api.problems import documented
from tipman_api.registry_lists import PAGING
from tipman_api.repetition import PARAMETER as KEY
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

EVENT_NAMES = ("pause.requested", "resume.requested", "trigger.requested")
DECISIONS = ("run", "skipped", "missed")
STATES = ("active", "paused", "finished")
UPCOMING = 10
"""Instants that are told when nobody says how many."""
UPCOMING_MAX = 1000
CONCURRENCY_MAX = 1000


class EventBody(Shape):
    """What is asked of a schedule."""

    name: Literal["pause.requested", "resume.requested", "trigger.requested"]
    data: Any = None
    id: str | None = None


class BackfillBody(Shape):
    """Which part of the past is to be run after all, and what of it."""

    since: Instant
    until: Instant
    what: Literal["missing", "failed", "all"] = "missing"
    order: Literal["forwards", "backwards"] = "forwards"
    concurrency: int = Field(default=1, ge=1, le=CONCURRENCY_MAX)
    dry_run: bool = False


_NUMBER = {"type": "number", "minimum": 0}
_CATCH_UP = object_of(
    {
        "policy": {"type": "string", "enum": ["latest", "none", "earliest", "all"]},
        "window_s": _NUMBER,
        "max": {"type": "integer", "minimum": 1},
    },
    optional=("policy", "window_s", "max"),
)
_OBJECT = {"type": ["object", "null"]}
_KEY = maybe("string", minLength=1, maxLength=200)
_WHEN = {
    "cron": maybe("string", minLength=1, maxLength=500),
    "every_s": maybe("number", exclusiveMinimum=0),
    "at": MAYBE_INSTANT,
    "timezone": {"type": "string", "minLength": 1, "maxLength": 100},
    "starts_at": MAYBE_INSTANT,
    "ends_at": MAYBE_INSTANT,
    "runs_max": maybe("integer", minimum=1),
    "jitter_s": _NUMBER,
    "exclude": {"type": "array", "items": {"type": "string", "format": "date"}},
    "pause_after_failures": maybe("integer", minimum=1),
    "overlap": {
        "type": "string",
        "enum": ["skip", "queue_one", "queue_all", "latest", "cancel_running", "allow"],
    },
    "queue_max": {"type": "integer", "minimum": 1},
    "catch_up": _CATCH_UP,
    "task": {**_OBJECT, "description": "as in `POST /tasks`, but what is of one submission only"},
    "definition": maybe("string", description="`name` or `name@version`, instead of a task"),
    "arguments": {"description": "the definition's parameters"},
    "workflow": maybe("string", description="`name` or `name@version`, instead of a task"),
    "input": maybe("object", description="of each run, over the workflow's own"),
}
_CHANGEABLE = {"name": NAMED, **_WHEN, "paused": {"type": "boolean"}}
_MADE = {"key": _KEY, "namespace": NAMED, **_CHANGEABLE}
_UPCOMING = {"due_at": INSTANT, "local": TEXT, "note": maybe("string", enum=["gap", "fold", None])}
COMPONENTS: Mapping[str, Schema] = {
    "ScheduleBody": object_of(_MADE, optional=tuple(_MADE)),
    "ScheduleChanges": {**object_of(_CHANGEABLE, optional=tuple(_CHANGEABLE)), "minProperties": 1},
    "Schedule": object_of(
        {
            "id": ID,
            "uri": TEXT,
            "kind": {"const": "schedule"},
            "key": maybe("string"),
            "namespace": TEXT,
            "name": TEXT,
            "state": {"type": "string", "enum": list(STATES)},
            "settled": {"type": "boolean"},
            "running": {"type": "boolean", "description": "has a run that has not settled"},
            "paused": {"type": "boolean"},
            "orphan": {"type": "boolean", "description": "is what it submits gone"},
            "revision": COUNT,
            **_WHEN,
            "runs": COUNT,
            "failures": {**COUNT, "description": "runs in a row that did not succeed"},
            "open": {
                "type": "array",
                "items": TEXT,
                "description": "its runs that have not settled, the oldest first",
            },
            "next_at": MAYBE_INSTANT,
            "created_at": INSTANT,
            "settled_at": MAYBE_INSTANT,
        }
    ),
    "SchedulePage": page_of(ref("Schedule")),
    "Slot": object_of(
        {
            "due_at": INSTANT,
            "decision": {"type": "string", "enum": list(DECISIONS)},
            "reason": maybe("string"),
            "instance": maybe("string", description="the run"),
            "blocking": maybe("string", description="what it was skipped for"),
            "decided_at": INSTANT,
            "manual": {"type": "boolean", "description": "was it triggered"},
            "backfill": maybe("integer", description="the number of the backfill it is of"),
            "due_until": {**MAYBE_INSTANT, "description": "of a row for many, the last of them"},
            "count": {"type": "integer", "minimum": 1},
            "state": maybe("string", description="of the run, until it is pruned"),
            "result": {"description": "of its last attempt"},
            "error": ERROR,
        }
    ),
    "SlotPage": page_of(ref("Slot")),
    "ScheduleExplanation": {
        **EXPLANATION,
        "properties": {
            **EXPLANATION["properties"],
            "state": {"type": "string", "enum": list(STATES)},
        },
    },
    "UpcomingList": object_of({"items": {"type": "array", "items": object_of(_UPCOMING)}}),
    "SchedulePreview": object_of(
        {
            "items": {"type": "array", "items": object_of(_UPCOMING)},
            "catch_up": object_of(
                {
                    "due": {**COUNT, "description": "instants until now without a decision"},
                    "runs": {
                        "type": "array",
                        "items": object_of(_UPCOMING),
                        "description": "those of them that would run",
                    },
                }
            ),
        }
    ),
    "UpcomingOfAll": object_of(
        {
            "items": {
                "type": "array",
                "items": object_of({**_UPCOMING, "schedule": TEXT}),
            }
        }
    ),
    "ScheduleEventBody": object_of(
        {
            "name": {"type": "string", "enum": list(EVENT_NAMES)},
            "data": {"description": "what the event carries"},
            "id": maybe("string", description="makes it once, as an `Idempotency-Key`",
                        maxLength=255),
        },
        optional=("data", "id"),
    ),
    "BackfillBody": object_of(
        {
            "since": INSTANT,
            "until": INSTANT,
            "what": {"type": "string", "enum": ["missing", "failed", "all"]},
            "order": {"type": "string", "enum": ["forwards", "backwards"]},
            "concurrency": {"type": "integer", "minimum": 1, "maximum": CONCURRENCY_MAX},
            "dry_run": {"type": "boolean"},
        },
        optional=("what", "order", "concurrency", "dry_run"),
    ),
    "Backfill": object_of(
        {
            "backfill": maybe("integer", description="its number; null of a dry run"),
            "items": {
                "type": "array",
                "items": object_of({"due_at": INSTANT, "instance": maybe("string")}),
            },
        }
    ),
}  # fmt: skip

_LIMIT = query(
    "limit", "How many instants.",
    {"type": "integer", "minimum": 1, "maximum": UPCOMING_MAX, "default": UPCOMING},
)  # fmt: skip
_SHOWN: Sequence[Schema] = (REFERENCE, NAMESPACE, IF_NONE_MATCH)
_EXAMPLE = {
    "key": "nightly",
    "cron": "0 2 * * *",
    "timezone": "Europe/Prague",
    "catch_up": {"policy": "latest", "window_s": 3600},
    "task": {"type": "exec", "arguments": "make report"},
}
_REFUSED = documented(["invalid", "type_off", "key_exists", "quota_reached"])
CREATE: dict[str, Any] = {
    "openapi_extra": takes("ScheduleBody", _EXAMPLE, [NAMESPACE]),
    "responses": {**gives(201, "It is on disk.", "Schedule", headers=LOCATION), **_REFUSED},
}
LIST: dict[str, Any] = {
    "openapi_extra": {
        "parameters": [
            query("state", f"States, with commas between them: {', '.join(STATES)}.", TEXT),
            NAMESPACE,
            *PAGING,
            IF_NONE_MATCH,
        ]
    },
    "responses": {**shows("Schedules, newest first.", "SchedulePage"), **documented(["invalid"])},
}
SHOW: dict[str, Any] = {
    "openapi_extra": {"parameters": [*_SHOWN]},
    "responses": {**shows("The schedule.", "Schedule"), **NOT_FOUND},
}
CHANGE: dict[str, Any] = {
    "openapi_extra": takes(
        "ScheduleChanges", {"every_s": 60, "cron": None}, [REFERENCE, NAMESPACE]
    ),
    "responses": {
        **gives(200, "As it is now.", "Schedule"),
        **documented(["invalid", "type_off", "not_found", "conflict"]),
    },
}
DELETE: dict[str, Any] = {
    "openapi_extra": {"parameters": [REFERENCE, NAMESPACE, KEY]},
    "responses": {
        **gives(204, "It is finished, and its key is free.", None),
        **documented(["invalid", "not_found"]),
    },
}
SLOTS: dict[str, Any] = {
    "openapi_extra": {
        "parameters": [
            *_SHOWN,
            query("decision", f"Of these, with commas between: {', '.join(DECISIONS)}.", TEXT),
            *PAGING,
        ]
    },
    "responses": {**shows("What was decided, newest instant first.", "SlotPage"), **NOT_FOUND},
}
NEXT: dict[str, Any] = {
    "openapi_extra": {"parameters": [*_SHOWN, _LIMIT]},
    "responses": {**shows("When it is due next.", "UpcomingList"), **NOT_FOUND},
}
PREVIEW: dict[str, Any] = {
    "openapi_extra": {"parameters": [*_SHOWN, _LIMIT]},
    "responses": {
        **shows("When it is due next, and what a restart now would catch up.", "SchedulePreview"),
        **NOT_FOUND,
    },
}
NEXT_OF_ALL: dict[str, Any] = {
    "openapi_extra": {"parameters": [NAMESPACE, _LIMIT, IF_NONE_MATCH]},
    "responses": {
        **shows("What is due next, of all active schedules.", "UpcomingOfAll"),
        **documented(["invalid"]),
    },
}
BACKFILL: dict[str, Any] = {
    "openapi_extra": takes(
        "BackfillBody",
        {"since": "2026-11-01T00:00:00Z", "until": "2026-11-08T00:00:00Z", "dry_run": True},
        [REFERENCE, NAMESPACE],
    ),
    "responses": {
        **gives(202, "Its instants, in the order in which they run.", "Backfill"),
        **gives(200, "The instants that it would run.", "Backfill"),
        **documented(["invalid", "not_found", "conflict", "quota_reached"]),
    },
}
EVENTS: dict[str, Any] = {
    "openapi_extra": {"parameters": [*_SHOWN, AFTER_EVENT, PAGING[1], LAST_EVENT_ID]},
    "responses": {**follows("Lines of its log, oldest first.", ref("EventPage")), **NOT_FOUND},
}
SEND: dict[str, Any] = {
    "openapi_extra": takes(
        "ScheduleEventBody", {"name": "pause.requested"}, [REFERENCE, NAMESPACE]
    ),
    "responses": {
        **gives(202, "The schedule as it is after the commit.", "Schedule"),
        **documented(["invalid", "not_found", "conflict"]),
    },
}
EXPLAIN: dict[str, Any] = {
    "openapi_extra": {"parameters": [*_SHOWN]},
    "responses": {**shows("What it waits for.", "ScheduleExplanation"), **NOT_FOUND},
}
