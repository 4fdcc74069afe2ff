"""Steps of schedules: how one takes a step of its chart, and what every decision comes with."""

from tipman.charts import Move, move_schedule
from tipman.errors import TipmanError
from tipman.handlers.plans import plan_of
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.outlines import Verdict
from tipman.schedules.records import Record, Slot
from tipman.tipman import TIPMan


def step_schedule(
    instance: Instance,
    name: str,
    verdict: Verdict,
    data: str | None,
    directory: TIPMan,
    actor: str = "engine",
) -> None:
    """Take a step of the SCHEDULE chart, and stage the row and its log lines.

    Raises:
        TipmanError: there is none, which only a defect of a handler can bring about.
    """
    step = move_schedule(instance.snapshot, name, verdict)
    if step is None:
        raise TipmanError(f"{name} does not move a schedule that is {instance.configuration}")
    take_step(instance, step, name, data, directory, actor)


def take_step(
    instance: Instance,
    step: Move,
    name: str,
    data: str | None,
    directory: TIPMan,
    actor: str,
) -> None:
    """Be where the step leads, and stage the row and its log lines."""
    before = instance.configuration if instance.sequence else ""
    was = instance.state
    instance.snapshot, instance.configuration, instance.state, announced = step
    if step.state == was:
        directory.shift(instance)
    else:
        directory.touch(instance)
    directory.log(instance, name, before, data, actor, announced[0] if announced else None)
    for label in announced[1:]:
        directory.log(instance, label, step.configuration, None)
    if instance.state == "finished" and was != "finished":
        instance.settled_at = directory.now


def arm(instance: Instance, record: Record, directory: TIPMan) -> None:
    """Stage where a schedule stands, and its deadline; only an active one has any."""
    due = record.next_at
    instance.started_at, instance.queued_at = record.decided_until, due
    instance.attempt, instance.wake_at = record.runs, None
    if instance.state == "active" and due is not None:
        instance.wake_at = due + plan_of(record).delay(record.id, due)
    directory.rearm(instance)


def is_due(instance: Instance, directory: TIPMan) -> bool:
    """Tell whether the deadline of a schedule has come."""
    return instance.wake_at is not None and instance.wake_at <= directory.now


def slot_text(slot: Slot, verdict: Verdict) -> str:
    """Return what the log says of a decision, as JSON text; instants in µs."""
    text = f'{{"verdict":"{verdict!s}","due_at":{slot.due_at},"decision":"{slot.decision}"'
    if slot.reason is not None:
        text += f',"reason":"{slot.reason}"'
    if slot.instance is not None:
        text += f',"instance":"{text_of(slot.instance)}"'
    if slot.blocking is not None:
        text += f',"blocking":"{text_of(slot.blocking)}"'
    if slot.manual:
        text += f',"manual":{slot.manual}'
    if slot.covers > 1:
        text += f',"due_until":{slot.due_until},"count":{slot.covers}'
    return text + "}"
