"""What the document says of workflows: their bodies, their answers, their parameters."""

import json
from typing import Any

from tipman.definitions.drafts import workflow_schema

from tipman_api.problems import documented
from tipman_api.registry_bodies import (
    DEFINITION,
    NAME,
    answering,
    list_of,
    named,
    reading,
    showing,
)
from tipman_api.registry_lists import PAGING
from tipman_api.repetition import PARAMETER

YAML = "application/yaml"
TOML = "application/toml"
SCHEMA_TYPE = "application/schema+json"
NAMESPACE = {
    "name": "namespace",
    "in": "query",
    "required": False,
    "description": "The token's own, else `default`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}
VERSION = named("version", "Its number.", {"type": "integer", "minimum": 1})

_PROPERTIES: dict[str, Any] = DEFINITION["properties"]
_SUMMARY_NAMES = (
    "name", "namespace", "version", "uri", "content", "created_by", "created_at", "retired_at",
)  # fmt: skip
_SUMMARY: dict[str, Any] = {
    "type": "object",
    "properties": {name: _PROPERTIES[name] for name in _SUMMARY_NAMES},
    "required": [*_SUMMARY_NAMES],
    "additionalProperties": False,
}
_WORKFLOW: dict[str, Any] = {
    **_SUMMARY,
    "properties": {
        **_SUMMARY["properties"],
        "workflow": {"type": "object", "description": "as it was given, without its schedule"},
        "versions": _PROPERTIES["versions"],
    },
    "required": [*_SUMMARY_NAMES, "workflow", "versions"],
}
_EXAMPLE = {
    "name": "nightly",
    "tasks": [
        {"name": "pull", "type": "exec", "arguments": "git pull"},
        {"name": "test", "type": "exec", "arguments": "make test", "dependencies": ["pull"]},
    ],
}
_EXAMPLE_TEXT = "name: nightly\ntasks:\n- {name: pull, type: exec, arguments: git pull}\n"
_EXAMPLE_TOML = (
    'name = "nightly"\n[[tasks]]\nname = "pull"\ntype = "exec"\narguments = "git pull"\n'
)
_BODY = {
    "type": "object",
    "required": ["name", "tasks"],
    "properties": {
        "name": _PROPERTIES["name"],
        "namespace": {"type": ["string", "null"], "minLength": 1, "maxLength": 200},
        "tasks": {"type": "array", "minItems": 1, "items": {"type": "object"}},
    },
    "description": "a workflow file; its schema is that of `GET /api/v1/schemas/workflow`",
}
_TEXT = {"type": "string", "description": "a workflow file"}
_GONE = {**answering(204, "It takes no more runs."), **documented(["not_found"])}
_FOUND = showing("The version.", _WORKFLOW, "not_found")

ADD: dict[str, Any] = {
    "status_code": 201,
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _BODY, "example": _EXAMPLE},
                YAML: {"schema": _TEXT, "example": _EXAMPLE_TEXT},
                TOML: {"schema": _TEXT, "example": _EXAMPLE_TOML},
            },
        },
        "parameters": [NAMESPACE, PARAMETER],
    },
    "responses": {
        **answering(201, "A new version.", _WORKFLOW, has_location=True),
        **answering(200, "A version in use is the same.", _WORKFLOW, has_location=True),
        **documented(["key_exists", "cycle", "unknown_dependency"]),
    },
}
LIST: dict[str, Any] = {
    "openapi_extra": reading(*PAGING, NAMESPACE),
    "responses": showing("The newest version of each.", list_of(_SUMMARY)),
}
SHOW: dict[str, Any] = {"openapi_extra": reading(NAME, NAMESPACE), "responses": _FOUND}
SHOW_VERSION: dict[str, Any] = {
    "openapi_extra": reading(NAME, VERSION, NAMESPACE),
    "responses": _FOUND,
}
RETIRE: dict[str, Any] = {
    "status_code": 204,
    "openapi_extra": {"parameters": [NAME, NAMESPACE, PARAMETER]},
    "responses": _GONE,
}
RETIRE_VERSION: dict[str, Any] = {
    "status_code": 204,
    "openapi_extra": {"parameters": [NAME, VERSION, NAMESPACE, PARAMETER]},
    "responses": _GONE,
}
SCHEMA: dict[str, Any] = {
    "openapi_extra": reading(),
    "responses": {
        **showing("The schema.", {"type": "object"}),
        200: {
            "description": "A JSON Schema, draft 7.",
            "content": {SCHEMA_TYPE: {"schema": {"type": "object"}}},
            "headers": {"ETag": {"schema": {"type": "string"}}},
        },
    },
}


def schema_text() -> bytes:
    """Return the schema of a workflow file as it is served and printed."""
    return (json.dumps(workflow_schema(), indent=1) + "\n").encode()
