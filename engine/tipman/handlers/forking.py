"""Handlers of forks: another run of the same, in which finished work is taken over.

What succeeded in the old run, and lies neither at the task the fork begins from nor below it, has
succeeded in the new one from the start: with its result and what it passed on, without an attempt.
Of a map that did not succeed, and lies elsewhere too, that holds for the items which did.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from tipman.definitions import Task, task_from_row
from tipman.effects import Effect
from tipman.errors import Fault, InvalidError, NotFoundError
from tipman.events import RunDraft, Submission
from tipman.handlers.charges import NEVER, Charge
from tipman.handlers.contexts import note_added
from tipman.handlers.inheritance import Legacy, known_ids, take_over
from tipman.handlers.nodes import Nodes, nodes_of
from tipman.handlers.running import Running, refuse_taken_run
from tipman.handlers.steps import Steps
from tipman.handlers.submitting import Submitting
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.jsontext import dumps
from tipman.lineage import ADDING
from tipman.run_events import RunForked
from tipman.spelling import hint
from tipman.tipman import TIPMan

_TASKS = (
    "SELECT t.id, t.type, t.queue, t.priority, t.exclusive, t.arguments, t.options, i.name"
    " FROM task AS t JOIN instance AS i ON i.id = t.id"
    " WHERE i.run = ? AND i.parent IS NULL ORDER BY t.id"
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Copy:
    """A task of the new run, and the one it is a copy of."""

    old: bytes
    submission: Submission
    is_taken: bool


class Forking:
    """Makes a run of another run."""

    def __init__(
        self,
        steps: Steps,
        runs: Running,
        submitting: Submitting,
        new_id: Callable[[], bytes],
    ) -> None:
        self._steps = steps
        self._runs = runs
        self._submitting = submitting
        self.new_id = new_id

    def forked(self, event: RunForked, directory: TIPMan) -> list[Effect]:
        """Stage a new run, its tasks taken over or to be done again."""
        origin = directory.find(event.origin)
        if origin is None or origin.kind != "run":
            raise NotFoundError(f"no run at /api/v1/runs/{text_of(event.origin)}")
        nodes = nodes_of(origin.id, directory)
        again = _done_again(event, nodes)
        draft = self._draft(event, origin, directory)
        refuse_taken_run(draft, directory)
        copies = self._copies(origin, nodes, again, directory)
        results = directory.results_of(directory.load(c.old) for c in copies if c.is_taken)
        # Only what is to be done counts for the quota.
        directory.registry.admit(tuple(c.submission for c in copies if not c.is_taken))
        self._runs.submitted(draft, len(copies), event.actor, directory)
        taken, place = [copy for copy in copies if copy.is_taken], (event.instance, None)
        for copy in taken:
            result = dumps(results[copy.submission.task.name])
            legacy = Legacy(copy.old, result)
            take_over(self._steps, copy.submission, place, legacy, event.actor, directory)
        for copy in taken:
            for need in known_ids(copy.submission):
                # Nobody is told that it has settled, as all of them have.
                directory.load(need).dependents += 1
        ids = {text_of(copy.old): text_of(copy.submission.instance) for copy in copies}
        self._pass_on(taken, ids, results, directory)
        rest = [copy.submission for copy in copies if not copy.is_taken]
        edges = {each.instance: known_ids(each) for each in rest}
        self._submitting.placed(rest, edges, place, event.actor, directory)
        for copy in copies:
            task: Task = copy.submission.task
            if task.type == "map" and not copy.is_taken and task.name not in again:
                begun = directory.load(copy.submission.instance)
                begun.early = Charge(NEVER, origin=copy.old).text
        return []

    @staticmethod
    def _draft(event: RunForked, origin: Instance, directory: TIPMan) -> RunDraft:
        record = directory.runs.record(origin.id)
        # With another input it is another run to whoever looks for one like it.
        content = sha256(f"{record.content}{event.given}".encode()).hexdigest()
        is_same = json.loads(event.given) == record.given
        row = (
            event.instance, record.name, record.content if is_same else content, event.given,
            directory.now, record.version, record.settings, None, 0, origin.id,
        )  # fmt: skip
        return RunDraft(origin.namespace, event.key, row)

    def _copies(
        self, origin: Instance, nodes: Nodes, again: set[str], directory: TIPMan
    ) -> list[Copy]:
        rows = {bytes(row[0]): row[1:] for row in directory.database.fetch(_TASKS, (origin.id,))}
        staged = {row[0]: row[1:] for row in directory.staged_tasks()}
        ids = {name: self.new_id() for name in nodes.ids}
        copies = []
        for name, old in nodes.ids.items():
            type_, queue, priority, mark, arguments, options = (rows.get(old) or staged[old])[:6]
            if old in directory.options:
                options = directory.options[old]
            task = task_from_row(type_, arguments, options, name, None, origin.namespace)
            row = (ids[name], type_, queue, priority, mark, arguments, options)
            needs = tuple(ids[each] for each in nodes.dependencies[name])
            is_taken = nodes.states[name] == "succeeded" and name not in again
            copies.append(Copy(old, Submission(ids[name], task, row, needs), is_taken))
        return copies

    @staticmethod
    def _pass_on(
        taken: Sequence[Copy],
        ids: Mapping[str, str],
        results: Mapping[str, object],
        directory: TIPMan,
    ) -> None:
        """Let tasks that were taken over pass on what they did in the old run."""
        texts = directory.runs.contexts_of([copy.old for copy in taken])
        for copy in taken:
            instance = directory.load(copy.submission.instance)
            task: Task = copy.submission.task
            kept = texts.get(copy.old)
            if kept is not None:
                # What it saw names the tasks that wrote it.
                kept = _UUID.sub(lambda found: ids.get(found[0], found[0]), kept)
                directory.runs.keep_context(instance.id, kept)
            if task.type in ADDING:
                note_added(instance, task, dumps(results[task.name]), directory)
            elif kept is not None and (added := json.loads(kept).get("added")) is not None:
                note_added(instance, task, dumps(added), directory)


def _done_again(event: RunForked, nodes: Nodes) -> set[str]:
    """Return what is done again whatever became of it: all at or below where the fork begins.

    Raises:
        InvalidError: the run has no such task.
    """
    if event.from_task is None:
        return set(nodes.ids)
    if event.from_task not in nodes.ids:
        detail = f"no task {event.from_task!r} in this run{hint(event.from_task, nodes.ids)}"
        raise InvalidError(detail, (Fault("/from_task", detail),))
    return nodes.below([event.from_task])
