"""The OpenAPI document: what FastAPI knows of the routes, and what only we know."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response
from tipman.definitions import Task
from tipman.definitions.arguments import SHAPES
from tipman.version import VERSION

from tipman_api import growth_operations, run_operations, schedule_operations, schemas
from tipman_api.principals import Scope
from tipman_api.problems import documented
from tipman_api.representation import shown
from tipman_api.routes import COMPONENTS, Router

router = Router(include_in_schema=False)
TITLE = "Tipman"
DESCRIPTION = """\
Runs tasks durably. Every write is answered once it is on disk; what is refused is said as a
problem (RFC 9457) with a stable `code`."""
TAGS = {
    "tasks": "What is to be done, and how far it is.",
    "runs": "Workflows that were started.",
    "schedules": "What is to be done when, and what became of each instant.",
    "instances": "Whatever lives or has lived, by its UUID.",
    "events": "What happened, told once or followed.",
    "workflows": "Named, versioned graphs of tasks.",
    "definitions": "Named, versioned tasks with parameters.",
    "namespaces": "Keys, queues and quotas apart from one another.",
    "tokens": "Who may ask.",
    "session": "A cookie for a browser.",
    "admin": "For those who look after it.",
    "health": "Whether it lives, is ready and well.",
}
_ANYWHERE = documented(["error", "unavailable", "database"])
_FRAMEWORKS_OWN = ("HTTPValidationError", "ValidationError")


@router.get("/openapi.json", scope=Scope.READ)
async def show_openapi(request: Request) -> Response:
    """Return this document."""
    return shown(request, request.app.openapi())


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document of an application, made at its first call."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=TITLE, version=VERSION, description=DESCRIPTION, routes=app.routes
        )
        for operation in _operations(made):
            _complete(operation)
        components = made.setdefault("components", {})
        kept = components.get("schemas", {})
        for name in _FRAMEWORKS_OWN:
            kept.pop(name, None)
        components["schemas"] = dict(sorted({**kept, **_schemas()}.items()))
        components["securitySchemes"] = COMPONENTS["securitySchemes"]
        used = {tag for operation in _operations(made) for tag in operation.get("tags", ())}
        made["tags"] = [{"name": n, "description": d} for n, d in TAGS.items() if n in used]
        app.openapi_schema = made
    return app.openapi_schema


def _operations(made: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path in made["paths"].values():
        yield from path.values()


def _complete(operation: dict[str, Any]) -> None:
    """Document what any operation may answer, and nothing that the framework made up."""
    responses = operation["responses"]
    for status, response in list(responses.items()):
        if "HTTPValidationError" in str(response):
            responses[status] = documented(["invalid"])[422]
    for number, response in _ANYWHERE.items():
        responses.setdefault(str(number), response)
    operation["responses"] = dict(sorted(responses.items()))
    parameters = {(p["in"], p["name"]): p for p in operation.get("parameters", ())}
    if parameters:
        operation["parameters"] = list(parameters.values())


def _schemas() -> dict[str, Any]:
    own = {
        **schemas.COMPONENTS,
        **schedule_operations.COMPONENTS,
        **run_operations.COMPONENTS,
        **growth_operations.COMPONENTS,
    }
    return {**_task_schemas(), **own, **COMPONENTS["schemas"]}


def _task_schemas() -> dict[str, Any]:
    """Return the shape of a task that is submitted, by its type or by a definition."""
    shape = Task.model_json_schema(ref_template="#/components/schemas/{model}")
    parts = _untitled(shape.pop("$defs"))
    for name, arguments in SHAPES.items():
        made = arguments.model_json_schema(ref_template="#/components/schemas/{model}")
        parts |= _untitled(made.pop("$defs", {}))
        parts[_name_of(name)] = _untitled(made)
    by_type = _untitled(shape)
    fields = by_type["properties"]
    fields["name"].pop("default")
    # Only a task of a workflow says it.
    fields.pop("compensate")
    fields |= {n: {**fields[n], **schema} for n, schema in schemas.GRAPH_FIELDS.items()}
    fields["arguments"] = {
        "description": "as the type wants them",
        "anyOf": [
            {"type": "string", "description": "a shell line, or Python code"},
            *({"$ref": f"#/components/schemas/{_name_of(name)}"} for name in SHAPES),
            {"type": "null"},
        ],
    }
    named = {key: value for key, value in fields.items() if key not in {"type", "arguments"}}
    named["definition"] = {"type": "string", "examples": ["report@2"]}
    named["arguments"] = {"type": "object", "description": "the definition's parameters"}
    return {
        **parts,
        "TaskByType": by_type,
        "TaskByDefinition": {**by_type, "properties": named, "required": ["definition"]},
        "TaskBody": {
            "anyOf": [
                {"$ref": "#/components/schemas/TaskByType"},
                {"$ref": "#/components/schemas/TaskByDefinition"},
            ]
        },
    }


def _name_of(type_: str) -> str:
    return f"{type_.capitalize()}Arguments"


def _untitled(schema: Any) -> Any:
    """Return a schema without the titles that only repeat its names."""
    if isinstance(schema, dict):
        return {
            key: _untitled(value)
            for key, value in schema.items()
            if not (key == "title" and isinstance(value, str))
        }
    return [_untitled(part) for part in schema] if isinstance(schema, list) else schema
