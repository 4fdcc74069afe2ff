"""Operators, functions and methods of expressions, each bounded in what it can cost.

Python's own would let ten characters (`10**10**10`, `'a'*10**9`, `round(1, -10**9)`) hold a
thread for minutes or fill the memory. Here every result is checked before or right after it is
made, so one operation costs at most a walk over `NODES_MAX` values or `TEXT_MAX` characters.
"""

import operator
from collections.abc import Callable, Sized
from math import isfinite

from tipman.statecharts.errors import EvaluationError
from tipman.statecharts.model import Json

INT_BITS_MAX = 256
TEXT_MAX = 1_048_576
NODES_MAX = 100_000
DEPTH_MAX = 64
DIGITS_MAX = 100  # of a text that int() or float() reads
PLACES_MAX = 30  # of round()


def measured(value: Json) -> Json:
    """Return *value* if it is small enough to be kept.

    Raises:
        EvaluationError: see `size_of`; or a number that `number` refuses.
    """
    if isinstance(value, str | list | dict):
        size_of(value)
        return value
    return number(value)


def size_of(value: Json) -> int:
    """Count the values and characters of *value*.

    A value counts as often as it occurs: `[x, x]` doubles, so sixty of them nested in one
    another would be a billion billion once written out.

    Raises:
        EvaluationError: more than `NODES_MAX` values, `TEXT_MAX` characters or `DEPTH_MAX` levels.
    """
    nodes = characters = 0
    pending: list[tuple[Json, int]] = [(value, 0)]
    while pending:
        item, depth = pending.pop()
        nodes += 1
        if isinstance(item, str):
            characters += len(item)
        elif isinstance(item, list):
            _check_room(nodes + len(item), depth)
            pending.extend((part, depth + 1) for part in item)
        elif isinstance(item, dict):
            _check_room(nodes + len(item), depth)
            characters += sum(map(len, item))
            pending.extend((part, depth + 1) for part in item.values())
        if nodes > NODES_MAX or characters > TEXT_MAX:
            raise EvaluationError("the value is too large")
    return nodes + characters


def _check_room(nodes: int, depth: int) -> None:
    if nodes > NODES_MAX:
        raise EvaluationError("the value is too large")
    if depth >= DEPTH_MAX:
        raise EvaluationError("the value is nested too deeply")


def number(value: Json) -> Json:
    """Return *value* unless it is a number JSON or the bounds do not allow."""
    if type(value) is int:
        if value.bit_length() > INT_BITS_MAX:
            raise EvaluationError(f"the number is beyond {INT_BITS_MAX} bits")
    elif type(value) is float:
        if not isfinite(value):
            raise EvaluationError("the number is not finite")
    elif isinstance(value, complex):
        raise EvaluationError("the number is not real")
    return value


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float)


def _check_numbers(left: Json, right: Json, sign: str) -> None:
    if not (_is_number(left) and _is_number(right)):
        kinds = f"{_kind(left)} and {_kind(right)}"
        raise EvaluationError(f"{sign} does not work on {kinds}")


def _kind(value: Json) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
    return "null" if value is None else kinds.get(type(value), "a number")


def add(left: Json, right: Json) -> Json:
    """Add numbers, join texts, join lists."""
    if isinstance(left, str) and isinstance(right, str):
        return _room_for(len(left) + len(right), TEXT_MAX) and left + right
    if isinstance(left, list) and isinstance(right, list):
        return _room_for(len(left) + len(right), NODES_MAX) and measured(left + right)
    _check_numbers(left, right, "+")
    return number(left + right)


def _room_for(size: int, size_max: int) -> bool:
    if size > size_max:
        raise EvaluationError("the value is too large")
    return True


def subtract(left: Json, right: Json) -> Json:
    """Subtract numbers."""
    _check_numbers(left, right, "-")
    return number(left - right)


def multiply(left: Json, right: Json) -> Json:
    """Multiply numbers; repeating a text or a list is refused."""
    _check_numbers(left, right, "*")
    return number(left * right)  # both within 256 bits, so this is cheap


def divide(left: Json, right: Json) -> Json:
    """Divide numbers."""
    _check_numbers(left, right, "/")
    return number(left / right)


