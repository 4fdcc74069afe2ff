"""Submissions: from validated tasks to the rows that the bus writes.

All that can be refused without the database is refused here, before an event is queued.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal

from tipman.clock import microseconds_of
from tipman.database import Row
from tipman.definitions import Stencil, Task, Workflow, resolved_tasks
from tipman.errors import CycleError, Fault, InvalidError, TypeOffError, UnknownDependencyError
from tipman.events import RunDraft, Submission, TasksSubmitted
from tipman.frontier import mark_of
from tipman.graph import find_cycle
from tipman.ids import parse
from tipman.jsontext import dumps
from tipman.run_events import TasksAdded
from tipman.settings import Settings

_OPTIONS = 6
"""Where the row of a task has its options."""
_URI = "/api/v1/tasks/"
DEFAULT_NAMESPACE = "default"

Given = Task | Mapping[str, Any]
"""A task as somebody asks for it."""
BatchFailure = Literal["skip", "block", "continue"]
"""What becomes of tasks of a batch that wait for one that failed; there is no run to fail fast."""
Keys = Mapping[str, Mapping[str, bytes]]
"""The ids of a batch by namespace and key."""
FAULTS_MAX = 100
"""So many tasks with faults are named; the rest of the batch is not read."""


def check_type(name: str, types_off: Sequence[str]) -> None:
    """Refuse a task type that is switched off.

    Raises:
        TypeOffError: it is one of *types_off*.
    """
    if name in types_off:
        detail = f"`{name}` tasks are switched off on this engine (`types_off`)"
        raise TypeOffError(detail, (Fault("/type", detail),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """How a run begins, besides what it is a run of.

    `version` and `content` are those of a registered workflow. `parent` is the task that starts
    it, `depth` how many runs it lies within, `origin` the run it is forked from. `schedule` is the
    one that it is of, `slot` when it was due, in µs, and the numbers of backfill and trigger.
    """

    namespace: str = DEFAULT_NAMESPACE
    key: str | None = None
    version: int | None = None
    content: str | None = None
    parent: bytes | None = None
    depth: int = 0
    origin: bytes | None = None
    schedule: bytes | None = None
    slot: tuple[int, int, int] | None = None


class Submitter:
    """Builds the events that hand tasks in; *new_id* makes the ids of instances."""

    def __init__(self, new_id: Callable[[], bytes]) -> None:
        self.new_id = new_id

    def call(
        self, template: Task, arguments: Mapping[str, object], *, actor: str
    ) -> TasksSubmitted:
        """Return the event for one call of a registered task, *template* being the rest of it."""
        submission = self._call(template, arguments)
        return TasksSubmitted(submission.instance, (submission,), actor)

    def calls(
        self, template: Task, arguments: Iterable[Mapping[str, object]], *, actor: str
    ) -> TasksSubmitted:
        """Return the event for many calls of one registered task.

        Raises:
            InvalidError: there are none, or one's arguments are not JSON.
        """
        submissions = tuple([self._call(template, each) for each in arguments])
        if not submissions:
            raise _empty()
        return TasksSubmitted(submissions[0].instance, submissions, actor)

    def _call(self, template: Task, arguments: Mapping[str, object]) -> Submission:
        text = dumps(arguments)
        identifier = self.new_id()
        row = _row(template, identifier, text)
        return Submission(identifier, template, row, _resolved(template, {}))

    def batch(self, tasks: Sequence[Task], *, actor: str) -> TasksSubmitted:
        """Return the event for a batch: dependencies are its keys first, then what exists.

        Raises:
            InvalidError: no tasks, or a key that stands twice.
            CycleError: tasks of the batch wait for one another.
        """
        if not tasks:
            raise _empty()
        ids = [self.new_id() for _ in tasks]
        keys = _keys(tasks, ids)
        resolved = [_resolved(task, keys) for task in tasks]
        _refuse_cycles(tasks, ids, resolved)
        return self._event(tasks, ids, resolved, actor)

    def workflow(
        self, workflow: Workflow, *, actor: str, now_us: int, at: "Beginning | None" = None
    ) -> TasksSubmitted:
        """Return the event for a run of a workflow, whose dependencies are names.

        Its tasks get what the workflow says of all of them, and live where the run does.

        Raises:
            UnknownDependencyError: a name that no task has.
        """
        begun = at or Beginning()
        run_id = self.new_id()
        said = settings_of(workflow, begun.slot)
        row = (
            run_id, workflow.name, begun.content or content_of(workflow), dumps(workflow.input),
            now_us, begun.version, said, begun.parent, begun.depth, begun.origin,
        )  # fmt: skip
        tasks = [_placed(task, begun.namespace) for task in resolved_tasks(workflow)]
        ids = [self.new_id() for _ in tasks]
        names = {task.name: identifier for task, identifier in zip(tasks, ids, strict=True)}
        resolved = [
            tuple(_named(name, names, position) for name in task.dependencies)
            for position, task in enumerate(tasks)
        ]
        run = RunDraft(begun.namespace, begun.key, row, begun.schedule)
        return self._event(tasks, ids, resolved, actor, run)

    def addition(self, run: bytes, tasks: Sequence[Task], *, actor: str) -> TasksAdded:
        """Return the event that adds tasks to a run.

        Dependencies are names of the list first, else of the run, which the bus knows.
        """
        ids = [self.new_id() for _ in tasks]
        names = {task.name: identifier for task, identifier in zip(tasks, ids, strict=True)}
        found = [tuple(names.get(name, name) for name in task.dependencies) for task in tasks]
        return TasksAdded(run, tuple(map(_submission, tasks, ids, found)), actor)

    @staticmethod
    def _event(
        tasks: Sequence[Task],
        ids: Sequence[bytes],
        dependencies: Sequence[tuple[bytes | str, ...]],
        actor: str,
        run: RunDraft | None = None,
    ) -> TasksSubmitted:
        submissions = tuple(map(_submission, tasks, ids, dependencies))
        return TasksSubmitted(ids[0], submissions, actor, run)


def checked_batch(
    tasks: Sequence[Given], check: Callable[[Given, Stencil], Task], settings: Settings
) -> list[Task]:
    """Return the tasks of a batch, each as *check* returns it.

    Raises:
        InvalidError: there are too many, or some are refused; pointers start with `/tasks`.
    """
    if len(tasks) > settings.tasks_max:
        detail = f"more than {settings.tasks_max:,} tasks"
        raise InvalidError(detail, (Fault("/tasks", detail),))
    checked: list[Task] = []
    errors: dict[int, InvalidError] = {}
    stencil = Stencil(settings)
    for at, task in enumerate(tasks):
        try:
            checked.append(check(task, stencil))
        except InvalidError as error:
            errors[at] = error
            if len(errors) >= FAULTS_MAX:
                break
    if errors:
        raise refusal_of_batch(errors)
    return checked


def refusal_of_batch(errors: Mapping[int, InvalidError]) -> InvalidError:
    """Return what is wrong with the tasks of a batch as one error, of their kind if they share it.

    *errors* are by the positions of the tasks.
    """
    faults = tuple(
        Fault(f"/tasks/{at}{pointer}", detail)
        for at, error in errors.items()
        for pointer, detail in error.faults or (Fault("", str(error)),)
    )
    kinds = {type(error) for error in errors.values()}
    kind = kinds.pop() if len(kinds) == 1 else InvalidError
    return kind("; ".join(f"{pointer}: {detail}" for pointer, detail in faults), faults)


def within(event: TasksSubmitted, traceparent: str) -> TasksSubmitted:
    """Return the same submission, made within this span of W3C Trace Context."""
    submissions = []
    for each in event.submissions:
        task = each.task.with_traceparent(traceparent)
        row = (*each.row[:_OPTIONS], task.options, *each.row[_OPTIONS + 1 :])
        submissions.append(each._replace(task=task, row=row))
    return replace(event, submissions=tuple(submissions))


def content_of(workflow: Workflow) -> str:
    """Return a hash of what decides how a run goes: its tasks, its rules and its input.

    How the file was written does not count, nor do its name and its slots.
    """
    digest = sha256(dumps(workflow.input).encode())
    for task in resolved_tasks(workflow):
        parts = (task.name, task.type, task.arguments, task.dependencies, task.options)
        digest.update(dumps(parts).encode())
    said = {name: value for name, value in _said_of(workflow).items() if name != "slots"}
    digest.update(dumps(said).encode())
    return digest.hexdigest()


def settings_of(workflow: Workflow, slot: Sequence[int] | None = None) -> str:
    """Return as JSON text what a workflow says of its runs and not of their tasks, if not default.

    Of `on_failure` and `merge`, which the tasks have in their own options as well, too: for tasks
    that are added later. Hooks are as `Task.packed` writes them, *slot* as `Beginning` has it.
    """
    said = _said_of(workflow)
    return dumps(said if slot is None else {**said, "slot": slot})


def _said_of(workflow: Workflow) -> dict[str, object]:
    said: dict[str, object] = {
        name: value for name in _SAID if (value := getattr(workflow, name)) != _UNSAID[name]
    }
    if workflow.due_at is not None:
        said["due_at"] = microseconds_of(workflow.due_at)
    if workflow.hooks:
        said["hooks"] = {name: hook.packed for name, hook in workflow.hooks.items()}
    return said


_SAID = ("on_failure", "merge", "slots", "timeout_s", "priority")
_UNSAID = {
    name: Workflow.model_fields[name].get_default(call_default_factory=True) for name in _SAID
}


def _placed(task: Task, namespace: str) -> Task:
    return task if task.namespace == namespace else task.beside(namespace=namespace)


def _submission(
    task: Task, identifier: bytes, dependencies: tuple[bytes | str, ...]
) -> Submission:
    row = _row(task, identifier, task.arguments_text)
    return Submission(identifier, task, row, dependencies)


def _row(task: Task, identifier: bytes, arguments: str) -> Row:
    return (
        identifier,
        task.type,
        task.queue,
        task.priority,
        mark_of(task.namespace, task.exclusive),
        arguments,
        task.options,
    )


def submission_of(
    task: Task, identifier: bytes, dependencies: tuple[bytes | str, ...] = ()
) -> Submission:
    """Return a task that is ready to be written down, under this id."""
    return _submission(task, identifier, dependencies)


def _empty() -> InvalidError:
    return InvalidError("a batch needs at least one task", (Fault("/tasks", "is empty"),))


def _resolved(task: Task, keys: Keys) -> tuple[bytes | str, ...]:
    """Return the ids that dependencies name, or the keys that the database must know."""
    if not task.dependencies:
        return ()
    known = keys.get(task.namespace, {})
    return tuple([known.get(name) or _elsewhere(name) for name in task.dependencies])


def _elsewhere(reference: str) -> bytes | str:
    return parse(reference.removeprefix(_URI)) or reference


def _named(name: str, ids: Mapping[str, bytes], position: int) -> bytes:
    identifier = ids.get(name)
    if identifier is None:
        detail = f"unknown dependency {name!r}"
        fault = Fault(f"/tasks/{position}/dependencies", detail)
        raise UnknownDependencyError(detail, (fault,))
    return identifier


def _keys(tasks: Sequence[Task], ids: Sequence[bytes]) -> Keys:
    keys: dict[str, dict[str, bytes]] = {}
    for position, (task, identifier) in enumerate(zip(tasks, ids, strict=True)):
        if task.key is None:
            continue
        there = keys.setdefault(task.namespace, {})
        if task.key in there:
            detail = f"the key {task.key!r} stands twice in the batch"
            raise InvalidError(detail, (Fault(f"/tasks/{position}/key", detail),))
        there[task.key] = identifier
    return keys


def _refuse_cycles(
    tasks: Sequence[Task],
    ids: Sequence[bytes | str],
    dependencies: Sequence[tuple[bytes | str, ...]],
) -> None:
    cycle = find_cycle(dict(zip(ids, dependencies, strict=True)))
    if cycle is not None:
        places = [ids.index(each) for each in (*cycle, cycle[0])]
        detail = "tasks wait for one another: " + " -> ".join(str(tasks[at].key) for at in places)
        raise CycleError(detail, (Fault(f"/tasks/{places[0]}/dependencies", detail),))
