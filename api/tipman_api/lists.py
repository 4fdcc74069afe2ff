"""Lists: read from the server page by page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tipman.errors import NotFoundError

from tipman_api.client import Client

PAGE_MAX = 1000
"""Items a request; the server gives no more."""


def pages(
    client: Client, path: str, query: Sequence[tuple[str, Any]] = (), limit: int = 0
) -> Iterator[Mapping[str, Any]]:
    """Yield what a list has, at most so many items, 0 for all."""
    after, left = None, limit
    while True:
        size = min(left, PAGE_MAX) if limit else PAGE_MAX
        page = client.get(path, [*query, ("limit", size), ("after", after)]).json
        yield from page["items"]
        after, left = page["next"], left - len(page["items"])
        if after is None or (limit and left <= 0):
            return


def path_of(collection: str, *names: str) -> str:
    """Return the path of something by its name.

    >>> path_of("/api/v1/namespaces", "team a")
    '/api/v1/namespaces/team%20a'

    Raises:
        NotFoundError: no name is like that.
    """
    for name in names:
        if name in {"", ".", ".."}:
            raise NotFoundError(f"nothing has the name {name!r}")
    return "/".join([collection, *(quote(name, safe="@") for name in names)])
