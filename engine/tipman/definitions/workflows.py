"""From mappings to workflows: tasks that name one another, and what holds for all of them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from tipman.definitions.faults import faults_of
from tipman.definitions.schemas import below, faults_by, schema_faults
from tipman.definitions.shapes import PRIORITY_MAX, Count, Label, Shape, Task, kind_of
from tipman.definitions.tasks import (
    DEFAULTS,
    FAULTS_MAX,
    UnknownDependencyFault,
    cycle_faults,
    read_tasks,
    refusal,
    twice,
)
from tipman.definitions.timing import block_faults
from tipman.errors import Fault, InvalidError
from tipman.jsontext import check
from tipman.settings import Settings
from tipman.spelling import hint


class Workflow(Shape):
    """A workflow, made by `workflow_of`; its tasks know one another by name.

    `slots` None leaves the number of attempts at once to the settings. `priority` is that of the
    tasks that do not have their own. `schedule` says when to run it, and is nothing to a run.
    """

    name: Label
    on_failure: Literal["skip"] = "skip"
    input: dict[str, Any] = Field(default_factory=dict)
    input_schema: dict[str, Any] | None = None
    tasks: tuple[Task, ...] = ()
    slots: Count | None = None
    priority: Annotated[int, Field(ge=-PRIORITY_MAX, le=PRIORITY_MAX)] = 0
    schedule: dict[str, Any] | None = None


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
    if isinstance(block := head.get("schedule"), Mapping):
        faults += below("/schedule", block_faults(block))
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
    schema = workflow.input_schema
    if schema is not None:
        broken = [*below("/input_schema", schema_faults(schema))]
        yield from broken or below("/input", faults_by(schema, workflow.input))


def _read_tasks(given: Mapping[Any, Any], settings: Settings) -> tuple[list[Task], list[Fault]]:
    if "tasks" not in given:
        return [], [Fault("/tasks", "is missing")]
    items, priority = given["tasks"], given.get("priority")
    common = {"priority": priority} if type(priority) is int else None
    tasks, faults = read_tasks(items, settings, common)
    if isinstance(items, list | tuple):
        faults += islice(_place_faults(items), FAULTS_MAX)
        faults += _edge_faults(items)
    return tasks, faults


def _edge_faults(items: Sequence[object]) -> list[Fault]:
    """Return what is wrong between the tasks, also where tasks are wrong in themselves."""
    mappings = [item if isinstance(item, Mapping) else {} for item in items]
    names = [name if isinstance(name := item.get("name"), str) else None for item in mappings]
    needs = [_texts(item.get("dependencies")) for item in mappings]
    faults = [*islice(twice("name", names), FAULTS_MAX)]
    faults += islice(_unknown_dependencies(names, needs), FAULTS_MAX)
    return faults or [*cycle_faults(names, needs)]


def _texts(value: object) -> list[str]:
    items = value if isinstance(value, list | tuple) else ()
    return [item if isinstance(item, str) else "" for item in items]


def _place_faults(items: Sequence[object]) -> Iterator[Fault]:
    """Yield what is wrong with a task only because it stands in a workflow."""
    for at, item in enumerate(items):
        if not isinstance(item, Mapping):
            continue
        if item.get("name") is None:
            yield Fault(f"/tasks/{at}/name", "is missing")
        for field in _NOT_HERE:
            if field in item:
                detail = f"a task of a workflow has a name and no `{field}`"
                yield Fault(f"/tasks/{at}/{field}", detail)


def _unknown_dependencies(
    names: Sequence[str | None], needs: Sequence[Sequence[str]]
) -> Iterator[Fault]:
    known = {name: None for name in names if name is not None}
    for at, needed in enumerate(needs):
        for index, name in enumerate(needed):
            if name and name not in known:
                detail = f"no task is named `{name}`{hint(name, known)}"
                yield UnknownDependencyFault(f"/tasks/{at}/dependencies/{index}", detail)
