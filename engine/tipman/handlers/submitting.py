"""Handlers of what is submitted."""

from collections.abc import Mapping, Sequence

from tipman.charts import INITIAL, UNSUCCESSFUL
from tipman.database import Row
from tipman.definitions import Task
from tipman.effects import Effect
from tipman.errors import Fault, KeyExistsError, UnknownDependencyError
from tipman.events import Submission, TasksSubmitted
from tipman.handlers.admission import admission
from tipman.handlers.contexts import keep_what_was_seen
from tipman.handlers.running import Running, refuse_taken_run
from tipman.handlers.steps import Steps, must_move, undelayed
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.outlines import Verdict
from tipman.schedules.records import OpenRun
from tipman.tipman import TIPMan

Drafts = Mapping[bytes, Instance]
Edges = Mapping[bytes, list[bytes]]
Keys = Mapping[tuple[str, str], bytes]


class Submitting:
    """Writes down tasks, all of an event or none."""

    def __init__(self, steps: Steps, runs: Running) -> None:
        self._steps = steps
        self._runs = runs

    def tasks_submitted(self, event: TasksSubmitted, directory: TIPMan) -> list[Effect]:
        """Stage new instances; each goes as far as its dependencies let it."""
        drafts: dict[bytes, Instance] = {}
        edges: dict[bytes, list[bytes]] = {}
        run = None if event.run is None else event.run.row[0]
        known = _known_keys(event.submissions, directory)
        if event.run is not None:
            refuse_taken_run(event.run, directory)
        for position, submission in enumerate(event.submissions):
            if known:
                _refuse_taken_key(submission, known)
            draft = Instance(
                submission.instance, submission.task, submission.arguments, directory.now, INITIAL
            )
            draft.run = run
            drafts[draft.id] = draft
            if submission.dependencies:
                edges[draft.id] = _resolve(submission, position, known)
        outside = _count_dependencies(drafts, edges, directory) if edges else []
        directory.registry.admit(event.submissions)
        if event.run is not None:
            self._runs.submitted(event.run, len(drafts), event.actor, directory)
        for submission, draft in zip(event.submissions, drafts.values(), strict=True):
            # All are there before the first takes a step, which may settle it and tell others.
            directory.add(draft, submission.row, edges.get(draft.id, []))
        for draft, task in zip(drafts.values(), (s.task for s in event.submissions), strict=True):
            self._admit(draft, task, edges, event.actor, directory)
        for dependency in outside:
            dependency.dependents += 1
            directory.touch(dependency)
        return []

    def attached(
        self, submissions: Sequence[Submission], parent: Instance, directory: TIPMan
    ) -> None:
        """Stage tasks that belong to a run and of which it is told; no quota keeps them out.

        What they wait for are tasks of the run, or of the same submission.
        """
        edges = {
            each.instance: [known for known in each.dependencies if isinstance(known, bytes)]
            for each in submissions
        }
        for each in submissions:
            directory.registry.opened(each.task.namespace)
        self.placed(submissions, edges, (parent.id, parent.id), "engine", directory)

    def placed(
        self,
        submissions: Sequence[Submission],
        edges: Edges,
        place: tuple[bytes, bytes | None],
        actor: str,
        directory: TIPMan,
    ) -> None:
        """Stage tasks of a run that is there, which are admitted; *place* is run and parent."""
        drafts: dict[bytes, Instance] = {}
        for each in submissions:
            draft = Instance(each.instance, each.task, each.arguments, directory.now, INITIAL)
            draft.run, draft.parent = place
            drafts[draft.id] = draft
        outside = _count_dependencies(drafts, edges, directory)
        for each, draft in zip(submissions, drafts.values(), strict=True):
            directory.add(draft, each.row, edges[draft.id])
        for each, draft in zip(submissions, drafts.values(), strict=True):
            self._admit(draft, each.task, edges, actor, directory)
        for dependency in outside:
            dependency.dependents += 1
            directory.touch(dependency)

    def _admit(
        self, draft: Instance, task: Task, edges: Edges, actor: str, directory: TIPMan
    ) -> None:
        weighed = admission(draft, task, directory, edges.get(draft.id, ()))
        step = must_move(draft, TasksSubmitted.wire, weighed.verdict)
        draft.cause, draft.reason = weighed.cause, weighed.reason
        if draft.dependencies_remaining and weighed.verdict is not Verdict.WAIT:
            keep_what_was_seen(draft, directory)
        data = f'{{"verdict":"{weighed.verdict!s}"{weighed.data}}}'
        self._steps.advance(directory, draft, step, TasksSubmitted.wire, data, actor)

    def slot_submitted(
        self, task: Task, row: Row, schedule: bytes, slot: OpenRun, directory: TIPMan
    ) -> None:
        """Stage a run of a schedule that counts as admitted; it may wait for its turn."""
        identifier, arguments = row[0], row[-2]
        draft = Instance(identifier, task, arguments, directory.now, INITIAL)
        draft.schedule, draft.slot = schedule, (slot.due_at, slot.backfill, slot.manual)
        draft.dependencies_remaining = int(slot.held)
        # Its turn is what it waits for, so no rule is asked.
        verdict = Verdict.WAIT if slot.held else undelayed(task, directory.now)
        step = must_move(draft, TasksSubmitted.wire, verdict)
        directory.add(draft, row, [])
        data = f'{{"verdict":"{verdict!s}"}}'
        self._steps.advance(directory, draft, step, TasksSubmitted.wire, data, "schedule")


