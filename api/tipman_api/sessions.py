"""Sessions over REST: a browser trades its token for a cookie that no script can read."""

from fastapi import Request, Response
from tipman.listing import dumps_stored

from tipman_api.auth import COOKIE, SESSION_S, Authentication, secret_of, session_of
from tipman_api.parameters import GlobalParameters
from tipman_api.principals import Scope, principal_of
from tipman_api.registry_bodies import answering
from tipman_api.representation import JSON
from tipman_api.routes import Router

router = Router(prefix="/api/v1", tags=["session"])


_VIEW = {
    "type": "object",
    "description": "Who asks, and what that one may do.",
    "required": ["name", "scope", "namespace"],
    "properties": {
        "name": {"type": "string"},
        "scope": {"type": "string", "enum": [scope.word for scope in Scope]},
        "namespace": {"type": ["string", "null"]},
    },
}
_SHOWN = answering(200, "Who asks.", _VIEW)


@router.post("/session", scope=Scope.READ, responses=_SHOWN)
async def open_session(request: Request) -> Response:
    """Open a session with a bearer token; the answer sets its cookie."""
    GlobalParameters(request)
    sessions = _authentication(request).sessions
    headers = dict(request.scope["headers"])
    secret = secret_of(headers.get(b"authorization", b""))
    response = _view(request)
    if sessions is not None and secret is not None:
        response.set_cookie(
            COOKIE,
            sessions.open(secret),
            max_age=int(SESSION_S),
            path="/",
            # Only a page knows whether it came over TLS; this server may stand behind a proxy.
            secure=headers.get(b"origin", b"").startswith(b"https:"),
            httponly=True,
            samesite="strict",
        )
    return response


@router.get("/session", scope=Scope.READ, responses=_SHOWN)
async def show_session(request: Request) -> Response:
    """Tell who asks, by token or by cookie."""
    GlobalParameters(request)
    return _view(request)


@router.delete(
    "/session", scope=Scope.READ, status_code=204, responses=answering(204, "It is closed.")
)
async def close_session(request: Request) -> Response:
    """End the session of the cookie; its token stays good."""
    GlobalParameters(request)
    sessions = _authentication(request).sessions
    identifier = session_of(dict(request.scope["headers"]))
    if sessions is not None and identifier is not None:
        sessions.close(identifier)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


def _view(request: Request) -> Response:
    principal = principal_of(request)
    view = {
        "name": principal.name,
        "scope": principal.scope.word,
        "namespace": principal.namespace,
    }
    return Response(dumps_stored(view), media_type=JSON)


def _authentication(request: Request) -> Authentication:
    found: Authentication = request.app.state.authentication
    return found
