"""The closures that compiled expressions are made of."""

from collections.abc import Callable

from tipman.statecharts.errors import EvaluationError
from tipman.statecharts.model import Event, Json
from tipman.statecharts.operators import member
from tipman.statecharts.scope import Scope

Evaluate = Callable[[Scope], Json]

# What expressions see of an event: the names of SCXML 5.10.1.
EVENT_MEMBERS = {
    "name": "name",
    "data": "data",
    "type": "type",
    "sendid": "send_id",
    "origin": "origin",
    "origintype": "origin_type",
    "invokeid": "invoke_id",
}


def event_object(event: Event) -> dict[str, Json]:
    """Write an event out as the object expressions see."""
    return {shown: getattr(event, name) for shown, name in EVENT_MEMBERS.items()}


def event_in_hand(scope: Scope) -> Json:
    """Read the whole event."""
    if scope.event is None:
        raise EvaluationError("there is no event yet")
    return event_object(scope.event)


def event_member(name: str) -> Evaluate:
    """Read one member of the event."""
    position = Event._fields.index(name)

    def read(scope: Scope) -> Json:
        if scope.event is None:
            raise EvaluationError("there is no event yet")
        return scope.event[position]

    return read


def variable(name: str) -> Evaluate:
    """Read a variable of the chart, else of the system."""

    def read(scope: Scope) -> Json:
        data = scope.data
        if name in data:
            return data[name]
        if name in scope.system:
            return scope.system[name]
        raise EvaluationError(f"the name {name!r} has no value")

    return read


def member_of(owner: Evaluate, name: str) -> Evaluate:
    """Read a member of an object."""

    def read(scope: Scope) -> Json:
        value = owner(scope)
        if type(value) is dict and name in value:
            return value[name]
        return member(value, name)

    return read


def comparison(sign: Callable[[Json, Json], Json], left: Evaluate, right: Evaluate) -> Evaluate:
    """Compare two values."""
    return lambda scope: sign(left(scope), right(scope))


def comparison_with(
    sign: Callable[[Json, Json], Json], left: Evaluate, constant: Json
) -> Evaluate:
    """Compare with a constant: what most guards do, so it is spared one call."""
    return lambda scope: sign(left(scope), constant)


def comparison_chain(
    signs: list[Callable[[Json, Json], Json]], operands: list[Evaluate]
) -> Evaluate:
    """Compare neighbours, as in `0 <= a < 10`."""

    def compare(scope: Scope) -> Json:
        left = operands[0](scope)
        for sign, operand in zip(signs, operands[1:], strict=True):
            right = operand(scope)
            if not sign(left, right):
                return False
            left = right
        return True

    return compare


def all_of(parts: list[Evaluate]) -> Evaluate:
    """Give the first part that does not hold, else the last."""

    def conjunction(scope: Scope) -> Json:
        value: Json = True
        for part in parts:
            value = part(scope)
            if not value:
                return value
        return value

    return conjunction


def any_of(parts: list[Evaluate]) -> Evaluate:
    """Give the first part that holds, else the last."""

    def disjunction(scope: Scope) -> Json:
        value: Json = False
        for part in parts:
            value = part(scope)
            if value:
                return value
        return value

    return disjunction
