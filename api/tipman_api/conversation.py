"""A conversation: HTTP/1.1 over one connection, as little of it as our own server needs.

The standard library's client takes longer to import than a command may take to start: it brings a
reader of mail along.

Source: RFC 9112.
"""

import socket
from collections.abc import Mapping
from contextlib import suppress
from io import BufferedReader
from typing import Any

from tipman_api.addresses import Address

CONNECT_S = 10.0
"""How long a connection may take to be opened."""
_LINE_BYTES_MAX = 65_536
_HEADERS_MAX = 200
_SOME_BYTES = 65_536
_INFORMATIONAL = range(100, 200)
_WITHOUT_BODY = frozenset({204, 304})
_CHUNK_DIGITS_MAX = 15


class MalformedError(Exception):
    """What came is not HTTP."""


class Conversation:
    """One connection; a request is asked when the answer before it was read to its end.

    Raises, from everything that it does:
        OSError: it could not be opened, broke, or was silent for *timeout_s* seconds.
        MalformedError: whoever answers does not speak HTTP.
    """

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._host = address.authority
        self._socket: Any = socket.create_connection((address.host, address.port), CONNECT_S)
        try:
            self._socket.settimeout(timeout_s)
            # Else a small body waits for the acknowledgement of its head.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if address.scheme == "https":
                import ssl  # noqa: PLC0415 - most servers are on this machine

                context = ssl.create_default_context()
                self._socket = context.wrap_socket(self._socket, server_hostname=address.host)
        except BaseException:
            self._socket.close()
            raise
        self._reader: BufferedReader = self._socket.makefile("rb")

    def close(self) -> None:
        """End it."""
        self._reader.close()
        self._socket.close()

    def ask(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> "Reply":
        """Send a request; return the reply, whose body is still to be read."""
        sent = {"Host": self._host, **headers}
        if body is not None:
            sent["Content-Length"] = str(len(body))
        lines = [f"{method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in sent.items()), "", ""]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a line of a request has no line ends")
        head = "\r\n".join(lines).encode("latin-1")
        try:
            self._socket.sendall(head if body is None else head + body)
        except ConnectionError:
            # A server that refuses a long body answers and closes before it has read it all.
            with suppress(OSError, MalformedError):
                return Reply(self._reader)
            raise
        return Reply(self._reader)


class Reply:
    """What came back: a head that was read, and a body that is read by `read` or `some`."""

    def __init__(self, reader: BufferedReader) -> None:
        self._reader = reader
        self.status, self.reason = self._status()
        while self.status in _INFORMATIONAL:
            self._headers()
            self.status, self.reason = self._status()
        self.headers = self._headers()
        """By names in small letters; of those that stand twice the last."""
        self._is_chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self._left = self._length()
        """Bytes that are left of the body, or of a chunk of it; None until the connection ends."""

    @property
    def is_last(self) -> bool:
        """Whether the connection is good for nothing after this."""
        said = self.headers.get("connection", "").lower()
        return self._left is None or said == "close"

    def read(self) -> bytes:
        """Return the rest of the body."""
        return b"".join(iter(self.some, b""))

    def some(self) -> bytes:
        """Return bytes of the body as they come, none at its end."""
        if self._is_chunked and not self._left:
            self._left = self._next_chunk()
        if self._left == 0:
            return b""
        size = _SOME_BYTES if self._left is None else min(self._left, _SOME_BYTES)
        data = self._reader.read1(size)
        if self._left is None:
            return data
        if not data:
            raise ConnectionResetError("the connection ended in the midst of an answer")
        self._left -= len(data)
        if self._is_chunked and not self._left:
            self._line()
        return data

    def _next_chunk(self) -> int:
        """Return the size of the next chunk, after the last of them 0 for ever."""
        if self._left is None:
            return 0
        digits = self._line().partition(";")[0].strip()
        try:
            size = int(digits, 16) if len(digits) <= _CHUNK_DIGITS_MAX else -1
        except ValueError:
            size = -1
        if size < 0:
            raise MalformedError(f"{digits[:40]!r} is no size of a chunk")
        if size == 0:
            while self._line():
                pass
            self._is_chunked = False
        return size

    def _length(self) -> int | None:
        if self.status in _WITHOUT_BODY or self._is_chunked:
            return 0
        said = self.headers.get("content-length")
        if said is None:
            return None
        if not (said.isascii() and said.isdigit()):
            raise MalformedError(f"{said[:40]!r} is no length")
        return int(said)

    def _status(self) -> tuple[int, str]:
        version, _, rest = self._line(is_first=True).partition(" ")
        digits, _, reason = rest.partition(" ")
        if not version.startswith("HTTP/1.") or not (digits.isascii() and digits.isdigit()):
            raise MalformedError("this is not HTTP")
        return int(digits), reason

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(_HEADERS_MAX):
            line = self._line()
            if not line:
                return headers
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        raise MalformedError("too many headers")

    def _line(self, *, is_first: bool = False) -> str:
        line = self._reader.readline(_LINE_BYTES_MAX)
        if not line.endswith(b"\n"):
            if len(line) >= _LINE_BYTES_MAX:
                raise MalformedError("a line without an end")
            if line and is_first:
                raise MalformedError("this is not HTTP")
            raise ConnectionResetError("the connection ended in the midst of an answer")
        return line.decode("latin-1").rstrip("\r\n")
