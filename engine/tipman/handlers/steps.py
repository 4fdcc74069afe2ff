"""Steps: how an instance takes a step of its chart, and what follows from the state it enters.

Nothing here can fail once `advance` is called: handlers weigh and look up before.
"""

from collections.abc import Sequence
from functools import partial

from tipman.charts import SETTLED, Move, move
from tipman.clock import MICROSECONDS
from tipman.definitions import Task
from tipman.effects import StopAttempt
from tipman.errors import ConflictError, TipmanError
from tipman.events import (
    AwaitingStarted,
    DependencyReopened,
    DependencySettled,
    Requested,
    SlotReopened,
    SlotSettled,
    StopReason,
)
from tipman.frontier import Entry, Frontier, mark_of
from tipman.handlers.contexts import forget_what_was_seen, is_to_look
from tipman.handlers.running import begin_run, groups_of, reopened_in_run, settled_in_run
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.jsontext import dumps
from tipman.outlines import Verdict
from tipman.run_events import DependentsSettled
from tipman.settings import Settings
from tipman.tipman import TIPMan

TOLD_APART_MAX = 500
"""More dependents than that are told by events for as many at once."""
PARENTS = frozenset({"workflow", "map"})
"""Types of tasks whose work others do."""
SLOTLESS = PARENTS | {"wait", "approval"}
"""Types of tasks that take no slot."""


class Steps:
    """Takes steps, over the frontier that is to know of every queued task."""

    def __init__(self, settings: Settings, frontier: Frontier) -> None:
        self.settings = settings
        self.frontier = frontier

    def advance(
        self,
        directory: TIPMan,
        instance: Instance,
        step: Move,
        name: str,
        data: str | None,
        actor: str = "engine",
    ) -> None:
        """Be where the step leads, and stage the row and its log lines.

        *name* and *data* are those of the event; what the step announces gets lines of its own.
        """
        sequence = instance.sequence
        before = instance.configuration if sequence else ""
        was = instance.state
        instance.snapshot, instance.configuration, instance.state, announced = step
        if sequence:
            directory.touch(instance)
        first = announced[0] if announced else None
        directory.log(instance, name, before, data, actor, first)
        if was != step.state:
            if instance.times_out_at is not None:
                directory.deadlines.limit(instance, None)
            if was == "queued" and step.state != "running":
                self.frontier.remove(instance.id, instance.queued_at or 0)
            elif was in SETTLED:
                self._reopened(was, instance, directory)
            if step.state != "running":
                self._entered(was, instance, directory)
        for label in announced[1:]:
            directory.log(instance, label, step.configuration, None)
        if was in SETTLED and was != step.state:
            had_succeeded = was == "succeeded"
            for dependent in directory.edges.dependents_of(instance):
                told = DependencyReopened(dependent, instance.id, had_succeeded)
                directory.raised.append(told)

    def ask(
        self, event: Requested, instance: Instance, verdict: Verdict, directory: TIPMan
    ) -> None:
        """Take the step of an event from outside.

        Raises:
            ConflictError: it changes nothing in the state the instance is in.
        """
        step = move(instance.snapshot, event.wire, verdict)
        if step is None:
            raise conflict(event, instance)
        data = dumps({"verdict": str(verdict), "data": event.data})
        self.advance(directory, instance, step, event.wire, data, event.actor)

    def hold_back(self, instance: Instance, asked: str, directory: TIPMan) -> None:
        """Suspend or cancel a queued task instead of its start, as its run was asked to."""
        step = must_move(instance, asked)
        self.advance(directory, instance, step, asked, '{"verdict":"","data":null}')
        if instance.state == "suspended":
            instance.held_by = instance.run

    def stop(self, instance: Instance, reason: StopReason) -> StopAttempt:
        """Return the effect that ends the instance's attempt."""
        return StopAttempt(instance.id, instance.attempt, reason, self.settings.grace_s)

    @staticmethod
    def _reopened(was: str, instance: Instance, directory: TIPMan) -> None:
        directory.registry.opened(instance.namespace)
        directory.lineage.forget()
        instance.opening += 1
        instance.attempts_used = instance.lost = 0
        instance.settled_at = instance.started_at = None
        instance.cause = instance.reason = instance.held_by = None
        if instance.run is not None or instance.parent is not None:
            reopened_in_run(instance, was, directory)
        if instance.schedule is not None:
            slot = instance.slot or directory.task_of(instance).slot or (0, 0, 0)
            directory.raised.append(SlotReopened(instance.schedule, instance.id, *slot))

    def _entered(self, was: str, instance: Instance, directory: TIPMan) -> None:
        state = instance.state
        instance.wake_at = None
        if state == "queued":
            instance.queued_at, instance.due_at = directory.now, None
            task = directory.task_of(instance)
            mark = mark_of(task.namespace, task.exclusive)
            order = (-task.priority, directory.now, instance.id)
            is_alone = instance.run is None and instance.parent is None
            groups = () if is_alone else groups_of(instance, directory)
            self.frontier.push(Entry(*order, task.queue, mark, task.namespace, groups))
        elif state in SETTLED:
            self._settled(instance, directory)
        elif state == "delayed":
            if was != "suspended" or instance.due_at is None:
                instance.due_at = directory.task_of(instance).due_us(directory.now)
            instance.wake_at = instance.due_at
        elif state == "backing_off":
            instance.wake_at = instance.due_at
        elif state == "awaiting":
            self._awaiting(was, instance, directory)
        elif state == "waiting":
            # It was delayed, and waits again: what it waited for counts from when that settles.
            instance.due_at = None
            forget_what_was_seen(instance, directory)

    @staticmethod
    def _settled(instance: Instance, directory: TIPMan) -> None:
        instance.settled_at, instance.due_at = directory.now, None
        directory.registry.settled(instance.namespace)
        if instance.schedule is not None:
            place = instance.slot or directory.task_of(instance).slot or (0, 0, 0)
            slot = (place[0], place[1], place[2], instance.dependencies_remaining > 0)
            told = SlotSettled(instance.schedule, instance.id, slot, instance.state)
            directory.raised.append(told)
        if instance.run is not None or instance.parent is not None:
            settled_in_run(instance, directory)
        if instance.dependents:
            _tell_dependents(instance, directory.edges.dependents_of(instance), directory)

    @staticmethod
    def _awaiting(was: str, instance: Instance, directory: TIPMan) -> None:
        if was != "suspended" or instance.started_at is None:
            instance.attempt += 1
            instance.started_at = directory.now
        instance.due_at = None
        if instance.run is not None:
            begin_run(instance.run, directory)
        task = directory.task_of(instance)
        if task.timeout_s is not None and instance.configuration == "awaiting":
            instance.wake_at = instance.started_at + round(task.timeout_s * MICROSECONDS)
        is_seen = task.has_expressions or is_to_look(instance, directory)
        if is_seen or instance.early is not None or task.type in PARENTS:
            directory.raised.append(AwaitingStarted(instance.id))


