"""What the writes to the registry take, and what its reads give, for checks and for the page."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import Field, ValidationError
from starlette.requests import Request
from tipman.definitions.faults import faults_of
from tipman.definitions.shapes import Label, Shape
from tipman.errors import InvalidError
from tipman.registry.records import NAME_MAX

from tipman_api.bodies import body_of
from tipman_api.operations import IF_NONE_MATCH
from tipman_api.problems import documented
from tipman_api.repetition import PARAMETER as KEY

Body = TypeVar("Body", bound=Shape)
_NAME = {
    "type": "string",
    "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$",
    "minLength": 1,
    "maxLength": NAME_MAX,
}
_PLACE = {"type": ["string", "null"], "minLength": 1, "maxLength": 200}
_QUOTA = {"type": ["integer", "null"], "minimum": 0, "maximum": 2**31 - 1}
_SLOTS = {**_QUOTA, "minimum": 1}
_INSTANT = {"type": "string", "format": "date-time"}
_WHO = {"created_by": {"type": "string"}, "created_at": _INSTANT}


class NamespaceBody(Shape):
    """A namespace to be made."""

    name: str
    open_tasks_max: int | None = None
    slots_max: int | None = None


class QuotasBody(Shape):
    """Quotas that change; those that are not given stay."""

    open_tasks_max: int | None = None
    slots_max: int | None = None


class DefinitionBody(Shape):
    """A named task."""

    name: str
    namespace: Label | None = None
    task: dict[str, Any]
    parameters: dict[str, Any] = Field(default_factory=dict)


class TokenBody(Shape):
    """A token to be made."""

    name: str
    scope: str
    namespace: Label | None = None


def asked(request: Request, shape: type[Body]) -> Body:
    """Return the body of a request as what it must be.

    Raises:
        InvalidError: it is not; `faults` has every place.
    """
    try:
        return shape.model_validate(body_of(request))
    except ValidationError as error:
        faults = tuple(faults_of(error, shape))
        text = "; ".join(f"{f.pointer}: {f.detail}" if f.pointer else f.detail for f in faults)
        raise InvalidError(text, faults) from None


def _object(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _all(properties: Mapping[str, Any]) -> dict[str, Any]:
    return _object(properties, *properties)


NAMESPACE = _all(
    {
        "name": _NAME,
        "uri": {"type": "string"},
        "open_tasks_max": _QUOTA,
        "slots_max": _SLOTS,
        "open_tasks": {"type": "integer", "minimum": 0},
        "created_at": _INSTANT,
    }
)
DEFINITION = _all(
    {
        "name": _NAME,
        "namespace": {"type": "string"},
        "version": {"type": "integer", "minimum": 1},
        "uri": {"type": "string"},
        "type": {"type": "string"},
        "content": {"type": "string", "description": "a hash of task and parameters"},
        "task": {"type": "object"},
        "parameters": {"type": "object"},
        **_WHO,
        "retired_at": {"type": ["string", "null"], "format": "date-time"},
        "versions": {"type": "array", "items": {"type": "integer"}},
    }
)
TOKEN = _all(
    {
        "name": _NAME,
        "uri": {"type": "string"},
        "scope": {"type": "string", "enum": ["read", "operate", "admin"]},
        "namespace": {"type": ["string", "null"]},
        **_WHO,
        "revoked_at": {"type": ["string", "null"], "format": "date-time"},
    }
)
NEW_TOKEN = _object(
    {
        **TOKEN["properties"],
        "token": {
            "type": ["string", "null"],
            "description": "the secret, shown this once: null in the answer to a repeat",
        },
    },
    *TOKEN["required"],
    "token",
)
NAMESPACE_BODY = _object({"name": _NAME, "open_tasks_max": _QUOTA, "slots_max": _SLOTS}, "name")
QUOTAS_BODY = {
    **_object({"open_tasks_max": _QUOTA, "slots_max": _SLOTS}),
    "minProperties": 1,
}
DEFINITION_BODY = _object(
    {
        "name": _NAME,
        "namespace": _PLACE,
        "task": {"type": "object", "description": "as in `POST /tasks`, with `{parameter}`s"},
        "parameters": {"type": "object", "description": "a JSON Schema of the arguments"},
    },
    "name",
    "task",
)
TOKEN_BODY = _object(
    {
        "name": _NAME,
        "scope": {"type": "string", "enum": ["read", "operate", "admin"]},
        "namespace": _PLACE,
    },
    "name",
    "scope",
)


def list_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a page of a list."""
    return _all({"items": {"type": "array", "items": item}, "next": {"type": ["string", "null"]}})


def writing(
    body: Mapping[str, Any], example: object, *parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what an operation says of its body, and of its key."""
    content = {"application/json": {"schema": body, "example": example}}
    return {
        "requestBody": {"required": True, "content": content},
        "parameters": [*parameters, KEY],
    }


def answering(
    status: int, words: str, schema: Mapping[str, Any] | None = None, *, has_location: bool = False
) -> dict[int | str, dict[str, Any]]:
    """Return what an operation says of a good answer."""
    said: dict[str, Any] = {"description": words}
    if schema is not None:
        said["content"] = {"application/json": {"schema": schema}}
    if has_location:
        said["headers"] = {"Location": {"schema": {"type": "string"}}}
    return {status: said}


def reading(*parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an operation that reads says of what it takes."""
    return {"parameters": [*parameters, IF_NONE_MATCH]}


def showing(words: str, schema: Mapping[str, Any], *codes: str) -> dict[int | str, dict[str, Any]]:
    """Return what an operation that reads answers, and refuses by which codes."""
    tag = {"ETag": {"description": "Same bytes, same tag.", "schema": {"type": "string"}}}
    found = answering(200, words, schema)
    found[200]["headers"] = tag
    same: dict[int | str, dict[str, Any]] = {
        304: {"description": "It has not changed.", "headers": tag}
    }
    return {**found, **same, **documented(["invalid", *codes])}


def named(name: str, words: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part of a path."""
    return {"name": name, "in": "path", "required": True, "description": words, "schema": schema}


NAME = named("name", "Its name.", _NAME)


def name_in(request: Request) -> str:
    """Return the name that the path of a request has."""
    return str(request.path_params["name"])
