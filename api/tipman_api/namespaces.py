"""Namespaces over REST: made, looked at, given quotas, ended."""

from fastapi import Request, Response
from tipman.definitions.shapes import Shape
from tipman.errors import ForbiddenError
from tipman.registry import views
from tipman.registry.records import Answer, Namespace
from tipman.registry.views import NAMESPACES_URI, namespace_view

from tipman_api.bridge import bridge_of
from tipman_api.parameters import PAGED, GlobalParameters
from tipman_api.principals import Principal, Scope, principal_of
from tipman_api.problems import documented
from tipman_api.registry_bodies import (
    NAME,
    NAMESPACE,
    NAMESPACE_BODY,
    QUOTAS_BODY,
    NamespaceBody,
    QuotasBody,
    answering,
    asked,
    list_of,
    name_in,
    reading,
    showing,
    writing,
)
from tipman_api.registry_lists import PAGING, shown_list
from tipman_api.repetition import PARAMETER, Keep, replied, text_of, written
from tipman_api.representation import shown
from tipman_api.routes import Router

router = Router(prefix="/api/v1/namespaces", tags=["namespaces"])


@router.post(
    "",
    scope=Scope.ADMIN,
    status_code=201,
    openapi_extra=writing(NAMESPACE_BODY, {"name": "reports", "open_tasks_max": 10_000}),
    responses={
        **answering(201, "It is made.", NAMESPACE, has_location=True),
        **documented(["key_exists"]),
    },
)
async def create_namespace(request: Request) -> Response:
    """Make a namespace, with quotas or without."""
    GlobalParameters(request)
    body, principal = asked(request, NamespaceBody), principal_of(request)
    _must_be_global(principal)
    engine = bridge_of(request).engine

    def answer(made: Namespace) -> Answer:
        return Answer(201, NAMESPACES_URI + made.name, body=text_of(namespace_view(made)))

    async def write(keep: Keep) -> Answer:
        made = await bridge_of(request).call(
            lambda: engine.create_namespace(
                body.name,
                open_tasks_max=body.open_tasks_max,
                slots_max=body.slots_max,
                actor=principal.name,
                memo=keep(answer),
            )
        )
        return answer(made)

    return replied(await written(request, write))


@router.get(
    "",
    scope=Scope.READ,
    openapi_extra=reading(*PAGING),
    responses=showing("Namespaces, by name.", list_of(NAMESPACE)),
)
async def list_namespaces(request: Request) -> Response:
    """List the namespaces that the token may see."""
    GlobalParameters(request, PAGED)
    only = principal_of(request).namespace
    return await shown_list(
        request, "namespaces", views.namespaces, show=namespace_view, only=only
    )


@router.get(
    "/{name}",
    scope=Scope.READ,
    openapi_extra=reading(NAME),
    responses=showing("The namespace.", NAMESPACE, "not_found"),
)
async def show_namespace(request: Request) -> Response:
    """Return a namespace with its quotas and how many tasks are open in it."""
    name = name_in(request)
    GlobalParameters(request)
    principal_of(request).must_see(name, request.url.path)
    found = await bridge_of(request).read(lambda database: views.namespace(database, name))
    return shown(request, namespace_view(found))


@router.patch(
    "/{name}",
    scope=Scope.ADMIN,
    openapi_extra=writing(QUOTAS_BODY, {"slots_max": 4, "open_tasks_max": None}, NAME),
    responses={**answering(200, "As it is now.", NAMESPACE), **documented(["not_found"])},
)
async def change_namespace(request: Request) -> Response:
    """Set quotas; null takes one away, and what is open or running beyond them goes on."""
    name = name_in(request)
    GlobalParameters(request)
    body, principal = asked(request, QuotasBody), principal_of(request)
    _must_be_global(principal)
    engine = bridge_of(request).engine
    quotas = _given(body)

    def answer(changed: Namespace) -> Answer:
        return Answer(200, body=text_of(namespace_view(changed)))

    async def write(keep: Keep) -> Answer:
        changed = await bridge_of(request).call(
            lambda: engine.change_namespace(name, quotas, actor=principal.name, memo=keep(answer))
        )
        return answer(changed)

    return replied(await written(request, write))


@router.delete(
    "/{name}",
    scope=Scope.ADMIN,
    status_code=204,
    openapi_extra={"parameters": [NAME, PARAMETER]},
    responses={**answering(204, "It is gone."), **documented(["not_found", "conflict"])},
)
async def delete_namespace(request: Request) -> Response:
    """End a namespace in which nothing is open, its tokens and the use of its definitions."""
    name = name_in(request)
    GlobalParameters(request)
    principal = principal_of(request)
    _must_be_global(principal)
    engine = bridge_of(request).engine

    async def write(keep: Keep) -> Answer:
        gone = Answer(204)
        await bridge_of(request).call(
            lambda: engine.delete_namespace(name, actor=principal.name, memo=keep(lambda _: gone))
        )
        return gone

    return replied(await written(request, write))


def _given(body: Shape) -> dict[str, int | None]:
    return {name: getattr(body, name) for name in body.model_fields_set}


def _must_be_global(principal: Principal) -> None:
    if principal.namespace is not None:
        raise ForbiddenError(
            f"the token {principal.name!r} is bound to the namespace {principal.namespace!r};"
            " namespaces are made, changed and ended with a token that is not"
        )