def _known_keys(submissions: tuple[Submission, ...], directory: TIPMan) -> Keys:
    """Find all keys that are asked for or referred to, at once; none costs nothing."""
    wanted = [
        (s.task.namespace, key)
        for s in submissions
        for key in (s.task.key, *s.dependencies)
        if isinstance(key, str)
    ]
    return directory.find_keys(wanted) if wanted else {}


def _refuse_taken_key(submission: Submission, known: Keys) -> None:
    task = submission.task
    holder = known.get((task.namespace, task.key))
    if holder is not None:
        uri = f"/api/v1/tasks/{text_of(holder)}"
        raise KeyExistsError(f"the key {task.key!r} belongs to {uri}", uri)


def _resolve(submission: Submission, position: int, known: Keys) -> list[bytes]:
    found = []
    for index, reference in enumerate(submission.dependencies):
        identifier = (
            reference
            if isinstance(reference, bytes)
            else known.get((submission.task.namespace, reference))
        )
        if identifier is None:
            raise _unknown(str(reference), f"/tasks/{position}/dependencies/{index}")
        found.append(identifier)
    return found


def _unknown(reference: str, pointer: str) -> UnknownDependencyError:
    detail = f"unknown dependency {reference!r}"
    return UnknownDependencyError(detail, (Fault(pointer, detail),))


def _count_dependencies(drafts: Drafts, edges: Edges, directory: TIPMan) -> list[Instance]:
    """Count what each draft waits for; return the others that are waited for, once an edge."""
    directory.prefetch(d for targets in edges.values() for d in targets if d not in drafts)
    outside = []
    positions = {identifier: position for position, identifier in enumerate(drafts)}
    for waiting, targets in edges.items():
        draft = drafts[waiting]
        for index, identifier in enumerate(targets):
            dependency = drafts.get(identifier)
            if dependency is not None:
                dependency.dependents += 1
                draft.dependencies_remaining += 1
                continue
            dependency = directory.find(identifier)
            if (
                dependency is None
                or dependency.namespace != draft.namespace
                or dependency.kind != "task"
            ):
                pointer = f"/tasks/{positions[waiting]}/dependencies/{index}"
                raise _unknown(text_of(identifier), pointer)
            outside.append(dependency)
            draft.dependencies_remaining += not dependency.is_settled
            draft.dependencies_unmet += dependency.state in UNSUCCESSFUL
    return outside
