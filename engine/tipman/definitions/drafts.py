"""The JSON Schema (draft 7) of the workflow file, by which editors complete and mark faults.

It takes every file that is right. What no such schema can tell, as a cycle or an unknown name, is
left to `tipman validate`.
"""

from collections.abc import Mapping
from typing import Any, get_args

from tipman.definitions.shapes import ATTEMPTS_MAX, NAME_MAX, PRIORITY_MAX, Policy, TaskType
from tipman.definitions.typedrafts import ARGUMENTS, TEXT, one_of
from tipman.definitions.workflows import EVERY_KEY, FOR_EDITORS, HOOKS
from tipman.retries import Backoff
from tipman.settings import SECONDS_MAX
from tipman.triggers import OPERATORS, WORDS

Schema = Mapping[str, Any]
DRAFT = "http://json-schema.org/draft-07/schema#"
TITLE = "Tipman workflow"

_NAME = {"type": "string", "minLength": 1, "maxLength": NAME_MAX}
_SECONDS = {"type": "number", "exclusiveMinimum": 0, "maximum": SECONDS_MAX}
_DELAY = {"type": "number", "minimum": 0, "maximum": SECONDS_MAX}
_COUNT = {"type": "integer", "minimum": 1, "maximum": ATTEMPTS_MAX}
_INSTANT = {
    "type": "string",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}",
    "examples": ["2026-11-21T09:00:00Z"],
}
_RULE = {"$ref": "#/definitions/rule"}
_TASK_WITHIN = {"$ref": "#/definitions/task_within"}


def _said(schema: Schema, description: str) -> dict[str, Any]:
    return {**schema, "description": description}


def _or_null(schema: Schema) -> dict[str, Any]:
    return {"anyOf": [dict(schema), {"type": "null"}]}


def _object(properties: Schema, *required: str) -> dict[str, Any]:
    found = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


_RETRY = _object(
    {
        "attempts_max": _said(_COUNT, "Attempts in all, the first one included."),
        "backoff": _said(one_of([each.value for each in Backoff]), "How the delay grows."),
        "delay_s": _said(_DELAY, "Seconds before the second attempt."),
        "delay_s_max": _said(_DELAY, "The longest delay."),
        "jitter": {"type": "number", "minimum": 0, "maximum": 1},
        "on": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string"},
            "description": "What to retry on: exit:N, exception:NAME, http:N, timeout, *.",
        },
    }
)
_PLAIN: Schema = {
    "queue": _said(_NAME, "A queue, for the limits on slots."),
    "priority": {
        "type": "integer",
        "minimum": -PRIORITY_MAX,
        "maximum": PRIORITY_MAX,
        "description": "Higher ones go first.",
    },
    "after_s": _said(_or_null(_DELAY), "Seconds after its dependencies have settled."),
    "timeout_s": _said(_or_null(_SECONDS), "Seconds an attempt may take; null for no limit."),
    "retry": _said(_RETRY, "What follows a failed attempt."),
    "env": {"type": "object", "additionalProperties": {"type": "string"}},
    "on_lost": _said(one_of(["retry", "fail"]), "What follows when the engine dies."),
}
"""What every task may say, wherever it stands."""

_EDGE = {
    "anyOf": [
        _NAME,
        _object(
            {
                "task": _NAME,
                "carry": _said(one_of(["data", "order"]), "Whether more than order comes of it."),
            },
            "task",
        ),
    ]
}
_IN_A_GRAPH: Schema = {
    "dependencies": {
        "type": "array",
        "items": _EDGE,
        "uniqueItems": True,
        "description": "What it waits for, by names.",
    },
    "due_at": _said(_or_null(_INSTANT), "Not before this instant."),
    "when": _said(_or_null(_RULE), "The rule by which it runs once they have settled."),
    "compensate": _said(_or_null(_TASK_WITHIN), "What undoes it when the run has failed."),
}


def _task(fields: Schema, *required: str) -> dict[str, Any]:
    """Return the schema of a task with these fields besides its type and arguments."""
    typed = {
        "type": _said(one_of(get_args(TaskType)), "What sort of work it is."),
        "arguments": {"description": "What to do, by its type."},
    }
    cases = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {
                "properties": {"arguments": schema},
                **({} if name in {"wait", "approval"} else {"required": ["arguments"]}),
            },
        }
        for name, schema in ARGUMENTS.items()
    ]
    return {**_object({**fields, **typed}, *required, "type"), "allOf": cases}


