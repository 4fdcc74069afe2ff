"""Whether arguments are what their type takes, before an attempt starts and once filled in."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import ValidationError

from tipman.definitions.arguments import SHAPES
from tipman.definitions.expressions import (
    expression_faults,
    fill_arguments,
    has_braces,
    is_templated,
    put,
    texts_in,
    written,
)
from tipman.definitions.faults import faults_of
from tipman.definitions.shapes import Shape, Task
from tipman.errors import Fault, InvalidError
from tipman.jsontext import Json, dumps, pointer_of
from tipman.settings import Settings

_BYTES_A_CHARACTER_MAX = 4


class Judgement(NamedTuple):
    """What is wrong with arguments, by pointers into them; whether they are to be filled in."""

    faults: tuple[Fault, ...]
    has_expressions: bool = False
    text: str = ""
    """They as JSON text, if they are JSON."""


def judge(type_: object, arguments: object, settings: Settings) -> Judgement:
    """Judge arguments by their type; of an unknown type only that they are JSON."""
    try:
        text = dumps(arguments, depth_max=settings.depth_max)
    except InvalidError as error:
        return Judgement(error.faults)
    faults: list[Fault] = []
    if len(text) * _BYTES_A_CHARACTER_MAX > settings.string_bytes_max:
        faults += _long_texts(arguments, settings.string_bytes_max)
    if type_ == "eval":
        faults += _code_faults(arguments)
    shape = SHAPES.get(type_) if isinstance(type_, str) else None
    if shape is None or not isinstance(type_, str):
        return Judgement(tuple(faults), text=text)
    templates = 0
    if has_braces(arguments):
        templates, broken = expression_faults(type_, arguments)
        faults += broken
    faults += _shape_faults(shape, arguments)
    return Judgement(tuple(faults), templates > 0, text)


def fill(task: Task, names: Mapping[str, Json]) -> Json:
    """Return the task's arguments with its expressions computed over *names*.

    Where the type wants a text, a value of another kind is written as one.

    Raises:
        InvalidError: an expression can not be computed, or the type does not take its value.
    """
    filled = fill_arguments(task.type, task.arguments, names)
    shape = SHAPES[task.type]
    try:
        shape.read(filled)
    except ValidationError as error:
        details = error.errors(include_url=False)
        texts = {d["loc"]: written(d["input"]) for d in details if d["type"] == "string_type"}
        filled = put(filled, texts)
    else:
        return filled
    try:
        shape.read(filled)
    except ValidationError as error:
        faults = tuple(faults_of(error, shape, under=("arguments",)))
        raise InvalidError("; ".join(f"{f.pointer}: {f.detail}" for f in faults), faults) from None
    return filled


def _code_faults(arguments: object) -> Iterator[Fault]:
    if not isinstance(arguments, str) or not arguments.strip():
        yield Fault("", "must be Python code, a text that is not empty")


def _shape_faults(shape: type[Shape], arguments: object) -> Iterator[Fault]:
    if arguments is None:
        yield Fault("", "is missing")
        return
    try:
        shape.read(arguments)
    except ValidationError as error:
        yield from faults_of(error, shape, excused=is_templated)


def _long_texts(value: object, bytes_max: int) -> Iterator[Fault]:
    for path, text in texts_in(value):
        if len(text.encode()) > bytes_max:
            yield Fault(pointer_of(path), f"a text of more than {bytes_max:,} bytes")
