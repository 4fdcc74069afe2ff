"""Versions over REST: what the paths of definitions and of workflows have in common."""

from typing import Protocol

from fastapi import Request, Response
from tipman.errors import NotFoundError
from tipman.registry.records import Answer
from tipman.registry.repeats import Memo

from tipman_api import filters
from tipman_api.bridge import bridge_of
from tipman_api.parameters import PAGED, Parameters
from tipman_api.principals import principal_of
from tipman_api.registry_bodies import name_in
from tipman_api.repetition import Keep, replied, written

_DIGITS_MAX = 9


class Retire(Protocol):
    """Takes a version, or with None every one, out of use."""

    def __call__(
        self, name: str, version: int | None, *, namespace: str, actor: str, memo: Memo | None
    ) -> None:
        """Return once that is on disk."""


def namespace_in(request: Request) -> str:
    """Return the namespace that a request is about."""
    return principal_of(request).namespace_for(Parameters(request).text("namespace"))


async def listed_namespace(request: Request) -> str:
    """Return the namespace of which a list is wanted.

    Raises:
        InvalidError: there is no such namespace.
    """
    parameters, principal = Parameters(request, PAGED), principal_of(request)
    return await bridge_of(request).read(
        lambda database: filters.namespace_in(database, parameters, principal)
    )


def version_in(request: Request, noun: str) -> int:
    """Return the number of a version in a path.

    Raises:
        NotFoundError: no version has such a number; *noun* says of what.
    """
    version = str(request.path_params["version"])
    if not (version.isascii() and version.isdigit() and len(version) <= _DIGITS_MAX):
        raise NotFoundError(f"no {noun} '{name_in(request)}@{version}'")
    return int(version)


async def retired(request: Request, version: int | None, retire: Retire) -> Response:
    """Take a version of what a path names out of use, or with None every one."""
    namespace, principal, name = namespace_in(request), principal_of(request), name_in(request)

    async def write(keep: Keep) -> Answer:
        gone = Answer(204)
        await bridge_of(request).call(
            lambda: retire(
                name, version, namespace=namespace, actor=principal.name, memo=keep(lambda _: gone)
            )
        )
        return gone

    return replied(await written(request, write))
