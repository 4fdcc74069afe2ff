"""Reading: a quick way through the C decoder, and a slow one that knows every place."""

import json
import math
import re
from collections.abc import Callable, Iterator
from json.scanner import make_scanner
from typing import Any, NamedTuple, NoReturn, cast

from tipman.errors import Fault, InvalidError
from tipman.jsontext.values import (
    DEPTH_MAX,
    INTEGER_DIGITS_MAX,
    LONG_INTEGER,
    Json,
    Path,
    Place,
    deep,
    has_unfit_string,
    invalid,
    is_deeper,
    is_unicode,
    pointer_of,
    reason_against,
    short,
)

SEARCH_CHARACTERS_MAX = 250_000
"""How far `loads` looks for the place of a fault; `text_faults` looks everywhere."""

_BLANK = " \t\n\r"
_BLANKS = re.compile(f"[{_BLANK}]*")
_SUSPECT_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_NUMBER = re.compile(r"-?(?:NaN|Infinity|[0-9][0-9.eE+-]*)")
_CLOSER = {"{": "}", "[": "]"}


class TextFault(NamedTuple):
    """One thing wrong with a JSON text; `path` is empty where the text is no JSON at all."""

    path: Path
    place: Place
    detail: str


class Token(NamedTuple):
    """A key or a value met while scanning: its path, its first character, and what it is.

    `value` is the key or the scalar; None as well for an object, an array (`is_container`), and
    for a scalar that is refused, which `refused` then explains.
    """

    path: Path
    offset: int
    value: object = None
    is_key: bool = False
    is_container: bool = False
    refused: str | None = None


class _RefusedError(Exception):
    """Something that JSON or this module does not take; the place is looked for afterwards."""


class _NotJsonError(Exception):
    def __init__(self, offset: int, detail: str) -> None:
        super().__init__(detail)
        self.offset = offset
        self.detail = detail