def _rule() -> dict[str, Any]:
    parts = {"type": "array", "items": _RULE, "minItems": 1}
    compared = _object(
        {"key": {"type": "string", "minLength": 1}, "operator": one_of(OPERATORS), "value": {}},
        "key",
        "operator",
    )
    branches = dict.fromkeys(("all", "any", "none"), parts)
    ended = dict.fromkeys(("succeeded", "failed", "skipped"), _NAME)
    tree = _object({**branches, **ended, "context": compared})
    return {"anyOf": [one_of([*WORDS]), {**tree, "minProperties": 1, "maxProperties": 1}]}


def _merge() -> dict[str, Any]:
    policy = one_of(get_args(Policy))
    keys = {"type": "object", "additionalProperties": policy, "minProperties": 1}
    words = (
        f"What becomes of a key that two tasks wrote; `{EVERY_KEY}` stands for every other key."
    )
    return {"anyOf": [policy, keys], "description": words}


_SCHEDULE = _object(
    {
        "key": TEXT, "name": TEXT,
        "cron": _said(TEXT, "5 fields, or 6 with seconds first; @daily, @every 90s."),
        "every_s": {"type": "number", "exclusiveMinimum": 0},
        "at": _INSTANT,
        "timezone": _said(TEXT, "A zone such as Europe/Prague."),
        "starts_at": _INSTANT, "ends_at": _INSTANT,
        "runs_max": _COUNT, "jitter_s": _DELAY,
        "exclude": {"type": "array", "items": {"type": "string"}},
        "paused": {"type": "boolean"},
        "pause_after_failures": _COUNT,
        "overlap": one_of(
            ["skip", "queue_one", "queue_all", "latest", "cancel_running", "allow"]
        ),
        "queue_max": {"type": "integer", "minimum": 1},
        "catch_up": _object(
            {
                "policy": one_of(["latest", "none", "earliest", "all"]),
                "window_s": _DELAY,
                "max": {"type": "integer", "minimum": 1},
            }
        ),
    }
)  # fmt: skip
_NULLABLE = ("every_s", "cron", "at", "starts_at", "ends_at", "runs_max", "pause_after_failures")
_SCHEDULE["properties"] |= {n: _or_null(_SCHEDULE["properties"][n]) for n in (*_NULLABLE, "key")}

_FAILURES = one_of(["skip", "block", "continue", "fail_fast"])
_FIELDS: Schema = {
    FOR_EDITORS: {"type": "string", "description": "Where this schema is, for editors."},
    "name": _said(_NAME, "What the workflow is called; the file's stem if it is left out."),
    "on_failure": _said(_FAILURES, "What becomes of tasks without a rule that wait for one."),
    "input": {"type": "object", "description": "The start of every task's context."},
    "input_schema": _or_null({"type": "object", "description": "A JSON Schema of the input."}),
    "merge": _merge(),
    "hooks": _or_null(_object(dict.fromkeys(HOOKS, _TASK_WITHIN))),
    "slots": _said(_or_null(_COUNT), "How many of its attempts may run at once."),
    "timeout_s": _said(_or_null(_SECONDS), "Seconds a run may take."),
    "due_at": _said(_or_null(_INSTANT), "No task of a run begins before this instant."),
    "priority": _said(_PLAIN["priority"], "Of the tasks that have none of their own."),
    "schedule": _or_null(_said(_SCHEDULE, "When it is to run, once it is registered.")),
    "tasks": {
        "type": "array",
        "minItems": 1,
        "items": {"$ref": "#/definitions/task"},
        "description": "The tasks, in any order.",
    },
}


def workflow_schema() -> dict[str, Any]:
    """Return the schema of a workflow file, a JSON object of its own each time."""
    within = {**_PLAIN, "name": _said(_NAME, "What the log calls it.")}
    named = {"name": _said(_NAME, "How others refer to it."), **_PLAIN, **_IN_A_GRAPH}
    return {
        "$schema": DRAFT,
        "title": TITLE,
        **_object(_FIELDS, "tasks"),
        "definitions": {
            "rule": _rule(),
            "task": _task(named, "name"),
            "task_within": _task(within),
            "item_task": _task(_PLAIN),
        },
    }
