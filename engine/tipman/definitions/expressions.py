"""`{expressions}` in the arguments of a task: found and checked early, filled in when it starts.

`{{` and `}}` stand for braces. A text that is one expression and nothing else becomes its value,
whatever its kind; in a longer text a value is written in, texts as they are and others as JSON.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from tipman.errors import Fault, InvalidError
from tipman.jsontext import Json, Path, dumps, pointer_of
from tipman.statecharts.errors import EvaluationError, ExpressionError
from tipman.statecharts.expressions import Expression, compile_expression

_WITHOUT_TEXT = frozenset({int, float, bool, type(None)})
_CODE = frozenset({"eval"})
_LEFT_OUT: frozenset[tuple[str, str | int]] = frozenset(
    {("exec", "shell"), ("map", "task"), ("wait", "form"), ("approval", "form")}
)
"""Members of arguments, by type, in which braces are not ours or not for this task."""
_BRACE = re.compile(r"\{\{|\}\}|[{}]")
_CLOSERS = {"{": "}", "[": "]", "(": ")"}


class Template(NamedTuple):
    """A text cut into what stands as it is and what is computed."""

    parts: tuple[str | Expression, ...]

    def fill(self, names: Mapping[str, Json]) -> Json:
        """Return the text with its expressions computed.

        Raises:
            EvaluationError: a name is missing or a value does not fit.
        """
        if len(self.parts) == 1:
            (part,) = self.parts
            return part if isinstance(part, str) else part(names)
        return "".join(
            part if isinstance(part, str) else written(part(names)) for part in self.parts
        )


def expressions_in(type_: str, arguments: object) -> Iterator[tuple[Path, str]]:
    """Yield the texts of *arguments* that have braces, except shell lines, code and forms.

    The task of a map is left out too: its expressions are those of each item.
    """
    if type_ in _CODE or (type_ == "exec" and isinstance(arguments, str)):
        return
    for path, text in texts_in(arguments):
        if is_templated(text) and (not path or (type_, path[0]) not in _LEFT_OUT):
            yield path, text


def is_templated(value: object) -> bool:
    """Tell whether a value is a text with braces, which may become anything."""
    return isinstance(value, str) and ("{" in value or "}" in value)


def expression_faults(type_: str, arguments: object) -> tuple[int, list[Fault]]:
    """Return how many texts have braces, and those among them whose expressions are none."""
    faults: list[Fault] = []
    count = 0
    for path, text in expressions_in(type_, arguments):
        count += 1
        try:
            template_of(text)
        except ExpressionError as error:
            detail = f"{error}; `{{{{` and `}}}}` stand for braces"
            faults.append(Fault(pointer_of(path), detail))
    return count, faults


def has_braces(value: object) -> bool:
    """Tell whether any text in a JSON value has braces, quickly: most have none."""
    if isinstance(value, str):
        return "{" in value or "}" in value
    items: Iterable[object] = ()
    if isinstance(value, dict):
        items = value.values()
    elif isinstance(value, list | tuple):
        items = value
    for each in items:
        if type(each) is str:
            if "{" in each or "}" in each:
                return True
        elif type(each) not in _WITHOUT_TEXT and has_braces(each):
            return True
    return False


def fill_arguments(type_: str, arguments: Json, names: Mapping[str, Json]) -> Json:
    """Return *arguments* with every expression computed over *names*.

    Raises:
        InvalidError: an expression can not be computed; `faults` says which and why.
    """
    faults: list[Fault] = []
    filled: dict[Path, Json] = {}
    for path, text in expressions_in(type_, arguments):
        try:
            filled[path] = template_of(text).fill(names)
        except (EvaluationError, ExpressionError) as error:
            faults.append(Fault(pointer_of(("arguments", *path)), str(error)))
    if faults:
        raise InvalidError("; ".join(f"{f.pointer}: {f.detail}" for f in faults), tuple(faults))
    return put(arguments, filled)


@lru_cache(maxsize=256)
def template_of(text: str) -> Template:
    """Return a text cut at its braces.

    Raises:
        ExpressionError: a brace is open or alone, or what stands in braces is no expression.

    >>> template_of("{{{n + 1}}} of {total}").fill({"n": 1, "total": 3})
    '{2} of 3'
    """
    parts: list[str | Expression] = []
    plain: list[str] = []
    at = 0
    while (mark := _BRACE.search(text, at)) is not None:
        plain.append(text[at : mark.start()])
        at = mark.end()
        if mark[0] == "}":
            raise ExpressionError("a `}` without its `{`", text, 1, at)
        if mark[0] != "{":
            plain.append(mark[0][0])
            continue
        end = _end(text, mark.start())
        parts += ["".join(plain)] if any(plain) else []
        parts.append(compile_expression(text[at:end].strip()))
        plain = []
        at = end + 1
    plain.append(text[at:])
    return Template(tuple([*parts, "".join(plain)] if any(plain) or not parts else parts))


def _end(text: str, start: int) -> int:
    """Return where the expression's own brace closes, past quoted texts and inner brackets."""
    open_: list[str] = []
    quote = ""
    at = start
    while at < len(text):
        mark = text[at]
        if quote:
            at += mark == "\\"
            quote = "" if mark == quote else quote
        elif mark in "'\"":
            quote = mark
        elif mark in _CLOSERS:
            open_.append(_CLOSERS[mark])
        elif open_ and mark == open_[-1]:
            open_.pop()
            if not open_:
                return at
        at += 1
    raise ExpressionError("a `{` that is not closed", text, 1, start + 1)


def texts_in(value: object) -> Iterator[tuple[Path, str]]:
    """Yield every text of a JSON value but its keys, in order."""
    pending: list[tuple[Path, object]] = [((), value)]
    while pending:
        path, item = pending.pop()
        if isinstance(item, str):
            yield path, item
        elif isinstance(item, dict):
            pending.extend(reversed([((*path, key), part) for key, part in item.items()]))
        elif isinstance(item, list | tuple):
            pending.extend(reversed([((*path, at), part) for at, part in enumerate(item)]))


def put(value: Json, changes: Mapping[Path, Json]) -> Json:
    """Return *value* with others in these places, sharing all that is not on the way to one.

    >>> put({"a": [1, 2, 3], "b": [4]}, {("a", 0): "x", ("a", 2): "y"})
    {'a': ['x', 2, 'y'], 'b': [4]}
    """
    copies: dict[Path, Any] = {}
    for path, new in changes.items():
        if not path:
            return new
        _copy_at(path[:-1], value, copies)[path[-1]] = new
    changed: Json = copies.get((), value)
    return changed


def _copy_at(path: Path, value: Any, copies: dict[Path, Any]) -> Any:
    """Return the copy of what is at *path* of a value, made once for all that changes in it."""
    found = copies.get(path)
    if found is None:
        above = _copy_at(path[:-1], value, copies) if path else None
        item = value if above is None else above[path[-1]]
        found = copies[path] = dict(item) if isinstance(item, dict) else list(item)
        if above is not None:
            above[path[-1]] = found
    return found


def written(value: Json) -> str:
    """Return a value as it stands within a text."""
    return value if isinstance(value, str) else dumps(value)