def divide_down(left: Json, right: Json) -> Json:
    """Divide numbers and round down."""
    _check_numbers(left, right, "//")
    return number(left // right)


def remainder(left: Json, right: Json) -> Json:
    """Take the remainder of numbers; `%` on texts would be a format language."""
    _check_numbers(left, right, "%")
    return number(left % right)


def power(left: Json, right: Json) -> Json:
    """Raise to a power, if the result can be written in `INT_BITS_MAX` bits."""
    _check_numbers(left, right, "**")
    if isinstance(left, int) and isinstance(right, int) and abs(left) > 1:
        _room_for(left.bit_length() * max(right, 0), 2 * INT_BITS_MAX)
    return number(left**right)


def negate(value: Json) -> Json:
    """Change the sign of a number."""
    _check_numbers(value, 0, "-")
    return -value


def keep_sign(value: Json) -> Json:
    """Leave a number as it is."""
    _check_numbers(value, 0, "+")
    return +value


def contains(container: Json, item: Json) -> bool:
    """Whether *item* is in a list, a key of an object, or a part of a text."""
    if not isinstance(container, str | list | dict):
        raise EvaluationError(f"{_kind(container)} holds nothing to look for")
    if isinstance(container, dict) and not isinstance(item, str):
        return False
    return item in container


def element(container: Json, key: Json) -> Json:
    """Take one element of a list or text by number, or of an object by key."""
    if isinstance(container, dict):
        if not isinstance(key, str) or key not in container:
            raise EvaluationError(f"there is no key {key!r}")
        return container[key]
    if isinstance(container, list | str) and isinstance(key, int):
        return container[key]
    raise EvaluationError(f"{_kind(container)} has no element {_kind(key)}")


def member(container: Json, name: str) -> Json:
    """Take the member *name* of an object."""
    if not isinstance(container, dict):
        raise EvaluationError(f"{_kind(container)} has no member {name!r}")
    if name not in container:
        raise EvaluationError(f"there is no member {name!r}")
    return container[name]


def _whole(value: Json = 0) -> Json:
    return number(int(_readable(value)))


def _decimal(value: Json = 0) -> Json:
    return number(float(_readable(value)))


def _readable(value: Json) -> Json:
    if isinstance(value, str):
        _room_for(len(value), DIGITS_MAX)
    elif not _is_number(value):
        raise EvaluationError(f"{_kind(value)} is not a number")
    return value


def _text(value: Json = "") -> Json:
    if isinstance(value, list | dict):
        raise EvaluationError(f"str() does not write out {_kind(value)}")
    return str(value)


def _rounded(value: Json, places: Json = None) -> Json:
    _check_numbers(value, 0 if places is None else places, "round()")
    if places is None:
        return number(round(value))
    _room_for(abs(places), PLACES_MAX)
    return number(round(value, places))


def _sum(values: Json) -> Json:
    if not isinstance(values, list) or not all(map(_is_number, values)):
        raise EvaluationError("sum() wants a list of numbers")
    return number(sum(values))


def _length(value: Json) -> Json:
    if not isinstance(value, Sized):
        raise EvaluationError(f"{_kind(value)} has no length")
    return len(value)


def _absolute(value: Json) -> Json:
    _check_numbers(value, 0, "abs()")
    return abs(value)


def _has_member(value: Json, name: Json) -> bool:
    return isinstance(value, dict) and isinstance(name, str) and name in value


BINARY: dict[str, Callable[[Json, Json], Json]] = {
    "Add": add,
    "Sub": subtract,
    "Mult": multiply,
    "Div": divide,
    "FloorDiv": divide_down,
    "Mod": remainder,
    "Pow": power,
}
COMPARISONS: dict[str, Callable[[Json, Json], Json]] = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "Is": operator.is_,
    "IsNot": operator.is_not,
    "In": lambda item, container: contains(container, item),
    "NotIn": lambda item, container: not contains(container, item),
}
UNARY: dict[str, Callable[[Json], Json]] = {
    "Not": operator.not_,
    "USub": negate,
    "UAdd": keep_sign,
}
FUNCTIONS: dict[str, Callable[..., Json]] = {
    "abs": _absolute,
    "bool": bool,
    "float": _decimal,
    "hasattr": _has_member,
    "int": _whole,
    "len": _length,
    "max": max,
    "min": min,
    "round": _rounded,
    "str": _text,
    "sum": _sum,
}
METHODS: dict[tuple[type, str], Callable[..., Json]] = {
    (dict, "get"): dict.get,
    (dict, "keys"): list,
    (dict, "values"): lambda value: list(value.values()),
    (str, "endswith"): lambda value, end: value.endswith(end),
    (str, "lower"): lambda value: value.lower(),
    (str, "split"): lambda value, mark=None: measured(value.split(mark)),
    (str, "startswith"): lambda value, start: value.startswith(start),
    (str, "strip"): lambda value: value.strip(),
    (str, "upper"): lambda value: measured(value.upper()),
}
METHOD_NAMES = frozenset(name for _, name in METHODS)


def call_method(value: Json, name: str, arguments: list[Json]) -> Json:
    """Call one of the few methods that texts and objects have here."""
    method = METHODS.get((type(value), name))
    if method is None:
        raise EvaluationError(f"{_kind(value)} has no method {name!r}")
    return method(value, *arguments)
