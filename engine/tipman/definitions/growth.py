"""What is added to a run that is there: tasks and dependencies, as people write them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from tipman.definitions.edges import needs_of
from tipman.definitions.faults import faults_of
from tipman.definitions.parts import Needs, needs_in
from tipman.definitions.resolution import resolved
from tipman.definitions.shapes import Label, References, Shape, Task, kind_of
from tipman.definitions.tasks import DEFAULTS, cycle_faults, read_tasks, refusal, twice
from tipman.definitions.workflows import Workflow, place_faults
from tipman.errors import Fault
from tipman.settings import Settings

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EDGES_MAX = 100_000
"""Dependencies of one request; with them the task that waits counts once for each."""


class Attachment(Shape):
    """What more a task of a run is to wait for, by names of the run's tasks."""

    task: Label
    dependencies: References


def added_tasks(
    items: Sequence[object],
    said: Mapping[str, Any],
    *,
    settings: Settings = DEFAULTS,
) -> tuple[Task, ...]:
    """Return tasks to be added to a run, with what its workflow *said* of all its tasks.

    Dependencies that are no names of the list are left to whoever knows the run.

    Raises:
        InvalidError: `faults` names everything that is wrong, by pointers below `/tasks`.
        CycleError: tasks wait for one another, and nothing else is wrong.
    """
    workflow = _workflow(said)
    tasks, faults = read_tasks(items, settings, {"priority": workflow.priority})
    if not isinstance(items, list | tuple):
        raise refusal(faults)
    faults += place_faults(items)
    mappings: list[Mapping[Any, Any]] = [i if isinstance(i, Mapping) else {} for i in items]
    names = [name if isinstance(name := item.get("name"), str) else None for item in mappings]
    faults += twice("name", names)
    if not faults:
        faults += cycle_faults(names, [needs_of(item) for item in mappings])
    if faults:
        raise refusal(faults)
    return tuple(resolved(task, workflow) for task in tasks)


def attachments_of(items: object) -> tuple[tuple[str, str, str], ...]:
    """Return who is to wait for whom, by names, from `[{"task", "dependencies"}, …]`.

    Each comes with what it carries, `data` or `order`; dependencies are as in a workflow's file.

    Raises:
        InvalidError: `faults` names everything that is wrong, below `/dependencies`.
    """
    if not isinstance(items, list | tuple):
        detail = f"must be a list, not {kind_of(items)}"
        raise refusal([Fault("/dependencies", detail)])
    edges: list[tuple[str, str, str]] = []
    faults: list[Fault] = [] if items else [Fault("/dependencies", "must not be empty")]
    for at, item in enumerate(items):
        named, needs = _parted(item, at)
        faults += needs.faults
        try:
            found = Attachment.model_validate(named)
        except ValidationError as error:
            faults += faults_of(error, Attachment, under=("dependencies", at))
            continue
        if not found.dependencies and not needs.faults:
            faults.append(Fault(f"/dependencies/{at}/dependencies", "must not be empty"))
        edges += (
            (found.task, name, "order" if place in needs.order_only else "data")
            for place, name in enumerate(found.dependencies)
        )
    if len(edges) > EDGES_MAX:
        faults.append(Fault("/dependencies", f"more than {EDGES_MAX:,} dependencies"))
    if faults:
        raise refusal(faults)
    return tuple(edges)


def _parted(item: object, at: int) -> tuple[object, Needs]:
    """Return an attachment with its dependencies by names, and those taken apart."""
    given = item.get("dependencies") if isinstance(item, Mapping) else None
    if not isinstance(item, Mapping) or not isinstance(given, list | tuple):
        return item, Needs([], (), [])
    needs = needs_in(given, ("dependencies", at, "dependencies"))
    return {**item, "dependencies": needs.names}, needs


def _workflow(said: Mapping[str, Any]) -> Workflow:
    """Return what a run keeps of its workflow as one, for what it says of its tasks."""
    fields = {name: value for name, value in said.items() if name != "hooks"}
    if "due_at" in fields:
        fields["due_at"] = _EPOCH + timedelta(microseconds=fields["due_at"])
    return Workflow.model_construct(name="run", **fields)
