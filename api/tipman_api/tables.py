"""Tables: rows of text, aligned for people or in columns for programs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import click

GAP = "  "
NOTHING = "-"
"""What stands for a value that is not there."""
_ELLIPSIS = "…"
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
    """Yield a table for a terminal of so many columns: a head, then a line an item."""
    head = [column.title.upper() for column in columns]
    rows = [cells(columns, item) for item in items]
    widths = _fitting(
        [max(map(width_of, column)) for column in zip(head, *rows, strict=True)], width
    )
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

    >>> cut("abcdef", 4)
    'abc…'
    """
    if width_of(text) <= width:
        return text
    while text and width_of(text) >= width:
        text = text[:-1]
    return text + _ELLIPSIS


def _line(
    row: Sequence[str], widths: Sequence[int], style: Callable[[str], str] = lambda text: text
) -> str:
    parts = [style(padded(cut(c, w), w)) for c, w in zip(row, widths, strict=True)]
    return GAP.join(parts).rstrip()


def _fitting(widths: list[int], width: int) -> list[int]:
    """Take from the widest columns until all fit; a line that can not be made to fit wraps."""
    least = 8
    spare = width - len(GAP) * (len(widths) - 1)
    while sum(widths) > spare and max(widths) > least:
        widths[widths.index(max(widths))] -= 1
    return widths
