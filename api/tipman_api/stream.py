"""Streams: answers that go on, as server-sent events.

Source: WHATWG HTML, "Server-sent events".
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tipman.errors import Fault, InvalidError, TipmanError

from tipman_api.auth import Authentication
from tipman_api.bridge import until_left
from tipman_api.hub import LAST_WORDS_S, Hub, Subscriber
from tipman_api.principals import SCOPE_KEY
from tipman_api.wire import ABORT, STALL_S

MEDIA_TYPE = "text/event-stream"
RETRY_MS = 2_000
"""After what time a browser comes back when a stream broke."""
BEAT = b": \n\n"
LAST_EVENT_ID = "last-event-id"
_HEADERS = [
    (b"content-type", MEDIA_TYPE.encode() + b"; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_CURSOR_CHARACTERS_MAX = 100
_log = logging.getLogger(__name__)

Frames = AsyncGenerator[Sequence[bytes], None]


class EventStream(Response):
    """Sends frames to one client until they end, the client is gone or the server stops.

    *frames* makes them, for the client that it is given. What it raises before its first frame
    becomes a problem like any other, since nothing was sent until then.

    Raises, when it is sent:
        TooManyStreamsError: as many clients follow as may.
        UnavailableError: the server is stopping.
    """

    def __init__(self, hub: Hub, frames: Callable[[Subscriber], Frames]) -> None:
        super().__init__(media_type=MEDIA_TYPE)
        self._hub = hub
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Be sent."""
        with self._hub.subscriber(partial(_is_known, scope)) as subscriber:
            async with aclosing(self._frames(subscriber)) as frames:
                first = await anext(frames, ())
                watch = asyncio.create_task(_watch(receive, subscriber))
                try:
                    await self._send(subscriber, _chained(first, frames), send)
                except TimeoutError:
                    # It has a place that others wait for; what it missed it gets when it resumes.
                    _log.warning("a client that follows took nothing any more and was cut off")
                    await _abort(scope)
                finally:
                    watch.cancel()
                    with suppress(asyncio.CancelledError):
                        await watch

    async def _send(
        self, subscriber: Subscriber, frames: AsyncIterator[Sequence[bytes]], send: Send
    ) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        try:
            async for some in frames:
                for body in packed(some, self._hub.frame_bytes):
                    await _send_some(subscriber, send, body)
        except TipmanError as error:
            # The engine has stopped, say; who comes back is told so.
            _log.warning("a stream was ended: %s", error)
        await _send_some(subscriber, send, b"", more=False)


async def _send_some(
    subscriber: Subscriber, send: Send, body: bytes, *, more: bool = True
) -> None:
    if subscriber.has_gone:
        return
    limit_s = LAST_WORDS_S if subscriber.hub.is_closed else STALL_S
    try:
        async with asyncio.timeout(limit_s) as subscriber.sending:
            await send({"type": "http.response.body", "body": body, "more_body": more})
    finally:
        subscriber.sending = None


async def _abort(scope: Scope) -> None:
    """End the connection, since nothing that is still to be sent will be taken."""
    ends: dict[str, Callable[[], None]] = scope.get("extensions", {}).get(ABORT, {})
    for call in ends.values():
        call()
    # The server learns of it when the loop turns, and is then not surprised by half an answer.
    await asyncio.sleep(0)


def _is_known(scope: Scope) -> bool:
    """Tell whether the token of a request is good for what it was good for when it came."""
    authentication: Authentication = scope["app"].state.authentication
    try:
        found = authentication.principal(dict(scope["headers"]), scope["method"])
    except TipmanError:
        return False
    return bool(found == scope[SCOPE_KEY])


async def _watch(receive: Receive, subscriber: Subscriber) -> None:
    await until_left(receive)
    subscriber.leave()


async def _chained(
    first: Sequence[bytes], rest: AsyncIterator[Sequence[bytes]]
) -> AsyncIterator[Sequence[bytes]]:
    yield first
    async for some in rest:
        yield some


def packed(frames: Sequence[bytes], size: int) -> Iterator[bytes]:
    """Yield frames joined to pieces of about *size* bytes; a larger one goes alone.

    >>> list(packed([b"a", b"b", b"ccc", b"d"], 2))
    [b'ab', b'ccc', b'd']
    """
    waiting: list[bytes] = []
    total = 0
    for frame in frames:
        if waiting and total + len(frame) > size:
            yield b"".join(waiting)
            waiting, total = [], 0
        waiting.append(frame)
        total += len(frame)
    if waiting:
        yield b"".join(waiting)


def frame(identifier: str, name: str, data: str) -> bytes:
    r"""Return one message; *data* is JSON text.

    >>> frame("7", "task.settled", '{"seq":7}')
    b'id: 7\nevent: task.settled\ndata: {"seq":7}\n\n'
    """
    if "\n" in data or "\r" in data:
        # JSON has them between its words only, where a blank will do.
        data = data.replace("\r", " ").replace("\n", " ")
    return f"id: {identifier}\nevent: {name}\ndata: {data}\n\n".encode()


def hello(identifier: str) -> bytes:
    r"""Return what a stream begins with: when to come back, and from where.

    >>> hello("12.1")
    b'retry: 2000\nid: 12.1\n\n'
    """
    return f"retry: {RETRY_MS}\nid: {identifier}\n\n".encode()


def is_asked_for(request: Request) -> bool:
    """Tell whether a client wants to follow rather than to be told once."""
    accepted = request.headers.get("accept", "")
    return any(part.partition(";")[0].strip() == MEDIA_TYPE for part in accepted.split(","))


def cursor_of(request: Request, after: str | None) -> str | None:
    """Return where a client goes on: what it received last, else what it asks for.

    Raises:
        InvalidError: it is too long for any cursor of ours.
    """
    # A browser that comes back sends the address it was given, and where it was beside it.
    cursor = request.headers.get(LAST_EVENT_ID) or after
    if cursor is not None and len(cursor) > _CURSOR_CHARACTERS_MAX:
        raise refused_cursor("it is too long")
    return cursor or None


def refused_cursor(detail: str) -> InvalidError:
    """Return the error for a cursor that leads nowhere."""
    text = f"the cursor is none of this list: {detail}"
    return InvalidError(text, (Fault("/query/after", text),))
