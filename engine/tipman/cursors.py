"""Cursors: where a page of a list ended, in a text that leads nowhere in any other list."""

import base64
from binascii import Error as NotBase64Error
from hashlib import sha256

from tipman.errors import Fault, InvalidError

_MARK_BYTES = 6


def mark_of(wanted: object) -> bytes:
    """Return a few bytes that tell the cursors of a list from those of others.

    What is wanted of it is told apart by its `repr`.
    """
    return sha256(repr(wanted).encode()).digest()[:_MARK_BYTES]


def cursor_of(mark: bytes, place: bytes) -> str:
    """Return the cursor of what follows a place in the list of this mark.

    >>> mark = mark_of("pots")
    >>> place_in(cursor_of(mark, b"here"), mark, size=4)
    b'here'
    """
    return base64.urlsafe_b64encode(mark + place).decode()


def place_in(cursor: str, mark: bytes, *, size: int) -> bytes:
    """Return the place, of so many bytes, that a cursor of the list of this mark says.

    Raises:
        InvalidError: it is no cursor, or one of another list.
    """
    try:
        read = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (NotBase64Error, UnicodeEncodeError):
        read = b""
    if len(read) != _MARK_BYTES + size or not read.startswith(mark):
        detail = "`after` is no cursor of this list"
        raise InvalidError(detail, (Fault("/query/after", detail),))
    return read[_MARK_BYTES:]
