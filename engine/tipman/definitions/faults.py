"""Plain words for what a shape refuses."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from tipman.definitions.shapes import Shape, kind_of
from tipman.errors import Fault
from tipman.jsontext import Path, pointer_of
from tipman.spelling import hint

FAULTS_MAX = 100
ELSEWHERE: Mapping[str, str] = {
    "definition": "is for a task that is submitted on its own",
}
"""Fields that are something else's, by what to say of them here."""

_WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "tuple_type": "a list",
    "list_type": "a list",
}
_SAID = {
    "missing": "is missing",
    "refused": "{detail}",
    "string_unicode": "has a lone surrogate",
    "finite_number": "must be finite",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters",
    "too_short": "must not be empty",
}
_QUOTED = re.compile(r"'([^']*)'")


def faults_of(
    error: ValidationError,
    shape: type[Shape],
    *,
    under: Path = (),
    excused: Callable[[object], bool] = lambda _: False,
) -> Iterator[Fault]:
    """Yield what a shape refused, each at its pointer below *under*.

    A value that is *excused* is left out: it is not known yet what it will be. After the first
    `FAULTS_MAX` one more says that they are not all.
    """
    found = 0
    for detail in error.errors(include_url=False):
        if excused(detail["input"]):
            continue
        if found == FAULTS_MAX:
            yield Fault(pointer_of(under), f"{FAULTS_MAX} faults or more; these are the first")
            return
        found += 1
        path = tuple(step for step in detail["loc"] if step != "[key]")
        yield Fault(pointer_of((*under, *path)), _words(detail, shape, path))


def unknown_field(name: str, known: Mapping[str, object]) -> str:
    """Return the words for a field that a shape does not have."""
    other = ELSEWHERE.get(name)
    return f"unknown field `{name}`{hint(name, known)}" if other is None else f"`{name}` {other}"


def _words(detail: Mapping[str, Any], shape: type[Shape], path: Path) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _WANTED:
        wanted, found = _WANTED[kind], kind_of(detail["input"])
        return "is too large" if wanted == found else f"must be {wanted}, not {found}"
    if kind in _SAID:
        return _SAID[kind].format(**{name: _number(value) for name, value in context.items()})
    if kind == "extra_forbidden":
        return unknown_field(str(path[-1]), _fields_at(shape, path[:-1]))
    if kind in {"literal_error", "enum"}:
        return _choice(detail["input"], context["expected"])
    message: str = detail["msg"]
    return message[:1].lower() + message[1:]


def _number(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{value:,}" if isinstance(value, int) else value


def _choice(given: object, expected: str) -> str:
    allowed = _QUOTED.findall(expected)
    if not isinstance(given, str):
        return f"must be one of {', '.join(allowed)}, not {kind_of(given)}"
    return f"must be one of {', '.join(allowed)}, not `{given}`{hint(given, allowed)}"


def _fields_at(shape: type[Shape], path: Path) -> Mapping[str, object]:
    for step in path:
        field = shape.model_fields.get(str(step))
        inner = None if field is None else field.annotation
        if not (isinstance(inner, type) and issubclass(inner, Shape)):
            return {}
        shape = inner
    return shape.model_fields
