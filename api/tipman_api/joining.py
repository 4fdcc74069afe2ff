"""Joining: the head of an answer and its first bytes leave in one piece.

uvicorn writes them one after the other, each with a call to the system; each such call lets the
other threads go first. Source: asyncio, "Transports and Protocols".
"""

import asyncio
from typing import Any, cast

_HEAD = b"HTTP/1.1 "


class JoiningTransport:
    """Holds back the head of an answer until what follows is written, or the loop turns."""

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        """Write, what is held back first."""
        if self._head:
            data, self._head = self._head + data, b""
            self._transport.write(data)
        elif data.startswith(_HEAD):
            self._head = data
            # Some answers have nothing to follow, and some have it later.
            self._loop.call_soon(self._release)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Close when all is written."""
        self._release()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _release(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)


def joining(transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> asyncio.Transport:
    """Return the same transport, which joins a head with what follows."""
    return cast("asyncio.Transport", JoiningTransport(transport, loop))
