"""Handlers of tasks that take no slot: they wait for people, or for what they have begun."""

from collections.abc import Callable, Mapping

from tipman.charts import move
from tipman.definitions import Task
from tipman.effects import Effect
from tipman.events import (
    AwaitingStarted,
    ChildReopened,
    ChildSettled,
    Requested,
    ResumeRequested,
    RetryRequested,
    SuspendRequested,
    TimerFired,
)
from tipman.handlers.approving import Approving
from tipman.handlers.charges import Charge, charge_of, last_charge_of
from tipman.handlers.closing import Closing, Parent
from tipman.handlers.composing import Composing
from tipman.handlers.mapping import Mapping as Maps
from tipman.handlers.outcomes import Outcomes, timeout_failure
from tipman.handlers.steps import Steps
from tipman.handlers.submitting import Submitting
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.outlines import Verdict
from tipman.run_events import HoldRequested, ReleaseRequested
from tipman.tipman import TIPMan

AWAITING = frozenset({"awaiting", "closing", "withdrawing"})
"""The leaves that people see as `awaiting`."""


class Awaiting:
    """Knows for each type of task that takes no slot who sees to it."""

    def __init__(self, steps: Steps, submitting: Submitting, new_id: Callable[[], bytes]) -> None:
        outcomes = Outcomes(steps)
        self._steps = steps
        self._closing = Closing(outcomes)
        self._approving = Approving(outcomes)
        self._composing = Composing(outcomes, self._closing, submitting, new_id)
        self._mapping = Maps(outcomes, self._closing, new_id)
        self._parents: Mapping[str, Parent] = {"workflow": self._composing, "map": self._mapping}

    def adopt(
        self,
        new_id: Callable[[], bytes],
        checked: Callable[[Task], Task],
    ) -> None:
        """Make ids by *new_id*, and let *checked* say what task is run here."""
        self._composing.adopt(new_id, checked)
        self._mapping.adopt(new_id, checked)

    def let_retry(self, retry: Callable[[RetryRequested, TIPMan], object]) -> None:
        """Open items of maps again by *retry*."""
        self._mapping.retry = retry

    # What happens to them.

    def started(self, event: AwaitingStarted, directory: TIPMan) -> list[Effect]:
        """See to it that a task has begun what it waits for."""
        self._look(directory.find(event.instance), directory)
        return []

    def reported(self, event: Requested, directory: TIPMan) -> list[Effect]:
        """Settle a task from outside."""
        return self._approving.reported(event, directory)

    def timed_out(self, instance: Instance, directory: TIPMan) -> None:
        """Close the waiting of a task that ran out of time."""
        task = directory.task_of(instance)
        parent = self._parents.get(task.type)
        if instance.configuration != "awaiting":
            # What is being ended has no deadline any more.
            instance.wake_at = None
            directory.touch(instance)
        elif parent is None:
            self._approving.timed_out(instance, task, directory)
        else:
            failure = timeout_failure(task)
            self._closing.fail(parent, instance, TimerFired.wire, failure, directory)

    def child_settled(self, event: ChildSettled, directory: TIPMan) -> list[Effect]:
        """Look whether a task can end, or go on, now that something below it has settled."""
        self._look(directory.find(event.instance), directory)
        return []

    def child_reopened(self, event: ChildReopened, directory: TIPMan) -> list[Effect]:
        """Open a task again with what it had waited for."""
        instance = directory.find(event.instance)
        last = None if instance is None else last_charge_of(instance)
        if instance is None or last is None or last.child not in {None, event.child}:
            return []
        step = move(instance.snapshot, event.wire, Verdict.AWAIT)
        if step is not None:
            data = f'{{"verdict":"{Verdict.AWAIT}","child":"{text_of(event.child)}"}}'
            self._steps.advance(directory, instance, step, event.wire, data)
            brood = directory.offspring.of(instance.id)
            brood.again = []
            instance.early = Charge(
                instance.attempt, last.child, last.parallel_max, brood.failures, origin=last.origin
            ).text
        return []

    # What is asked of them.

    def weigh_cancel(self, instance: Instance, directory: TIPMan) -> Verdict:
        """Weigh whether a task that is cancelled must wait for what is below it."""
        parent = self._parent_of(instance, directory)
        if parent is None or charge_of(instance) is None:
            return Verdict.NONE
        task = directory.task_of(instance)
        return self._closing.verdict(parent, instance, task, directory)

    def cancelled(self, instance: Instance, directory: TIPMan) -> None:
        """Let what is below a task that was cancelled do what the task says."""
        parent = self._parent_of(instance, directory)
        if parent is not None:
            instance.wake_at = None
            self._closing.leave(parent, instance, directory.task_of(instance), directory)

    def suspended(self, event: Requested, instance: Instance, directory: TIPMan) -> None:
        """Hold what is below a task that was suspended; what is held already stays as it is."""
        parent = self._parent_of(instance, directory)
        for child in () if parent is None else parent.below(instance, directory):
            if child.kind != "run":
                held = HoldRequested(child.id, event.actor, event.data, instance.id)
                directory.raised.append(held)
            elif child.state != "suspended":
                child.held_by = instance.id
                directory.touch(child)
                directory.raised.append(SuspendRequested(child.id, event.actor, event.data))

    def resumed(self, event: Requested, instance: Instance, directory: TIPMan) -> None:
        """Let go of what is below a task that goes on; what others hold stays held."""
        parent = self._parent_of(instance, directory)
        for child in () if parent is None else parent.below(instance, directory):
            if child.kind != "run":
                released = ReleaseRequested(child.id, event.actor, None, instance.id)
                directory.raised.append(released)
            elif child.held_by == instance.id:
                child.held_by = None
                directory.touch(child)
                directory.raised.append(ResumeRequested(child.id, event.actor, None))

    def _look(self, instance: Instance | None, directory: TIPMan) -> None:
        if instance is None or instance.configuration not in AWAITING:
            return
        task = directory.task_of(instance)
        parent = self._parents.get(task.type)
        if parent is None:
            self._approving.look(instance, task, directory)
        elif instance.configuration == "awaiting":
            parent.look(instance, task, directory)
        elif not parent.has_open(instance, directory):
            self._closing.end(parent, instance, directory)

    def _parent_of(self, instance: Instance, directory: TIPMan) -> Parent | None:
        """Return who knows what a task has begun, None for one that has begun nothing."""
        if instance.early is None:
            return None
        return self._parents.get(directory.task_of(instance).type)
