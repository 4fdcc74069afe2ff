"""Blueprints: workflows written in Python, which read like the file and are the same as one.

A blueprint is a mapping, that of a workflow file, so whatever takes one takes a blueprint.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, NoReturn, Self, overload

from tipman.definitions import workflow_of
from tipman.definitions.parts import NOT_IN_ITEMS
from tipman.definitions.workflows import HOOKS
from tipman.errors import Fault, InvalidError
from tipman.executors.functions import RegisteredTask, TaskCall
from tipman.spelling import hint

What = str | RegisteredTask[..., Any] | TaskCall
"""A task as it is asked for: by its name and the fields of the file, or a function's."""


class Reference:
    """A value that is there once a task has ended, or the run has begun.

    As a value among arguments it becomes an `{expression}`; `value["key"]` and `value[0]` are
    parts of it. *source* is the step that it waits for, None for a parameter of the run.
    """

    def __init__(self, expression: str, source: "Step | None" = None) -> None:
        self.expression = expression
        self.source = source

    def __getitem__(self, part: str | int) -> "Reference":
        if isinstance(part, str) and part.isidentifier():
            return Reference(f"{self.expression}.{part}", self.source)
        return Reference(f"{self.expression}[{part!r}]", self.source)

    def __iter__(self) -> NoReturn:
        raise TypeError(f"{self!r} has no parts yet; a task of the type `map` goes over them")

    def __repr__(self) -> str:
        return f"<value of {{{self.expression}}}>"

    def __format__(self, _: str) -> str:
        if self.source is not None:
            # In a text nobody could see who waits for whom.
            raise InvalidError(
                f"{self!r} can not stand within a text; write `{{{self.expression}}}` there, and"
                f" `.after({self.source.name})`"
            )
        return f"{{{self.expression}}}"

    def __str__(self) -> str:
        return format(self)


class Step(Reference):
    """A task of a blueprint; among the arguments of another it is its result."""

    def __init__(self, mapping: dict[str, Any]) -> None:
        self.mapping = mapping
        name = self.name
        part = f".{name}" if name.isidentifier() else f"[{name!r}]"
        super().__init__(f"results{part}", self)

    def __repr__(self) -> str:
        return f"<Step {self.name}>"

    @property
    def name(self) -> str:
        """What others know it by."""
        return str(self.mapping["name"])

    def after(self, *steps: "Step", when: Any = None, carry: str = "data") -> Self:
        """Wait for other tasks, in this order; *when* is the rule by which it runs then.

        With `carry="order"` they only come before it and add nothing to its context.
        """
        needs: list[Any] = self.mapping.setdefault("dependencies", [])
        for step in steps:
            self._wait_for(step, needs, carry)
        if when is not None:
            self.mapping["when"] = _plain(when, [])
        return self

    def compensate(self, what: What | None = None, /, **fields: Any) -> Self:
        """Say what undoes it if the run fails: a function's call, or the fields of a task."""
        if isinstance(what, str):
            fields = {"name": what, **fields}
            what = None
        self.mapping["compensate"] = _task(what, fields, [])
        return self

    def over(self, values: Any, **options: Any) -> Self:
        """Make it a map: one task for each of *values*, a list or what another task returned.

        Its arguments may have `item` and `index` in them; *options* are `parallel_max` and
        `failures_max`. What places it in the graph stays that of the map.
        """
        sources: list[Step] = []
        listed = _plain(values, sources)
        each = {n: value for n, value in self.mapping.items() if n not in NOT_IN_ITEMS}
        place = {n: value for n, value in self.mapping.items() if n in NOT_IN_ITEMS}
        arguments = {"over": listed, "task": each, **options}
        self.mapping = {**place, "type": "map", "arguments": arguments}
        return self.after(*sources) if sources else self

    @property
    def succeeded(self) -> dict[str, str]:
        """The part of a rule that says so."""
        return {"succeeded": self.name}

    @property
    def failed(self) -> dict[str, str]:
        """The part of a rule that says so."""
        return {"failed": self.name}

    @property
    def skipped(self) -> dict[str, str]:
        """The part of a rule that says so."""
        return {"skipped": self.name}

    def _wait_for(self, step: "Step", needs: list[Any], carry: str) -> None:
        names = [need["task"] if isinstance(need, dict) else need for need in needs]
        if step.name not in names:
            needs.append(step.name if carry == "data" else {"task": step.name, "carry": carry})


