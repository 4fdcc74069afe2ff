"""Destinations: which server a command talks to, and by which token.

A token goes to no server but the one that it was meant for.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tipman.errors import InvalidError

from tipman_api.addresses import Address, address_of
from tipman_api.discovery import find_server
from tipman_api.refusals import NoServerError

TOKEN_FILE = "token"  # noqa: S105 - the name of a file
_HOME = ".tipman"
_SETTINGS_FILE = Path("tipman.toml")


@dataclass(frozen=True, slots=True)
class Destination:
    """A server's address, and what makes us known to it."""

    address: Address
    token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Directions:
    """What a command was told of its server; all of it may be left out."""

    url: str | None = None
    token: str | None = None
    home: str | None = None

    def destination(self, environ: Mapping[str, str] = os.environ) -> Destination:
        """Find the server, and the token for it.

        Raises:
            NoServerError: none was named, and none runs on the home directory.
            InvalidError: the address or the token can not be used.
        """
        named = environ.get("TIPMAN_URL") or None
        url = self.url or named
        home = self.home_folder(environ)
        server = find_server(home)
        if url is None and server is None:
            raise NoServerError(
                f"no server runs on {home}; start one with `tipman serve`, or name one by --url"
            )
        of_home = None if server is None else address_of(server.url)[0]
        address, in_url = address_of(url or str(of_home))
        token = self.token or in_url
        if token is None and (url == named or named is None):
            # Beside TIPMAN_URL the variable is meant for that server, and for no other.
            token = environ.get("TIPMAN_TOKEN") or None
        if token is None and _is_of_home(address, of_home):
            token = _token_in(home)
        return Destination(address, None if token is None else _checked(token))

    def has_server(self, environ: Mapping[str, str] = os.environ) -> bool:
        """Tell whether a server is named, or runs on the home directory."""
        if self.url or environ.get("TIPMAN_URL"):
            return True
        return find_server(self.home_folder(environ)) is not None

    def home_folder(self, environ: Mapping[str, str] = os.environ) -> Path:
        """Return the home directory, as `tipman serve` finds it.

        Raises:
            InvalidError: the settings file can not be read.
        """
        return Path(self.home or environ.get("TIPMAN_HOME") or _home_in_file() or _HOME)


def _is_of_home(address: Address, of_home: Address | None) -> bool:
    """Tell whether a home's token is meant for an address.

    With no server in sight it may run where its file can not be seen, in a container say; then
    only an address of this machine is believed.
    """
    return address.is_loopback if of_home is None else address.is_same_server(of_home)


def _token_in(home: Path) -> str | None:
    try:
        return (home / TOKEN_FILE).read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidError(f"the token in {home} can not be read: {error}") from None


def _checked(token: str) -> str:
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise InvalidError("the token has characters that no token has")
    return token


def _home_in_file() -> str | None:
    """Return the setting `home` of the settings file in the current directory."""
    try:
        text = _SETTINGS_FILE.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidError(f"{_SETTINGS_FILE} can not be read: {error}") from None
    import tomllib  # noqa: PLC0415 - only where there is such a file

    try:
        home = tomllib.loads(text).get("home")
    except tomllib.TOMLDecodeError as error:
        raise InvalidError(f"{_SETTINGS_FILE}: {error}") from None
    return home if isinstance(home, str) and home else None
