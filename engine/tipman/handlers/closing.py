"""Closing: how a task ends that has begun what others do, a run or the items of a map.

Nothing of it is left behind: what is open below a task that is cancelled or has failed ends first,
unless the task says that it goes on by itself.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from tipman.definitions import Task
from tipman.errors import TipmanError
from tipman.events import CancelRequested, Failure
from tipman.handlers.attempts import failing_data
from tipman.handlers.charges import charge_of
from tipman.handlers.outcomes import Outcomes
from tipman.handlers.steps import must_move
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.outlines import Verdict
from tipman.resources import URI
from tipman.tipman import TIPMan

_ACTOR = "task"
SETTLED_BELOW = "child.settled"
"""The name of the event by which a task ends with what it has begun."""


class Parent(Protocol):
    """What knows a type of task that begins what others do."""

    def look(self, instance: Instance, task: Task, directory: TIPMan) -> None:
        """Begin what is missing, or end with what has ended."""

    def has_open(self, instance: Instance, directory: TIPMan) -> bool:
        """Tell whether anything below the task is open."""

    def below(self, instance: Instance, directory: TIPMan) -> Iterable[Instance]:
        """Yield what is open below the task."""

    def on_close(self, task: Task) -> str:
        """Return what becomes of it when the task is ended: `cancel`, `abandon` or `wait`."""

    def result(self, instance: Instance, directory: TIPMan) -> str | None:
        """Return as JSON text what came of it so far."""


class Closing:
    """Ends tasks with what is below them."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes

    def verdict(
        self, parent: Parent, instance: Instance, task: Task, directory: TIPMan
    ) -> Verdict:
        """Weigh whether a task that is to end must wait for what is below it."""
        if parent.on_close(task) == "abandon" or not parent.has_open(instance, directory):
            return Verdict.NONE
        return Verdict.STOP

    def fail(
        self,
        parent: Parent,
        instance: Instance,
        name: str,
        failure: Failure,
        directory: TIPMan,
    ) -> None:
        """Fail a task by an event of this name, at once or when what is below it has ended."""
        task = directory.task_of(instance)
        if self.verdict(parent, instance, task, directory) is Verdict.NONE:
            result = parent.result(instance, directory)
            self.leave(parent, instance, task, directory)
            self._outcomes.fail(instance, name, failure, directory, result=result)
            return
        charge = charge_of(instance)
        if charge is None:
            raise TipmanError("something is open below a task that has begun nothing")
        step = must_move(instance, name, Verdict.STOP)
        instance.early, instance.wake_at = replace(charge, failure=failure).text, None
        data = failing_data(instance.attempt, Verdict.STOP, failure)
        self._outcomes.steps.advance(directory, instance, step, name, data)
        self.leave(parent, instance, task, directory)

    def leave(self, parent: Parent, instance: Instance, task: Task, directory: TIPMan) -> None:
        """Let what is below a task that ends do what the task says: end, or go on by itself."""
        match parent.on_close(task):
            case "cancel":
                directory.raised.extend(
                    CancelRequested(child.id, _ACTOR, None)
                    for child in parent.below(instance, directory)
                )
            case "abandon":
                for child in parent.below(instance, directory):
                    _abandon(child, instance, directory)

    def end(self, parent: Parent, instance: Instance, directory: TIPMan) -> None:
        """End a task that was to, now that nothing below it is open."""
        if instance.configuration == "withdrawing":
            step = must_move(instance, SETTLED_BELOW)
            data = f'{{"verdict":"{Verdict.CANCELLED}"}}'
            self._outcomes.steps.advance(directory, instance, step, SETTLED_BELOW, data)
            return
        charge = charge_of(instance)
        if charge is None or charge.failure is None:
            raise TipmanError("a task is to fail, and its row does not say why")
        result = parent.result(instance, directory)
        self._outcomes.fail(instance, SETTLED_BELOW, charge.failure, directory, result=result)


def _abandon(child: Instance, parent: Instance, directory: TIPMan) -> None:
    """Let a child go on by itself: nobody is told when it settles."""
    child.parent = None
    directory.touch(child)
    data = f'{{"parent":"{URI}{text_of(parent.id)}"}}'
    directory.log(child, "parent.closed", child.configuration, data)
