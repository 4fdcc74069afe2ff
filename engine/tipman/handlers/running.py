"""Handlers of runs: how one begins, what of it is open, and how it takes a step."""

from tipman.charts import SETTLED, Move, move_run
from tipman.clock import MICROSECONDS
from tipman.effects import Effect
from tipman.errors import KeyExistsError, TipmanError
from tipman.events import (
    CancelRequested,
    ChildReopened,
    ChildSettled,
    RunDraft,
    RunDrained,
    RunReopened,
    RunStarted,
    SlotReopened,
    SlotSettled,
)
from tipman.frontier import Group
from tipman.handlers.charges import last_charge_of
from tipman.ids import text_of
from tipman.instances import Instance, bare_instance
from tipman.outlines import Verdict
from tipman.run_events import AftermathReopened, AftermathSettled, HoldRequested, NodeFailed
from tipman.runs.records import Record
from tipman.tipman import TIPMan

URI = "/api/v1/runs/"
_FAILURES = frozenset({"failed", "abandoned"})
"""Ends of a node that make its run fail."""


class Running:
    """Takes the steps of runs."""

    def submitted(self, draft: RunDraft, nodes: int, actor: str, directory: TIPMan) -> None:
        """Stage a new run with so many nodes, which the caller stages."""
        record = Record(*draft.row)
        record.count("waiting", nodes)
        names = (draft.namespace, draft.key, record.name)
        instance = bare_instance("run", record.id, *names, directory.now)
        instance.parent, instance.schedule = record.parent, draft.schedule
        directory.runs.add(record)
        directory.add_row(instance)
        take_step(instance, _must_move(instance, "run.submitted"), "run.submitted", None,
                  directory, actor)  # fmt: skip

    def began(self, event: RunStarted, directory: TIPMan) -> list[Effect]:
        """Be running: the first task has begun."""
        instance = directory.load(event.instance)
        step = move_run(instance.snapshot, event.wire, Verdict.NONE)
        if step is not None:
            instance.started_at = instance.started_at or directory.now
            arm(instance, directory)
            take_step(instance, step, event.wire, None, directory)
        return []

    def child_settled(self, event: ChildSettled, directory: TIPMan) -> list[Effect]:
        """Tell a parent, whatever it is."""
        del event, directory
        return []

    def child_reopened(self, event: ChildReopened, directory: TIPMan) -> list[Effect]:
        """Tell a parent, whatever it is."""
        del event, directory
        return []


def take_step(
    instance: Instance,
    step: Move,
    name: str,
    data: str | None,
    directory: TIPMan,
    actor: str = "engine",
) -> None:
    """Be where the step of a run leads, and stage the row and its log lines."""
    before = instance.configuration if instance.sequence else ""
    was = instance.state
    if instance.sequence:
        directory.touch(instance)
    instance.take(step)
    directory.runs.record(instance.id).configuration = step.configuration
    instance.wake_at = instance.due_at if step.configuration == "working" else None
    announced = step.announced
    directory.log(instance, name, before, data, actor, announced[0] if announced else None)
    for label in announced[1:]:
        directory.log(instance, label, step.configuration, None)
    if instance.state != was and instance.state in SETTLED:
        instance.settled_at = directory.now
        if instance.parent is not None:
            told = ChildSettled(instance.parent, instance.id, instance.state)
            directory.raised.append(told)
        if instance.schedule is not None:
            slot = (*_slot_of(instance, directory), instance.dependencies_remaining > 0)
            told_of = SlotSettled(instance.schedule, instance.id, slot, instance.state)
            directory.raised.append(told_of)


def arm(instance: Instance, directory: TIPMan) -> None:
    """Count the time that a run may take from now on; its alarm is set while it works."""
    timeout_s = directory.runs.record(instance.id).said.get("timeout_s")
    if timeout_s is not None:
        instance.due_at = directory.now + round(timeout_s * MICROSECONDS)


def reopen(instance: Instance, directory: TIPMan) -> None:
    """Open a run anew that has ended or is about to, before it takes the step."""
    instance.opening += 1
    instance.reason = None
    if instance.settled_at is not None:
        instance.settled_at = instance.cause = None
        if instance.parent is not None:
            directory.raised.append(ChildReopened(instance.parent, instance.id))
        if instance.schedule is not None:
            # It does not wait for its turn again.
            instance.dependencies_remaining = 0
            slot = _slot_of(instance, directory)
            directory.raised.append(SlotReopened(instance.schedule, instance.id, *slot))


def _slot_of(instance: Instance, directory: TIPMan) -> tuple[int, int, int]:
    """Return when a run of a schedule was due, and the numbers of backfill and trigger."""
    due_at, backfill, manual = directory.runs.record(instance.id).said.get("slot", (0, 0, 0))
    return due_at, backfill, manual


