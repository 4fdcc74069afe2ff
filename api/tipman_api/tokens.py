"""Tokens over REST: made, looked at, revoked. What is secret of one is shown once."""

from fastapi import Request, Response
from tipman.errors import ForbiddenError, NotFoundError
from tipman.registry import views
from tipman.registry.records import Answer, Token
from tipman.registry.views import TOKENS_URI, token_view

from tipman_api.bridge import Bridge, bridge_of
from tipman_api.parameters import PAGED, GlobalParameters
from tipman_api.principals import Principal, Scope, principal_of
from tipman_api.problems import documented
from tipman_api.registry_bodies import (
    NAME,
    NEW_TOKEN,
    TOKEN,
    TOKEN_BODY,
    TokenBody,
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

router = Router(prefix="/api/v1/tokens", tags=["tokens"])


@router.post(
    "",
    scope=Scope.ADMIN,
    status_code=201,
    openapi_extra=writing(TOKEN_BODY, {"name": "ci", "scope": "operate"}),
    responses={
        **answering(201, "It is made.", NEW_TOKEN, has_location=True),
        **documented(["key_exists"]),
    },
)
async def create_token(request: Request) -> Response:
    """Make a token; the secret is in this answer and kept nowhere."""
    GlobalParameters(request)
    body, principal = asked(request, TokenBody), principal_of(request)
    namespace = _namespace_for(principal, body.namespace)
    engine = bridge_of(request).engine

    def answer(made: Token, secret: str | None = None) -> Answer:
        view = {**token_view(made), "token": secret}
        return Answer(201, TOKENS_URI + made.name, body=text_of(view))

    async def write(keep: Keep) -> Answer:
        made, secret = await bridge_of(request).call(
            lambda: engine.create_token(
                body.name,
                body.scope,
                namespace=namespace,
                actor=principal.name,
                memo=keep(answer),
            )
        )
        return answer(made, secret)

    return replied(await written(request, write))


@router.get(
    "",
    scope=Scope.ADMIN,
    openapi_extra=reading(*PAGING),
    responses=showing("Tokens, by name.", list_of(TOKEN)),
)
async def list_tokens(request: Request) -> Response:
    """List the tokens that are good for something, of all namespaces or of the token's own."""
    GlobalParameters(request, PAGED)
    only = principal_of(request).namespace
    return await shown_list(request, "tokens", views.tokens, show=token_view, only=only)


@router.get(
    "/{name}",
    scope=Scope.ADMIN,
    openapi_extra=reading(NAME),
    responses=showing("The token.", TOKEN, "not_found"),
)
async def show_token(request: Request) -> Response:
    """Return a token, but nothing of its secret."""
    name = name_in(request)
    GlobalParameters(request)
    return shown(request, token_view(await _token(bridge_of(request), name, request)))


@router.delete(
    "/{name}",
    scope=Scope.ADMIN,
    status_code=204,
    openapi_extra={"parameters": [NAME, PARAMETER]},
    responses={**answering(204, "It is good for nothing now."), **documented(["not_found"])},
)
async def revoke_token(request: Request) -> Response:
    """Let nobody in with a token any more."""
    name = name_in(request)
    GlobalParameters(request)
    bridge, principal = bridge_of(request), principal_of(request)

    async def write(keep: Keep) -> Answer:
        gone = Answer(204)
        await _token(bridge, name, request)
        await bridge.call(
            lambda: bridge.engine.revoke_token(
                name, actor=principal.name, memo=keep(lambda _: gone)
            )
        )
        return gone

    return replied(await written(request, write))


async def _token(bridge: Bridge, name: str, request: Request) -> Token:
    found = await bridge.read(lambda database: views.token(database, name))
    only = principal_of(request).namespace
    if only is not None and found.namespace != only:
        raise NotFoundError(f"no token {name!r}")
    return found


def _namespace_for(principal: Principal, wanted: str | None) -> str | None:
    """Return the namespace of a new token: never more than its maker's."""
    if principal.namespace is None or wanted == principal.namespace:
        return wanted
    if wanted is None:
        return principal.namespace
    raise ForbiddenError(
        f"the token {principal.name!r} is bound to the namespace {principal.namespace!r}"
        f" and makes none for {wanted!r}"
    )
