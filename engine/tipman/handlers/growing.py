"""Handlers of growth: tasks, and dependencies between tasks, that are added to a run that is open.

All of an event is added or nothing of it, and no dependency closes a circle: both are weighed
within the transaction, by what the run is then.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence

from tipman.charts import SETTLED, UNSUCCESSFUL, Move, move, move_run
from tipman.effects import Effect
from tipman.errors import (
    ConflictError,
    CycleError,
    Fault,
    InvalidError,
    NotFoundError,
    UnknownDependencyError,
)
from tipman.graph import find_cycle
from tipman.handlers.admission import Admission, admission
from tipman.handlers.nodes import Nodes, ids_of, nodes_of
from tipman.handlers.run_requests import place_of
from tipman.handlers.running import take_step
from tipman.handlers.steps import Steps, must_move
from tipman.handlers.submitting import Submitting
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.jsontext import dumps
from tipman.outlines import Verdict
from tipman.run_events import DependenciesAdded, HoldRequested, TasksAdded
from tipman.spelling import hint
from tipman.tipman import TIPMan

_NOT_BEGUN = frozenset({"waiting", "blocked", "delayed", "queued"})
_HINDRANCES = frozenset({Verdict.WAIT, Verdict.SKIP, Verdict.BLOCK})
_NAMES_MAX = 100
"""Names of new tasks that a log line has at most."""


class Growing:
    """Adds to runs, or says why it can not be."""

    def __init__(self, steps: Steps, submitting: Submitting) -> None:
        self._steps = steps
        self._submitting = submitting

    def tasks_added(self, event: TasksAdded, directory: TIPMan) -> list[Effect]:
        """Stage new tasks of a run, each as far as its dependencies let it go."""
        run, step = _growing(event, directory)
        record = directory.runs.record(run.id)
        most = self._steps.settings.tasks_max
        if record.open + record.ended.total() + len(event.submissions) > most:
            detail = f"more than {most:,} tasks in one run"
            raise InvalidError(detail, (Fault("/tasks", detail),))
        known = _known(event, directory)
        edges = {
            each.instance: [d if isinstance(d, bytes) else known[d] for d in each.dependencies]
            for each in event.submissions
        }
        directory.registry.admit(event.submissions)
        record.count("waiting", len(event.submissions))
        names = [each.task.name for each in event.submissions]
        data = {"verdict": "", "tasks": names[:_NAMES_MAX], "count": len(names)}
        take_step(run, step, event.wire, dumps(data), directory, event.actor)
        self._submitting.placed(event.submissions, edges, (run.id, None), event.actor, directory)
        if record.is_suspended:
            directory.raised += (
                HoldRequested(each.instance, event.actor, None, run.id)
                for each in event.submissions
            )
        return []

    def dependencies_added(self, event: DependenciesAdded, directory: TIPMan) -> list[Effect]:
        """Stage new edges; one to a task that has settled counts at once."""
        run, step = _growing(event, directory)
        nodes = nodes_of(run.id, directory)
        added = _added(event.edges, nodes)
        tasks = {name: _not_begun(name, nodes, directory) for name in added}
        settled = {
            name: directory.load(nodes.ids[name]) for names in added.values() for name in names
        }
        plans = [(tasks[name], [settled[each] for each in names]) for name, names in added.items()]
        moves = [self._weighed(task, needs, directory) for task, needs in plans]
        orderly = {
            (nodes.ids[task], nodes.ids[dependency])
            for task, dependency, carry in event.edges
            if carry == "order"
        }
        data = {"verdict": "", "count": len(event.edges)}
        take_step(run, step, event.wire, dumps(data), directory, event.actor)
        for (task, needs), (weighed, moved) in zip(plans, moves, strict=True):
            told = _let_order(task, needs, orderly, directory)
            noted = weighed._replace(data=weighed.data + told)
            self._attach(task, needs, noted, moved, event.actor, directory)
        return []

    @staticmethod
    def _weighed(
        task: Instance, needs: Sequence[Instance], directory: TIPMan
    ) -> tuple[Admission, Move]:
        everything = [*directory.edges.dependencies_of(task), *(each.id for each in needs)]
        counts = _counts(task, needs)
        weighed = admission(task, directory.task_of(task), directory, everything, counts=counts)
        if (
            task.state == "suspended"
            or (task.state == "waiting" and weighed.verdict is Verdict.WAIT)
            or (task.state in {"queued", "delayed"} and weighed.verdict not in _HINDRANCES)
        ):
            weighed = Admission(Verdict.NONE)
        return weighed, must_move(task, "dependencies.added", weighed.verdict)

    def _attach(
        self,
        task: Instance,
        needs: Sequence[Instance],
        weighed: Admission,
        step: Move,
        actor: str,
        directory: TIPMan,
    ) -> None:
        task.dependencies_remaining, task.dependencies_unmet = _counts(task, needs)
        directory.edges.extend(task, [each.id for each in needs])
        for each in needs:
            each.dependents += 1
            directory.touch(each)
        if step.state != task.state:
            task.cause, task.reason = weighed.cause, weighed.reason
        names = [text_of(each.id) for each in needs]
        data = f'{{"verdict":"{weighed.verdict}","dependencies":{dumps(names)}{weighed.data}}}'
        self._steps.advance(directory, task, step, "dependencies.added", data, actor)


def _growing(event: TasksAdded | DependenciesAdded, directory: TIPMan) -> tuple[Instance, Move]:
    """Return a run that takes more, and the step that it takes."""
    run = directory.load(event.instance)
    if run.kind != "run":
        raise NotFoundError(f"no run at /api/v1/runs/{text_of(event.instance)}")
    step = move_run(run.snapshot, event.wire, Verdict.NONE)
    if step is None or place_of(run).startswith(("undoing", "closing")):
        place = "" if run.is_settled else f" ({place_of(run).partition('_')[0]})"
        words = f"the run {text_of(run.id)} takes no more tasks: it is {run.state}{place}"
        raise ConflictError(words, run.state)
    return run, step


def _known(event: TasksAdded, directory: TIPMan) -> Mapping[str, bytes]:
    """Return the ids of a run's tasks that new ones wait for, by name; refuse names it has.

    Raises:
        InvalidError: a new task has the name of one that is there.
        UnknownDependencyError: one waits for what the run has not.
    """
    wanted = {each.task.name for each in event.submissions}
    for each in event.submissions:
        wanted.update(name for name in each.dependencies if isinstance(name, str))
    ids = ids_of(event.instance, wanted, directory)
    taken = [
        Fault(f"/tasks/{at}/name", f"the run has a task {each.task.name!r} already")
        for at, each in enumerate(event.submissions)
        if each.task.name in ids
    ]
    if taken:
        raise InvalidError("; ".join(fault.detail for fault in taken), tuple(taken))
    unknown = [
        (f"/tasks/{at}/dependencies/{index}", name)
        for at, each in enumerate(event.submissions)
        for index, name in enumerate(each.dependencies)
        if isinstance(name, str) and name not in ids
    ]
    if unknown:
        there = nodes_of(event.instance, directory).ids
        faults = [Fault(at, f"no task {n!r} in this run{hint(n, there)}") for at, n in unknown]
        words = "; ".join(fault.detail for fault in faults)
        raise UnknownDependencyError(words, tuple(faults))
    return ids


def _let_order(
    task: Instance,
    needs: Sequence[Instance],
    orderly: Container[tuple[bytes, bytes]],
    directory: TIPMan,
) -> str:
    """Stage which of new dependencies carry order only, before they are staged themselves.

    Returns the text of a member for the log line.
    """
    first = len(directory.edges.dependencies_of(task))
    places = [at for at, each in enumerate(needs, first) if (task.id, each.id) in orderly]
    if not places:
        return ""
    known = directory.task_of(task)
    directory.give_options(task, known.beside(order_only=(*known.order_only, *places)))
    return f',"order":{dumps([text_of(needs[at - first].id) for at in places])}'


def _added(edges: Iterable[tuple[str, str, str]], nodes: Nodes) -> Mapping[str, list[str]]:
    """Return who is to wait for whom besides, by names, each task once.

    Raises:
        UnknownDependencyError: a name that the run has not.
        InvalidError: an edge is there already, or given twice.
        CycleError: tasks would wait for one another.
    """
    added: dict[str, list[str]] = defaultdict(list)
    for task, dependency, _ in edges:
        for name in (task, dependency):
            if name not in nodes.ids:
                detail = f"no task {name!r} in this run{hint(name, nodes.ids)}"
                raise UnknownDependencyError(detail, (Fault("/dependencies", detail),))
        if dependency in (*nodes.dependencies[task], *added[task]):
            detail = f"{task!r} depends on {dependency!r} already"
            raise InvalidError(detail, (Fault("/dependencies", detail),))
        added[task].append(dependency)
    graph = {name: [*needs, *added.get(name, ())] for name, needs in nodes.dependencies.items()}
    cycle = find_cycle(graph)
    if cycle is not None:
        detail = "tasks would wait for one another: " + " -> ".join((*cycle, cycle[0]))
        raise CycleError(detail, (Fault("/dependencies", detail),))
    return added


def _not_begun(name: str, nodes: Nodes, directory: TIPMan) -> Instance:
    """Return a task that can still wait.

    Raises:
        ConflictError: it has begun, or has ended.
    """
    task = directory.load(nodes.ids[name])
    state = task.state
    if state == "suspended":
        back = move(task.snapshot, "resume.requested", Verdict.NONE)
        state = state if back is None else back.state
    if state not in _NOT_BEGUN:
        verb = "has ended" if task.is_settled else "has begun"
        raise ConflictError(f"the task {name!r} {verb}: it is {task.state}", task.state)
    return task


def _counts(task: Instance, needs: Sequence[Instance]) -> tuple[int, int]:
    """Return how many dependencies are open, and how many unmet, with the new ones."""
    still_open = sum(each.state not in SETTLED for each in needs)
    unmet = sum(each.state in UNSUCCESSFUL for each in needs)
    return task.dependencies_remaining + still_open, task.dependencies_unmet + unmet
