"""Bodies: read in bounded time and size, and, where they are JSON, parsed once and checked.

What can be told from the headers is refused before a byte of the body is read.
"""

import asyncio
import re
from collections.abc import Awaitable, Coroutine, Generator, MutableMapping
from dataclasses import dataclass
from functools import partial
from types import coroutine
from typing import Any, cast

from starlette.requests import HTTPConnection
from starlette.types import Message, Receive
from tipman.errors import Fault, InvalidError
from tipman.jsontext import Json, levels, loads, pointer_of
from tipman.settings import Settings

from tipman_api.problems import RefusedError
from tipman_api.routes import JSON_TYPE, BodyRule, Rule

BODY_KEY = "tipman.body"
"""Where the guard leaves the parsed body in the ASGI scope; absent when there is none."""
BYTES_PER_S_MIN = 16 * 1024
"""A body that comes slower than this is one that does not come."""
_INLINE_BYTES_MAX = 64 * 1024
_PARSED_AT_ONCE = 2
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_CHARSET = re.compile(rb';\s*charset\s*=\s*"?([^\s";]*)"?\s*', re.IGNORECASE)
_JSON = re.compile(rb"application/(?:[a-z0-9!#$&^_.+-]+\+)?json")
_UTF8 = frozenset({b"utf-8", b"utf8"})


def body_of(connection: HTTPConnection) -> Json:
    """Return the JSON value that a request came with.

    Raises:
        RefusedError: it came with none.
    """
    try:
        return cast("Json", connection.scope[BODY_KEY])
    except KeyError:
        raise RefusedError("body_required", "this needs a body") from None


@dataclass(frozen=True, slots=True)
class Announced:
    """What the headers say of a body: its length in bytes (None: not said) and its type."""

    length: int | None
    kind: bytes | None


def announced(headers: dict[bytes, bytes]) -> Announced | None:
    """Return what is said of a body, None when there is none.

    Raises:
        RefusedError: a length that is no number, an encoding that is not `chunked`.
    """
    length, encoding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
    if encoding is not None:
        if length is not None or encoding.strip().lower() != b"chunked":
            raise RefusedError("malformed", "`Transfer-Encoding` may only be `chunked`, alone")
        return Announced(None, headers.get(b"content-type"))
    if length is None or length == b"0":
        return None
    if not length.isdigit():
        raise RefusedError("malformed", "`Content-Length` is not a number")
    return Announced(int(length), headers.get(b"content-type")) if int(length) else None


