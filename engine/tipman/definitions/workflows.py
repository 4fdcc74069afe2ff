"""From mappings to workflows: tasks that name one another, and what holds for all of them."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from tipman.definitions.faults import faults_of, kind_of
from tipman.definitions.schemas import schema_faults
from tipman.definitions.shapes import PRIORITY_MAX, Count, Label, Shape, Task
from tipman.definitions.tasks import (
    DEFAULTS,
    FAULTS_MAX,
    UnknownDependencyFault,
    cycle_faults,
    read_tasks,
    refusal,
    twice,
)
from tipman.errors import Fault, InvalidError
from tipman.jsontext import check
from tipman.settings import Settings
from tipman.spelling import hint


class Workflow(Shape):
    """A workflow, made by `workflow_of`; its tasks know one another by name.

    `slots` None leaves the number of attempts at once to the settings. `priority` is that of the
    tasks that do not have their own.
    """

    name: Label
    on_failure: Literal["skip"] = "skip"
    input: dict[str, Any] = Field(default_factory=dict)
    input_schema: dict[str, Any] | None = None
    tasks: tuple[Task, ...] = ()
    slots: Count | None = None
    priority: Annotated[int, Field(ge=-PRIORITY_MAX, le=PRIORITY_MAX)] = 0


_LATER_HERE = {"timeout_s": "of a run comes with workflows and is not supported yet"}
_NOT_HERE = ("key", "namespace")


def workflow_of(mapping: object, *, default_name: str, settings: Settings = DEFAULTS) -> Workflow:
    """Return the workflow that a mapping says.

    Raises:
        InvalidError: `faults` names everything that is wrong, by pointers into the mapping.
        UnknownDependencyError: a dependency is the name of no task, and nothing else is wrong.
        CycleError: tasks wait for one another, and nothing else is wrong.
    """
    if not isinstance(mapping, Mapping):
        raise refusal([Fault("", f"a workflow must be an object, not {kind_of(mapping)}")])
    workflow, faults = _read_head(mapping, default_name)
    tasks, found = _read_tasks(mapping, settings)
    faults += found
    if workflow is None or faults:
        raise refusal(faults)
    return workflow.model_copy(update={"tasks": tuple(tasks)})


def _read_head(given: Mapping[Any, Any], name: str) -> tuple[Workflow | None, list[Fault]]:
    head = {field: value for field, value in given.items() if field != "tasks"}
    faults = [Fault(f"/{n}", f"`{n}` {words}") for n, words in _LATER_HERE.items() if n in head]
    known = {field: value for field, value in head.items() if field not in _LATER_HERE}
    try:
        workflow = Workflow.model_validate({"name": name, **known})
    except ValidationError as error:
        return None, [*faults, *faults_of(error, Workflow)]
    return workflow, [*faults, *_input_faults(workflow)]


def _input_faults(workflow: Workflow) -> Iterator[Fault]:
    for field, value in (("input", workflow.input), ("input_schema", workflow.input_schema)):
        try:
            check(value)
        except InvalidError as error:
            yield from (Fault(f"/{field}{pointer}", detail) for pointer, detail in error.faults)
            return
    if workflow.input_schema is not None:
        yield from schema_faults(
            workflow.input, workflow.input_schema, value_at="/input", schema_at="/input_schema"
        )


def _read_tasks(given: Mapping[Any, Any], settings: Settings) -> tuple[list[Task], list[Fault]]:
    if "tasks" not in given:
        return [], [Fault("/tasks", "is missing")]
    items, priority = given["tasks"], given.get("priority")
    common = {"priority": priority} if type(priority) is int else None
    tasks, faults = read_tasks(items, settings, common)
    if isinstance(items, list | tuple):
        faults += _place_faults(items)
    if faults:
        return tasks, faults
    names: list[str | None] = [task.name for task in tasks]
    faults = [*twice("name", names), *_unknown_dependencies(tasks)]
    return tasks, faults or [*cycle_faults(names, tasks)]


def _place_faults(items: list[Any] | tuple[Any, ...]) -> Iterator[Fault]:
    """Yield what holds for a task only because it stands in a workflow."""
    left = FAULTS_MAX
    for at, item in enumerate(items):
        if not isinstance(item, Mapping) or left <= 0:
            continue
        if item.get("name") is None:
            left -= 1
            yield Fault(f"/tasks/{at}/name", "is missing")
        for field in _NOT_HERE:
            if field in item:
                left -= 1
                detail = f"a task of a workflow has a name and no `{field}`"
                yield Fault(f"/tasks/{at}/{field}", detail)


def _unknown_dependencies(tasks: list[Task]) -> Iterator[Fault]:
    names = {task.name: None for task in tasks}
    left = FAULTS_MAX
    for at, task in enumerate(tasks):
        for index, name in enumerate(task.dependencies):
            if name not in names and left > 0:
                left -= 1
                detail = f"no task is named `{name}`{hint(name, names)}"
                yield UnknownDependencyFault(f"/tasks/{at}/dependencies/{index}", detail)
