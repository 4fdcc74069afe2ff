"""Lists of what has a name: pages in the order of the names, bounded and stable.

A cursor holds the last name that was shown, so what is added or removed meanwhile moves nothing.
"""

import base64
from binascii import Error as NotBase64Error
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from tipman.listing import LIMIT_MAX

from tipman_api.bridge import bridge_of
from tipman_api.parameters import LIMIT, PAGED, Parameters, refused
from tipman_api.representation import shown_items

T = TypeVar("T")
_CURSOR_CHARACTERS_MAX = 400
PAGING: Sequence[Mapping[str, Any]] = (
    {
        "name": "after",
        "in": "query",
        "required": False,
        "description": "`next` of the page before.",
        "schema": {"type": "string", "minLength": 1, "maxLength": _CURSOR_CHARACTERS_MAX},
    },
    {
        "name": "limit",
        "in": "query",
        "required": False,
        "description": "How many items at most.",
        "schema": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT},
    },
)
"""The parameters of such a list in the OpenAPI document."""


def cursor_of(kind: str, name: str) -> str:
    """Return the cursor of what follows a name; *kind* says in which list.

    >>> name_behind("tokens", cursor_of("tokens", "ci"))
    'ci'
    """
    return base64.urlsafe_b64encode(f"{kind}\n{name}".encode()).decode()


def name_behind(kind: str, cursor: str | None) -> str:
    """Return the name that a page begins after.

    Raises:
        InvalidError: it is no cursor, or one of another list.
    """
    if cursor is None:
        return ""
    try:
        read = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (NotBase64Error, UnicodeError):
        read = ""
    of, _, name = read.partition("\n")
    if of != kind or not name.isprintable() or not name:
        raise refused("after", "is no cursor of this list")
    return name


async def shown_list(
    request: Request,
    kind: str,
    find: Callable[..., Sequence[T]],
    *,
    show: Callable[[T], Mapping[str, Any]],
    **wanted: Any,
) -> Response:
    """Return a page of what *find* (given a reader, *wanted*, `after` and `limit`) finds.

    Raises:
        InvalidError: a parameter is unknown, or not what it must be.
    """
    parameters = Parameters(request, PAGED)
    limit = parameters.limit()
    after = name_behind(kind, parameters.text("after", _CURSOR_CHARACTERS_MAX))
    # One more than is shown tells whether there are more.
    found = await bridge_of(request).read(
        lambda database: find(database, **wanted, after=after, limit=limit + 1)
    )
    items = [show(item) for item in found[:limit]]
    following = cursor_of(kind, items[-1]["name"]) if len(found) > limit else None
    return shown_items(request, items, following)
