"""Tables: rows of text, aligned for people or in columns for programs."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import click

GAP = "  "
NOTHING = "-"
"""What stands for a value that is not there."""
_ELLIPSIS = "…"
_LEAST = 8
"""What a column keeps that is cut."""
_LEAST_OF_TITLE = 3
_WHOLE = frozenset({"ID", "STATE"})
"""Titles of columns of which nothing is left out: an id that is cut names nothing."""
_INSTANT_WIDTHS = (20, 8)
"""Of an instant to the second, and of its time of day."""
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_IDENTIFIER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_COLOURS = {
    **dict.fromkeys(("running", "awaiting"), "blue"),
    **dict.fromkeys(("succeeded", "active"), "green"),
    **dict.fromkeys(("failed", "abandoned"), "red"),
    **dict.fromkeys(("backing_off", "blocked", "suspended", "cancelled"), "yellow"),
}


class Column(NamedTuple):
    """A column: its title, and what it shows of an item."""

    title: str
    value: Callable[[Mapping[str, Any]], Any]


def field(name: str, title: str | None = None) -> Column:
    """Return the column of one member of an item."""
    return Column(title or name, lambda item: item.get(name))


def text_of_value(value: Any) -> str:
    r"""Return a value in one line, with nothing in it that a terminal would obey.

    >>> [text_of_value(value) for value in (None, True, "a\tb\x1b[1m", {"a": 1})]
    ['-', 'true', 'a\\tb\\x1b[1m', '{"a":1}']
    """
    if value is None or value == "":
        return NOTHING
    if not isinstance(value, str):
        import json  # noqa: PLC0415 - few values need it

        value = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return printable(value)


def printable(text: str) -> str:
    r"""Return a text with escapes for what can not be seen.

    >>> printable("two\nlines")
    'two\\nlines'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def cells(columns: Sequence[Column], item: Mapping[str, Any]) -> list[str]:
    """Return what the columns show of an item."""
    return [text_of_value(column.value(item)) for column in columns]


def plain_line(columns: Sequence[Column], item: Mapping[str, Any]) -> str:
    """Return an item in columns that are parted by tabs, as `cut` and `awk` read them."""
    return "\t".join(cells(columns, item))


def drawn_lines(
    columns: Sequence[Column], items: Sequence[Mapping[str, Any]], width: int
) -> Iterator[str]:
    """Yield a table for a terminal of so many columns: a head, then a line an item.

    What does not fit is cut, then the last columns are left out, but for ids and states.
    """
    head = [column.title.upper() for column in columns]
    rows = [cells(columns, item) for item in items]
    spare = width - len(GAP) * (len(columns) - 1)
    widths = _fitting([_Room.of(*texts) for texts in zip(head, *rows, strict=True)], spare)
    last = max((i for i, title in enumerate(head) if title not in _WHOLE), default=0)
    if sum(widths) > spare and last > 0:
        yield from drawn_lines([*columns[:last], *columns[last + 1 :]], items, width)
        return
    yield click.style(_line(head, widths), bold=True)
    for row in rows:
        yield _line(row, widths, coloured)


def coloured(word: str) -> str:
    """Return a state in its colour, and every other text as it is."""
    colour = _COLOURS.get(word.rstrip())
    return word if colour is None else click.style(word, fg=colour)


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return a text with blanks, on its left if it is to stand right."""
    blanks = " " * (width - width_of(text))
    return blanks + text if right else text + blanks


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    # Few need it, and it takes as long to import as all the rest.
    from rich.cells import cell_len  # noqa: PLC0415 - see above

    return cell_len(text)


def cut(text: str, width: int) -> str:
    """Return a text that takes no more than so many columns.

    Of an instant its time of day stays, of an id what ids of one moment differ in.

    >>> cut("abcdef", 4), cut("2026-11-22T07:27:04.839291Z", 20)
    ('abc…', '2026-11-22T07:27:04Z')
    >>> cut("2026-11-22T07:27:04.839291Z", 8), cut("01a20226-c486-7000-801a-0220c15e3315", 9)
    ('07:27:04', '…c15e3315')
    """
    if width_of(text) <= width:
        return text
    if _INSTANT.fullmatch(text):
        brief = next((form for form in (text[:19] + "Z", text[11:19]) if len(form) <= width), None)
        if brief is not None:
            return brief
    if _IDENTIFIER.search(text):
        return _ELLIPSIS + text[len(text) - width + 1 :]
    while text and width_of(text) >= width:
        text = text[:-1]
    return text + _ELLIPSIS


def _line(
    row: Sequence[str], widths: Sequence[int], style: Callable[[str], str] = lambda text: text
) -> str:
    parts = [style(padded(cut(c, w), w)) for c, w in zip(row, widths, strict=True)]
    return GAP.join(parts).rstrip()


class _Room(NamedTuple):
    """What a column takes, and what it can do with: widths, from the widest down."""

    width: int
    cut: Sequence[int]
    """Those in which some of it is left out."""
    untitled: Sequence[int]
    """Those in which only its title is cut: one above states or numbers may be the longest."""

    @classmethod
    def of(cls, title: str, *texts: str) -> "_Room":
        widest = max(map(width_of, texts), default=0)
        width = max(width_of(title), widest)
        untitled = range(width - 1, max(widest, _LEAST_OF_TITLE) - 1, -1)
        if title in _WHOLE:
            return cls(width, (), untitled)
        if any(map(_INSTANT.fullmatch, texts)):
            return cls(width, _INSTANT_WIDTHS, ())
        return cls(width, range(width - 1, _LEAST - 1, -1), untitled)


def _fitting(rooms: Sequence[_Room], spare: int) -> list[int]:
    """Return how wide each column is, the widest made narrower while they do not fit."""
    widths = [room.width for room in rooms]
    for choices in ([room.cut for room in rooms], [room.untitled for room in rooms]):
        while sum(widths) > spare:
            narrower = [
                (width, place, next(filter(width.__gt__, choices[place]), 0))
                for place, width in enumerate(widths)
            ]
            able = [found for found in narrower if found[2]]
            if not able:
                break
            _, place, width = max(able)
            widths[place] = width
    return widths
