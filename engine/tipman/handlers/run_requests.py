"""Handlers of what is asked of runs: of all their tasks at once, or of some and those below.

What is asked of a run is told to its nodes by events of their own, so a run of any size keeps the
bus no longer than it takes to name them. Until they have heard of it nothing of it starts.
"""

from collections.abc import Iterable

from tipman.charts import Move, move_run
from tipman.effects import Effect
from tipman.errors import ConflictError
from tipman.events import (
    CancelRequested,
    Event,
    Requested,
    ResumeRequested,
    RetryRequested,
    RunDrained,
    SuspendRequested,
)
from tipman.handlers.composing import refuse_overtaken
from tipman.handlers.nodes import chosen_of, nodes_of
from tipman.handlers.requests import Requests, in_flight
from tipman.handlers.running import arm, reopen, take_step
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.jsontext import dumps, parsed
from tipman.outlines import Verdict
from tipman.run_events import AftermathSettled, HoldRequested, NodeFailed, ReleaseRequested
from tipman.tipman import TIPMan
from tipman.triggers import FAILED

_CANCELLED = frozenset({"cancelled", "cancelling", "undoing_cancelled", "closing_cancelled"})
_AFTERWARDS = ("undoing_", "closing_")
_PREFETCHED_MAX = 20_000


