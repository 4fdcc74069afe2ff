"""Handlers of what instances wait for: timers and dependencies."""

from tipman.charts import move
from tipman.effects import Effect
from tipman.events import (
    DependencyReopened,
    DependencySettled,
    SlotReleased,
    SlotSuperseded,
    StopReason,
    TimerFired,
)
from tipman.handlers.admission import Admission, admission, cause_of, turned_back
from tipman.handlers.awaiting import Awaiting
from tipman.handlers.contexts import keep_what_was_seen
from tipman.handlers.steps import Steps, must_move, ready, undelayed
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.outlines import Verdict
from tipman.tipman import TIPMan
from tipman.triggers import EARLY, rule_of


class Waiting:
    """Lets instances go on when what they wait for has come."""

    def __init__(self, steps: Steps, awaiting: Awaiting) -> None:
        self._steps = steps
        self._awaiting = awaiting

    def timer_fired(self, event: TimerFired, directory: TIPMan) -> list[Effect]:
        """Go on when the instant has come; a timer that was overtaken does nothing."""
        instance = directory.find(event.instance)
        deadline = None if instance is None else instance.times_out_at or instance.wake_at
        if instance is None or deadline is None or deadline > directory.now:
            return []
        if instance.state == "awaiting":
            self._awaiting.timed_out(instance, directory)
            return []
        verdict = ready(directory.task_of(instance))
        step = move(instance.snapshot, event.wire, verdict)
        instance.wake_at = None
        directory.deadlines.limit(instance, None)
        if step is None:
            # An attempt that is being ended for another reason has no deadline any more.
            directory.touch(instance)
            return []
        data = f'{{"verdict":"{verdict}"}}'
        self._steps.advance(directory, instance, step, event.wire, data)
        if instance.state != "running":
            return []
        return [self._steps.stop(instance, StopReason.TIMED_OUT)]

    def dependency_settled(self, event: DependencySettled, directory: TIPMan) -> list[Effect]:
        """Count it; the last one decides whether the task goes on, or the first for some rules."""
        instance = directory.load(event.instance)
        remaining = instance.dependencies_remaining - 1
        unmet = instance.dependencies_unmet + (not event.succeeded)
        weighed = Admission(Verdict.WAIT)
        if instance.state == "waiting":
            weighed = self._weighed(event, instance, (remaining, unmet), directory)
        step = must_move(instance, event.wire, weighed.verdict)
        instance.dependencies_remaining, instance.dependencies_unmet = remaining, unmet
        if step.state != instance.state:
            instance.cause, instance.reason = weighed.cause, weighed.reason
            if remaining:
                keep_what_was_seen(instance, directory)
        dependency = text_of(event.dependency)
        data = f'{{"verdict":"{weighed.verdict}","dependency":"{dependency}"{weighed.data}}}'
        self._steps.advance(directory, instance, step, event.wire, data)
        return []

    @staticmethod
    def _weighed(
        event: DependencySettled, instance: Instance, counts: tuple[int, int], directory: TIPMan
    ) -> Admission:
        """Weigh a task as if its counts were these already."""
        task = directory.task_of(instance)
        remaining, unmet = counts
        if remaining:
            if not isinstance(task.when, str) or task.when not in EARLY:
                return Admission(Verdict.WAIT)
            dependency = directory.find(event.dependency)
            if dependency is None or not rule_of(task.when).is_answered_by(dependency.state):
                return Admission(Verdict.WAIT)
        elif task.when is None and not unmet:
            return Admission(undelayed(task, directory.now))
        return admission(instance, task, directory, counts=counts)

    def dependency_reopened(self, event: DependencyReopened, directory: TIPMan) -> list[Effect]:
        """Wait for it again; a task that was skipped because of it opens anew."""
        instance = directory.load(event.instance)
        # Counts are kept in every state: an event that is still on its way must find them as it
        # left them.
        remaining = instance.dependencies_remaining + 1
        unmet = instance.dependencies_unmet - (not event.had_succeeded)
        task = directory.task_of(instance)
        verdict, cause = Verdict.WAIT, None
        if instance.state == "skipped" and unmet and task.when is None:
            verdict = Verdict.NONE
            cause = cause_of(directory.edges.dependencies_of(instance), directory)
        elif instance.state in {"queued", "delayed"}:
            verdict = turned_back(instance, task, directory, counts=(remaining, unmet)).verdict
        step = must_move(instance, event.wire, verdict)
        if step.state == instance.state and (instance.attempt or instance.state == "skipped"):
            keep_what_was_seen(instance, directory)
        instance.dependencies_remaining, instance.dependencies_unmet = remaining, unmet
        data = f'{{"verdict":"{verdict}","dependency":"{text_of(event.dependency)}"}}'
        self._steps.advance(directory, instance, step, event.wire, data)
        instance.cause = cause
        return []

    def slot_released(self, event: SlotReleased, directory: TIPMan) -> list[Effect]:
        """Go on: those of its schedule that it waited for have settled."""
        instance = directory.load(event.instance)
        if instance.is_settled or not instance.dependencies_remaining:
            return []
        verdict = undelayed(directory.task_of(instance), directory.now)
        step = must_move(instance, event.wire, verdict)
        instance.dependencies_remaining = 0
        data = f'{{"verdict":"{verdict}"}}'
        self._steps.advance(directory, instance, step, event.wire, data)
        return []

    def slot_superseded(self, event: SlotSuperseded, directory: TIPMan) -> list[Effect]:
        """Settle it as skipped: another run of its schedule took its place."""
        instance = directory.load(event.instance)
        if instance.is_settled or not instance.dependencies_remaining:
            return []
        step = must_move(instance, event.wire)
        instance.dependencies_remaining, instance.cause = 0, event.by
        data = f'{{"by":"{text_of(event.by)}"}}'
        self._steps.advance(directory, instance, step, event.wire, data)
        return []
