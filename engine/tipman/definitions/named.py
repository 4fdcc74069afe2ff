"""Named tasks: a task with parameters, kept under a name, that is submitted by its arguments.

The parameters are a JSON Schema of the arguments. These are filled into the `{expressions}` of the
task's own arguments when it is submitted, where each parameter is a name.
"""

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from tipman.definitions.expressions import expressions_in, template_of
from tipman.definitions.judgement import fill
from tipman.definitions.schemas import below, faults_by, schema_faults
from tipman.definitions.shapes import Task, kind_of
from tipman.definitions.tasks import read_task, refusal
from tipman.errors import Fault
from tipman.jsontext import Json, dumps, pointer_of
from tipman.settings import Settings
from tipman.spelling import hint
from tipman.statecharts.errors import ExpressionError
from tipman.statecharts.expressions import Expression

NOT_IN_DEFINITIONS = (
    "key",
    "namespace",
    "dependencies",
    "when",
    "compensate",
    "due_at",
    "definition",
)
"""What belongs to one submission, not to all."""
NOT_BESIDE_DEFINITIONS = ("type",)
"""What a submission by definition can not say."""
_REFERENCE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,99})(?:@([1-9][0-9]{0,8}))?")


class Texts(NamedTuple):
    """A definition as it is kept: JSON texts, and their hash."""

    task: str
    parameters: str
    content: str


def texts_of(task: object, parameters: object, settings: Settings) -> Texts:
    """Return a definition's texts, once it is known that something can be made of it.

    Raises:
        InvalidError: `faults` names everything that is wrong, by pointers into the body.
    """
    faults = [*_task_faults(task, settings), *_parameter_faults(task, parameters)]
    if faults:
        raise refusal(faults)
    parts = {"task": task, "parameters": parameters}
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return Texts(dumps(task), dumps(parameters), sha256(canonical.encode()).hexdigest())


def is_by_definition(given: object) -> bool:
    """Tell whether a submission names a definition.

    >>> is_by_definition({"definition": "report"}), is_by_definition({"type": "exec"})
    (True, False)
    """
    return isinstance(given, Mapping) and "definition" in given


def reference_of(given: object, what: str = "definition") -> tuple[str, int | None]:
    """Return name and version of a reference such as `report@2`, the version None for the newest.

    *what* is the field that has it, and what it refers to.

    >>> reference_of("report@2"), reference_of("report")
    (('report', 2), ('report', None))

    Raises:
        InvalidError: it is none.
    """
    found = _REFERENCE.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        detail = f"must be the name of a {what}, or `name@version`"
        raise refusal([Fault(f"/{what}", detail)])
    return found[1], None if found[2] is None else int(found[2])


def task_by(
    task: Mapping[str, Any],
    parameters: Mapping[str, Any] | bool,
    given: Mapping[str, Any],
    *,
    pin: str,
    settings: Settings,
) -> Task:
    """Return the task of a submission: what the definition says, and what *given* says besides.

    Raises:
        InvalidError: `faults` names everything that is wrong, by pointers into *given*.
    """
    arguments = _with_defaults(parameters, given.get("arguments"))
    faults = [
        Fault(f"/{name}", f"`{name}` is the definition's, {pin}")
        for name in NOT_BESIDE_DEFINITIONS
        if name in given
    ]
    faults += below("/arguments", faults_by(parameters, arguments))
    if faults:
        raise refusal(faults)
    besides = {name: value for name, value in given.items() if name != "definition"}
    merged = {**task, **besides, "arguments": task.get("arguments")}
    found, faults_of_it = read_task(merged, settings)
    if found is None:
        raise refusal(faults_of_it)
    filled = fill(found, arguments) if found.has_expressions else found.arguments
    return found.with_arguments(filled).with_definition(pin)


def _task_faults(task: object, settings: Settings) -> Iterator[Fault]:
    if not isinstance(task, Mapping):
        yield Fault("/task", f"must be an object, not {kind_of(task)}")
        return
    for name in NOT_IN_DEFINITIONS:
        if name in task:
            yield Fault(f"/task/{name}", f"`{name}` belongs to a submission, not to a definition")
    known = {name: value for name, value in task.items() if name not in NOT_IN_DEFINITIONS}
    yield from read_task(known, settings, ("task",)).faults


def _parameter_faults(task: object, parameters: object) -> Iterator[Fault]:
    if not isinstance(parameters, Mapping):
        yield Fault("/parameters", f"must be a JSON Schema, not {kind_of(parameters)}")
        return
    broken = [*below("/parameters", schema_faults(parameters))]
    yield from broken
    properties = parameters.get("properties", {})
    if not broken and isinstance(task, Mapping):
        for name, pointer in _names_read(task):
            if name not in properties:
                yield Fault(pointer, f"`{name}` is no parameter{hint(name, properties)}")


def _names_read(task: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the names that the expressions of a task read, with where they stand."""
    type_ = task.get("type")
    if not isinstance(type_, str):
        return
    for path, text in expressions_in(type_, task.get("arguments")):
        try:
            parts = template_of(text).parts
        except ExpressionError:
            # Said already, of the task.
            continue
        for part in parts:
            if isinstance(part, Expression):
                for name in sorted(part.reads):
                    yield name, pointer_of(("task", "arguments", *path))


def _with_defaults(parameters: Mapping[str, Any] | bool, arguments: object) -> Any:
    """Return arguments with the defaults of the parameters that are left out."""
    given: object = {} if arguments is None else arguments
    properties = parameters.get("properties", {}) if isinstance(parameters, Mapping) else {}
    if not isinstance(given, Mapping):
        raise refusal([Fault("/arguments", f"must be an object, not {kind_of(given)}")])
    defaults: dict[str, Json] = {
        name: schema["default"]
        for name, schema in properties.items()
        if isinstance(schema, Mapping) and "default" in schema
    }
    return {**defaults, **given}
