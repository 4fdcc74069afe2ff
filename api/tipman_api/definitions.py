"""Definitions over REST: named, versioned tasks with parameters."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from tipman.database import Database
from tipman.registry import views
from tipman.registry.records import Addition, Answer, Definition, number_in, version_uri
from tipman.registry.views import DEFINITIONS_URI, definition_view

from tipman_api.bridge import bridge_of
from tipman_api.parameters import Parameters, agreed
from tipman_api.principals import Scope, principal_of
from tipman_api.problems import documented
from tipman_api.registry_bodies import (
    DEFINITION,
    DEFINITION_BODY,
    NAME,
    DefinitionBody,
    answering,
    asked,
    list_of,
    name_in,
    named,
    reading,
    showing,
    writing,
)
from tipman_api.registry_lists import PAGING, shown_list
from tipman_api.repetition import PARAMETER, Keep, written
from tipman_api.representation import accepted, shown
from tipman_api.routes import Router
from tipman_api.versions import listed_namespace, namespace_in, retired, version_in

router = Router(prefix="/api/v1/definitions", tags=["definitions"])

_NAMESPACE = {
    "name": "namespace",
    "in": "query",
    "required": False,
    "description": "The token's own, else `default`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}
_EXAMPLE = {
    "name": "report",
    "task": {"type": "exec", "arguments": {"argv": ["make", "report", "DAY={day}"]}},
    "parameters": {
        "type": "object",
        "properties": {"day": {"type": "string"}},
        "required": ["day"],
        "additionalProperties": False,
    },
}
_VERSION = named("version", "Its number.", {"type": "integer", "minimum": 1})
_FOUND = showing("The version.", DEFINITION, "not_found")
_GONE = {**answering(204, "It takes no more submissions."), **documented(["not_found"])}


@router.post(
    "",
    scope=Scope.OPERATE,
    status_code=201,
    openapi_extra=writing(DEFINITION_BODY, _EXAMPLE, _NAMESPACE),
    responses={
        **answering(201, "A new version.", DEFINITION, has_location=True),
        **answering(200, "A version in use is the same.", DEFINITION, has_location=True),
    },
)
async def add_definition(request: Request) -> Response:
    """Keep a task under a name: a new version, unless one in use is the same."""
    queried = Parameters(request).text("namespace")
    body, principal = asked(request, DefinitionBody), principal_of(request)
    namespace = principal.namespace_for(agreed(body.namespace, queried, "/namespace"))
    bridge = bridge_of(request)

    def answer(added: Addition) -> Answer:
        return Answer(201 if added.is_new else 200, version_uri(DEFINITIONS_URI, added))

    async def write(keep: Keep) -> Answer:
        added = await bridge.call(
            lambda: bridge.engine.add_definition(
                body.name,
                body.task,
                body.parameters,
                namespace=namespace,
                actor=principal.name,
                memo=keep(answer),
            )
        )
        return answer(added)

    done = await written(request, write)
    place = str(done.location)
    version = number_in(place)
    view = await bridge.read(lambda database: _view(database, namespace, body.name, version))
    return accepted(view, location=place, status=done.status)


@router.get(
    "",
    scope=Scope.READ,
    openapi_extra=reading(*PAGING, _NAMESPACE),
    responses=showing("The newest version of each.", list_of(DEFINITION)),
)
async def list_definitions(request: Request) -> Response:
    """List the newest version of each definition of a namespace."""
    namespace = await listed_namespace(request)
    kind = f"definitions of {namespace}"
    return await shown_list(
        request, kind, views.definitions, show=definition_view, namespace=namespace
    )


@router.get(
    "/{name}",
    scope=Scope.READ,
    openapi_extra=reading(NAME, _NAMESPACE),
    responses=_FOUND,
)
async def show_definition(request: Request) -> Response:
    """Return the newest version that is in use, else the newest."""
    name = name_in(request)
    namespace = namespace_in(request)
    return shown(
        request,
        await bridge_of(request).read(lambda database: _view(database, namespace, name, None)),
    )


@router.get(
    "/{name}/{version}",
    scope=Scope.READ,
    openapi_extra=reading(NAME, _VERSION, _NAMESPACE),
    responses=_FOUND,
)
async def show_version(request: Request) -> Response:
    """Return one version."""
    name, namespace, number = (
        name_in(request),
        namespace_in(request),
        version_in(request, "definition"),
    )
    return shown(
        request,
        await bridge_of(request).read(lambda database: _view(database, namespace, name, number)),
    )


@router.delete(
    "/{name}",
    scope=Scope.OPERATE,
    status_code=204,
    openapi_extra={"parameters": [NAME, _NAMESPACE, PARAMETER]},
    responses=_GONE,
)
async def retire_definition(request: Request) -> Response:
    """Take every version out of use; what was made from them goes on."""
    return await retired(request, None, bridge_of(request).engine.retire_definition)


@router.delete(
    "/{name}/{version}",
    scope=Scope.OPERATE,
    status_code=204,
    openapi_extra={"parameters": [NAME, _VERSION, _NAMESPACE, PARAMETER]},
    responses=_GONE,
)
async def retire_version(request: Request) -> Response:
    """Take one version out of use; what was made from it goes on."""
    version = version_in(request, "definition")
    return await retired(request, version, bridge_of(request).engine.retire_definition)


def _view(database: Database, namespace: str, name: str, version: int | None) -> Mapping[str, Any]:
    found: Definition = views.definition(database, namespace, name, version)
    return definition_view(found, views.versions_of(database, namespace, name))
