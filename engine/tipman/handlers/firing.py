"""Handlers of slots: one decision at a time, each with its row, its run and the next deadline.

A handler decides about one instant, or about one row of many, and publishes the next `TimerFired`
itself while more is due. All of it is one transaction, so a crash finds a schedule exactly where
its last decision left it.
"""

from collections.abc import Callable, Iterable, Sequence

from tipman.definitions import Task
from tipman.effects import Effect
from tipman.errors import QuotaReachedError, TipmanError
from tipman.events import (
    CancelRequested,
    SlotReleased,
    SlotReopened,
    SlotSettled,
    SlotSuperseded,
    TimerFired,
)
from tipman.handlers.launching import Launching
from tipman.handlers.plans import Plan, plan_of
from tipman.handlers.schedule_steps import arm, is_due, slot_text, step_schedule
from tipman.handlers.submitting import Submitting
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.jsontext import dumps
from tipman.outlines import Verdict
from tipman.schedules.decisions import (
    Answer,
    Reason,
    broken_stretch,
    outcome_counts,
    plan_backlog,
    stretch_of,
    weigh,
)
from tipman.schedules.records import OpenRun, Record, Slot
from tipman.tipman import TIPMan

_ACTOR = "schedule"


class Firing:
    """Decides about what is due, over what submits the runs; *new_id* makes their ids.

    What was due up to *awake_since* (µs) and has no decision was due while nobody was there.
    """

    def __init__(
        self,
        submitting: Submitting,
        launching: Launching,
        new_id: Callable[[], bytes],
        awake_since: int,
    ) -> None:
        self._submitting = submitting
        self.launching = launching
        self._new_id = new_id
        self._started_at = self.awake_since = awake_since
        self.has_code: Callable[[Task], bool] = lambda _task: True
        """Tells whether this engine knows what a task would run."""

    def adopt(self, new_id: Callable[[], bytes], has_code: Callable[[Task], bool]) -> None:
        """Make ids by *new_id*, and ask *has_code* whether a task can be run here."""
        self._new_id, self.has_code = new_id, has_code

    def look_at_clock(self, now: int) -> None:
        """Where the clock was set back: nothing that is still to come was due before."""
        self.awake_since = min(self.awake_since, now)

    @staticmethod
    def load(due: Sequence[bytes], directory: TIPMan) -> None:
        """Bring what is due into memory with a few queries for all of it."""
        directory.prefetch(due)
        found = map(directory.cached, due)
        directory.schedules.prefetch([i.id for i in found if i and i.kind == "schedule"])

    def timer_fired(self, instance: Instance, directory: TIPMan) -> list[Effect]:
        """Decide about the next instant, if it has come."""
        if not is_due(instance, directory):
            return []
        if instance.state != "active":
            raise TipmanError(f"a schedule that is {instance.state} has no deadline")
        self.decide(instance, directory)
        if is_due(instance, directory):
            directory.raised.append(TimerFired(instance.id))
        return []

    def decide_all(self, instance: Instance, directory: TIPMan) -> None:
        """Decide about everything that is due by now, before something else becomes of it."""
        while is_due(instance, directory):
            self.decide(instance, directory)

    def decide(self, instance: Instance, directory: TIPMan) -> None:
        """Decide about the next instant, which has come; many that are missed are one step."""
        record = directory.schedules.record(instance.id)
        plan, due = plan_of(record), record.next_at
        if directory.now < self.awake_since:
            self.look_at_clock(directory.now)
        if due is None:
            raise TipmanError("a schedule with a deadline and no next instant")
        if record.paused_until is not None and due <= record.paused_until:
            self._pass_over(instance, record, directory, ("skipped", Reason.PAUSED))
            return
        if record.backlog_until is not None or due <= self.awake_since:
            self._look_back(record, plan, due)
            directory.schedules.touch(record)
        if plan.excludes and plan.is_excluded(due):
            self._leave_out(instance, record, directory, (Reason.EXCLUDED, None))
        elif record.backlog_until is not None:
            if _is_wanted(record, due):
                self._fire(instance, record, directory)
            else:
                self._pass_over(instance, record, directory, ("missed", None))
        else:
            self._fire(instance, record, directory)

    # One instant.

    def _look_back(self, record: Record, plan: Plan, due: int) -> None:
        """Where nobody was there when it was due: choose what of it all is caught up."""
        ready, back_at = due + plan.delay(record.id, due), self.awake_since
        if record.backlog_until is not None and ready > record.backlog_until:
            record.backlog_until = record.wanted_from = record.wanted_until = None
        if record.backlog_until is None and ready <= back_at:
            record.backlog_until = back_at
            record.wanted_from, record.wanted_until = plan_backlog(
                plan.policy,
                plan,
                decided_until=record.decided_until,
                until=plan.ready_until(record.id, back_at),
                back_at=back_at,
            )

    def _fire(self, instance: Instance, record: Record, directory: TIPMan) -> None:
        due = record.next_at or 0
        run, refusal = self.submit(instance, record, OpenRun(due, 0, 0), directory)
        if run is None:
            self._leave_out(instance, record, directory, refusal)
            return
        record.runs += 1
        slot = Slot(record.id, due, 0, 0, "run", None, run, None, directory.now)
        self._decided(instance, record, directory, slot)

    def submit(
        self, instance: Instance, record: Record, slot: OpenRun, directory: TIPMan
    ) -> tuple[bytes | None, tuple[str, bytes | None]]:
        """Submit the run of a slot, if nothing speaks against it.

        Returns its id, or None and what does: the reason, and the run that blocks it.
        """
        plan = plan_of(record)
        if self.is_orphan(plan, instance.namespace, directory):
            return None, (Reason.ORPHANED, None)
        if not record.open:
            run, refusal = self.hand_in(instance, record, slot, directory)
            return run, (refusal, None)
        scheduled = record.scheduled()
        waiting = [run for run, other in scheduled.items() if other.held]
        schedule = plan.schedule
        answer = weigh(
            schedule.overlap,
            running=len(scheduled) - len(waiting),
            waiting=len(waiting),
            queue_max=schedule.queue_max,
        )
        if answer is Answer.SKIP:
            return None, (Reason.OVERLAP, next(iter(scheduled)))
        held = answer is not Answer.START
        place = slot._replace(held=True) if held else slot
        run, refusal = self.hand_in(instance, record, place, directory)
        if run is None:
            return None, (refusal, None)
        if answer in {Answer.REPLACE, Answer.REPLACE_ALL}:
            for other in waiting:
                replaced = record.open[other]
                directory.schedules.supersede(record, replaced, run)
                directory.raised.append(SlotSuperseded(other, run))
                record.open[other] = replaced._replace(superseded=True)
                if not (slot.manual or replaced.manual):
                    # It is no run any more, and the one in its place counts.
                    record.runs -= 1
        if answer is Answer.REPLACE_ALL:
            directory.raised += (
                CancelRequested(other, _ACTOR, None) for other in scheduled if other not in waiting
            )
        return run, ("", None)

    def hand_in(
        self, instance: Instance, record: Record, slot: OpenRun, directory: TIPMan
    ) -> tuple[bytes | None, str]:
        """Submit a run; return its id, or None and why it can not be submitted."""
        plan = plan_of(record)
        if plan.launches:
            return self.launching.hand_in(record, plan, slot, directory)
        try:
            directory.registry.admit_one(plan.task.namespace)
        except QuotaReachedError:
            return None, Reason.QUOTA
        run = self._new_id()
        record.open[run] = slot
        row = plan.row_for(run, slot)
        self._submitting.slot_submitted(plan.task, row, instance.id, slot, directory)
        return run, ""

    def is_orphan(self, plan: Plan, namespace: str, directory: TIPMan) -> bool:
        """Tell whether what it would run is gone: its code, its definition or its workflow."""
        if plan.launches:
            return self.launching.is_orphan(plan, namespace, directory)
        if plan.pin is not None:
            name, version = plan.pin
            versions = directory.registry.definitions.of(namespace, name)
            return not any(number == version and not gone for number, _, gone in versions)
        return not self.has_code(plan.task)

    def _leave_out(
        self,
        instance: Instance,
        record: Record,
        directory: TIPMan,
        refusal: tuple[str, bytes | None],
    ) -> None:
        due, (reason, blocking) = record.next_at or 0, refusal
        slot = Slot(record.id, due, 0, 0, "skipped", reason, None, blocking, directory.now)
        self._decided(instance, record, directory, slot)

    # Many instants.

    def _pass_over(
        self,
        instance: Instance,
        record: Record,
        directory: TIPMan,
        decision: tuple[str, str | None],
    ) -> None:
        """Decide about the next instants at once: they were missed, or it was paused."""
        plan, first, now = plan_of(record), record.next_at or 0, directory.now
        word, reason = decision
        until, can_break = record.paused_until or 0, reason is None and plan.excludes
        if reason is None:
            reason, until = self._missed(record, plan, first)
        goes_on = record.stretch_at is not None
        if can_break:
            found = broken_stretch(
                plan.timetable, first, until, goes_on=goes_on, breaks=plan.is_excluded,
                unbroken_until=plan.timetable.open_until(first),
            )  # fmt: skip
        else:
            found = stretch_of(plan.timetable, first, until)
        slots = [Slot(record.id, d, 0, 0, word, reason, None, None, now) for d in found.instants]
        if goes_on:
            directory.schedules.stretch(record, found.last, found.covers, now)
        elif not slots:
            long = Slot(record.id, first, 0, 0, word, reason, None, None, now)
            slots = [long._replace(due_until=found.last, covers=found.covers)]
        due = plan.timetable.next_after(found.last) if can_break else None
        ends = found.instants or due is None or due > until or plan.is_excluded(due)
        record.stretch_at = None if ends else record.stretch_at or first
        directory.schedules.touch(record)
        for slot in slots:
            directory.schedules.decide(slot)
        told = Slot(
            record.id, first, 0, 0, word, reason, None, None, now, found.last, found.covers
        )
        self._moved_on(instance, record, directory, told)

    def _missed(self, record: Record, plan: Plan, first: int) -> tuple[str, int]:
        """Return why an instant is missed, and up to when the same is true of others."""
        back_at = record.backlog_until or 0
        until = plan.ready_until(record.id, back_at)
        if record.wanted_from is not None and first < record.wanted_from:
            until = record.wanted_from - 1
        oldest = back_at - plan.policy.window_us
        if plan.policy.policy != "none" and first < oldest:
            return Reason.WINDOW, min(until, oldest - 1)
        if first > self._started_at:
            return Reason.ASLEEP, until
        return Reason.DOWN, min(until, self._started_at)

    # What follows from a decision.

    def _decided(self, instance: Instance, record: Record, directory: TIPMan, slot: Slot) -> None:
        directory.schedules.decide(slot)
        self._moved_on(instance, record, directory, slot)

    def _moved_on(self, instance: Instance, record: Record, directory: TIPMan, slot: Slot) -> None:
        """Stage what every decision comes with: the log line, the record, the next deadline."""
        plan = plan_of(record)
        record.decided_until = slot.due_until or slot.due_at
        record.next_at = plan.next_due(record)
        verdict = Verdict.NONE
        if slot.decision == "run":
            verdict = Verdict.RUN
        elif record.next_at is None and not record.open:
            verdict = Verdict.FINISH
        step_schedule(instance, "slot.decided", verdict, slot_text(slot, verdict), directory)
        arm(instance, record, directory)

    # What becomes of runs.

    def slot_settled(self, event: SlotSettled, directory: TIPMan) -> list[Effect]:
        """Count how it ended, and let the next one have its turn."""
        instance = directory.find(event.instance)
        if instance is None or instance.kind != "schedule":
            return []
        record = directory.schedules.record(instance.id)
        # After a crash the rows say only of those that have not settled that they are open.
        slot = record.open.pop(event.run, None) or OpenRun(*event.slot)
        verdict, failures = Verdict.NONE, outcome_counts(event.state, record.failures)
        if failures != record.failures:
            record.failures = failures
            directory.schedules.touch(record)
        if record.open:
            self._release(record, slot, directory)
        limit = plan_of(record).schedule.pause_after_failures
        if not record.open and record.next_at is None:
            verdict = Verdict.FINISH
        elif limit is not None and record.failures >= limit:
            verdict = Verdict.PAUSE
        elif not record.open:
            verdict = Verdict.IDLE
        if verdict is Verdict.PAUSE and instance.state == "active":
            # What was due by now was due while it was active.
            self.decide_all(instance, directory)
        data = f'{{"verdict":"{verdict!s}","run":"{text_of(event.run)}","state":"{event.state}"}}'
        step_schedule(instance, event.wire, verdict, data, directory)
        if instance.state != "active":
            arm(instance, record, directory)
        return []

    def slot_reopened(self, event: SlotReopened, directory: TIPMan) -> list[Effect]:
        """Count it as open again."""
        instance = directory.find(event.instance)
        if instance is None or instance.kind != "schedule":
            return []
        record = directory.schedules.record(instance.id)
        record.open[event.run] = OpenRun(event.due_at, event.backfill, event.manual)
        data = dumps({"verdict": "", "run": text_of(event.run)})
        step_schedule(instance, event.wire, Verdict.NONE, data, directory)
        return []

    @staticmethod
    def _release(record: Record, settled: OpenRun, directory: TIPMan) -> None:
        """Let the run start whose turn has come."""
        if settled.backfill:
            if settled.held:
                return
            waiting = _of_backfill(record, settled.backfill)
        else:
            others = record.scheduled() if record.open else {}
            if any(not slot.held for slot in others.values()):
                return
            waiting = others.items()
        for run, slot in waiting:
            if slot.held:
                record.open[run] = slot._replace(held=False)
                directory.raised.append(SlotReleased(run))
                return


def _is_wanted(record: Record, due: int) -> bool:
    return record.wanted_from is not None and record.wanted_from <= due <= (
        record.wanted_until or 0
    )


def _of_backfill(record: Record, number: int) -> Iterable[tuple[bytes, OpenRun]]:
    return [(run, slot) for run, slot in record.open.items() if slot.backfill == number]