def _tell_dependents(instance: Instance, dependents: Sequence[bytes], directory: TIPMan) -> None:
    succeeded = instance.state == "succeeded"
    if len(dependents) <= TOLD_APART_MAX:
        settled = partial(DependencySettled, dependency=instance.id, succeeded=succeeded)
        directory.raised.extend(map(settled, dependents))
        return
    for low in range(0, len(dependents), TOLD_APART_MAX):
        ids = b"".join(dependents[low : low + TOLD_APART_MAX])
        directory.raised.append(DependentsSettled(instance.id, ids, succeeded))


def ready(task: Task) -> Verdict:
    """Return where a task goes that nothing holds back."""
    return Verdict.AWAIT if task.type in SLOTLESS else Verdict.QUEUE


def undelayed(task: Task, now: int) -> Verdict:
    """Return where a task goes whose dependencies are met: on, or to wait for its due time."""
    if task.due_at is not None or task.after_s is not None:
        due_at = task.due_us(now)
        if due_at is not None and due_at > now:
            return Verdict.DELAY
    return ready(task)


def must_move(instance: Instance, name: str, verdict: Verdict = Verdict.NONE) -> Move:
    """Return the step that an event of the engine's own leads to.

    Raises:
        TipmanError: there is none, which only a defect of a handler can bring about.
    """
    step = move(instance.snapshot, name, verdict)
    if step is None:
        raise TipmanError(f"{name} does not move a task that is {instance.configuration}")
    return step


def conflict(event: Requested, instance: Instance) -> ConflictError:
    """Return the error for an event that changes nothing."""
    return ConflictError(
        f"{event.wire} changes nothing: the task {text_of(instance.id)} is {instance.state}",
        instance.state,
    )