def begin_run(run: bytes, directory: TIPMan) -> None:
    """Take note that a task of a run has begun."""
    record = directory.runs.find(run)
    if record is not None and not record.has_begun:
        record.has_begun = True
        if directory.find(run) is not None:
            directory.raised.append(RunStarted(run))


def settled_in_run(instance: Instance, directory: TIPMan) -> None:
    """Count a task of a run that has settled, and tell who is to be told."""
    if instance.parent is not None and instance.parent != instance.run:
        if directory.offspring.of(instance.parent).settled(instance.state):
            told = ChildSettled(instance.parent, instance.id, instance.state)
            directory.raised.append(told)
        return
    record = directory.runs.find(instance.run or b"")
    if record is None:
        return
    if instance.parent is not None:
        record.aftermath -= 1
        if not record.aftermath:
            directory.raised.append(AftermathSettled(record.id))
        return
    record.open -= 1
    record.ended[instance.state] += 1
    if not record.open:
        directory.raised.append(RunDrained(record.id))
    elif instance.state in _FAILURES and record.said.get("on_failure") == "fail_fast":
        directory.raised.append(NodeFailed(record.id, instance.id))


def reopened_in_run(instance: Instance, was: str, directory: TIPMan) -> None:
    """Count a task of a run that is open again, and tell who is to be told."""
    record = directory.runs.find(instance.run or b"")
    if record is not None and record.is_suspended:
        directory.raised.append(HoldRequested(instance.id, "engine", None, record.id))
    if record is not None and record.is_stopping and instance.parent is None:
        directory.raised.append(CancelRequested(instance.id, "engine", None))
    if instance.parent is not None and instance.parent != instance.run:
        directory.offspring.of(instance.parent).reopened(was)
        parent = directory.find(instance.parent)
        if parent is not None and parent.is_settled:
            directory.raised.append(ChildReopened(instance.parent, instance.id))
        return
    if record is None:
        return
    if instance.parent is not None:
        record.aftermath += 1
        if record.aftermath == 1:
            directory.raised.append(AftermathReopened(record.id))
        return
    record.ended[was] -= 1
    record.open += 1
    if record.open == 1:
        directory.raised.append(RunReopened(record.id))


def is_held_by_run(instance: Instance, directory: TIPMan) -> bool:
    """Tell whether a task can not go on before its run does."""
    record = None if instance.run is None else directory.runs.find(instance.run)
    return record is not None and record.is_suspended


def is_stopped_with_run(instance: Instance, directory: TIPMan) -> bool:
    """Tell whether a task can not be tried again: all that is open of its run is cancelled."""
    if instance.run is None or instance.parent == instance.run:
        return False
    record = directory.runs.find(instance.run)
    return record is not None and record.is_stopping


def held_back(instance: Instance, directory: TIPMan) -> str | None:
    """Return what a task is asked for instead of its start: its run starts nothing more.

    Of a run that stops, compensations and hooks of an earlier end go on, and what a map has
    begun is its own affair.
    """
    record = directory.runs.find(instance.run or b"")
    if record is None:
        return None
    if record.is_suspended:
        return "suspend.requested"
    return "cancel.requested" if record.is_stopping and instance.parent is None else None


def groups_of(instance: Instance, directory: TIPMan) -> tuple[Group, ...]:
    """Return what a task of a run or an item of a map shares slots with."""
    record = directory.runs.find(instance.run or b"")
    slots = None if record is None else record.said.get("slots")
    groups = () if record is None or slots is None else (Group(record.id, slots, "run"),)
    if instance.parent is None or instance.parent == instance.run:
        return groups
    return groups + _items_of(instance.parent, directory)


def _items_of(identifier: bytes, directory: TIPMan) -> tuple[Group, ...]:
    """Return what the items of a map share slots with besides."""
    brood = directory.offspring.of(identifier)
    if brood.groups is None:
        charge = last_charge_of(directory.load(identifier))
        limit = None if charge is None else charge.parallel_max
        brood.groups = () if limit is None else (Group(identifier, limit, "map"),)
    return brood.groups


def refuse_taken_run(draft: RunDraft, directory: TIPMan) -> None:
    """Refuse a run whose key is taken.

    Raises:
        KeyExistsError: it is, by the run that the error names.
    """
    if draft.key is None:
        return
    name = (draft.namespace, draft.key)
    holder = directory.find_keys([name], "run").get(name)
    if holder is not None:
        uri = URI + text_of(holder)
        raise KeyExistsError(f"the key {draft.key!r} belongs to {uri}", uri)


def _must_move(instance: Instance, name: str, verdict: Verdict = Verdict.NONE) -> Move:
    step = move_run(instance.snapshot, name, verdict)
    if step is None:
        raise TipmanError(f"{name} does not move a run that is {instance.configuration}")
    return step
