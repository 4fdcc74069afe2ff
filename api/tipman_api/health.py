"""Whether the server lives: what a supervisor and a load balancer ask."""

from fastapi import Response

from tipman_api.routes import OPEN, Router

router = Router(tags=["health"])


@router.get("/livez", scope=OPEN)
async def show_liveness() -> Response:
    """Answer while the process serves."""
    return Response("ok\n", media_type="text/plain")
