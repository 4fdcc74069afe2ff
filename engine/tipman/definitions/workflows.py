"""From mappings to workflows: tasks that name one another, and what holds for all of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from operator import is_
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError

from tipman.definitions.edges import edge_faults
from tipman.definitions.faults import faults_of
from tipman.definitions.parts import NOT_IN_PARTS, Read, read_part
from tipman.definitions.schemas import below, faults_present, schema_faults
from tipman.definitions.shapes import (
    PRIORITY_MAX,
    Count,
    Instant,
    Label,
    Policy,
    Seconds,
    Shape,
    Task,
    kind_of,
    refused,
)
from tipman.definitions.tasks import DEFAULTS, FAULTS_MAX, read_tasks, reader, refusal
from tipman.definitions.timing import block_faults
from tipman.errors import Fault, InvalidError
from tipman.jsontext import check
from tipman.settings import Settings

HOOKS = ("succeeded", "failed", "settled")
"""When a run has a task of its own to run; `settled` comes whatever the outcome."""
FOR_EDITORS = "$schema"
"""A field of the file by which editors find its schema; it says nothing to us."""
EVERY_KEY = "*"
"""In `merge`, the key that stands for all that are not named."""


def _policies(value: object) -> object:
    if isinstance(value, str):
        return {EVERY_KEY: value}
    if not isinstance(value, Mapping) or not value:
        raise refused(f"must be a policy, or an object of policies by key, not {kind_of(value)}")
    return value


class Workflow(Shape):
    """A workflow, made by `workflow_of`; its tasks know one another by name.

    `slots` None leaves the number of attempts at once to the settings. `priority` is that of the
    tasks that do not have their own. `merge` has policies by key, none for `error` everywhere.
    `timeout_s` is how long a run may take, `due_at` when one may begin at the earliest. `schedule`
    says when to run it, and is nothing to a run. `tasks` are as they stand;
    `tipman.definitions.resolved_tasks` has them with what the workflow says of them.
    """

    name: Label
    on_failure: Literal["skip", "block", "continue", "fail_fast"] = "skip"
    input: dict[str, Any] = Field(default_factory=dict)
    input_schema: dict[str, Any] | None = None
    merge: Annotated[dict[Label, Policy], BeforeValidator(_policies)] = Field(default_factory=dict)
    hooks: dict[str, Any] = Field(default_factory=dict)
    slots: Count | None = None
    timeout_s: Seconds | None = None
    due_at: Instant | None = None
    priority: Annotated[int, Field(ge=-PRIORITY_MAX, le=PRIORITY_MAX)] = 0
    schedule: dict[str, Any] | None = None
    tasks: tuple[Task, ...] = ()

    given: ClassVar[Mapping[str, Any]] = {}
    """What it was made from, a JSON object."""

    def changed(self, change: Callable[[Task], Task]) -> Self:
        """Return the same workflow with every task of it changed, its hooks too."""
        tasks = tuple([change(task) for task in self.tasks])
        hooks = {name: change(hook) for name, hook in self.hooks.items()}
        if all(map(is_, (*tasks, *hooks.values()), (*self.tasks, *self.hooks.values()))):
            return self
        return self.model_copy(update={"tasks": tasks, "hooks": hooks})


def workflow_of(mapping: object, *, default_name: str, settings: Settings = DEFAULTS) -> Workflow:
    """Return the workflow that a mapping says.

    Raises:
        InvalidError: `faults` names everything that is wrong, by pointers into the mapping.
        UnknownDependencyError: a dependency is the name of no task, and nothing else is wrong.
        CycleError: tasks wait for one another, and nothing else is wrong.
    """
    if not isinstance(mapping, Mapping):
        raise refusal([Fault("", f"a workflow must be an object, not {kind_of(mapping)}")])
    mapping = {name: value for name, value in mapping.items() if name != FOR_EDITORS}
    workflow, faults = _read_head(mapping, default_name)
    common = _common(mapping)
    hooks, found = _read_hooks(mapping.get("hooks"), common, reader(settings))
    faults += found
    tasks, found = _read_tasks(mapping, common, settings)
    faults += found
    if workflow is None or faults:
        raise refusal(faults)
    given = {"name": workflow.name, **mapping}
    return workflow.model_copy(update={"tasks": tuple(tasks), "hooks": hooks, "given": given})


def _read_head(given: Mapping[Any, Any], name: str) -> tuple[Workflow | None, list[Fault]]:
    head = {field: value for field, value in given.items() if field not in {"tasks", "hooks"}}
    faults: list[Fault] = []
    if isinstance(block := head.get("schedule"), Mapping):
        faults += below("/schedule", block_faults(block))
    try:
        workflow = Workflow.model_validate({"name": name, **head})
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
        # What is missing may come with each run, so only what is there is judged.
        yield from broken or below("/input", faults_present(schema, workflow.input))


def _common(given: Mapping[Any, Any]) -> Mapping[str, Any]:
    """Return what tasks have of their workflow unless they say otherwise."""
    priority = given.get("priority")
    return {"priority": priority} if type(priority) is int else {}


def _read_hooks(
    given: object, common: Mapping[str, Any], read: Read
) -> tuple[dict[str, Task], list[Fault]]:
    if given is None:
        return {}, []
    if not isinstance(given, Mapping):
        return {}, [Fault("/hooks", f"must be an object, not {kind_of(given)}")]
    hooks: dict[str, Task] = {}
    faults: list[Fault] = []
    for name, hook in given.items():
        if name not in HOOKS:
            detail = f"`{name}` is no end of a run; there are {', '.join(HOOKS)}"
            faults.append(Fault(f"/hooks/{name}", detail))
            continue
        named = {"name": f"hooks.{name}", **common, **hook} if isinstance(hook, Mapping) else hook
        task, found = read_part(named, NOT_IN_PARTS, ("hooks", name), read)
        faults += found
        if task is not None:
            hooks[name] = task
    return hooks, faults


def _read_tasks(
    given: Mapping[Any, Any], common: Mapping[str, Any], settings: Settings
) -> tuple[list[Task], list[Fault]]:
    if "tasks" not in given:
        return [], [Fault("/tasks", "is missing")]
    items = given["tasks"]
    tasks, faults = read_tasks(items, settings, common)
    if isinstance(items, list | tuple):
        faults += islice(place_faults(items), FAULTS_MAX)
        faults += edge_faults(items)
    return tasks, faults


_NOT_HERE = ("key", "namespace", "definition")


def place_faults(items: Sequence[object]) -> Iterator[Fault]:
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
