"""What SCXML documents send along: names, parameters, content; and what they take back."""

from dataclasses import dataclass, field

from tipman.statecharts.errors import EvaluationError
from tipman.statecharts.expressions import FAILURES, Expression
from tipman.statecharts.model import Json
from tipman.statecharts.operators import measured
from tipman.statecharts.scope import Scope
from tipman.statecharts.turn import Turn


@dataclass(frozen=True, slots=True)
class Parameters:
    """An object of variables (`namelist`) and parameters (`param`).

    A variable without a value fails the whole; a parameter that fails is left out, and becomes
    an error event (SCXML 5.7.1).
    """

    variables: tuple[tuple[str, Expression], ...]
    parameters: tuple[tuple[str, Expression], ...]
    static: bool = False

    def evaluate(self, scope: Scope) -> Json:
        """Give the object, or nothing where it would be empty."""
        found = {name: expression.evaluate(scope) for name, expression in self.variables}
        for name, expression in self.parameters:
            try:
                found[name] = expression.evaluate(scope)
            except FAILURES as error:
                if not isinstance(scope, Turn):
                    raise
                scope.report(error)
        return measured(found) if found else None


@dataclass(frozen=True, slots=True)
class TakeBack:
    """An empty `finalize`: what the event brings under a parameter's name goes to its location.

    Source: SCXML 6.5.2.
    """

    locations: tuple[tuple[str, tuple[str, ...]], ...]
    place: str = field(default="", compare=False)

    def run(self, turn: Turn) -> None:
        """Assign what came."""
        data = turn.event.data if turn.event is not None else None
        if not isinstance(data, dict):
            return
        for name, path in self.locations:
            if name in data:
                turn.assign(path, data[name])


def failing(source: str, reason: str) -> Expression:
    """Make an expression that always fails, for what an SCXML document gets wrong."""

    def fail(scope: Scope) -> Json:
        del scope
        raise EvaluationError(reason)

    return Expression(source, fail, frozenset({"?"}), static=False)
