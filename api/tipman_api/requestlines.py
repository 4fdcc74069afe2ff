"""Request lines: what is refused of a path and a query, before anybody looks them up.

No part of a path ever names a file, yet a path with tricks is refused rather than cleaned: what
one program reads as a segment another reads as a way out.
"""

import re
from urllib.parse import unquote_plus, unquote_to_bytes

from tipman_api.problems import RefusedError

SECRET_NAMES = frozenset(
    {"token", "access_token", "auth", "authorization", "bearer", "api_key", "apikey", "secret"}
)
"""Query parameters that look like a token; their values never reach a log."""
_SUSPECT_PATH = re.compile(rb"%|//|/\.|\\|[^\x21-\x7e]")
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_path(raw: bytes) -> None:
    """Let an ordinary path pass.

    Raises:
        RefusedError: a segment `.` or `..`, an empty one, an encoded slash, a backslash, a
            control character, a broken escape, or no UTF-8.
    """
    if _SUSPECT_PATH.search(raw) is None and raw.startswith(b"/"):
        return
    path = _decoded(raw, "bad_path", "path")
    if b"%2f" in raw.lower() or "\\" in path:
        raise RefusedError("bad_path", "a slash in a path is neither encoded nor a backslash")
    segments = path.split("/")
    if segments[0] or {".", ".."} & set(segments) or "" in segments[1:-1]:
        raise RefusedError("bad_path", "the path has an empty segment, or a `.` or `..`")


def check_length(path: bytes, query: bytes, bytes_max: int) -> None:
    """Let an address of an ordinary length pass.

    Raises:
        RefusedError: path and query together are longer than *bytes_max*.
    """
    length = len(path) + len(query)
    if length > bytes_max:
        raise RefusedError(
            "query_too_long", f"the address has {length:,} bytes; {bytes_max:,} are taken"
        )


def check_query(raw: bytes) -> None:
    """Let an ordinary query pass.

    Raises:
        RefusedError: it is not well formed, or has a parameter for a token.
    """
    _decoded(raw, "malformed", "query")
    for part in raw.decode("ascii").replace(";", "&").split("&"):
        name = unquote_plus(part.partition("=")[0]).strip().lower()
        if name in SECRET_NAMES:
            raise RefusedError(
                "token_in_query",
                f"the parameter `{name}` is refused, for addresses are logged and remembered;"
                " send `Authorization: Bearer`, and make a new token",
            )


def _decoded(raw: bytes, code: str, what: str) -> str:
    if _BROKEN_ESCAPE.search(raw) is not None:
        raise RefusedError(code, f"the {what} has a `%` without two hexadecimal digits")
    try:
        raw.decode("ascii")
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedError(code, f"the {what} is not UTF-8 in escapes") from None
    if _CONTROL.search(text) is not None:
        raise RefusedError(code, f"the {what} has a control character")
    return text
