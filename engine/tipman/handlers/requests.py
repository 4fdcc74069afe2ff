"""Handlers of what is asked for from outside."""

from tipman.charts import UNSUCCESSFUL, move
from tipman.effects import Effect
from tipman.errors import ConflictError, Fault, InvalidError
from tipman.events import (
    CancelRequested,
    Requested,
    ResumeRequested,
    RetryRequested,
    StopReason,
    SuspendRequested,
)
from tipman.handlers.admission import Admission, admission, cause_of, turned_back
from tipman.handlers.awaiting import Awaiting
from tipman.handlers.composing import refuse_overtaken
from tipman.handlers.contexts import keep_of_the_settled
from tipman.handlers.kin import has_failures
from tipman.handlers.running import is_held_by_run, is_stopped_with_run
from tipman.handlers.steps import Steps, conflict, ready
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.jsontext import parsed
from tipman.outlines import Verdict
from tipman.tipman import TIPMan


class Requests:
    """Does what somebody asked for, or says why it changes nothing."""

    def __init__(self, steps: Steps, awaiting: Awaiting) -> None:
        self._steps = steps
        self._awaiting = awaiting

    def cancel(self, event: CancelRequested, directory: TIPMan) -> list[Effect]:
        """End it: at once, or when its attempt has been ended."""
        instance = directory.load(event.instance)
        if instance.configuration in {"cancelled", "cancelling", "withdrawing"}:
            return []
        was = instance.state
        verdict = self._awaiting.weigh_cancel(instance, directory)
        self._steps.ask(event, instance, verdict, directory)
        if was in {"awaiting", "suspended"}:
            self._awaiting.cancelled(instance, directory)
        if was != "running":
            return []
        directory.deadlines.limit(instance, None)
        return [self._steps.stop(instance, StopReason.CANCELLED)]

    def suspend(self, event: SuspendRequested, directory: TIPMan) -> list[Effect]:
        """Hold it; a running attempt finishes first, or is ended with `in_flight: stop`."""
        instance = directory.load(event.instance)
        verdict = Verdict.STOP if in_flight(event) == "stop" else Verdict.NONE
        self._steps.ask(event, instance, verdict, directory)
        if instance.configuration == "parking":
            directory.deadlines.limit(instance, None)
            return [self._steps.stop(instance, StopReason.SUSPENDED)]
        if instance.state == "suspended":
            self._awaiting.suspended(event, instance, directory)
        return []

    def resume(self, event: ResumeRequested, directory: TIPMan) -> list[Effect]:
        """Go on where it was held, then let what settled meanwhile count."""
        instance = directory.load(event.instance)
        if is_held_by_run(instance, directory):
            words = "its run is suspended; resume that, and it goes on with it"
            raise ConflictError(f"{event.wire} changes nothing: {words}", instance.state)
        back = move(instance.snapshot, event.wire, Verdict.NONE)
        weighed = Admission(Verdict.NONE)
        if back is not None and back.state in {"waiting", "blocked"}:
            weighed = admission(instance, directory.task_of(instance), directory)
        elif back is not None and back.state in {"delayed", "queued"}:
            # A dependency may have opened again meanwhile.
            weighed = turned_back(instance, directory.task_of(instance), directory)
        self._steps.ask(event, instance, weighed.verdict, directory)
        instance.cause, instance.reason = weighed.cause, weighed.reason
        instance.held_by = None
        if instance.state == "awaiting":
            self._awaiting.resumed(event, instance, directory)
        return []

    def retry(self, event: RetryRequested, directory: TIPMan) -> list[Effect]:
        """Open again what ended badly, and with it what was skipped because of it."""
        instance = directory.load(event.instance)
        if instance.state not in UNSUCCESSFUL and not (
            instance.state == "succeeded" and has_failures(instance, directory)
        ):
            raise conflict(event, instance)
        refuse_overtaken(event, instance.run, directory)
        if is_stopped_with_run(instance, directory):
            words = "its run is being stopped; try again when that has ended"
            raise ConflictError(f"{event.wire} changes nothing: {words}", instance.state)
        task = directory.task_of(instance)
        if instance.dependencies_unmet and (unheard := _unheard(instance, directory)):
            still_open = instance.dependencies_remaining + unheard
            counts = (still_open, instance.dependencies_unmet - unheard)
            weighed = admission(instance, task, directory, counts=counts)
            self._open_again(event, instance, weighed, directory)
            return []
        if task.when is None and instance.dependencies_unmet:
            cause = cause_of(directory.edges.dependencies_of(instance), directory)
            if cause is None:
                words = "a dependency of it did not succeed, and was pruned: submit it anew"
                raise ConflictError(words, instance.state)
            where = f"/api/v1/tasks/{text_of(cause)}"
            raise ConflictError(
                f"its dependency {where} did not succeed: retry that first", instance.state
            )
        weighed = admission(instance, task, directory)
        if weighed.reason is not None:
            words = parsed(weighed.reason)["message"]
            raise ConflictError(f"{words}; retry what it waits for first", instance.state)
        self._open_again(event, instance, weighed, directory)
        return []

    def _open_again(
        self, event: RetryRequested, instance: Instance, weighed: Admission, directory: TIPMan
    ) -> None:
        """Let a task go on, or wait for what its rule does not know yet."""
        if weighed.verdict is Verdict.WAIT:
            self._steps.ask(event, instance, Verdict.WAIT, directory)
            return
        keep_of_the_settled(instance, directory)
        self._steps.ask(event, instance, ready(directory.task_of(instance)), directory)


def _unheard(instance: Instance, directory: TIPMan) -> int:
    """Return how many dependencies opened again of which the event is still on its way."""
    needs = directory.edges.dependencies_of(instance)
    directory.prefetch(needs)
    found = [directory.find(identifier) for identifier in needs]
    still_open = sum(each is not None and not each.is_settled for each in found)
    return still_open - instance.dependencies_remaining


def in_flight(event: Requested) -> str:
    """Return what becomes of a running attempt: it may `finish`, or it is to `stop`.

    Raises:
        InvalidError: neither is asked for.
    """
    data = event.data or {}
    asked = data.get("in_flight", "finish") if isinstance(data, dict) else None
    if asked not in {"finish", "stop"}:
        fault = Fault("/data/in_flight", "must be finish or stop")
        raise InvalidError("suspend.requested: data.in_flight must be finish or stop", (fault,))
    return str(asked)
