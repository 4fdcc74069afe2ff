"""Authentication: a bearer token, or the cookie of a session that was opened with one.

Secrets are compared by whoever knows the tokens, through the port `Authenticate`; it is asked on
the event loop for every request, so it answers from memory, and in a time that says nothing.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import TypeAlias

from tipman.clock import Clock

from tipman_api.principals import Principal, Scope
from tipman_api.problems import RefusedError

Authenticate: TypeAlias = Callable[[str], Principal | None]
"""Returns whose secret it is, None when it is nobody's."""
COOKIE = "tipman_session"
SECRET_CHARACTERS_MAX = 512
SESSIONS_MAX = 1_000
"""Open sessions; the oldest makes room for the newest."""
SESSION_S = 7 * 86_400.0
ANYBODY = Principal("anybody", Scope.ADMIN)
"""Who asks when authentication is off."""
_COOKIE_START = COOKIE.encode() + b"="
_READS = frozenset({"GET", "HEAD"})


class Sessions:
    """Sessions of browsers, in memory only: an id nobody can guess stands for a token.

    A session is as good as its token at that moment, and ends with it.
    """

    def __init__(self, authenticate: Authenticate, clock: Clock) -> None:
        self._authenticate = authenticate
        self._clock = clock
        # By the hash of the id, so that looking one up tells nothing of another.
        self._open: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def open(self, secret: str) -> str:
        """Return the id of a new session of whoever has this secret."""
        identifier = secrets.token_urlsafe(32)
        self._open[_digest(identifier)] = (secret, self._clock.monotonic() + SESSION_S)
        while len(self._open) > SESSIONS_MAX:
            self._open.popitem(last=False)
        return identifier

    def close(self, identifier: str) -> None:
        """End a session; nothing happens when there is none."""
        self._open.pop(_digest(identifier), None)

    def find(self, identifier: str) -> Principal | None:
        """Return whose session it is, None when it is over or never was."""
        digest = _digest(identifier)
        secret, end = self._open.get(digest, ("", 0.0))
        principal = None
        if secret and self._clock.monotonic() < end:
            principal = self._authenticate(secret)
        if principal is None:
            self._open.pop(digest, None)
        return principal


def _digest(identifier: str) -> bytes:
    return sha256(identifier.encode("utf-8", "surrogatepass")).digest()


def known_to(
    authenticate: Callable[[str], tuple[str, str, str | None] | None],
) -> Authenticate:
    """Return the port over an engine's tokens: name, scope and namespace by secret."""

    def principal(secret: str) -> Principal | None:
        found = authenticate(secret)
        if found is None:
            return None
        name, scope, namespace = found
        return Principal(name, Scope.of(scope), namespace)

    return principal


class Authentication:
    """Finds out who asks; *authenticate* None means that everybody may do everything."""

    def __init__(self, authenticate: Authenticate | None, clock: Clock) -> None:
        self._authenticate = authenticate
        self.sessions = None if authenticate is None else Sessions(authenticate, clock)

    def principal(self, headers: dict[bytes, bytes], method: str) -> Principal:
        """Return who asks.

        Raises:
            RefusedError: nobody that is known (401); a write by cookie that a page of another
                site could have made as well (403).
        """
        if self._authenticate is None:
            return ANYBODY
        given = headers.get(b"authorization")
        if given is not None:
            secret = secret_of(given)
            found = None if secret is None else self._authenticate(secret)
        else:
            found = self._by_cookie(headers, method)
        if found is None:
            raise unauthorized("the token is not known" if given else "a token is needed")
        return found

    def _by_cookie(self, headers: dict[bytes, bytes], method: str) -> Principal | None:
        identifier = session_of(headers)
        if identifier is None or self.sessions is None:
            return None
        found = self.sessions.find(identifier)
        if found is not None and method not in _READS and headers.get(b"x-tipman") != b"1":
            raise RefusedError("cross_origin", "a write by cookie needs the header `X-Tipman: 1`")
        return found


def secret_of(authorization: bytes) -> str | None:
    """Return the secret of an `Authorization` header, None when it has none.

    >>> secret_of(b"Bearer abc")
    'abc'
    """
    scheme, _, secret = authorization.partition(b" ")
    secret = secret.strip()
    usable = secret.isascii() and 0 < len(secret) <= SECRET_CHARACTERS_MAX
    return secret.decode("ascii") if usable and scheme.lower() == b"bearer" else None


def session_of(headers: dict[bytes, bytes]) -> str | None:
    """Return the id of the session in the cookies, None when there is none, or two."""
    cookies = headers.get(b"cookie")
    if cookies is None or _COOKIE_START not in cookies:
        return None
    found = [
        part.strip()[len(_COOKIE_START) :]
        for part in cookies.split(b";")
        if part.strip().startswith(_COOKIE_START)
    ]
    return found[0].decode("latin-1") if len(found) == 1 else None


def unauthorized(detail: str) -> RefusedError:
    """Return the refusal that asks for a token."""
    error = RefusedError("unauthorized", f"{detail}: send `Authorization: Bearer …`")
    error.headers["www-authenticate"] = 'Bearer realm="tipman"'
    return error
