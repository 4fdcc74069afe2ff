"""What can go wrong with a chart, an expression, a snapshot or a step."""

from collections.abc import Iterable
from typing import NamedTuple


class Fault(NamedTuple):
    """One thing wrong with a chart: where (a JSON pointer, or a path into the XML) and what."""

    pointer: str
    detail: str


class StatechartError(Exception):
    """Base of every error this package raises on purpose."""


class ChartError(StatechartError):
    """A chart that can not be built; `faults` names every place."""

    def __init__(self, message: str, faults: Iterable[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class ExpressionError(StatechartError):
    """An expression that is refused before it is ever evaluated.

    `reason` is the bare sentence, `line` and `column` (both from 1) the place in `source`.
    """

    def __init__(self, reason: str, source: str, line: int = 1, column: int = 1) -> None:
        shown = source if len(source) <= SHOWN_MAX else source[:SHOWN_MAX] + "…"
        super().__init__(f"{reason}, at line {line} column {column} of {shown!r}")
        self.reason = reason
        self.source = source
        self.line = line
        self.column = column


class EvaluationError(StatechartError):
    """Executable content or an expression that failed while a step was taken.

    The interpreter turns it into the internal event `event`, as SCXML 3.12.2 asks, so it never
    leaves a step; `Expression.evaluate` used alone lets it through.
    """

    def __init__(
        self, message: str, *, event: str = "error.execution", send_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.event = event
        self.send_id = send_id


class SnapshotError(StatechartError):
    """A stored snapshot that does not fit the chart, or data the chart does not know."""


class UnsettledError(StatechartError):
    """A macrostep that went on past its bound; `place` names the transitions that went round."""

    def __init__(self, message: str, place: str) -> None:
        super().__init__(f"{message}: {place}")
        self.place = place


SHOWN_MAX = 80


def suggestion(name: str, known: Iterable[str]) -> str:
    """What to add to a message about an unknown *name*: the nearest known one, or nothing.

    >>> suggestion("reveiw", ["draft", "review"])
    '; did you mean "review"?'
    >>> suggestion("x", ["draft", "review"])
    ''
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only errors need it

    near = get_close_matches(name, list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