def place_at(text: str, offset: int) -> Place:
    r"""Return line and column of a character.

    >>> place_at("{\n  1", 4)
    Place(line=2, column=3)
    """
    return Place(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


_scan: Callable[[str, int], tuple[Any, int]] = make_scanner(
    # The stubs say that a scanner is made from a scanner; it is made from a decoder.
    json.JSONDecoder()  # type: ignore[arg-type]
)


def parsed(text: str) -> Any:
    """Return the value of a text that `dumps` wrote: unchecked, in a third of the time.

    >>> parsed('{"i":1}')
    {'i': 1}
    """
    return _scan(text, 0)[0]


def loads(text: str | bytes, *, depth_max: int = DEPTH_MAX) -> Json:
    """Return the value that *text* says.

    Raises:
        InvalidError: not UTF-8, not JSON, or JSON that this module refuses; its one fault has
            the pointer where it is known, and says line and column.
    """
    source = decoded(text) if isinstance(text, bytes) else text
    body = source.strip(_BLANK)
    try:
        value, end = _decode(body, 0)
    except (_RefusedError, ValueError, StopIteration, RecursionError) as error:
        raise _refusal(source, depth_max, error) from None
    if end != len(body) or not _is_clean(body, value, depth_max):
        raise _refusal(source, depth_max, None)
    return cast("Json", value)


def text_faults(text: str, *, depth_max: int = DEPTH_MAX) -> Iterator[TextFault]:
    """Yield everything for which `loads` would refuse a text, in its order.

    A text that is not JSON ends the search there, nesting past *depth_max* too.
    """
    seen: set[Path] = set()
    try:
        for token in _Scanner(text).tokens():
            detail = token.refused
            if token.is_key:
                detail = f'duplicate key "{token.value}"' if token.path in seen else detail
                seen.add(token.path)
            if token.is_container and len(token.path) >= depth_max:
                yield TextFault(token.path, place_at(text, token.offset), deep(depth_max))
                return
            if detail is not None:
                yield TextFault(token.path, place_at(text, token.offset), detail)
    except _NotJsonError as error:
        yield TextFault((), place_at(text, error.offset), error.detail)


def tokens(text: str) -> Iterator[Token]:
    """Yield the keys and values of a JSON text in its order, however deep; stops at a fault."""
    try:
        yield from _Scanner(text).tokens()
    except _NotJsonError:
        return


def decoded(data: bytes) -> str:
    """Return UTF-8 bytes as text.

    Raises:
        InvalidError: names the line, the column and the byte that is not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        place = place_at(before, len(before))
        raise invalid(Fault("", f"{place}: byte 0x{data[error.start]:02x} is not UTF-8")) from None


# Reading, the quick way: the C decoder with hooks that refuse; it finds no places.


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RefusedError
    return found


def _integer(digits: str) -> int:
    if len(digits) > INTEGER_DIGITS_MAX and len(digits.lstrip("-")) > INTEGER_DIGITS_MAX:
        raise _RefusedError(LONG_INTEGER)
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _RefusedError(f"{short(digits)} is past the range of a number")
    return number


def _constant(name: str) -> NoReturn:
    raise _RefusedError(f"{name} is not JSON")


# `scan_once` skips two regular expressions of `decode`; it takes a text without outer blanks.
_decoder: Any = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_constant,
)
_decode: Callable[[str, int], tuple[object, int]] = _decoder.scan_once


def _is_clean(body: str, value: object, depth_max: int) -> bool:
    if _SUSPECT_ESCAPE.search(body) and has_unfit_string(value):
        return False
    if body.count("[") + body.count("{") > depth_max and is_deeper(value, depth_max):
        return False
    return body.isascii() or is_unicode(body)


def _refusal(text: str, depth_max: int, cause: BaseException | None) -> InvalidError:
    first = next(text_faults(text[:SEARCH_CHARACTERS_MAX], depth_max=depth_max), None)
    if first is not None and (len(text) <= SEARCH_CHARACTERS_MAX or first.path):
        return invalid(Fault(pointer_of(first.path), f"{first.place}: {first.detail}"))
    blanks = len(text) - len(text.lstrip(_BLANK))
    if isinstance(cause, json.JSONDecodeError):
        return invalid(Fault("", f"{place_at(text, blanks + cause.pos)}: {_plain(cause.msg)}"))
    if isinstance(cause, StopIteration):
        return invalid(Fault("", f"{place_at(text, blanks + cause.value)}: expected a value"))
    detail = str(cause) if isinstance(cause, _RefusedError) else ""
    return invalid(Fault("", detail or "JSON that is refused, far into the text"))


# Reading, the slow way: knows every place and takes any depth.


class _Frame:
    def __init__(self, opener: str) -> None:
        self.closer = _CLOSER[opener]
        self.step: str | int = -1


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = self._skip(0)
        self._frames: list[_Frame] = []

    def tokens(self) -> Iterator[Token]:
        if self._text.startswith("\ufeff"):
            raise _NotJsonError(0, "a byte order mark; JSON starts without")
        while True:
            yield self._value()
            if not self._close():
                return
            if self._frames[-1].closer == "}":
                yield self._key()
            else:
                self._frames[-1].step = cast("int", self._frames[-1].step) + 1

    def _path(self) -> Path:
        return tuple(frame.step for frame in self._frames)

    def _skip(self, at: int) -> int:
        return cast("re.Match[str]", _BLANKS.match(self._text, at)).end()

    def _value(self) -> Token:
        start, path = self._at, self._path()
        opener = self._text[start : start + 1]
        if opener in _CLOSER:
            self._frames.append(_Frame(opener))
            self._at = self._skip(start + 1)
            return Token(path, start, is_container=True)
        value, refused = self._scalar("a value")
        return Token(path, start, value, refused=refused or reason_against(value))

    def _key(self) -> Token:
        start = self._at
        if self._text[start : start + 1] != '"':
            raise _NotJsonError(start, "expected a key in double quotes")
        key, _ = self._scalar("a key")
        self._frames[-1].step = cast("str", key)
        if self._text[self._at : self._at + 1] != ":":
            raise _NotJsonError(self._at, "expected `:`")
        self._at = self._skip(self._at + 1)
        return Token(self._path(), start, key, is_key=True, refused=reason_against(key))

    def _scalar(self, wanted: str) -> tuple[object, str | None]:
        try:
            value, end = _decode(self._text, self._at)
        except json.JSONDecodeError as error:
            raise _NotJsonError(error.pos, _plain(error.msg)) from None
        except StopIteration:
            raise _NotJsonError(self._at, f"expected {wanted}") from None
        except _RefusedError as error:
            end = cast("re.Match[str]", _NUMBER.match(self._text, self._at)).end()
            self._at = self._skip(end)
            return None, str(error)
        self._at = self._skip(end)
        return value, None

    def _close(self) -> bool:
        """Move past what ends here; return whether another key or value must follow."""
        fresh = self._frames and self._frames[-1].step == -1
        while self._frames:
            frame, mark = self._frames[-1], self._text[self._at : self._at + 1]
            if mark == frame.closer:
                self._frames.pop()
                self._at = self._skip(self._at + 1)
                fresh = False
            elif fresh:
                return True
            elif mark == ",":
                self._at = self._skip(self._at + 1)
                return True
            else:
                raise _NotJsonError(self._at, f"expected `,` or `{frame.closer}`")
        if self._at != len(self._text):
            raise _NotJsonError(self._at, "more text after the end of the value")
        return False


def _plain(message: str) -> str:
    words = message.removesuffix(" at").removesuffix(" starting")
    return words[:1].lower() + words[1:]
