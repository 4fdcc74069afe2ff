"""What expressions and rules of a workflow read, and nothing will give them.

Hints and no faults: a dependency may be added to a run, and an expression may not be reached.
"""

import ast
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tipman.definitions.expressions import expressions_in, template_of
from tipman.definitions.workflows import Workflow
from tipman.errors import Fault
from tipman.jsontext import Path, pointer_of
from tipman.spelling import hint
from tipman.statecharts.expressions import Expression

_NAMES = ("context", "results")
_OF_ITEMS = (*_NAMES, "item", "index")
_METHODS = frozenset({"get", "keys", "values"})
_RESULTS = "results"


def unknown_readings(workflow: Workflow) -> Iterator[Fault]:
    """Yield the names that no expression sees, and the results of what is no dependency."""
    for at, task in enumerate(workflow.given["tasks"]):
        place: Path = ("tasks", at)
        needs = _needs(task)
        yield from _in_expressions(task, place, _NAMES, needs)
        yield from _in_rule(task.get("when"), (*place, "when"), needs)
        yield from _in_expressions(task.get("compensate"), (*place, "compensate"), _NAMES, None)
    for name, hook in workflow.given.get("hooks", {}).items():
        yield from _in_expressions(hook, ("hooks", name), _NAMES, None)


def _needs(task: Mapping[str, Any]) -> Collection[str]:
    return [
        each if isinstance(each, str) else each["task"] for each in task.get("dependencies") or ()
    ]


def _in_expressions(
    task: Any, place: Path, names: Collection[str], needs: Collection[str] | None
) -> Iterator[Fault]:
    """Look at the texts of one task; *needs* are None where its results are not known here."""
    if task is None:
        return
    type_, arguments = task["type"], task.get("arguments")
    for path, text in expressions_in(type_, arguments):
        pointer = pointer_of((*place, "arguments", *path))
        for part in template_of(text).parts:
            if isinstance(part, Expression):
                yield from _in_expression(part, pointer, names, needs)
    if type_ == "map":
        yield from _in_expressions(
            arguments["task"], (*place, "arguments", "task"), _OF_ITEMS, needs
        )


def _in_expression(
    expression: Expression, pointer: str, names: Collection[str], needs: Collection[str] | None
) -> Iterator[Fault]:
    for name in sorted(expression.reads - {*names}):
        known = ", ".join(f"`{each}`" for each in names)
        yield Fault(pointer, f"nothing is called `{name}` here, only {known}{hint(name, names)}")
    if needs is None:
        return
    for name in _results_in(expression.source):
        if name not in needs:
            yield Fault(pointer, _missing(name, needs))


def _results_in(source: str) -> Iterator[str]:
    """Yield the members of `results` that an expression names."""
    for node in ast.walk(ast.parse(source.strip(), mode="eval")):
        match node:
            case ast.Attribute(value=ast.Name(id="results"), attr=name) if name not in _METHODS:
                yield name
            case ast.Subscript(value=ast.Name(id="results"), slice=ast.Constant(value=str(name))):
                yield name


def _in_rule(rule: Any, place: Path, needs: Collection[str]) -> Iterator[Fault]:
    """Look at the keys of the context that a rule weighs."""
    if not isinstance(rule, Mapping):
        return
    for word, part in rule.items():
        if word == "context":
            root, _, rest = part["key"].partition(".")
            if root == _RESULTS and not any(f"{rest}.".startswith(f"{name}.") for name in needs):
                name = rest.partition(".")[0]
                yield Fault(pointer_of((*place, word, "key")), _missing(name, needs))
        elif isinstance(part, list | tuple):
            for at, each in enumerate(part):
                yield from _in_rule(each, (*place, word, at), needs)


def _missing(name: str, needs: Collection[str]) -> str:
    return f"it has no result of `{name}`, on which it does not depend{hint(name, needs)}"
