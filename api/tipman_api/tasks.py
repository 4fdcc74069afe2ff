"""Tasks over REST: submitted, looked at, asked for something."""

from fastapi import Request, Response
from tipman.definitions import task_of
from tipman.jsontext import dumps, loads

from tipman_api.bridge import bridge_of
from tipman_api.principals import Scope
from tipman_api.routes import Router

router = Router(prefix="/api/v1", tags=["tasks"])


@router.post("/tasks", scope=Scope.OPERATE, status_code=202)
async def submit_task(request: Request) -> Response:
    """Submit one task; answered once it is on disk."""
    bridge = bridge_of(request)
    engine = bridge.engine
    task = task_of(loads(await request.body()), settings=engine.settings)
    view = await bridge.call(lambda: engine.task(engine.submit_task(task)))
    return _json(view, status=202, location=view["uri"])


@router.get("/tasks/{reference}", scope=Scope.READ)
async def show_task(request: Request, reference: str) -> Response:
    """Return one task, by its UUID or its key."""
    bridge = bridge_of(request)
    return _json(await bridge.call(lambda: bridge.engine.task(reference)))


def _json(value: object, *, status: int = 200, location: str | None = None) -> Response:
    headers = {} if location is None else {"location": location}
    return Response(dumps(value), status, headers, "application/json")
