"""Principals: who asks, how much that one may do, and in which namespace."""

from dataclasses import dataclass
from enum import IntEnum

from starlette.requests import HTTPConnection
from tipman.errors import ForbiddenError, NotFoundError

DEFAULT_NAMESPACE = "default"
SCOPE_KEY = "tipman.principal"
"""Where the guard leaves the principal in the ASGI scope."""


class Scope(IntEnum):
    """What a token is good for; each includes the ones before."""

    READ = 1
    OPERATE = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """How it is written.

        >>> Scope.OPERATE.word
        'operate'
        """
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> "Scope":
        """Return the scope that is written so.

        >>> Scope.of("read") < Scope.of("admin")
        True

        Raises:
            KeyError: there is none.
        """
        return cls[word.upper()]


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who may ask; `namespace` None means all of them."""

    name: str
    """The name of the token; the actor of what is asked with it."""
    scope: Scope
    namespace: str | None = None

    def namespace_for(self, requested: str | None) -> str:
        """Return the namespace a request is about, its principal's own where it names none.

        >>> Principal("ci", Scope.READ, "team").namespace_for(None)
        'team'
        >>> Principal("root", Scope.ADMIN).namespace_for(None)
        'default'

        Raises:
            ForbiddenError: the token is bound to another one.
        """
        if requested is None:
            return self.namespace or DEFAULT_NAMESPACE
        if self.sees(requested):
            return requested
        raise ForbiddenError(
            f"the token {self.name!r} is bound to the namespace {self.namespace!r}"
            f" and says nothing of {requested!r}"
        )

    def sees(self, namespace: str) -> bool:
        """Tell whether this one may know what is in a namespace.

        >>> Principal("ci", Scope.READ, "team").sees("default")
        False
        """
        return self.namespace is None or self.namespace == namespace

    def must_see(self, namespace: str, what: str) -> None:
        """Let *what* (an id or a URI) of this namespace be shown.

        Raises:
            NotFoundError: it is of a namespace that this one does not see; the answer is the
                same as when there were nothing.
        """
        if not self.sees(namespace):
            raise NotFoundError(f"nothing is known at {what}")

    def must_have(self, scope: Scope) -> None:
        """Let something be done that needs *scope*.

        Raises:
            ForbiddenError: this one has less.
        """
        if self.scope < scope:
            raise ForbiddenError(
                f"this needs the scope `{scope.word}`; the token {self.name!r}"
                f" has `{self.scope.word}`"
            )


def principal_of(connection: HTTPConnection) -> Principal:
    """Return who asks; the guard has found out before any route is reached."""
    principal: Principal = connection.scope[SCOPE_KEY]
    return principal
