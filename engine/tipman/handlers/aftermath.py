"""Handlers of what follows when the last node of a run has settled: undoing, closing, its end.

The tasks that undo and the hooks are submitted in the transaction of the step that asks for them,
so they come once for each opening of the run whatever happens to the engine. The outcome is
decided before, and they do not change it.
"""

from collections.abc import Callable, Sequence

from tipman.charts import SETTLED, move_run
from tipman.definitions import Task, unpacked
from tipman.effects import Effect
from tipman.errors import TipmanError
from tipman.events import CancelRequested, RunDrained, RunReopened, Submission
from tipman.handlers.run_requests import place_of, tell
from tipman.handlers.running import arm, reopen, take_step
from tipman.handlers.submitting import Submitting
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.outlines import Verdict
from tipman.run_events import AftermathReopened, AftermathSettled
from tipman.runs.records import Record
from tipman.submission import submission_of
from tipman.tipman import TIPMan

_TO_UNDO = (
    "SELECT i.id FROM instance AS i JOIN task AS t ON t.id = i.id WHERE i.run = ?"
    " AND i.parent IS NULL AND i.state = 'succeeded' AND t.options LIKE ?"
)
_SAYS_HOW = '%"compensate":%'
_UNDOING = (
    "SELECT c.id, c.state, e.dependency FROM instance AS c JOIN dependency AS e"
    " ON e.dependent = c.id AND e.position = 0 WHERE c.parent = ?"
)
_IDLE = frozenset({"waiting", "blocked", "delayed", "queued", "backing_off", "suspended"})


class Aftermath:
    """Ends runs, in the order that CONTRACT says."""

    def __init__(self, submitting: Submitting, new_id: Callable[[], bytes]) -> None:
        self._submitting = submitting
        self.new_id = new_id

    def drained(self, event: RunDrained, directory: TIPMan) -> list[Effect]:
        """Undo and close a run, or end it, if nothing of it is open and nobody holds it."""
        run = directory.find(event.instance)
        if run is None or directory.runs.record(run.id).open:
            return []
        record = directory.runs.record(run.id)
        outcome = _outcome(run, record)
        if move_run(run.snapshot, event.wire, Verdict(outcome)) is None:
            return []
        submissions: Sequence[Submission] = ()
        verdict, is_undoing = Verdict(outcome), False
        if outcome != "succeeded":
            submissions, is_undoing = self._compensations(run, directory)
        if is_undoing:
            verdict = Verdict(f"undo_{outcome}")
        else:
            submissions = self._hooks(run, record, outcome)
            if submissions or record.aftermath:
                verdict = Verdict(f"close_{outcome}")
        self._go_on(run, event.wire, verdict, submissions, directory)
        return []

    def settled(self, event: AftermathSettled, directory: TIPMan) -> list[Effect]:
        """Close a run that is undone, end one that is closed."""
        run = directory.find(event.instance)
        if run is None or directory.runs.record(run.id).aftermath:
            return []
        phase, _, outcome = run.configuration.partition("_")
        if phase == "closing":
            self._go_on(run, "run.closed", Verdict.NONE, (), directory)
        elif phase == "undoing":
            hooks = self._hooks(run, directory.runs.record(run.id), outcome)
            verdict = Verdict(f"close_{outcome}") if hooks else Verdict.NONE
            self._go_on(run, "run.undone", verdict, hooks, directory)
        return []

    def reopened(self, event: RunReopened, directory: TIPMan) -> list[Effect]:
        """Go on: something of it is tried again that had ended, or was about to."""
        run = directory.find(event.instance)
        if run is None:
            return []
        is_held = run.configuration == "suspended"
        if is_held and not place_of(run).startswith(("undoing", "closing")):
            return []
        step = move_run(run.snapshot, event.wire, Verdict.NONE)
        if step is not None:
            call_off(run, directory)
            reopen(run, directory)
            arm(run, directory)
            take_step(run, step, event.wire, None, directory)
        return []

    def again(self, event: AftermathReopened, directory: TIPMan) -> list[Effect]:
        """Be open as long as a hook or a compensation is tried again; the outcome stays."""
        run = directory.find(event.instance)
        if run is None or not run.is_settled:
            return []
        verdict = Verdict(f"close_{run.state}")
        step = move_run(run.snapshot, event.wire, verdict)
        if step is not None:
            reason = run.reason
            reopen(run, directory)
            run.reason = reason
            take_step(run, step, event.wire, f'{{"verdict":"{verdict}"}}', directory)
        return []

    def _go_on(
        self,
        run: Instance,
        name: str,
        verdict: Verdict,
        submissions: Sequence[Submission],
        directory: TIPMan,
    ) -> None:
        step = move_run(run.snapshot, name, verdict)
        if step is None:
            raise TipmanError(f"{name} does not move a run that is {run.configuration}")
        directory.runs.record(run.id).aftermath += len(submissions)
        take_step(run, step, name, f'{{"verdict":"{verdict}"}}', directory)
        self._submitting.attached(submissions, run, directory)

    # What is submitted.

    def _hooks(self, run: Instance, record: Record, outcome: str) -> list[Submission]:
        hooks = record.said.get("hooks", {})
        wanted = [hooks[name] for name in (outcome, "settled") if name in hooks]
        return [self._submission(unpacked(hook, run.namespace), run, outcome) for hook in wanted]

    def _submission(
        self, task: Task, run: Instance, outcome: str, dependencies: tuple[bytes, ...] = ()
    ) -> Submission:
        told = {"TIPMAN_RUN": text_of(run.id), "TIPMAN_RUN_STATE": outcome}
        return submission_of(task.beside(env={**task.env, **told}), self.new_id(), dependencies)

    def _compensations(
        self, run: Instance, directory: TIPMan
    ) -> tuple[Sequence[Submission], bool]:
        """Return the tasks that undo what succeeded, the last first, and whether any is open.

        What was undone before and has not been done again since is not undone twice.
        """
        nodes = _to_undo(run, directory)
        begun = _undoing(run, directory)
        undone = {node for _, state, node in begun if state not in SETTLED or state == "succeeded"}
        is_open = [task for task, state, _ in begun if state not in SETTLED]
        nodes = [node for node in nodes if node.id not in undone]
        outcome = _outcome(run, directory.runs.record(run.id))
        made: list[Submission] = []
        for node in directory.by_end(nodes)[::-1]:
            before = made[-1].instance if made else is_open[-1] if is_open else None
            made.append(self._compensation(node, run, outcome, before, directory))
        return made, bool(made or is_open)

    def _compensation(
        self,
        node: Instance,
        run: Instance,
        outcome: str,
        before: bytes | None,
        directory: TIPMan,
    ) -> Submission:
        task: Task = directory.task_of(node).compensate
        task = task.beside(namespace=run.namespace)
        if before is None:
            return self._submission(task, run, outcome, (node.id,))
        task = task.beside(when="all_settled", order_only=(1,))
        return self._submission(task, run, outcome, (node.id, before))


