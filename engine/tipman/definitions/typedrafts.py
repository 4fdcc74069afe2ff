"""What the JSON Schema of the workflow file says of arguments, by the type of a task."""

from collections.abc import Mapping, Sequence
from typing import Any

from tipman.definitions.arguments import COUNTER_STEP_MAX
from tipman.settings import SECONDS_MAX

TEXT = {"type": "string", "minLength": 1}
EXPRESSION = {"type": "string", "pattern": "[{}]"}
"""A text with braces, which may become anything."""


def one_of(values: Sequence[Any]) -> dict[str, Any]:
    """Return the schema of a choice."""
    return {"enum": list(values)}


def or_expression(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that may be computed when the task starts."""
    return {"anyOf": [dict(schema), EXPRESSION]}


def _taken(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    """Return the schema of arguments, each of which may be an expression."""
    return {
        "type": "object",
        "properties": {n: _open(schema) for n, schema in properties.items()},
        "additionalProperties": False,
        "required": list(required),
    }


def _open(schema: Mapping[str, Any]) -> dict[str, Any]:
    return dict(schema) if schema.get("type") == "string" or not schema else or_expression(schema)


_ANYTHING: dict[str, Any] = {}
_NAMED = {"type": "object", "description": "Arguments by name."}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_PROGRAM = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_OR_NULL = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_STATUS = {"type": "integer", "minimum": 100, "maximum": 599}
_DATA = {"approve": {"type": "boolean"}, "data": _ANYTHING}
_REPORTED = {
    "note": {**_OR_NULL, "description": "For who looks at what it waits for."},
    "form": {
        "type": ["object", "null"],
        "description": "A JSON Schema of what is reported.",
    },
    "assignee": {**_OR_NULL, "description": "The name of the token that may report."},
}
_DEFAULT = {
    "anyOf": [
        {
            "type": "object",
            "properties": _DATA,
            "additionalProperties": False,
            "required": ["approve"],
        },
        {"type": "null"},
    ],
    "description": "The answer after `timeout_s`.",
}
_COUNT_OR_NULL = {"type": ["integer", "null"], "minimum": 1}
_EXEC = {
    "argv": {"anyOf": [_PROGRAM, {"type": "null"}], "description": "A program, its arguments."},
    "shell": {**_OR_NULL, "description": "A line for the shell."},
    "env": _TEXTS,
    "cwd": _OR_NULL,
    "stdin": _OR_NULL,
}
_HTTP = {
    "url": TEXT,
    "method": {"type": "string", "examples": ["GET", "POST", "PUT", "DELETE"]},
    "headers": _TEXTS,
    "body": _ANYTHING,
    "expect_status": {"anyOf": [_STATUS, {"type": "array", "items": or_expression(_STATUS)}]},
}
_STEP = {"type": "integer", "minimum": -COUNTER_STEP_MAX, "maximum": COUNTER_STEP_MAX}
_CLOSE = one_of(["cancel", "abandon", "wait"])


def map_of(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of the arguments of a map, *task* being that of an item's."""
    context = {
        "type": "object",
        "properties": {"context": {"type": "string"}},
        "required": ["context"],
        "additionalProperties": False,
    }
    share = {"type": "string", "pattern": "^[0-9]{1,3}(\\.[0-9]{1,6})?%$"}
    found = _taken(
        {
            "over": {
                "anyOf": [{"type": "array"}, context],
                "description": "The items, or the key of the context that has them.",
            },
            "parallel_max": {**_COUNT_OR_NULL, "description": "How many items at once."},
            "failures_max": {
                "anyOf": [{"type": "integer", "minimum": 0}, share],
                "description": "How many items may fail: a number, or a share such as 10%.",
            },
        },
        "over",
        "task",
    )
    found["properties"]["task"] = dict(task)
    return found


ARGUMENTS: Mapping[str, Any] = {
    "exec": {"anyOf": [TEXT, _taken(_EXEC)], "description": "A shell line, or argv."},
    "eval": {**TEXT, "description": "Python code; it may set `result`."},
    "python": or_expression(
        _taken({"call": {**TEXT, "examples": ["module:function"]}, "args": _NAMED}, "call")
    ),
    "inline": or_expression(_taken({"task": TEXT, "args": _NAMED}, "task")),
    "sleep": or_expression(
        _taken(
            {"duration_s": {"type": "number", "minimum": 0, "maximum": SECONDS_MAX}}, "duration_s"
        )
    ),
    "counter": or_expression(_taken({"name": TEXT, "by": _STEP}, "name")),
    "http": or_expression(_taken(_HTTP, "url")),
    "wait": {"anyOf": [_taken(_REPORTED), {"type": "null"}, EXPRESSION]},
    "approval": {
        "anyOf": [_taken({**_REPORTED, "default": _DEFAULT}), {"type": "null"}, EXPRESSION]
    },
    "workflow": or_expression(
        _taken(
            {"name": TEXT, "version": _COUNT_OR_NULL, "input": _NAMED, "on_close": _CLOSE}, "name"
        )
    ),
    "map": map_of({"$ref": "#/definitions/item_task"}),
}
"""By type, what a task of it takes."""
