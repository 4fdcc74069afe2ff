"""Empty endpoints of FastAPI: what requests to our server are measured against.

They have the paths and the models of ours, and do nothing: what is posted is validated and
forgotten, what is asked for is always the same bytes.
"""

import argparse
import json
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated

from bare import serve
from fastapi import Body, FastAPI, Response
from tipman.clock import SystemClock
from tipman.definitions import Task
from tipman.settings import Settings
from tipman_api.auth import Authentication
from tipman_api.denials import Denials
from tipman_api.guard import Guard, guarded
from tipman_api.origins import Origins
from tipman_api.principals import Principal, Scope
from tipman_api.routes import OPEN, Router

_LOCATION = "/api/v1/tasks/01920000-0000-7000-8000-000000000000"
_JSON = "application/json"
ANSWER = {
    "id": "01920000-0000-7000-8000-000000000000",
    "uri": _LOCATION,
    "kind": "task",
    "key": None,
    "namespace": "default",
    "name": "noop",
    "type": "inline",
    "arguments": {"task": "noop", "args": {"i": 1}},
    "state": "succeeded",
    "settled": True,
    "running": False,
    "attempt": 1,
    "attempts_max": 1,
    "dependencies": [],
    "dependencies_remaining": 0,
    "run": None,
    "schedule": None,
    "definition": None,
    "queue": "default",
    "priority": 0,
    "timeout_s": 3600.0,
    "due_at": None,
    "owner": None,
    "lease_expires_at": None,
    "submitted_at": "2026-11-21T09:00:00.123456Z",
    "queued_at": "2026-11-21T09:00:00.123456Z",
    "started_at": "2026-11-21T09:00:00.123456Z",
    "settled_at": "2026-11-21T09:00:00.123456Z",
    "result": 1,
    "error": None,
    "context": {},
}
"""A task as our server shows it."""


def empty() -> FastAPI:
    """Return an application whose endpoints do nothing."""
    router = Router()
    answer = json.dumps(ANSWER).encode()

    @router.post("/api/v1/tasks", scope=Scope.OPERATE, status_code=202)
    async def submit_task(task: Annotated[Task, Body()]) -> Response:  # noqa: ARG001 - validated, no more
        return Response(answer, 202, {"location": _LOCATION}, _JSON)

    @router.get("/api/v1/tasks/{reference}", scope=Scope.READ)
    async def show_task(reference: str) -> Response:  # noqa: ARG001 - any will do
        return Response(answer, media_type=_JSON)

    @router.get("/livez", scope=OPEN)
    async def show_liveness() -> Response:
        return Response("ok\n", media_type="text/plain")

    app = FastAPI(openapi_url=None)
    app.include_router(router)
    return app


def behind_guard(app: FastAPI, secret: str) -> Guard:
    """Return an application behind the guard of ours, open to whoever has the *secret*."""
    clock = SystemClock()
    somebody = Principal("somebody", Scope.ADMIN)
    return guarded(
        app,
        Settings(),
        origins=Origins(()),
        authentication=Authentication({secret: somebody}.get, clock),
        denials=Denials(clock),
    )


def main() -> None:
    """Serve it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--guarded", action="store_true")
    options = parser.parse_args()
    if options.guarded:
        options.home.mkdir()
        secret = token_urlsafe()
        (options.home / "token").write_text(secret, encoding="ascii")
        serve(behind_guard(empty(), secret))
    else:
        serve(empty())


if __name__ == "__main__":
    main()
