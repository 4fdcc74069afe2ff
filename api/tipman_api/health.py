"""Whether the server lives: what a supervisor and a load balancer ask."""

from fastapi import APIRouter, Response

router = APIRouter(tags=["health"])


@router.get("/livez")
async def show_liveness() -> Response:
    """Answer while the process serves."""
    return Response("ok\n", media_type="text/plain")