class Blueprint(Mapping[str, Any]):
    """A workflow that is being written; made by `workflow`.

    *fields* are those of the workflow file. As a context manager it is judged at its end.
    """

    def __init__(self, name: str, **fields: Any) -> None:
        self._steps: list[Step] = []
        self._fields: dict[str, Any] = {"name": name, **fields}

    def __repr__(self) -> str:
        return f"<workflow {self['name']!r} of {len(self._steps)} tasks>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.check()

    def check(self) -> None:
        """See to it that it is a workflow.

        Raises:
            InvalidError: `faults` names everything that is wrong, by pointers into the file.
        """
        workflow_of(self, default_name="workflow")

    def task(self, what: What, /, **fields: Any) -> Step:
        """Add a task and return it.

        With a name, *fields* are those of a task in the file; with a function that is a task they
        are its arguments, and `fetch.options(name="again")` says what else there is to say. A
        step, or a part of its result, among them makes this one wait for it.
        """
        sources: list[Step] = []
        named = {"name": what, **fields} if isinstance(what, str) else fields
        mapping = _task(None if isinstance(what, str) else what, named, sources)
        self._refuse_twice(mapping["name"])
        step = Step(mapping).after(*sources) if sources else Step(mapping)
        self._steps.append(step)
        return step

    def hook(self, when: str, what: What | None = None, /, **fields: Any) -> None:
        """Say what runs when a run has `succeeded`, has `failed`, or has `settled` at all.

        Raises:
            InvalidError: a run has no such end.
        """
        if when not in HOOKS:
            raise InvalidError(f"no hook {when!r}{hint(when, HOOKS)}")
        if isinstance(what, str):
            fields = {"name": what, **fields}
            what = None
        self._fields.setdefault("hooks", {})[when] = _task(what, fields, [])

    # A mapping, as the file is.

    def __getitem__(self, name: str) -> Any:
        if name == "tasks":
            return [dict(step.mapping) for step in self._steps]
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._fields
        yield "tasks"

    def __len__(self) -> int:
        return len(self._fields) + 1

    def _refuse_twice(self, name: str) -> None:
        if any(step.name == name for step in self._steps):
            detail = f"`{name}` is already the name of a task; `.options(name=…)` gives another"
            raise InvalidError(detail, (Fault(f"/tasks/{len(self._steps)}/name", detail),))


item = Reference("item")
"""What a task that is made `over` values is for."""
index = Reference("index")
"""Which of them that is, from 0."""


def context(key: str, operator: str, value: Any = None) -> dict[str, Any]:
    """Return the part of a rule that compares a value of the context.

    >>> context("coverage", "less_than", 90)
    {'context': {'key': 'coverage', 'operator': 'less_than', 'value': 90}}
    """
    compared: dict[str, Any] = {"key": key, "operator": operator}
    if operator not in {"exists", "not_exists"}:
        compared["value"] = value
    return {"context": compared}


@overload
def workflow(what: Callable[..., None], /) -> Blueprint: ...
@overload
def workflow(what: str, /, **fields: Any) -> Blueprint: ...
@overload
def workflow(**fields: Any) -> Callable[[Callable[..., None]], Blueprint]: ...


def workflow(
    what: str | Callable[..., None] | None = None, /, **fields: Any
) -> Blueprint | Callable[[Callable[..., None]], Blueprint]:
    """Return a workflow to be written: by its name, or as the decorator of what writes it.

    The function is called once, with the workflow and then with its parameters, which are values
    of the run's input: their defaults are those of the input, and one without must be given.

    Raises:
        InvalidError: what a function wrote is no workflow; `faults` names everything.
    """
    if isinstance(what, str):
        return Blueprint(what, **fields)
    if what is None:
        return lambda function: _written(function, fields)
    return _written(what, fields)


def _written(function: Callable[..., None], fields: Mapping[str, Any]) -> Blueprint:
    name = fields.get("name", function.__name__)
    rest = {field: value for field, value in fields.items() if field != "name"}
    made = Blueprint(name, **rest)
    _, *parameters = inspect.signature(function).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    needed = [p.name for p in parameters if p.default is p.empty]
    if defaults:
        made._fields["input"] = {**defaults, **rest.get("input", {})}
    if needed and "input_schema" not in rest:
        made._fields["input_schema"] = {"type": "object", "required": needed}
    with made:
        function(made, **{p.name: Reference(f"context.{p.name}") for p in parameters})
    return made


def _task(
    what: RegisteredTask[..., Any] | TaskCall | None, fields: dict[str, Any], sources: list[Step]
) -> dict[str, Any]:
    """Return the mapping of a task; *sources* gets the steps whose results it takes."""
    if what is None:
        return {name: _plain(value, sources) for name, value in fields.items()}
    called = what.task if isinstance(what, TaskCall) else what
    options = what.options if isinstance(what, TaskCall) else called.defaults
    called.check(fields)
    arguments = {name: _plain(value, sources) for name, value in fields.items()}
    asked = {"task": called.name, "args": arguments} if arguments else {"task": called.name}
    return {"name": called.name, **options, "type": "inline", "arguments": asked}


def _plain(value: Any, sources: list[Step]) -> Any:
    """Return a value as the file has it, with references as expressions."""
    if isinstance(value, Reference):
        if value.source is not None:
            sources.append(value.source)
        return f"{{{value.expression}}}"
    if isinstance(value, Mapping):
        return {name: _plain(part, sources) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part, sources) for part in value]
    return value