class RunRequests:
    """Does what somebody asked of a run, or says why it changes nothing."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    # Of the whole run.

    def cancel(self, event: CancelRequested, directory: TIPMan) -> list[Effect]:
        """End all that is open of it; what is cancelled already changes nothing."""
        run = directory.load(event.instance)
        if chosen_of(event):
            return self._cancel_some(event, run, directory)
        if run.configuration in _CANCELLED:
            return []
        place = place_of(run)
        verdict = Verdict.NONE
        if place.startswith(_AFTERWARDS) and place != run.configuration:
            # It is suspended, and its outcome is decided: it goes on there, without what is left.
            verdict = Verdict.FINISH
        step = _must_move(event, run, verdict)
        open_ones = directory.open_in(run.id)
        take_step(run, step, event.wire, _text(event, verdict), directory, event.actor)
        if place.startswith(_AFTERWARDS):
            tell(CancelRequested, _aftermath(run, open_ones), event.actor, directory)
        else:
            tell(CancelRequested, _graph(open_ones), event.actor, directory)
            # Hooks of an earlier end go on; nobody else lets go what the suspension held.
            directory.raised += (
                ReleaseRequested(each.id, event.actor, None, run.id)
                for each in _aftermath(run, open_ones)
            )
        directory.raised += (RunDrained(run.id), AftermathSettled(run.id))
        return []

    def suspend(self, event: SuspendRequested, directory: TIPMan) -> list[Effect]:
        """Start nothing more of it; what runs finishes, or is ended with `in_flight: stop`."""
        run = directory.load(event.instance)
        how = {"in_flight": in_flight(event)}
        if chosen_of(event):
            nodes = nodes_of(run.id, directory)
            chosen = nodes.chosen(event, directory)
            found = [i for i in chosen if not i.is_settled and i.state != "suspended"]
            self._refuse_nothing(event, run, found)
            directory.raised += (SuspendRequested(each.id, event.actor, how) for each in found)
            return self._heard(event, run, directory)
        step = _must_move(event, run)
        open_ones = directory.open_in(run.id)
        if run.due_at is not None:
            # What is left of its time is kept: it does not pass while the run is suspended.
            run.early, run.due_at = dumps({"left_us": run.due_at - directory.now}), None
        take_step(run, step, event.wire, _text(event), directory, event.actor)
        directory.raised += (
            HoldRequested(each.id, event.actor, how, run.id)
            for each in (*_graph(open_ones), *_aftermath(run, open_ones))
        )
        return []

    def resume(self, event: ResumeRequested, directory: TIPMan) -> list[Effect]:
        """Let go on what its suspension held; what somebody suspended by itself stays so."""
        run = directory.load(event.instance)
        if chosen_of(event):
            nodes = nodes_of(run.id, directory)
            found = [i for i in nodes.chosen(event, directory) if _is_held(i)]
            self._refuse_nothing(event, run, found)
            tell(ResumeRequested, found, event.actor, directory)
            return self._heard(event, run, directory)
        step = _must_move(event, run)
        held = [each for each in directory.open_in(run.id) if each.held_by == run.id]
        kept = {} if run.early is None else parsed(run.early)
        if "left_us" in kept:
            run.due_at = directory.now + kept["left_us"]
        run.early = None
        take_step(run, step, event.wire, _text(event), directory, event.actor)
        if "failed" in kept:
            directory.raised.append(NodeFailed(run.id, bytes.fromhex(kept["failed"])))
        record = directory.runs.record(run.id)
        record.has_begun = run.configuration != "queued"
        directory.raised += (ReleaseRequested(each.id, event.actor, None, run.id) for each in held)
        # What settled meanwhile counts now.
        directory.raised += (RunDrained(run.id), AftermathSettled(run.id))
        return []

    def retry(self, event: RetryRequested, directory: TIPMan) -> list[Effect]:
        """Open again what ended badly, and what was skipped because of it; the rest stays."""
        run = directory.load(event.instance)
        step = _must_move(event, run)
        refuse_overtaken(event, run.id, directory)
        nodes = nodes_of(run.id, directory)
        again = nodes.to_reopen(event, directory)
        if not again:
            what = "none of these tasks" if chosen_of(event) else "nothing"
            words = f"{what} of the run {text_of(run.id)}, which is {run.state}, ended badly"
            raise ConflictError(f"{event.wire} changes nothing: {words}", run.state)
        was_open = run.configuration
        if step.configuration == "working" and was_open != "working":
            called_off = [i for i in _aftermath(run, directory.open_in(run.id)) if _is_idle(i)]
            reopen(run, directory)
            arm(run, directory)
            take_step(run, step, event.wire, _text(event), directory, event.actor)
            tell(CancelRequested, called_off, "engine", directory)
        else:
            take_step(run, step, event.wire, _text(event), directory, event.actor)
        # In one query, not one by one; what was not looked at lately is not in memory.
        directory.prefetch(again[:_PREFETCHED_MAX])
        directory.raised += (RetryRequested(each, event.actor, None) for each in again)
        directory.raised.append(RunDrained(run.id))
        return []

    # By the run itself.

    def node_failed(self, event: NodeFailed, directory: TIPMan) -> list[Effect]:
        """Cancel what is open of a run that is to fail with its first failure.

        One that is suspended keeps in mind that there was one, until it goes on.
        """
        run, node = directory.find(event.instance), directory.find(event.node)
        if run is None or node is None or node.state not in FAILED:
            return []
        step = move_run(run.snapshot, event.wire, Verdict.NONE)
        if step is not None:
            data = dumps({"verdict": "", "node": text_of(event.node)})
            self._stop(run, step, event, data, directory)
        elif run.state == "suspended":
            kept = {} if run.early is None else parsed(run.early)
            run.early = dumps({**kept, "failed": event.node.hex()})
            directory.touch(run)
        return []

    def timer_fired(self, run: Instance, directory: TIPMan) -> list[Effect]:
        """End a run that has taken longer than it may."""
        if run.wake_at is None or run.wake_at > directory.now:
            return []
        step = move_run(run.snapshot, "timer.fired", Verdict.NONE)
        if step is None:
            run.wake_at = None
            directory.touch(run)
            return []
        limit = directory.runs.record(run.id).said.get("timeout_s")
        run.reason = dumps({"code": "timeout", "message": f"the run took longer than {limit} s"})
        self._stop(run, step, None, '{"verdict":""}', directory)
        return []

    @staticmethod
    def _stop(
        run: Instance, step: Move, event: Event | None, data: str, directory: TIPMan
    ) -> None:
        open_ones = directory.open_in(run.id)
        take_step(run, step, "timer.fired" if event is None else event.wire, data, directory)
        tell(CancelRequested, _graph(open_ones), "engine", directory)
        directory.raised.append(RunDrained(run.id))

    # Of one task, because of its run.

    def hold(self, event: HoldRequested, directory: TIPMan) -> list[Effect]:
        """Suspend a task because its run is; what is suspended or ends already stays as it is."""
        task = directory.find(event.instance)
        if task is None or task.is_settled or task.configuration in _HELD_ALREADY:
            return []
        if task.configuration == "finishing" and in_flight(event) != "stop":
            return []
        is_own = task.configuration == "finishing" and task.held_by is None
        asked = SuspendRequested(event.instance, event.actor, event.data)
        effects = self._requests.suspend(asked, directory)
        if not is_own:
            task.held_by = event.by
        return effects

    def release(self, event: ReleaseRequested, directory: TIPMan) -> list[Effect]:
        """Let a task go on that nobody but its run held."""
        task = directory.find(event.instance)
        if task is None or task.is_settled or task.held_by != event.by:
            return []
        asked = ResumeRequested(event.instance, event.actor, None)
        return self._requests.resume(asked, directory)

    # Of some tasks.

    def _cancel_some(
        self, event: CancelRequested, run: Instance, directory: TIPMan
    ) -> list[Effect]:
        chosen = nodes_of(run.id, directory).chosen(event, directory)
        found = [each for each in chosen if not each.is_settled]
        if not found and all(each.state == "cancelled" for each in chosen):
            return []
        self._refuse_nothing(event, run, found)
        tell(CancelRequested, found, event.actor, directory)
        return self._heard(event, run, directory)

    @staticmethod
    def _refuse_nothing(event: Requested, run: Instance, found: Iterable[Instance]) -> None:
        if not [*found]:
            words = f"nothing of it applies to these tasks of a run that is {run.state}"
            raise ConflictError(f"{event.wire} changes nothing: {words}", run.state)

    @staticmethod
    def _heard(event: Requested, run: Instance, directory: TIPMan) -> list[Effect]:
        """Write down what was asked of some tasks, where the run stays as it is."""
        directory.touch(run)
        directory.log(run, event.wire, run.configuration, _text(event), event.actor)
        return []


_HELD_ALREADY = frozenset({"suspended", "parking", "cancelling"})


def place_of(run: Instance) -> str:
    """Return the leaf a run is in, or that it would go back to from its suspension."""
    if run.configuration != "suspended":
        return run.configuration
    back = move_run(run.snapshot, ResumeRequested.wire, Verdict.NONE)
    return run.configuration if back is None else back.configuration


def tell(
    kind: type[CancelRequested | ResumeRequested],
    tasks: Iterable[Instance],
    actor: str,
    directory: TIPMan,
) -> None:
    """Ask the same of several tasks."""
    directory.raised += (kind(each.id, actor, None) for each in tasks)


def _graph(open_ones: Iterable[Instance]) -> list[Instance]:
    return [each for each in open_ones if each.parent is None]


def _aftermath(run: Instance, open_ones: Iterable[Instance]) -> list[Instance]:
    return [each for each in open_ones if each.parent == run.id]


def _is_held(task: Instance) -> bool:
    return task.state == "suspended" or task.configuration in {"finishing", "parking"}


def _is_idle(task: Instance) -> bool:
    return task.state not in {"running", "awaiting"}


def _must_move(event: Requested, run: Instance, verdict: Verdict = Verdict.NONE) -> Move:
    step = move_run(run.snapshot, event.wire, verdict)
    if step is None:
        words = f"{event.wire} changes nothing: the run {text_of(run.id)} is {run.state}"
        if run.state == "running" and run.configuration not in {"working", "queued"}:
            words += f" ({run.configuration.partition('_')[0]})"
        raise ConflictError(words, run.state)
    return step


def _text(event: Requested, verdict: Verdict = Verdict.NONE) -> str:
    return dumps({"verdict": str(verdict), "data": event.data})
