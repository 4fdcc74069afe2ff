"""Whether the server lives, may be sent work, and is well; and which version it is."""

from fastapi import Request
from starlette.responses import Response
from tipman.errors import UnavailableError
from tipman.version import VERSION

from tipman_api.bridge import Bridge, bridge_of
from tipman_api.problems import documented
from tipman_api.representation import shown
from tipman_api.routes import OPEN, Router

router = Router(tags=["health"])
_PLAIN = {
    200: {"description": "It is.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}
_UNAVAILABLE = documented(["unavailable", "database"])


@router.get("/livez", scope=OPEN, response_class=Response, responses=_PLAIN)
async def show_liveness(_: Request) -> Response:
    """Tell whether the process answers; if not, start it again."""
    return Response("live\n", media_type="text/plain")


@router.get("/readyz", scope=OPEN, response_class=Response, responses={**_PLAIN, **_UNAVAILABLE})
async def show_readiness(request: Request) -> Response:
    """Tell whether work may be sent; if not, send it elsewhere or later."""
    _check(bridge_of(request))
    return Response("ready\n", media_type="text/plain")


@router.get("/healthz", scope=OPEN, response_class=Response, responses={**_PLAIN, **_UNAVAILABLE})
async def show_health(request: Request) -> Response:
    """Tell whether engine and database work: reads a row."""
    bridge = bridge_of(request)
    _check(bridge)
    await bridge.read(lambda database: database.fetch("SELECT max(number) FROM epoch"))
    return Response("healthy\n", media_type="text/plain")


@router.get(
    "/version",
    scope=OPEN,
    response_class=Response,
    responses={
        200: {
            "description": "The version.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["name", "version"],
                        "properties": {"name": {"const": "tipman"}, "version": {"type": "string"}},
                    }
                }
            },
        }
    },
)
async def show_server_version(request: Request) -> Response:
    """Tell which version answers."""
    return shown(request, {"name": "tipman", "version": VERSION})


def _check(bridge: Bridge) -> None:
    engine = bridge.engine
    if engine.failure is not None:
        raise UnavailableError("the engine has failed and is about to end")
    if bridge.is_stopping:
        raise UnavailableError("the server is stopping")
