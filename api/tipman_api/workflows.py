"""Workflows over REST: named graphs of tasks, in versions that never change."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from tipman.database import Database
from tipman.definitions import Workflow
from tipman.errors import InvalidError
from tipman.files import Document, Format, read_bytes
from tipman.jsontext import Json
from tipman.registry import shelf
from tipman.registry.records import Addition, Answer, number_in, version_uri
from tipman.registry.shelf import WORKFLOWS_URI, workflow_summary, workflow_view
from tipman.runtime import Engine

from tipman_api import workflow_operations as operations
from tipman_api.bodies import BODY_KEY, body_of
from tipman_api.bridge import bridge_of
from tipman_api.parameters import GlobalParameters, Parameters, agreed
from tipman_api.principals import Scope, principal_of
from tipman_api.registry_bodies import name_in
from tipman_api.registry_lists import shown_list
from tipman_api.repetition import Keep, written
from tipman_api.representation import accepted, shown, shown_bytes
from tipman_api.routes import Router
from tipman_api.versions import listed_namespace, namespace_in, retired, version_in

router = Router(prefix="/api/v1", tags=["workflows"])
_FORMATS = {operations.YAML: Format.YAML, operations.TOML: Format.TOML}


@router.post("/workflows", scope=Scope.OPERATE, **operations.ADD)
async def add_workflow(request: Request) -> Response:
    """Keep a workflow under its name: a new version, unless one in use is the same.

    The body is a workflow file, as JSON, YAML or TOML.
    """
    bridge, principal = bridge_of(request), principal_of(request)
    engine = bridge.engine
    document = await _document(request)
    given, place = _placed(body_of(request), Parameters(request).text("namespace"))
    namespace = principal.namespace_for(place)
    workflow = await bridge.call(lambda: _workflow(engine, given, document))

    def answer(added: Addition) -> Answer:
        return Answer(201 if added.is_new else 200, version_uri(WORKFLOWS_URI, added))

    async def write(keep: Keep) -> Answer:
        added = await bridge.call(
            lambda: engine.add_workflow(
                workflow, namespace=namespace, actor=principal.name, memo=keep(answer)
            )
        )
        return answer(added)

    done = await written(request, write)
    place = str(done.location)
    version = number_in(place)
    view = await bridge.read(lambda database: _view(database, namespace, workflow.name, version))
    return accepted(view, location=place, status=done.status)


@router.get("/workflows", scope=Scope.READ, **operations.LIST)
async def list_workflows(request: Request) -> Response:
    """List the newest version of each workflow of a namespace."""
    namespace = await listed_namespace(request)
    kind = f"workflows of {namespace}"
    return await shown_list(
        request, kind, shelf.workflows, show=workflow_summary, namespace=namespace
    )


@router.get("/workflows/{name}", scope=Scope.READ, **operations.SHOW)
async def show_workflow(request: Request) -> Response:
    """Return the newest version that is in use, else the newest."""
    name, namespace = name_in(request), namespace_in(request)
    found = await bridge_of(request).read(lambda database: _view(database, namespace, name, None))
    return shown(request, found)


@router.get("/workflows/{name}/{version}", scope=Scope.READ, **operations.SHOW_VERSION)
async def show_workflow_version(request: Request) -> Response:
    """Return one version."""
    name, namespace, number = (
        name_in(request),
        namespace_in(request),
        version_in(request, "workflow"),
    )
    found = await bridge_of(request).read(
        lambda database: _view(database, namespace, name, number)
    )
    return shown(request, found)


@router.delete("/workflows/{name}", scope=Scope.OPERATE, **operations.RETIRE)
async def retire_workflow(request: Request) -> Response:
    """Take every version out of use; runs of them go on."""
    return await retired(request, None, bridge_of(request).engine.retire_workflow)


@router.delete("/workflows/{name}/{version}", scope=Scope.OPERATE, **operations.RETIRE_VERSION)
async def retire_workflow_version(request: Request) -> Response:
    """Take one version out of use; runs of it go on."""
    version = version_in(request, "workflow")
    return await retired(request, version, bridge_of(request).engine.retire_workflow)


@router.get("/schemas/workflow", scope=Scope.READ, **operations.SCHEMA)
async def show_workflow_schema(request: Request) -> Response:
    """Return the JSON Schema of a workflow file, for editors."""
    GlobalParameters(request)
    return shown_bytes(request, operations.schema_text(), operations.SCHEMA_TYPE)


def _placed(given: Json, namespace: str | None) -> tuple[Json, str | None]:
    """Return a workflow, and apart from it the namespace that it says, else this one."""
    if not isinstance(given, dict):
        return given, namespace
    named = given.get("namespace")
    if not isinstance(named, str | None):
        return given, namespace
    rest = {name: value for name, value in given.items() if name != "namespace"}
    return rest, agreed(named, namespace, "/namespace")


async def _document(request: Request) -> Document | None:
    """Read a body that is no JSON, and leave its value where that of JSON is."""
    if BODY_KEY in request.scope:
        return None
    data = await request.body()
    kind = request.headers["content-type"].partition(";")[0].strip().lower()
    depth_max = request.app.state.settings.depth_max
    document = await bridge_of(request).call(
        lambda: read_bytes(data, file="body", format_=_FORMATS[kind], depth_max=depth_max)
    )
    document.refuse()
    request.scope[BODY_KEY] = document.value
    return document


def _workflow(engine: Engine, given: Json, document: Document | None) -> Workflow:
    """Return the workflow of a body.

    Raises:
        InvalidError: it is none; in a text the faults have their lines and columns.
    """
    try:
        return engine.workflow_of(given)  # type: ignore[arg-type] # it says what is no object
    except InvalidError as error:
        if document is not None:
            document.refuse(error.faults)
        raise


def _view(database: Database, namespace: str, name: str, version: int | None) -> Mapping[str, Any]:
    found = shelf.workflow_version(database, namespace, name, version)
    return workflow_view(found, shelf.workflow_versions(database, namespace, name))
