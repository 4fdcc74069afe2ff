"""Sessions over REST: a browser trades its token for a cookie that no script can read."""

from fastapi import Request, Response
from pydantic import BaseModel

from tipman_api.auth import COOKIE, SESSION_S, Authentication, secret_of, session_of
from tipman_api.principals import Scope, principal_of
from tipman_api.routes import Router

router = Router(prefix="/api/v1", tags=["session"])


class SessionView(BaseModel):
    """Who asks, and what that one may do."""

    name: str
    scope: str
    namespace: str | None


@router.post("/session", scope=Scope.READ, operation_id="open_session")
async def open_session(request: Request, response: Response) -> SessionView:
    """Open a session with a bearer token; the answer sets its cookie."""
    sessions = _authentication(request).sessions
    headers = dict(request.scope["headers"])
    secret = secret_of(headers.get(b"authorization", b""))
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
    return _view(request)


@router.get("/session", scope=Scope.READ, operation_id="show_session")
async def show_session(request: Request) -> SessionView:
    """Tell who asks, by token or by cookie."""
    return _view(request)


@router.delete("/session", scope=Scope.READ, status_code=204, operation_id="close_session")
async def close_session(request: Request, response: Response) -> None:
    """End the session of the cookie; its token stays good."""
    sessions = _authentication(request).sessions
    identifier = session_of(dict(request.scope["headers"]))
    if sessions is not None and identifier is not None:
        sessions.close(identifier)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


def _view(request: Request) -> SessionView:
    principal = principal_of(request)
    return SessionView(
        name=principal.name, scope=principal.scope.word, namespace=principal.namespace
    )


def _authentication(request: Request) -> Authentication:
    found: Authentication = request.app.state.authentication
    return found
