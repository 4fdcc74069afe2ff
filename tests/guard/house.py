"""A small application behind the guard, served for real, and raw sockets to knock with."""

import asyncio
import socket
import threading
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import BaseModel
from tipman.clock import SystemClock
from tipman.errors import ConflictError, KeyExistsError, NotFoundError
from tipman.settings import Settings
from tipman_api import problems, sessions
from tipman_api.auth import Authentication
from tipman_api.bodies import body_of
from tipman_api.denials import Denials
from tipman_api.guard import guarded
from tipman_api.origins import Origins
from tipman_api.principals import Principal, Scope, principal_of
from tipman_api.routes import OPEN, Router
from tipman_api.wire import STALL_S, protocol

TOKENS = {
    "read": Principal("read", Scope.READ),
    "operate": Principal("operate", Scope.OPERATE),
    "admin": Principal("admin", Scope.ADMIN),
    "elsewhere": Principal("elsewhere", Scope.ADMIN, "elsewhere"),
}
"""Principals by secret."""
PAGES = frozenset({"/", "/docs", "/docs/page.js"})
LARGE = b"x" * 8 * 1024 * 1024
"""More than any socket holds for a client that does not read."""
JSON_BODY = {"requestBody": {"required": True, "content": {"application/json": {}}}}
YAML_BODY = {"requestBody": {"required": True, "content": {"application/yaml": {}}}}
SPARE_BODY = {"requestBody": {"required": False, "content": {"application/json": {}}}}

router = Router()


class Named(BaseModel):
    """A body that the framework validates."""

    name: str
    tags: list[int] = []


@router.get("/livez", scope=OPEN)
async def livez():
    return PlainTextResponse("ok")


@router.get("/", scope=OPEN)
async def page():
    return PlainTextResponse("page", headers={"cache-control": "no-cache", "server": "x"})


@router.get("/docs/page.js", scope=OPEN)
async def script():
    return PlainTextResponse("1", media_type="text/javascript")


@router.get("/api/v1/tasks/{ref}", scope=Scope.READ)
async def show(ref: str, request: Request, limit: int = 1):
    if ref != "known":
        raise NotFoundError(f"no task {ref!r}")
    return {"ref": ref, "limit": limit, "by": principal_of(request).name}


@router.post("/api/v1/tasks", scope=Scope.OPERATE, openapi_extra=JSON_BODY)
async def make(request: Request):
    return {"got": body_of(request)}


@router.post("/named", scope=Scope.OPERATE)
async def name(named: Named):
    return {"name": named.name}


@router.post("/charts", scope=Scope.OPERATE, openapi_extra=YAML_BODY)
async def chart(request: Request):
    return {"bytes": len(await request.body())}


@router.post("/spare", scope=Scope.OPERATE, openapi_extra=SPARE_BODY)
async def spare(request: Request):
    return {"bytes": len(await request.body())}


@router.delete("/api/v1/tokens/{ref}", scope=Scope.ADMIN, status_code=204)
async def delete(ref: str):
    del ref


@router.get("/large", scope=Scope.READ)
async def large():
    return PlainTextResponse(LARGE)


@router.get("/stream", scope=Scope.READ)
async def stream():
    async def parts():
        yield "data: 1\n\n"

    return StreamingResponse(parts(), media_type="text/event-stream")


@router.get("/fails/{how}", scope=Scope.READ)
async def fail(how: str):
    match how:
        case "taken":
            raise KeyExistsError("the key is taken", "/api/v1/tasks/1")
        case "conflict":
            raise ConflictError("it is over", "settled")
        case "missing":
            raise NotFoundError("no such thing")
        case _:
            raise ZeroDivisionError("the inside of the server")


def application():
    """Return the small application without its guard."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router)
    app.include_router(sessions.router)
    problems.install(app)
    return app


def guard_before(app, settings=None, *, allowed=(), authenticate=TOKENS.get, tell=None):
    """Return the guard before an application, with the tokens of this house."""
    clock = SystemClock()
    return guarded(
        app,
        settings or Settings(),
        origins=Origins(allowed),
        authentication=Authentication(authenticate, clock),
        denials=Denials(clock, tell or (lambda _denial: None)),
        pages=PAGES,
    )


@contextmanager
def served(app, settings, denials, *, stall_s=STALL_S):
    """Serve an application on a free port of loopback, on a thread; give the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=protocol(settings, denials, stall_s=stall_s),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
        assert not thread.is_alive()
