"""What is asked of one run of a workflow: its input, its key, and what goes before other work."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from tipman.definitions.faults import faults_of
from tipman.definitions.schemas import below, faults_by
from tipman.definitions.shapes import PRIORITY_MAX, Count, Key, Label, Shape, kind_of
from tipman.definitions.tasks import refusal
from tipman.definitions.workflows import Workflow
from tipman.errors import Fault, InvalidError
from tipman.jsontext import check


class Order(Shape):
    """How one run of a workflow is to be; made by `order_of`.

    `priority` is that of the tasks that have none of their own, None for what the workflow says;
    `version` None is the newest in use.
    """

    input: Any = None
    key: Key | None = None
    namespace: Label = "default"
    version: Count | None = None
    priority: Annotated[int, Field(ge=-PRIORITY_MAX, le=PRIORITY_MAX)] | None = None


def order_of(given: object) -> Order:
    """Return the order that a mapping says.

    Raises:
        InvalidError: `faults` names everything that is wrong, by pointers into the mapping.
    """
    if not isinstance(given, Mapping):
        raise refusal([Fault("", f"what is asked of a run is an object, not {kind_of(given)}")])
    try:
        return Order.model_validate(given)
    except ValidationError as error:
        raise refusal([*faults_of(error, Order)]) from None


def ordered(workflow: Workflow, order: Order) -> Workflow:
    """Return a workflow as one run of it is to be.

    Raises:
        InvalidError: the input can not be so; `faults` names every place, below `/input`.
    """
    if order.priority is not None and order.priority != workflow.priority:
        workflow = _with_priority(workflow, order.priority)
    return with_input(workflow, order.input)


def with_input(workflow: Workflow, given: object) -> Workflow:
    """Return a workflow with values of its input in place of others; None gives none.

    Raises:
        InvalidError: *given* is no object, or the workflow's schema refuses what comes of it;
            `faults` names every place, below `/input`.
    """
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        raise refusal([Fault("/input", f"must be an object, not {kind_of(given)}")])
    try:
        check(given)
    except InvalidError as error:
        raise refusal([*below("/input", error.faults)]) from None
    value = {**workflow.input, **given}
    if workflow.input_schema is not None:
        faults = [*below("/input", faults_by(workflow.input_schema, value))]
        if faults:
            raise refusal(faults)
    return workflow.model_copy(update={"input": value}) if given else workflow


def _with_priority(workflow: Workflow, priority: int) -> Workflow:
    """Return a workflow of which the tasks that have no priority of their own have another."""
    said, hooks = workflow.given.get("tasks"), workflow.given.get("hooks") or {}
    own = [{}] * len(workflow.tasks) if said is None else said
    tasks = tuple(
        task if "priority" in item else task.beside(priority=priority)
        for task, item in zip(workflow.tasks, own, strict=True)
    )
    ends = {
        name: hook if "priority" in hooks.get(name, {}) else hook.beside(priority=priority)
        for name, hook in workflow.hooks.items()
    }
    return workflow.model_copy(update={"priority": priority, "tasks": tasks, "hooks": ends})
