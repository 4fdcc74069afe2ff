"""What a JSON value may be, and the words for what it may not."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from tipman.errors import Fault, InvalidError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices, from the outermost value inwards."""

DEPTH_MAX = 64
INTEGER_DIGITS_MAX = 4300
LONG_INTEGER = f"an integer of more than {INTEGER_DIGITS_MAX:,} digits"
VALUES_MAX = 10_000_000
"""Values one written text may have; shared parts count each time they appear."""

_INTEGER_END = 10**INTEGER_DIGITS_MAX
_SHOWN_MAX = 40


class Place(NamedTuple):
    """Where something stands in a text; line and column count from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


def pointer_of(path: Iterable[str | int]) -> str:
    """Return the JSON pointer of a path.

    >>> pointer_of(["tasks", 0, "a/b"])
    '/tasks/0/a~1b'
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def value_faults(value: object, *, depth_max: int = DEPTH_MAX) -> Iterator[Fault]:
    """Yield everything in a value from Python that is not JSON, in its order."""
    pending: list[tuple[Path, object]] = [((), value)]
    for _ in range(VALUES_MAX):
        if not pending:
            return
        path, item = pending.pop()
        detail = (
            deep(depth_max)
            if len(path) >= depth_max and is_container(item)
            else reason_against(item)
        )
        if detail is not None:
            yield Fault(pointer_of(path), detail)
        elif isinstance(item, dict):
            yield from _key_faults(path, item)
            pending.extend(reversed([((*path, str(key)), part) for key, part in item.items()]))
        elif isinstance(item, list | tuple):
            pending.extend(reversed([((*path, index), part) for index, part in enumerate(item)]))
    yield Fault("", f"more than {VALUES_MAX:,} values")


def is_deeper(value: object, depth_max: int) -> bool:
    """Tell whether arrays and objects lie more than *depth_max* within one another.

    >>> is_deeper([[]], 1), is_deeper([[]], 2)
    (True, False)
    """
    return any(
        depth > depth_max and any(is_container(item) for item in items)
        for depth, items in enumerate(levels(value), 1)
    )


def levels(value: object) -> Iterator[list[object]]:
    """Yield all that lies equally deep in a parsed value, the keys too, from the outside inwards.

    Makes no paths: ten times as fast as looking for all faults.

    >>> list(levels({"a": [1, "b"]}))
    [[{'a': [1, 'b']}], ['a', [1, 'b']], [1, 'b']]
    """
    level: list[object] = [value]
    while level:
        yield level
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item)
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        level = inner


def has_unfit_string(value: object) -> bool:
    """Tell whether a parsed value has a string or key with NUL or a lone surrogate.

    >>> has_unfit_string(["a", {"b": None}])
    False
    """
    for items in levels(value):
        text = "".join([item for item in items if isinstance(item, str)])
        if "\0" in text or not is_unicode(text):
            return True
    return False


def invalid(*faults: Fault) -> InvalidError:
    """Return the error for these faults, with the words of the first."""
    first = faults[0]
    return InvalidError(
        f"{first.pointer}: {first.detail}" if first.pointer else first.detail, faults
    )


def is_container(item: object) -> bool:
    """Tell whether a value is written as an object or an array."""
    return isinstance(item, dict | list | tuple)


def deep(depth_max: int) -> str:
    """Say that a value is nested too deep."""
    return f"nested more than {depth_max} deep"


def reason_against(item: object) -> str | None:
    """Say why a value by itself is not JSON, None when it is."""
    if isinstance(item, str):
        return _string_reason(item)
    if isinstance(item, float):
        return None if math.isfinite(item) else f"{item} is not a JSON number"
    if isinstance(item, int):
        long = not -_INTEGER_END < item < _INTEGER_END
        return LONG_INTEGER if long else None
    if item is None or is_container(item):
        return None
    return f"a value of type `{type(item).__name__}` is not JSON"


def _string_reason(text: str) -> str | None:
    if "\0" in text:
        return "a string with a NUL character"
    return None if is_unicode(text) else "a string with a lone surrogate"


def _key_faults(path: Path, item: dict[object, object]) -> Iterator[Fault]:
    for key in item:
        reason = _string_reason(key) if isinstance(key, str) else "a key that is not a string"
        if reason is not None:
            yield Fault(pointer_of((*path, str(key))), f"{short(repr(key))}: {reason}")


def is_unicode(text: str) -> bool:
    """Tell whether a text has no lone surrogate."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _plain(message: str) -> str:
    words = message.removesuffix(" at").removesuffix(" starting")
    return words[:1].lower() + words[1:]


def short(text: str) -> str:
    """Return the beginning of a text, for a message."""
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…"
