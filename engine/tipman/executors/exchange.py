"""One HTTP exchange: a request, its redirects, and an answer of bounded size.

It uses no proxy, sends no cookie and no header beyond those asked for, apart from `Host`,
`User-Agent`, `Accept-Encoding: identity` and what describes the body.
"""

import codecs
import errno
import http.client
import os
import re
import selectors
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from tipman.errors import InvalidError
from tipman.executors.reports import cleaned

REDIRECTS_MAX = 5
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_FOLLOWING = frozenset({"GET", "HEAD"})
_OF_ONE_ORIGIN = frozenset({"authorization", "cookie", "host", "proxy-authorization"})
_PORTS = {"http": 80, "https": 443}
_CHUNK_BYTES = 65_536
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY})


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be sent; `stays` tells that a redirect is itself the answer that is wanted."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names in small letters, repeated ones joined by a comma."""

    status: int
    headers: Mapping[str, str]
    body: str
    truncated: bool


class RedirectsError(OSError):
    """More redirects than are followed."""


class Exchange:
    """Sends one request; `abort` from another thread ends it, whatever it waits for."""

    def __init__(self, body_bytes_max: int) -> None:
        self.url = ""
        """What is asked at the moment: the request's URL, or where a redirect led."""
        self._body_bytes_max = body_bytes_max
        self._socket: socket.socket | None = None
        self._aborted = False
        self._lock = threading.Lock()

    def run(self, request: Request) -> Answer:
        """Send it, follow redirects of GET and HEAD, and return the last answer.

        Raises:
            InvalidError: the URL, the method or a header can not be sent.
            OSError, http.client.HTTPException: no answer came, or it was aborted.
        """
        _check(request)
        for _ in range(REDIRECTS_MAX + 1):
            self.url = request.url
            answer = self._exchange(request)
            target = answer.headers.get("location")
            if (
                request.stays
                or target is None
                or answer.status not in REDIRECT_STATUSES
                or request.method not in _FOLLOWING
            ):
                return answer
            request = _redirected(request, urljoin(request.url, target))
        raise RedirectsError(f"more than {REDIRECTS_MAX} redirects")

    def abort(self) -> None:
        """Break the connection, now or as soon as it is made."""
        with self._lock:
            self._aborted = True
            if self._socket is not None:
                _shut(self._socket)

    def connect(self, address: tuple[Any, ...], family: int) -> socket.socket:
        """Return a socket connected to an address, which `abort` can break at any moment.

        Raises:
            OSError: there is no connection, or the exchange was aborted.
        """
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._reach(made, address)
        except OSError:
            made.close()
            raise
        return made

    def encrypt(self, plain: socket.socket, host: str) -> ssl.SSLSocket:
        """Return the connection with TLS on it.

        Raises:
            OSError: the handshake failed, or the exchange was aborted.
        """
        secured = tls().wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        try:
            with self._lock:
                self._note(secured)
            secured.do_handshake()
        except OSError:
            secured.close()
            raise
        return secured

    def _reach(self, made: socket.socket, address: tuple[Any, ...]) -> None:
        made.setblocking(False)
        with self._lock:
            # Under the lock, for `abort` can break what has begun to connect, not before.
            self._note(made)
            code = made.connect_ex(address)
        if code in _UNDER_WAY:
            with selectors.DefaultSelector() as selector:
                selector.register(made, selectors.EVENT_WRITE)
                selector.select()
            code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code != 0:
            raise OSError(code, os.strerror(code))
        made.setblocking(True)

    def _note(self, connection: socket.socket) -> None:
        if self._aborted:
            raise ConnectionAbortedError("aborted")
        self._socket = connection

    def _exchange(self, request: Request) -> Answer:
        url = _split(request.url)
        connection = _connection(self, url)
        try:
            connection.connect()
            _send(connection, request, url)
            return _answer(connection.getresponse(), self._body_bytes_max)
        finally:
            with self._lock:
                self._socket = None
            connection.close()


class _Connection(http.client.HTTPConnection):
    def __init__(self, exchange: Exchange, url: SplitResult) -> None:
        self.default_port = _PORTS[url.scheme]
        super().__init__(_host(url), url.port or self.default_port)
        self._exchange = exchange
        self._is_encrypted = url.scheme == "https"

    def connect(self) -> None:
        failure = OSError("the name has no address")
        for family, *_, address in socket.getaddrinfo(
            self.host, self.port, type=socket.SOCK_STREAM
        ):
            try:
                made = self._exchange.connect(address, family)
            except OSError as error:
                failure = error
            else:
                self.sock = self._exchange.encrypt(made, self.host) if self._is_encrypted else made
                return
        raise failure


