"""Where a chart expects a value: a constant, an expression, a structure of both, or a text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tipman.statecharts.errors import EvaluationError
from tipman.statecharts.expressions import Expression, Vocabulary, compile_with
from tipman.statecharts.model import Json
from tipman.statecharts.operators import TEXT_MAX, measured
from tipman.statecharts.scope import Scope


class Value(Protocol):
    """Something that gives a JSON value; a `static` one always the same in one configuration."""

    @property
    def static(self) -> bool: ...  # noqa: D102 - the class says it

    def evaluate(self, scope: Scope) -> Json: ...  # noqa: D102 - the class says it


@dataclass(frozen=True, slots=True)
class Constant:
    """A value written out in the chart."""

    value: Json
    static: bool = True

    def evaluate(self, scope: Scope) -> Json:
        """Give the value."""
        del scope
        return self.value


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list whose elements are values."""

    parts: tuple[Value, ...]

    @property
    def static(self) -> bool:
        """Whether all of it is."""
        return all(part.static for part in self.parts)

    def evaluate(self, scope: Scope) -> Json:
        """Give the list, bounded in size."""
        return measured([part.evaluate(scope) for part in self.parts])


@dataclass(frozen=True, slots=True)
class ObjectOf:
    """An object whose members are values."""

    members: tuple[tuple[str, Value], ...]

    @property
    def static(self) -> bool:
        """Whether all of it is."""
        return all(value.static for _, value in self.members)

    def evaluate(self, scope: Scope) -> Json:
        """Give the object, bounded in size."""
        return measured({name: value.evaluate(scope) for name, value in self.members})


@dataclass(frozen=True, slots=True)
class Template:
    """A text with `{expression}` parts; one that is a single expression keeps its type."""

    parts: tuple[str | Expression, ...]

    @property
    def static(self) -> bool:
        """Whether all of it is."""
        return all(isinstance(part, str) or part.static for part in self.parts)

    def evaluate(self, scope: Scope) -> Json:
        """Fill the text in.

        Raises:
            EvaluationError: an expression fails, or a list or object stands inside a text.
        """
        if len(self.parts) == 1 and isinstance(self.parts[0], Expression):
            return self.parts[0].evaluate(scope)
        text = "".join(self._pieces(scope))
        if len(text) > TEXT_MAX:
            raise EvaluationError("the text is too large")
        return text

    def _pieces(self, scope: Scope) -> Iterator[str]:
        for part in self.parts:
            if isinstance(part, str):
                yield part
                continue
            value = part.evaluate(scope)
            if isinstance(value, list | dict):
                raise EvaluationError(
                    f"{{{part.source}}} is not a plain value, so no part of a text"
                )
            yield value if isinstance(value, str) else str(value)


_MARK = re.compile(r"\{\{|\}\}|\{((?:[^{}'\"]|'[^']*'|\"[^\"]*\")*)\}")


def compile_template(text: str, vocabulary: Vocabulary) -> Value:
    """Compile a text in which `{expression}` is filled in; `{{` and `}}` are braces.

    Raises:
        ExpressionError: with the position inside the expression that is refused.
    """
    parts: list[str | Expression] = []
    plain = ""
    end = 0
    for match in _MARK.finditer(text):
        plain += text[end : match.start()]
        end = match.end()
        if match[1] is None:
            plain += match[0][0]
            continue
        if plain:
            parts.append(plain)
            plain = ""
        parts.append(compile_with(match[1], vocabulary))
    plain += text[end:]
    if plain:
        parts.append(plain)
    if not any(isinstance(part, Expression) for part in parts):
        return Constant(plain)
    return Template(tuple(parts))


def fold(value: Value) -> Value:
    """Replace a value that is made of constants only by its result."""
    if isinstance(value, Expression):
        return value
    parts: tuple[Value, ...] = ()
    if isinstance(value, ListOf):
        parts = value.parts
    elif isinstance(value, ObjectOf):
        parts = tuple(part for _, part in value.members)
    else:
        return value
    if all(isinstance(part, Constant) for part in parts):
        return Constant(value.evaluate(Scope(None)))
    return value