def _outcome(run: Instance, record: Record) -> str:
    """Return how a run ends: failed, if a task failed, cancelled only if none did."""
    if run.configuration in {"overdue", "failing"}:
        return "failed"
    if run.configuration == "cancelling" and record.outcome == "succeeded":
        return "cancelled"
    return record.outcome


def call_off(run: Instance, directory: TIPMan) -> None:
    """Let no more be undone of a run that goes on; what is being undone ends first."""
    if not place_of(run).startswith("undoing"):
        return
    waiting = [
        each for each in directory.open_in(run.id) if each.parent == run.id and each.state in _IDLE
    ]
    tell(CancelRequested, waiting, "engine", directory)


def _to_undo(run: Instance, directory: TIPMan) -> list[Instance]:
    """Return the nodes that succeeded here and say how to undo them."""
    ids = {bytes(row[0]) for row in directory.database.fetch(_TO_UNDO, (run.id, _SAYS_HOW))}
    ids.update(each.id for each in directory.staged() if each.run == run.id)
    directory.prefetch(ids)
    found = [directory.load(identifier) for identifier in ids]
    # What was taken over from the run that this one was forked from has never started here.
    return [
        each
        for each in found
        if each.state == "succeeded"
        and each.parent is None
        and each.started_at is not None
        and directory.task_of(each).compensate is not None
    ]


def _undoing(run: Instance, directory: TIPMan) -> list[tuple[bytes, str, bytes]]:
    """Return the compensations there are: their ids, their states, and what they undo."""
    found = {
        bytes(task): (state, bytes(node))
        for task, state, node in directory.database.fetch(_UNDOING, (run.id,))
    }
    edges = dict(directory.edges.first_staged())
    for each in directory.staged():
        if each.parent == run.id and (each.id in found or each.id in edges):
            node = found[each.id][1] if each.id in found else edges[each.id]
            found[each.id] = (each.state, node)
    return [(task, *what) for task, what in sorted(found.items())]
