"""Faults of a file, each at its place, in the form that editors and people can follow."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from tipman.errors import Fault, InvalidError
from tipman.jsontext import Path, pointer_of

_WORD = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True)
class PlacedFault:
    """One thing wrong with a file; line and column count from 1, None where they are not known.

    >>> str(PlacedFault("nightly.yaml", 7, 5, ("tasks", 1, "timout_s"), "unknown field"))
    'nightly.yaml:7:5 tasks[1].timout_s: unknown field'
    """

    file: str
    line: int | None
    column: int | None
    path: Path
    detail: str

    def __str__(self) -> str:
        file, path, detail = map(_shown, (self.file, dotted(self.path), self.detail))
        place = file if self.line is None else f"{file}:{self.line}:{self.column}"
        return f"{place} {path}: {detail}" if path else f"{place}: {detail}"


class InvalidFileError(InvalidError):
    """A file that can not be used; `placed` has its faults in the order of their places."""

    def __init__(self, placed: Iterable[PlacedFault]) -> None:
        self.placed = tuple(sorted(placed, key=_order))
        faults = tuple(Fault(pointer_of(fault.path), fault.detail) for fault in self.placed)
        super().__init__("\n".join(map(str, self.placed)), faults)


def dotted(path: Path) -> str:
    """Return a path as people write it.

    >>> dotted(("tasks", 1, "env", "A B"))
    'tasks[1].env["A B"]'
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _WORD.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


def path_in(value: object, pointer: str) -> Path:
    """Return a JSON pointer as a path: a step is an index where *value* has a list.

    >>> path_in({"a": [{"1": 0}]}, "/a/0/1")
    ('a', 0, '1')
    """
    path: list[str | int] = []
    for part in pointer.split("/")[1:]:
        step = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and step.isdecimal():
            path.append(index := int(step))
            value = value[index] if index < len(value) else None
        else:
            path.append(step)
            value = value.get(step) if isinstance(value, dict) else None
    return tuple(path)


def _shown(text: str) -> str:
    """Return a text in one line, with escapes for what a file may have a terminal obey."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _order(fault: PlacedFault) -> tuple[str, float, float]:
    line, column = fault.line, fault.column
    return (
        fault.file,
        math.inf if line is None else line,
        math.inf if column is None else column,
    )
