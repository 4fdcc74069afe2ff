"""Handlers of `workflow` tasks: each starts a run in its attempt, and ends as that run does."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tipman.charts import move
from tipman.definitions import Order, Task, Workflow, ordered
from tipman.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    QuotaReachedError,
    TypeOffError,
)
from tipman.events import Failure, Requested, ResumeRequested, TasksSubmitted
from tipman.handlers.attempts import sight_of
from tipman.handlers.charges import Charge, charge_of, last_charge_of
from tipman.handlers.closing import SETTLED_BELOW, Closing
from tipman.handlers.contexts import note_added
from tipman.handlers.kin import last_of
from tipman.handlers.outcomes import Outcomes, plain_failure
from tipman.handlers.submitting import Submitting
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.jsontext import dumps
from tipman.outlines import Verdict
from tipman.registry import shelf
from tipman.registry.readings import Readings
from tipman.registry.records import WorkflowVersion
from tipman.resources import RUNS_URI, URI
from tipman.submission import Beginning, Submitter, within
from tipman.tipman import TIPMan

_ACTOR = "task"


class Composing:
    """Starts runs within tasks, and ends tasks as their runs end."""

    def __init__(
        self,
        outcomes: Outcomes,
        closing: Closing,
        submitting: Submitting,
        new_id: Callable[[], bytes],
    ) -> None:
        self._outcomes = outcomes
        self._closing = closing
        self._submitting = submitting
        self._submitter = Submitter(new_id)
        self._readings = Readings(outcomes.steps.settings)
        self._checked: Callable[[Task], Task] = lambda task: task

    def adopt(self, new_id: Callable[[], bytes], checked: Callable[[Task], Task]) -> None:
        """Make ids by *new_id*, and let *checked* say what task is run here."""
        self._submitter, self._checked = Submitter(new_id), checked

    def look(self, instance: Instance, task: Task, directory: TIPMan) -> None:
        """Start its run, or end with it."""
        charge = charge_of(instance)
        if charge is None:
            self._begin(instance, task, directory)
            return
        child = None if charge.child is None else directory.find(charge.child)
        if child is None:
            failure = plain_failure("child_failed", "its run was pruned before it was looked at")
            self._outcomes.fail(instance, SETTLED_BELOW, failure, directory)
        elif child.is_settled:
            self._end(instance, child, directory)

    def has_open(self, instance: Instance, directory: TIPMan) -> bool:
        """Tell whether its run is open."""
        return bool(self.below(instance, directory))

    @staticmethod
    def below(instance: Instance, directory: TIPMan) -> Sequence[Instance]:
        """Return its run, if that is open."""
        child = _child_of(instance, directory)
        return () if child is None or child.is_settled else (child,)

    @staticmethod
    def on_close(task: Task) -> str:
        """Return what becomes of its run when it is ended: `cancel`, `abandon` or `wait`."""
        found: str = task.arguments.get("on_close", "cancel")
        return found

    def result(self, instance: Instance, directory: TIPMan) -> str | None:
        """Return as JSON text what there is to say of its run, None without one."""
        child = _child_of(instance, directory)
        return None if child is None else _result(child, _context_of(child.id, directory))

    def _end(self, instance: Instance, child: Instance, directory: TIPMan) -> None:
        context = _context_of(child.id, directory)
        result = _result(child, context)
        told = f',"child":"{RUNS_URI}{text_of(child.id)}","state":"{child.state}"'
        if child.state == "succeeded":
            if context:
                task = directory.task_of(instance)
                note_added(instance, task, dumps({instance.name: context}), directory)
            self._outcomes.succeed(instance, SETTLED_BELOW, result, directory, data=told)
            return
        code = "child_cancelled" if child.state == "cancelled" else "child_failed"
        words = f"its run {RUNS_URI}{text_of(child.id)} {_ENDED[child.state]}"
        failure = plain_failure(code, words)
        self._outcomes.fail(instance, SETTLED_BELOW, failure, directory, result=result)

    def _begin(self, instance: Instance, task: Task, directory: TIPMan) -> None:
        event = self._submission(instance, task, directory)
        if isinstance(event, Failure):
            self._outcomes.fail(instance, "attempt.failed", event, directory)
            return
        try:
            self._submitting.tasks_submitted(event, directory)
        except QuotaReachedError as error:
            failure = plain_failure(error.code, str(error))
            self._outcomes.fail(instance, "attempt.failed", failure, directory)
            return
        run: bytes = event.run.row[0]  # type: ignore[union-attr]  # `_submission` makes one
        instance.early = Charge(instance.attempt, run).text
        directory.touch(instance)
        data = f'{{"child":"{RUNS_URI}{text_of(run)}"}}'
        directory.log(instance, "child.submitted", instance.configuration, data)

    def _submission(
        self, instance: Instance, task: Task, directory: TIPMan
    ) -> TasksSubmitted | Failure:
        """Return the event that starts its run, or how it fails."""
        _, arguments, failure = sight_of(instance, task, directory)
        if failure is not None:
            return failure
        settings = self._outcomes.steps.settings
        depth = _depth(instance, directory)
        if depth > settings.runs_depth_max:
            return plain_failure(
                "too_deep",
                f"runs lie {settings.runs_depth_max} deep within one another at most"
                f" (`runs_depth_max`); does {arguments['name']!r} start itself without end?",
            )
        found = _version(arguments, instance.namespace, directory)
        if isinstance(found, Failure):
            return found
        workflow = self._readings.of(found)
        begun = Beginning(
            namespace=instance.namespace, version=found.version, content=found.content,
            parent=instance.id, depth=depth,
        )  # fmt: skip
        try:
            wanted = self._wanted(workflow, arguments, task)
        except TypeOffError as error:
            return plain_failure(error.code, str(error))
        except InvalidError as error:
            return plain_failure("invalid_input", str(error))
        event = self._submitter.workflow(wanted, actor=_ACTOR, now_us=directory.now, at=begun)
        return event if task.traceparent is None else within(event, task.traceparent)

    def _wanted(self, workflow: Workflow, arguments: Any, task: Task) -> Workflow:
        order = Order(input=arguments.get("input"), priority=task.priority or None)
        return ordered(workflow, order).changed(self._checked)


_ENDED = {"failed": "failed", "cancelled": "was cancelled"}


def _result(child: Instance, context: Mapping[str, Any]) -> str:
    """Return what a task returns whose run has come so far, as JSON text."""
    uri = RUNS_URI + text_of(child.id)
    return dumps({"run": uri, "state": child.state, "context": context})


def _context_of(run: bytes, directory: TIPMan) -> dict[str, Any]:
    """Return what the tasks of a run have added, as its last tasks pass it on.

    What only its input says is left out, and so are the keys that are in conflict at its end.
    """
    lineage = directory.lineage
    if not lineage.writers.has_any(run):
        return {}
    policy = directory.runs.record(run).said.get("merge")
    options = "{}" if policy is None else dumps({"merge": policy})
    merged = lineage.seen_agreed(last_of(run, directory), run, options)
    return {key: entry.value for key, entry in merged.items() if entry.writers != (text_of(run),)}


def refuse_overtaken(event: Requested, run: bytes | None, directory: TIPMan) -> None:
    """See to it that nothing opens a run again after which its task has begun another.

    Whatever is above that would be opened with it is looked at too.

    Raises:
        ConflictError: there is a newer run, or there is about to be one.
    """
    while run is not None:
        ended = directory.find(run)
        if ended is None or ended.parent is None or not ended.is_settled:
            return
        caller = directory.find(ended.parent)
        charge = None if caller is None else last_charge_of(caller)
        if caller is None or charge is None or charge.child is None:
            return
        where = f"{event.wire} changes nothing: the task {URI}{text_of(caller.id)}"
        if charge.child != run:
            words = f"{where} has started a newer run, {RUNS_URI}{text_of(charge.child)}"
            raise ConflictError(f"{words}; ask that", ended.state)
        if not caller.is_settled and _is_to_begin(caller, charge):
            words = f"{where} is {caller.state} and starts another run"
            raise ConflictError(f"{words}; ask that, or cancel the task first", ended.state)
        run = caller.run if caller.is_settled else None


def _is_to_begin(caller: Instance, charge: Charge) -> bool:
    """Tell whether a task that is open begins another run than its last."""
    back = move(caller.snapshot, ResumeRequested.wire, Verdict.NONE)
    place = caller.state if back is None else back.state
    return place != "awaiting" or charge.attempt != caller.attempt


def _child_of(instance: Instance, directory: TIPMan) -> Instance | None:
    charge = charge_of(instance)
    return None if charge is None or charge.child is None else directory.find(charge.child)


def _version(arguments: Any, namespace: str, directory: TIPMan) -> WorkflowVersion | Failure:
    """Return the version of a workflow that a task is to run, or how the task fails."""
    name, version = arguments["name"], arguments.get("version")
    try:
        found = shelf.workflow_version(directory.database, namespace, name, version)
    except NotFoundError as error:
        return plain_failure("unknown_workflow", str(error))
    if found.retired_at is not None:
        return plain_failure("unknown_workflow", f"the workflow {found.pin} is retired")
    return found


def _depth(instance: Instance, directory: TIPMan) -> int:
    run = None if instance.run is None else directory.runs.find(instance.run)
    return 0 if run is None else run.depth + 1
