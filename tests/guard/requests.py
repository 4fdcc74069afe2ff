"""Requests to an ASGI callable, without a server."""

import asyncio
import json
from typing import NamedTuple

ADMIN = "admin"
HOST = "127.0.0.1:8000"


class Reply(NamedTuple):
    """What an application sent."""

    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["code"]


def scope_of(method, target, headers, kind="http"):
    path, _, query = target.partition("?")
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8_000),
        "state": {},
    }


def ask(app, method, target, body=None, *, token=ADMIN, headers=()):
    """Send one request; *body* is bytes, or a value that is sent as JSON."""
    named = {name.lower() for name, _ in headers}
    sent = [] if "host" in named else [("Host", HOST)]
    if token is not None:
        sent.append(("Authorization", f"Bearer {token}"))
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        if "content-type" not in named:
            sent.append(("Content-Type", "application/json"))
    if body is not None:
        sent.append(("Content-Length", str(len(body))))
    scope = scope_of(method, target, [*sent, *headers])
    return asyncio.run(answer(app, scope, [part_of(body or b"")]))


def part_of(body, *, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


async def answer(app, scope, messages):
    """Return what an application answers to these messages; then nothing comes any more."""
    left, sent = list(messages), []
    nothing = asyncio.Event()

    async def receive():
        if not left:
            await nothing.wait()
        return left.pop(0)

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    headers = {name.decode(): value.decode() for name, value in start.get("headers", ())}
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Reply(start.get("status", 0), headers, body)
