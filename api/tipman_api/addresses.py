"""Addresses of servers, as people give them."""

from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from tipman.errors import InvalidError

_PORTS = {"http": 80, "https": 443}
_TOKEN = "token="  # noqa: S105 - where in a URL one stands, not one


class Address(NamedTuple):
    """Where a server is; `prefix`, empty or starting with `/`, comes before all of its paths."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"

    @property
    def authority(self) -> str:
        """Host and port as a URL and `Host` have them.

        >>> address_of("http://[::1]:80/")[0].authority
        '[::1]'
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether nothing of what is sent leaves this machine.

        >>> [address_of(url)[0].is_loopback for url in ("http://[::1]:8000", "http://10.0.0.1")]
        [True, False]
        """
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def is_same_server(self, other: "Address") -> bool:
        """Tell whether two addresses are surely of one server.

        >>> one, other = address_of("http://localhost:8000")[0], address_of("http://127.0.0.1:8000")[0]
        >>> one.is_same_server(other)
        True
        """
        if self.is_loopback and other.is_loopback:
            return self.port == other.port
        return self[:3] == other[:3]


def address_of(url: str) -> tuple[Address, str | None]:
    """Return the address that a URL says, and the token where one stands in its fragment.

    >>> address_of("http://127.0.0.1:8000/#token=secret")
    (Address(scheme='http', host='127.0.0.1', port=8000, prefix=''), 'secret')

    Raises:
        InvalidError: it is no address of a server.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidError(f"{url!r} is no address of a server: {error}") from None
    why = _fault(parts)
    if why is not None or parts.hostname is None:
        raise InvalidError(f"{_without_secrets(url)!r} is no address of a server: {why}")
    address = Address(
        parts.scheme, parts.hostname, port or _PORTS[parts.scheme], parts.path.rstrip("/")
    )
    return address, parts.fragment.removeprefix(_TOKEN) or None


def _fault(parts: SplitResult) -> str | None:
    if parts.scheme not in _PORTS:
        return "it must start with http:// or https://, such as http://127.0.0.1:8000"
    if not parts.hostname or not parts.netloc.isprintable():
        return "it names no host"
    if "@" in parts.netloc:
        return "it must not have a user's name; a token is given by --token"
    if parts.query:
        return "it must not have a query; a token is given by --token"
    if parts.fragment and not parts.fragment.startswith(_TOKEN):
        return "its fragment may only be #token=…"
    return None if parts.path.isascii() and parts.path.isprintable() else "its path is not plain"


def _without_secrets(url: str) -> str:
    """Return a URL without what may be a password or a token: messages end up in logs.

    >>> _without_secrets("localhost:8000/#token=secret"), _without_secrets("ftp://me:pass@a")
    ('localhost:8000/', 'ftp://a')
    """
    scheme, mark, rest = url.partition("#")[0].partition("?")[0].rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