class Bodies:
    """Reads the bodies of requests within the limits of *settings*."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._few = asyncio.Semaphore(_PARSED_AT_ONCE)

    def check(self, rule: Rule, said: Announced | None, encoding: bytes | None) -> None:
        """Refuse by the headers alone what the route does not take.

        Raises:
            RefusedError: none where one is needed, one where none is, too long, wrong type.
        """
        if said is None:
            if rule.body is BodyRule.REQUIRED:
                raise RefusedError("body_required", "this needs a body")
            return
        if rule.body is BodyRule.NONE:
            raise RefusedError("body_unexpected", f"{rule.method} {rule.path} takes no body")
        if encoding is not None and encoding.strip().lower() != b"identity":
            raise RefusedError("unsupported", "the body must not be compressed")
        if said.length is not None and said.length > self._settings.body_bytes_max:
            raise self._too_large()
        if not is_accepted(said.kind, rule.accepts):
            raise RefusedError(
                "unsupported",
                f"the `Content-Type` must be {' or '.join(sorted(rule.accepts))}, in UTF-8",
            )

    async def read(self, receive: Receive) -> bytes | None:
        """Return the whole body, None when the client went away.

        Raises:
            RefusedError: it is too large, or it stopped coming.
        """
        # A small body is there with its head: then no timer is made, the half of all the work.
        coming = cast("Coroutine[Any, Any, Message]", receive())
        try:
            awaited = coming.send(None)
        except StopIteration as end:
            message: Message = end.value
            if not message.get("more_body", False):
                return self._whole(message, message.get("body", b""))
            return await self._slowly(_given(message), receive)
        return await self._slowly(_resumed(coming, awaited), receive)

    async def _slowly(self, first: Awaitable[Message], receive: Receive) -> bytes | None:
        loop = asyncio.get_running_loop()
        patience = self._settings.read_timeout_s
        try:
            async with asyncio.timeout(patience) as timeout:
                start = loop.time()
                message = await first
                chunks: list[bytes] = [message.get("body", b"")]
                size = len(chunks[0])
                while message.get("more_body", False):
                    if size > self._settings.body_bytes_max:
                        raise self._too_large()
                    late = min(loop.time(), start + size / BYTES_PER_S_MIN)
                    timeout.reschedule(late + patience)
                    message = await receive()
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                return self._whole(message, b"".join(chunks))
        except TimeoutError:
            raise RefusedError(
                "timeout", f"the body did not arrive within {patience:g} s"
            ) from None

    async def parse(self, body: bytes) -> Json:
        """Return the value of a JSON body; a long one is read on another thread.

        Raises:
            InvalidError: it is no JSON, or past a limit; the fault has a pointer.
        """
        if len(body) <= _INLINE_BYTES_MAX:
            return parsed(body, self._settings)
        async with self._few:
            return await asyncio.to_thread(parsed, body, self._settings)

    def _whole(self, last: Message, body: bytes) -> bytes | None:
        if last["type"] != "http.request":
            return None
        if len(body) > self._settings.body_bytes_max:
            raise self._too_large()
        return body

    def _too_large(self) -> RefusedError:
        return RefusedError(
            "too_large", f"the body is larger than {self._settings.body_bytes_max:,} bytes"
        )


async def _given(message: Message) -> Message:
    return message


@coroutine
def _resumed(
    begun: Coroutine[Any, Any, Message], awaited: object
) -> Generator[object, Any, Message]:
    """Go on with a coroutine that was begun by hand and waits for *awaited*."""
    while True:
        try:
            sent = yield awaited
        except BaseException as error:  # noqa: BLE001 - it is the coroutine's to handle
            step = partial(begun.throw, error)
        else:
            step = partial(begun.send, sent)
        try:
            awaited = step()
        except StopIteration as end:
            return cast("Message", end.value)


def is_accepted(kind: bytes | None, accepts: frozenset[str]) -> bool:
    """Tell whether a `Content-Type` is one of *accepts*, and UTF-8 if it says.

    >>> is_accepted(b"application/json; charset=UTF-8", frozenset({"application/json"}))
    True
    >>> is_accepted(b"application/cloudevents+json", frozenset({"application/json"}))
    True
    >>> is_accepted(b"text/plain", frozenset({"application/json"}))
    False
    """
    if kind == b"application/json" and JSON_TYPE in accepts:
        return True
    if kind is None:
        return False
    media, _, _ = kind.partition(b";")
    name = media.strip().lower().decode("latin-1")
    rest = kind[len(media) :]
    charsets = _CHARSET.findall(rest)
    if any(charset.lower() not in _UTF8 for charset in charsets) or len(charsets) > 1:
        return False
    return name in accepts or (JSON_TYPE in accepts and is_json(kind))


def is_json(kind: bytes | None) -> bool:
    """Tell whether a `Content-Type` is JSON.

    >>> is_json(b"application/merge-patch+json"), is_json(b"application/jsonl")
    (True, False)
    """
    if kind is None or kind == b"application/json":
        return kind is not None
    return _JSON.fullmatch(kind.partition(b";")[0].strip().lower()) is not None


def parsed(body: bytes, settings: Settings) -> Json:
    """Return the value of a JSON text within the limits on values, strings and depth.

    Raises:
        InvalidError: it is no JSON, or past a limit; the fault has a pointer.
    """
    # Every value takes a byte, and every string as many as it has.
    if (
        len(body) > settings.values_max
        and _values(body, settings.values_max) > settings.values_max
    ):
        detail = f"more than {settings.values_max:,} values"
        raise InvalidError(detail, (Fault("", detail),))
    value = loads(body, depth_max=settings.depth_max)
    if len(body) > settings.string_bytes_max:
        _check_strings(value, settings.string_bytes_max)
    return value


def _values(body: bytes, values_max: int) -> int:
    """Count the values of a JSON text before it is parsed: one, one a comma, one an opener.

    Strings are left out only where what stands in them matters for *values_max*.
    """
    count = body.count(b",") + body.count(b"[") + body.count(b"{") + 1
    if count <= values_max:
        return count
    bare = b"0".join(_STRING.split(body)).translate(None, b" \t\r\n")
    empty = bare.count(b"[]") + bare.count(b"{}")
    return 1 + bare.count(b",") + bare.count(b"[") + bare.count(b"{") - empty


def _check_strings(value: Json, bytes_max: int) -> None:
    # UTF-8 takes at most four bytes a character.
    if not any(
        isinstance(item, str) and len(item) * 4 > bytes_max
        for items in levels(value)
        for item in items
    ):
        return
    pending: list[tuple[tuple[str | int, ...], Json]] = [((), value)]
    while pending:
        path, item = pending.pop()
        if isinstance(item, str):
            _check_string(item, path, bytes_max)
        elif isinstance(item, dict):
            for key, part in item.items():
                _check_string(key, path, bytes_max)
                pending.append(((*path, key), part))
        elif isinstance(item, list):
            pending.extend(((*path, index), part) for index, part in enumerate(item))


def _check_string(text: str, path: tuple[str | int, ...], bytes_max: int) -> None:
    if len(text) * 4 > bytes_max and len(text.encode()) > bytes_max:
        detail = f"a string of more than {bytes_max:,} bytes"
        pointer = pointer_of(path)
        raise InvalidError(f"{pointer}: {detail}", (Fault(pointer, detail),))


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body again that was read, and then what comes after."""
    messages: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": body, "more_body": False}
    ]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again
