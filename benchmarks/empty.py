"""Empty endpoints of FastAPI: what requests to our server are measured against.

They have the paths and the models of ours, and do nothing: what is posted is validated and
forgotten, what is asked for is always the same bytes.
"""

import argparse
import json
from pathlib import Path

from bare import serve
from fastapi import FastAPI, Response
from tipman.definitions import Task

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
    app = FastAPI()
    answer = json.dumps(ANSWER).encode()

    @app.post("/api/v1/tasks", status_code=202)
    async def submit_task(task: Task) -> Response:  # noqa: ARG001 - validated, no more
        return Response(answer, 202, {"location": _LOCATION}, _JSON)

    @app.get("/api/v1/tasks/{reference}")
    async def show_task(reference: str) -> Response:  # noqa: ARG001 - any will do
        return Response(answer, media_type=_JSON)

    @app.get("/livez")
    async def show_liveness() -> Response:
        return Response("ok\n", media_type="text/plain")

    return app


def main() -> None:
    """Serve it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="is not used; every server is told one")
    parser.parse_args()
    serve(empty())


if __name__ == "__main__":
    main()
