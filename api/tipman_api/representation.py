"""Representations: values as the bytes of an answer, each with its `ETag`."""

from collections.abc import Sequence
from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response
from tipman.listing import Page, dumps_stored

JSON = "application/json"
_TAG_BYTES = 12


def shown(request: Request, value: object) -> Response:
    """Return what is there as JSON, or 304 when the client has it."""
    return shown_bytes(request, dumps_stored(value).encode(), JSON)


def shown_page(request: Request, page: Page) -> Response:
    """Return a page of a list."""
    return shown_bytes(request, _page_text(page.items, page.next).encode(), JSON)


def shown_items(request: Request, items: Sequence[object], following: str | None) -> Response:
    """Return values as a page of a list."""
    text = _page_text([dumps_stored(item) for item in items], following)
    return shown_bytes(request, text.encode(), JSON)


def shown_bytes(request: Request, body: bytes, media_type: str) -> Response:
    """Return these bytes, or 304 when the client has them."""
    tag = etag_of(body)
    known = request.headers.get("if-none-match")
    if known is not None and is_known(known, tag):
        return Response(status_code=304, headers={"etag": tag})
    return Response(body, 200, {"etag": tag}, media_type)


def accepted(value: object, *, location: str | None = None, status: int = 202) -> Response:
    """Return what a write made, as it is after the commit."""
    return accepted_text(dumps_stored(value), location=location, status=status)


def accepted_text(text: str, *, location: str | None = None, status: int = 202) -> Response:
    """Return JSON text that says what a write made."""
    headers = {} if location is None else {"location": location}
    return Response(text, status, headers, JSON)


def preferring(response: Response, wait_s: float | None) -> Response:
    """Return an answer that says for how long it was waited, if so."""
    if wait_s is not None:
        response.headers["preference-applied"] = f"wait={wait_s:g}"
    return response


def etag_of(body: bytes) -> str:
    """Return the tag of a representation: the same bytes, the same tag.

    >>> etag_of(b"{}")
    '"bf78e4a953b40eee238ca2e9"'
    """
    return f'"{blake2b(body, digest_size=_TAG_BYTES).hexdigest()}"'


def is_known(field: str, tag: str) -> bool:
    """Tell whether a tag is among those of `If-None-Match`.

    >>> is_known('W/"a", "b"', '"a"'), is_known('*', '"a"'), is_known('"c"', '"a"')
    (True, True, False)
    """
    tags = [part.strip().removeprefix("W/") for part in field.split(",")]
    return tag in tags or tags == ["*"]


def _page_text(items: Sequence[str], following: str | None) -> str:
    return f'{{"items":[{",".join(items)}],"next":{dumps_stored(following)}}}'
