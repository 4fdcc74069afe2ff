"""Printing: what a command found, for people, for scripts or as JSON.

On a terminal tables have a head, colours and the terminal's width. Anywhere else a line is an item
and a tab parts its columns, which keep their order. As JSON a line is an object.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from tipman_api.outlet import Outlet, say, standard_output
from tipman_api.tables import Column, coloured, drawn_lines, padded, plain_line, text_of_value


class Printer:
    """Prints resources on standard output, a line at a time."""

    def __init__(self, *, as_json: bool, outlet: Outlet | None = None) -> None:
        self.as_json = as_json
        self.outlet = outlet or standard_output()
        self.is_terminal = not as_json and sys.stdout.isatty()
        self._has_colour = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"

    def listing(self, items: Iterable[Mapping[str, Any]], columns: Sequence[Column]) -> None:
        """Print a list; on a terminal the whole of it as a table, else each item as it comes."""
        if not self.is_terminal:
            for item in items:
                self.outlet.line(self._line(item, columns))
                if not self.outlet.is_open:
                    return
            self.outlet.flush()
        elif rows := [*items]:
            from shutil import get_terminal_size  # noqa: PLC0415 - only on a terminal

            self._lines(drawn_lines(columns, rows, get_terminal_size().columns))

    def rows(self, items: Iterable[Mapping[str, Any]], columns: Sequence[Column]) -> None:
        """Print items of a list that goes on."""
        self._lines(self._line(item, columns) for item in items)

    def members(self, item: Mapping[str, Any]) -> None:
        """Print everything of one resource, a line a member."""
        if self.as_json:
            self._lines([compact(item)])
        elif self.is_terminal:
            width = max(map(len, item), default=0)
            self._lines(
                f"{padded(name, width)}  {coloured(text_of_value(value))}"
                for name, value in item.items()
            )
        else:
            self._lines(f"{name}\t{text_of_value(value)}" for name, value in item.items())

    def answer(self, item: Mapping[str, Any], *words: Any) -> None:
        """Print an answer: as JSON the whole *item*, else these words of it."""
        if self.as_json:
            self._lines([compact(item)])
        else:
            gap = "  " if self.is_terminal else "\t"
            self._lines([gap.join(coloured(text_of_value(word)) for word in words)])

    def note(self, words: str) -> None:
        """Say something beside, on standard error."""
        say(f"tipman: {words}")

    def _line(self, item: Mapping[str, Any], columns: Sequence[Column]) -> str:
        if self.as_json:
            return compact(item)
        line = plain_line(columns, item)
        if not self.is_terminal:
            return line
        return "  ".join(coloured(cell) for cell in line.split("\t"))

    def _lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            # Colours are escapes: who does not want them gets the words alone.
            is_bare = not (self.is_terminal and self._has_colour)
            self.outlet.line(click.unstyle(line) if is_bare else line)
        self.outlet.flush()


def compact(value: Any) -> str:
    """Return a value as JSON in one line.

    >>> compact({"a": [1, "ž"]})
    '{"a":[1,"ž"]}'
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
