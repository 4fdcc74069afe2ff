"""References: which instance a UUID, a key or a URI names."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tipman.errors import InvalidError, NotFoundError

from tipman_api.client import PREFIX, Client
from tipman_api.refusals import ForeignAnswerError, RefusedError

COLLECTIONS = {
    "task": f"{PREFIX}/tasks",
    "run": f"{PREFIX}/runs",
    "schedule": f"{PREFIX}/schedules",
}
"""Where the instances of each kind are found by their keys."""
_INSTANCES = f"{PREFIX}/instances"
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_NOT_FOUND = 404
_CHARACTERS_MAX = 2000


def find(
    client: Client,
    reference: str,
    *,
    kind: str | None = None,
    namespace: str | None = None,
    places: Mapping[str, str] = COLLECTIONS,
) -> dict[str, Any]:
    """Return the resource that a reference names, looked for in every kind or in one.

    Raises:
        NotFoundError: there is none.
        InvalidError: it is the key of several; names their kinds.
    """
    if not reference or len(reference) > _CHARACTERS_MAX:
        raise InvalidError("a reference is a UUID, a key or a URI")
    query = [("namespace", namespace)]
    wanted = places if kind is None else {kind: places[kind]}
    if reference.startswith(f"{PREFIX}/"):
        return _one(client, _path(reference, wanted), query)
    if reference.startswith(("http://", "https://")):
        raise InvalidError(
            f"{reference!r} is a whole address: a URI starts with {PREFIX}/, its server is --url"
        )
    if _UUID.fullmatch(reference):
        collection = _INSTANCES if kind is None else places[kind]
        return _one(client, f"{collection}/{reference}", query)
    if reference in {".", ".."} or "/" in reference or "\\" in reference:
        # No key is like that, and no path should be.
        raise NotFoundError(f"nothing has the key {reference!r}")
    return _by_key(client, reference, wanted, query)


def _one(client: Client, path: str, query: list[tuple[str, str | None]]) -> dict[str, Any]:
    resource: dict[str, Any] = client.get(path, query).json
    return resource


def _by_key(
    client: Client,
    key: str,
    places: Mapping[str, str],
    query: list[tuple[str, str | None]],
) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    refusal: RefusedError | None = None
    for kind, collection in places.items():
        try:
            found[kind] = _one(client, f"{collection}/{quote(key, safe='')}", query)
        except RefusedError as error:
            if error.status != _NOT_FOUND or isinstance(error, ForeignAnswerError):
                raise
            refusal = error
    if len(found) > 1:
        kinds = " or ".join(f"--kind {kind}" for kind in found)
        raise InvalidError(f"{key!r} is the key of {len(found)}; say {kinds}")
    if found:
        return next(iter(found.values()))
    if refusal is not None and len(places) == 1:
        raise refusal
    raise NotFoundError(f"no {' or '.join(places)} has the key {key!r}")


def _path(uri: str, places: Mapping[str, str]) -> str:
    """Return the path of the URI of an instance, of which no part leads elsewhere.

    Raises:
        InvalidError: it is one of something else.
        NotFoundError: nothing can be there.
    """
    collection, _, name = uri.rpartition("/")
    if name in {"", ".", ".."}:
        raise NotFoundError(f"nothing is at {uri}")
    if collection not in {*places.values(), _INSTANCES}:
        raise InvalidError(f"{uri} is not the URI of a {', a '.join(places)}")
    return f"{collection}/{quote(name, safe='%:@')}"
