"""Handlers of what people do with schedules: make, change, pause, resume, trigger and end them."""

from collections.abc import Callable
from typing import Any

from tipman.charts import move_schedule
from tipman.effects import Effect
from tipman.errors import ConflictError, KeyExistsError, NotFoundError
from tipman.events import (
    BackfillRequested,
    CancelRequested,
    Event,
    PauseRequested,
    Requested,
    ResumeRequested,
    ScheduleChanged,
    ScheduleCreated,
    ScheduleDeleted,
    TimerFired,
    TriggerRequested,
)
from tipman.handlers.firing import Firing
from tipman.handlers.plans import plan_of
from tipman.handlers.schedule_steps import arm, is_due, slot_text, step_schedule, take_step
from tipman.ids import text_of
from tipman.instances import Instance, bare_instance
from tipman.jsontext import dumps, parsed
from tipman.outlines import Verdict
from tipman.resources import RUNS_URI
from tipman.resources import URI as TASKS_URI
from tipman.schedules.backfills import Backfill, wanted_instants
from tipman.schedules.records import OpenRun, Record, Slot
from tipman.tipman import TIPMan

Handler = Callable[[Any, TIPMan], list[Effect]]
URI = "/api/v1/schedules/"


class Scheduling:
    """Does what somebody asked of a schedule, or says why it changes nothing."""

    def __init__(self, firing: Firing) -> None:
        self._firing = firing

    def created(self, event: ScheduleCreated, directory: TIPMan) -> list[Effect]:
        """Stage a schedule; its first instant comes after now."""
        directory.registry.namespace(event.namespace)
        if event.key is not None:
            holder = directory.schedules.find_key(event.namespace, event.key)
            if holder is not None:
                uri = URI + text_of(holder)
                raise KeyExistsError(f"the key {event.key!r} belongs to {uri}", uri)
        now = directory.now
        self._firing.look_at_clock(now)
        starts_at = event.parsed.instant("starts_at")
        anchor = now if starts_at is None else starts_at
        record = Record(event.instance, event.key, event.spec, event.task, 1, anchor, now, None)
        record.next_at = plan_of(record).next_due(record)
        names = (event.namespace, event.key, event.name)
        instance = bare_instance("schedule", event.instance, *names, now)
        directory.add_row(instance)
        directory.schedules.add(record, event.namespace)
        verdict = Verdict.PAUSE if event.parsed.paused else Verdict.NONE
        data = {"verdict": str(verdict), "revision": 1, "spec": parsed(event.spec)}
        step_schedule(instance, event.wire, verdict, dumps(data), directory, event.actor)
        arm(instance, record, directory)
        return []

    def changed(self, event: ScheduleChanged, directory: TIPMan) -> list[Effect]:
        """Stage a new revision; what was due before it is decided as it was."""
        instance, record = self._open(event, event.wire, directory)
        if record.revision != event.revision:
            raise ConflictError(
                f"the schedule was changed meanwhile: it is at revision {record.revision}",
                instance.state,
            )
        self._catch_up(instance, record, directory)
        now, starts_at = directory.now, event.parsed.instant("starts_at")
        record.spec, record.task = event.spec, event.task
        record.revision += 1
        if {"every_s", "cron", "starts_at"} & {*event.changes}:
            # A start that has passed counts where it is asked for, as when a schedule is made.
            counts = "starts_at" in event.changes or now < (starts_at or 0)
            record.anchor_at = starts_at if counts and starts_at is not None else now
        directory.schedules.respecify(record)
        record.decided_until = max(record.decided_until, now)
        record.next_at = plan_of(record).next_due(record)
        # Not asked for, it is as it is by now: too many failures may have paused it meanwhile.
        asked = "paused" in event.changes
        paused = event.parsed.paused if asked else instance.state == "paused"
        verdict = self._verdict(instance, record, paused=paused)
        shown = {"verdict": str(verdict), "revision": record.revision}
        data = dumps({**shown, "spec": parsed(event.spec), "changes": list(event.changes)})
        step_schedule(instance, event.wire, verdict, data, directory, event.actor)
        self._go_on(instance, record, directory)
        return []

    def deleted(self, event: ScheduleDeleted, directory: TIPMan) -> list[Effect]:
        """End a schedule and free its key; what runs goes on, what waits is cancelled."""
        instance = directory.load(event.instance)
        if instance.kind != "schedule":
            raise NotFoundError(f"no schedule at {URI}{text_of(instance.id)}")
        record = directory.schedules.record(instance.id)
        step = move_schedule(instance.snapshot, event.wire, Verdict.NONE)
        if step is None or (instance.settled_at is not None and instance.key is None):
            return []
        self._catch_up(instance, record, directory)
        for run, slot in record.open.items():
            if slot.held:
                directory.raised.append(CancelRequested(run, event.actor, None))
        record.next_at = None
        directory.schedules.free_key(record, instance.namespace)
        instance.key = None
        step_schedule(instance, event.wire, Verdict.NONE, None, directory, event.actor)
        arm(instance, record, directory)
        return []

    def paused(self, event: PauseRequested, directory: TIPMan) -> list[Effect]:
        """Submit nothing until it is resumed."""
        instance, record = self._open(event, event.wire, directory)
        if instance.state == "paused":
            raise _unmoved(event.wire, instance)
        self._firing.decide_all(instance, directory)
        if instance.state != "active":
            raise _unmoved(event.wire, instance)
        self._ask(event, instance, Verdict.NONE, directory)
        arm(instance, record, directory)
        return []

    def resumed(self, event: ResumeRequested, directory: TIPMan) -> list[Effect]:
        """Go on; what was due meanwhile gets its rows."""
        instance, record = self._open(event, event.wire, directory)
        record_paused = directory.now
        verdict = self._verdict(instance, record, paused=False)
        self._ask(event, instance, verdict, directory)
        record.paused_until, record.failures = record_paused, 0
        directory.schedules.touch(record)
        self._go_on(instance, record, directory)
        return []

    def triggered(self, event: TriggerRequested, directory: TIPMan) -> list[Effect]:
        """Submit once more now, if overlap lets it."""
        instance, record = self._open(event, event.wire, directory)
        due, number = directory.now, record.manuals + 1
        place = OpenRun(due, 0, number)
        run, (reason, blocking) = self._firing.submit(instance, record, place, directory)
        record.manuals = number
        slot = Slot(record.id, due, 0, number, "run", None, run, None, due)
        if run is None:
            slot = slot._replace(decision="skipped", reason=reason, blocking=blocking)
        directory.schedules.decide(slot)
        directory.schedules.touch(record)
        verdict = Verdict.NONE if run is None else Verdict.RUN
        text = slot_text(slot, verdict)
        step_schedule(instance, event.wire, Verdict.NONE, None, directory, event.actor)
        step_schedule(instance, "slot.decided", verdict, text, directory)
        directory.registry.outcome = slot
        return []

    def backfilled(self, event: BackfillRequested, directory: TIPMan) -> list[Effect]:
        """Submit runs for instants of the past, so many of them at a time as was asked for."""
        instance, record = self._open(event, event.wire, directory)
        backfill: Backfill = event.data
        if self._firing.is_orphan(plan_of(record), instance.namespace, directory):
            raise ConflictError("what it would run is gone", instance.state)
        dues = wanted_instants(directory.database, record.id, plan_of(record), backfill)
        number = record.backfills + 1
        shown = {"verdict": "run" if dues else "", "backfill": number, **backfill.shown()}
        text = dumps({**shown, "count": len(dues)})
        runs: list[tuple[int, str | None]] = []
        collection = RUNS_URI if plan_of(record).launches else TASKS_URI
        for at, due in enumerate(dues):
            place = OpenRun(due, number, 0, held=at >= backfill.concurrency)
            run, refusal = self._firing.hand_in(instance, record, place, directory)
            slot = Slot(record.id, due, number, 0, "run", None, run, None, directory.now)
            if run is None:
                slot = slot._replace(decision="skipped", reason=refusal)
            directory.schedules.decide(slot)
            runs.append((due, None if run is None else collection + text_of(run)))
        record.backfills = number
        directory.schedules.touch(record)
        verdict = Verdict.RUN if record.open else Verdict.NONE
        step_schedule(instance, event.wire, verdict, text, directory, event.actor)
        directory.registry.outcome = (number, tuple(runs))
        return []

    # Inside.

    def _open(self, event: Event, name: str, directory: TIPMan) -> tuple[Instance, Record]:
        instance = directory.load(event.instance)
        if instance.kind != "schedule":
            words = f"{name} changes nothing: {text_of(instance.id)} is a {instance.kind}"
            raise ConflictError(words, instance.state)
        record = directory.schedules.record(instance.id)
        if instance.state == "finished":
            raise _unmoved(name, instance)
        return instance, record

    def _catch_up(self, instance: Instance, record: Record, directory: TIPMan) -> None:
        """Decide about all that is due by now, before something else is."""
        if instance.state == "paused":
            record.paused_until = directory.now
        # Whether a timer is set or not: what waits for its jitter would be dropped else.
        while record.next_at is not None and record.next_at <= directory.now:
            self._firing.decide(instance, directory)

    @staticmethod
    def _ask(event: Requested, instance: Instance, verdict: Verdict, directory: TIPMan) -> None:
        step = move_schedule(instance.snapshot, event.wire, verdict)
        if step is None:
            raise _unmoved(event.wire, instance)
        data = dumps({"verdict": str(verdict), "data": event.data})
        take_step(instance, step, event.wire, data, directory, event.actor)

    @staticmethod
    def _verdict(instance: Instance, record: Record, *, paused: bool) -> Verdict:
        """Return where a schedule goes that is changed or resumed."""
        if paused:
            return Verdict.PAUSE
        if record.open:
            return Verdict.RUN if instance.state == "paused" else Verdict.NONE
        return Verdict.FINISH if record.next_at is None else Verdict.IDLE

    @staticmethod
    def _go_on(instance: Instance, record: Record, directory: TIPMan) -> None:
        arm(instance, record, directory)
        if is_due(instance, directory):
            directory.raised.append(TimerFired(instance.id))


def _unmoved(name: str, instance: Instance) -> ConflictError:
    return ConflictError(
        f"{name} changes nothing: the schedule {text_of(instance.id)} is {instance.state}",
        instance.state,
    )