def _connection(exchange: Exchange, url: SplitResult) -> _Connection:
    try:
        return _Connection(exchange, url)
    except http.client.InvalidURL as error:
        raise InvalidError(f"{url.geturl()!r} is no URL: {error}") from error


def _check(request: Request) -> None:
    if not _TOKEN.fullmatch(request.method):
        raise InvalidError(f"{request.method!r} can not be sent as a method")
    for name, value in request.headers.items():
        if not _TOKEN.fullmatch(name):
            raise InvalidError(f"{name!r} can not be sent as the name of a header")
        if _CONTROL.search(value):
            raise InvalidError(f"the header {name!r} can not be sent: it has a control character")


def _send(connection: _Connection, request: Request, url: SplitResult) -> None:
    headers = {"Connection": "close", "User-Agent": "tipman"}
    given = {name.lower() for name in request.headers}
    headers = {k: v for k, v in headers.items() if k.lower() not in given}
    # http.client writes headers in Latin-1; so what is not ASCII goes out in UTF-8.
    headers |= {name: value.encode().decode("latin-1") for name, value in request.headers.items()}
    connection.request(request.method, _target(url), request.body, headers)


@cache
def tls() -> ssl.SSLContext:
    """Return what every encrypted connection trusts: the system's certificates."""
    # Reading the system's certificates takes some ten milliseconds: once.
    return ssl.create_default_context()


def checked_url(text: str) -> str:
    """Return a URL that can be asked for.

    Raises:
        InvalidError: says what is wrong with it.

    >>> checked_url("http://127.0.0.1:8000/done?day=1")
    'http://127.0.0.1:8000/done?day=1'
    """
    _split(text)
    return text


def host_of(url: str) -> str:
    """Return host and port of a URL, for a message.

    >>> host_of("https://example.org/secret?token=1")
    'example.org:443'
    """
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidError(f"{text!r} is no URL: {error}") from error
    if parts.scheme not in _PORTS:
        raise InvalidError(f"{text!r} is no http or https URL")
    if not parts.hostname or port == 0:
        raise InvalidError(f"{text!r} names no host and port")
    if "@" in parts.netloc:
        raise InvalidError("a password does not belong in a URL: use an Authorization header")
    return parts


def _host(url: SplitResult) -> str:
    name = url.hostname or ""
    try:
        return name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise InvalidError(f"{name!r} can not be the name of a host: {error}") from error


def _target(url: SplitResult) -> str:
    path = quote(url.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(url.query, safe="/%:@!$&'()*+,;=~-._?[]")
    return f"{path}?{query}" if query else path


def _redirected(request: Request, url: str) -> Request:
    old = _split(request.url)
    try:
        new = _split(url)
    except InvalidError as error:
        raise RedirectsError(f"it redirects, but {error}") from error
    headers = request.headers
    if (old.scheme, old.netloc) != (new.scheme, new.netloc):
        headers = {k: v for k, v in headers.items() if k.lower() not in _OF_ONE_ORIGIN}
    return replace(request, url=url, headers=headers)


def _answer(response: http.client.HTTPResponse, body_bytes_max: int) -> Answer:
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    body, truncated = _body(response, body_bytes_max)
    charset = response.headers.get_content_charset("utf-8")
    text = _decoded(body, charset, whole=not truncated)
    return Answer(
        response.status, {k: cleaned(v) for k, v in headers.items()}, cleaned(text), truncated
    )


def _body(response: http.client.HTTPResponse, bytes_max: int) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    left = bytes_max
    while left > 0:
        part = response.read(min(left, _CHUNK_BYTES))
        if not part:
            # Read in parts, http.client does not tell that the connection broke off.
            if response.length:
                raise http.client.IncompleteRead(b"".join(parts), response.length)
            return b"".join(parts), False
        parts.append(part)
        left -= len(part)
    return b"".join(parts), bool(response.read(1))


def _decoded(body: bytes, charset: str, *, whole: bool) -> str:
    try:
        return codecs.getincrementaldecoder(charset)("backslashreplace").decode(body, final=whole)
    except (LookupError, UnicodeError, AttributeError, TypeError, AssertionError):
        return codecs.getincrementaldecoder("utf-8")("backslashreplace").decode(body, final=whole)


def _shut(connection: socket.socket) -> None:
    try:
        # Not SSLSocket's own, which would take the session from under the thread that reads.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return  # not connected, or closed by the other side: nothing waits on it then
