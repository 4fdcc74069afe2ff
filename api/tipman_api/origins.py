"""Origins: which names the server goes by, and which pages may ask it.

A page of another site can make a browser send requests here, and a name that suddenly resolves to
this machine makes them look like its own. So the `Host` is one of a few exact names, and the
`Origin` is the one of that host.

Source: RFC 9110, 7.2 and 7.4 (421); the Fetch standard, "The `Origin` header"; W3C, Fetch
Metadata Request Headers.
"""

import re
from collections.abc import Iterable

from tipman.errors import InvalidError

from tipman_api.problems import RefusedError

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
HTTP_PORT = 80
_ALLOWED = re.compile(
    r"(?P<name>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?P<port>:[0-9]{1,5})?"
)
_OWN_SITES = frozenset({b"same-origin", b"none"})


def checked_host(name: str) -> str:
    """Return an allowed host as it is compared: lower case, with its port if it has one.

    >>> checked_host("Tipman.Example:8443")
    'tipman.example:8443'

    Raises:
        InvalidError: it is no host name; patterns and addresses with a scheme are none.
    """
    if _ALLOWED.fullmatch(name.lower()) is None:
        raise InvalidError(f"{name!r} is no host name; write `tipman.example` or with its port")
    return name.lower()


class Origins:
    """The exact names of a server: loopback ones with its own port, and *allowed* ones.

    An allowed name without a port goes with none and with the server's.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = tuple(checked_host(name) for name in allowed)
        self._names: dict[int, frozenset[bytes]] = {}

    def names(self, port: int) -> frozenset[bytes]:
        """Return every `Host` that is this server's while it listens on *port*."""
        known = self._names.get(port)
        if known is None:
            known = self._names[port] = frozenset(self._all(port))
        return known

    def check_host(self, host: bytes | None, port: int) -> bytes:
        """Return the `Host` in lower case.

        Raises:
            RefusedError: it is missing, or none of the names (421).
        """
        if host is None:
            raise RefusedError("unknown_host", "the header `Host` is missing")
        if host in self.names(port):
            return host
        if host.lower() in self.names(port):
            return host.lower()
        raise RefusedError(
            "unknown_host",
            f"{_readable(host)} is not this server; `--allowed-host` names further ones",
        )

    def check_origin(self, origin: bytes, host: bytes) -> None:
        """Let a page of this very host ask.

        Raises:
            RefusedError: the page is of another one, or hides where it is from.
        """
        scheme, _, rest = origin.lower().partition(b"://")
        plain = scheme == b"http" or (scheme == b"https" and not is_loopback(host))
        if not plain or rest != host:
            raise RefusedError(
                "cross_origin", f"a page of {_readable(origin)} may not ask {_readable(host)}"
            )

    def _all(self, port: int) -> Iterable[bytes]:
        for name in LOOPBACK_NAMES:
            yield f"{name}:{port}".encode()
        for name in self._allowed:
            yield name.encode()
            if _ALLOWED.fullmatch(name)["port"] is None:  # type: ignore[index] # was checked
                yield f"{name}:{port}".encode()
        if port == HTTP_PORT:
            yield from (name.encode() for name in LOOPBACK_NAMES)


def check_site(site: bytes, *, is_page: bool, is_navigation: bool) -> None:
    """Let a browser's request pass by what it says of where it comes from.

    A link elsewhere may lead to a page of ours, which holds no data; nothing else may.

    Raises:
        RefusedError: another site, or another port of this machine, is behind it.
    """
    if site in _OWN_SITES or (is_page and is_navigation):
        return
    raise RefusedError("cross_origin", f"a request from {_readable(site)} (`Sec-Fetch-Site`)")


def is_loopback(host: bytes) -> bool:
    """Tell whether a `Host` is one of the names of this machine.

    >>> is_loopback(b"localhost:8000"), is_loopback(b"localhost.example")
    (True, False)
    """
    name = host.rpartition(b":")[0] if host.rpartition(b":")[2].isdigit() else host
    return name.decode("latin-1") in LOOPBACK_NAMES


def _readable(text: bytes) -> str:
    return repr(text[:100].decode("latin-1"))
