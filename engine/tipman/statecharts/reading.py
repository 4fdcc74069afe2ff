"""Reading plain JSON with all its faults collected, each at its JSON pointer."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tipman.statecharts.errors import ExpressionError, Fault, suggestion
from tipman.statecharts.expressions import Expression, Vocabulary, compile_with
from tipman.statecharts.model import Json
from tipman.statecharts.values import Constant, ListOf, ObjectOf, Value, compile_template, fold

FAULTS_MAX = 100
DEPTH_MAX = 32  # of values


def below(pointer: str, key: str | int) -> str:
    """Extend a JSON pointer (RFC 6901).

    >>> below("/states", "a/b")
    '/states/a~1b'
    """
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


@dataclass(slots=True)
class Reader:
    """Reads parts of a chart file. A part that is wrong is noted, and reads as nothing."""

    faults: list[Fault] = field(default_factory=list)
    compiled: dict[tuple[str, Vocabulary], Expression] = field(default_factory=dict)
    """Expressions by their texts: one guard often stands at many transitions."""

    def fault(self, pointer: str, detail: str) -> None:
        """Note a fault; what comes after the first hundred is left out."""
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(Fault(pointer, detail))

    def object(
        self, form: Json, pointer: str, keys: Collection[str] | None = None
    ) -> Mapping[str, Json]:
        """Read an object that has no other than these keys."""
        if not isinstance(form, Mapping):
            self.fault(pointer, f"must be an object, not {described(form)}")
            return {}
        known: dict[str, Json] = {}
        for key, part in form.items():
            if not isinstance(key, str):
                self.fault(pointer, f"the key {key!r} must be a text")
            elif keys is not None and key not in keys:
                self.fault(below(pointer, key), f"unknown field{suggestion(key, keys)}")
            else:
                known[key] = part
        return known

    def text(self, form: Json, pointer: str) -> str:
        """Read a text that is not empty."""
        if isinstance(form, str) and form:
            return form
        self.fault(pointer, f"must be a text, not {described(form)}")
        return ""

    def one_of(self, form: Json, pointer: str, choices: Sequence[str]) -> str:
        """Read one of a few words; the first stands in for what is wrong."""
        if isinstance(form, str) and form in choices:
            return form
        near = suggestion(form, choices) if isinstance(form, str) else ""
        self.fault(pointer, f"must be one of {', '.join(choices)}{near}")
        return choices[0]

    def truth(self, form: Json, pointer: str) -> bool:
        """Read true or false."""
        if isinstance(form, bool):
            return form
        self.fault(pointer, f"must be true or false, not {described(form)}")
        return False

    def each(self, form: Json, pointer: str) -> Iterator[tuple[Json, str]]:
        """Read a list, or one thing that stands for a list of one."""
        if form is None:
            return
        if not isinstance(form, list | tuple):
            yield form, pointer
            return
        for index, part in enumerate(form):
            yield part, below(pointer, index)

    def expression(self, form: Json, pointer: str, vocabulary: Vocabulary) -> Expression | None:
        """Read an expression."""
        if not isinstance(form, str):
            self.fault(pointer, f"must be an expression, written as a text, not {described(form)}")
            return None
        known = self.compiled.get((form, vocabulary))
        if known is not None:
            return known
        try:
            compiled = self.compiled[form, vocabulary] = compile_with(form, vocabulary)
        except ExpressionError as error:
            self.fault(pointer, str(error))
            return None
        return compiled

    def value(self, form: Json, pointer: str, vocabulary: Vocabulary) -> Value:
        """Read a value: texts are expressions, lists and objects are made of values."""
        return fold(self._value(form, pointer, vocabulary, 0))

    def _value(self, form: Json, pointer: str, vocabulary: Vocabulary, depth: int) -> Value:
        if depth > DEPTH_MAX:
            self.fault(pointer, "nested too deeply")
        elif isinstance(form, str):
            return self.expression(form, pointer, vocabulary) or Constant(None)
        elif isinstance(form, list | tuple):
            parts = enumerate(form)
            return ListOf(
                tuple(self._value(p, below(pointer, i), vocabulary, depth + 1) for i, p in parts)
            )
        elif isinstance(form, Mapping):
            members = self.object(form, pointer).items()
            return ObjectOf(
                tuple(
                    (key, self._value(part, below(pointer, key), vocabulary, depth + 1))
                    for key, part in members
                )
            )
        return self.constant(form, pointer)

    def filled(self, form: Json, pointer: str, vocabulary: Vocabulary, depth: int = 0) -> Value:
        """Read a value whose texts are plain, with `{expression}` filled in."""
        if depth > DEPTH_MAX:
            self.fault(pointer, "nested too deeply")
        elif isinstance(form, str):
            try:
                return compile_template(form, vocabulary)
            except ExpressionError as error:
                self.fault(pointer, str(error))
        elif isinstance(form, list | tuple):
            parts = enumerate(form)
            return fold(
                ListOf(
                    tuple(
                        self.filled(p, below(pointer, i), vocabulary, depth + 1) for i, p in parts
                    )
                )
            )
        elif isinstance(form, Mapping):
            members = self.object(form, pointer).items()
            return fold(
                ObjectOf(
                    tuple(
                        (key, self.filled(part, below(pointer, key), vocabulary, depth + 1))
                        for key, part in members
                    )
                )
            )
        return self.constant(form, pointer)

    def constant(self, form: Json, pointer: str) -> Constant:
        """Read a JSON value as it stands."""
        if not is_json(form):
            self.fault(pointer, "must be a JSON value")
            return Constant(None)
        return Constant(form)


def described(form: Json) -> str:
    """Say what a JSON value is.

    >>> described([1]), described(""), described(None)
    ('a list', 'an empty text', 'null')
    """
    if form is None:
        return "null"
    if form == "":
        return "an empty text"
    kinds = {bool: "a truth value", str: "a text", list: "a list", dict: "an object"}
    return kinds.get(type(form), "a number")


def is_json(form: Json, depth: int = 0) -> bool:
    """Whether *form* consists of JSON values only, and not too deep."""
    if form is None or isinstance(form, bool | int | str):
        return True
    if isinstance(form, float):
        return form - form == 0  # neither infinite nor not a number
    if depth > DEPTH_MAX:
        return False
    if isinstance(form, list):
        return all(is_json(part, depth + 1) for part in form)
    if isinstance(form, dict):
        return all(isinstance(key, str) for key in form) and all(
            is_json(part, depth + 1) for part in form.values()
        )
    return False
