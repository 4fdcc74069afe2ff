"""Handlers of what instances wait for: timers and dependencies."""

from tipman.charts import UNSUCCESSFUL, Verdict, move
from tipman.effects import Effect
from tipman.events import DependencyReopened, DependencySettled, StopReason, TimerFired
from tipman.handlers.attempts import Attempts
from tipman.handlers.steps import Steps, cause_of, must_move, ready, undelayed
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.tipman import TIPMan

_COUNTING = frozenset({"waiting", "blocked", "suspended"})
"""States in which the counts of dependencies are kept; others count anew when they reopen."""


class Waiting:
    """Lets instances go on when what they wait for has come."""

    def __init__(self, steps: Steps, attempts: Attempts) -> None:
        self._steps = steps
        self._attempts = attempts

    def timer_fired(self, event: TimerFired, directory: TIPMan) -> list[Effect]:
        """Go on when the instant has come; a timer that was overtaken does nothing."""
        instance = directory.find(event.instance)
        if instance is None or instance.wake_at is None or instance.wake_at > directory.now:
            return []
        if instance.state == "awaiting":
            self._attempts.awaited_too_long(instance, directory)
            return []
        verdict = ready(directory.task_of(instance))
        step = move(instance.snapshot, event.wire, verdict)
        instance.wake_at = None
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
        """Count it; the last one decides whether the task goes on or is skipped."""
        instance = directory.load(event.instance)
        if instance.state not in _COUNTING:
            return []
        remaining = instance.dependencies_remaining - 1
        unmet = instance.dependencies_unmet + (not event.succeeded)
        verdict, cause = Verdict.WAIT, None
        if not remaining:
            verdict = (
                Verdict.SKIP if unmet else undelayed(directory.task_of(instance), directory.now)
            )
        step = must_move(instance, event.wire, verdict)
        if step.state == "skipped":
            cause = cause_of(directory.dependencies_of(instance), directory)
        instance.dependencies_remaining, instance.dependencies_unmet = remaining, unmet
        instance.cause = cause
        data = f'{{"verdict":"{verdict}","dependency":"{text_of(event.dependency)}"}}'
        self._steps.advance(directory, instance, step, event.wire, data)
        return []

    def dependency_reopened(self, event: DependencyReopened, directory: TIPMan) -> list[Effect]:
        """Wait for it again; a task that was skipped because of it opens anew."""
        instance = directory.load(event.instance)
        if instance.state in _COUNTING:
            remaining = instance.dependencies_remaining + 1
            unmet, verdict, cause = instance.dependencies_unmet - 1, Verdict.NONE, None
        elif instance.state == "skipped":
            remaining, unmet = counts(instance, directory)
            verdict = Verdict.NONE if unmet else Verdict.WAIT
            cause = cause_of(directory.dependencies_of(instance), directory)
        else:
            return []
        step = must_move(instance, event.wire, verdict)
        instance.dependencies_remaining, instance.dependencies_unmet = remaining, unmet
        data = f'{{"verdict":"{verdict}","dependency":"{text_of(event.dependency)}"}}'
        self._steps.advance(directory, instance, step, event.wire, data)
        instance.cause = cause
        return []


def counts(instance: Instance, directory: TIPMan) -> tuple[int, int]:
    """Count anew how many dependencies are unsettled, and how many ended without success."""
    identifiers = directory.dependencies_of(instance)
    directory.prefetch(identifiers)
    dependencies = [directory.load(i) for i in identifiers]
    remaining = sum(not d.is_settled for d in dependencies)
    return remaining, sum(d.state in UNSUCCESSFUL for d in dependencies)
