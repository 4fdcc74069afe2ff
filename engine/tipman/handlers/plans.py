"""Plans: a schedule's specification, made ready for deciding and submitting."""

from dataclasses import dataclass

from tipman.clock import MICROSECONDS
from tipman.database import Row
from tipman.definitions import Task, task_from_row
from tipman.definitions.named import reference_of
from tipman.definitions.schedules import Schedule, stored_schedule
from tipman.definitions.timing import timetable_for
from tipman.frontier import mark_of
from tipman.jsontext import dumps, parsed
from tipman.schedules.decisions import Policy
from tipman.schedules.records import OpenRun, Record
from tipman.timetable import Timetable, jitter_us


@dataclass(frozen=True, slots=True)
class Plan:
    """What a schedule does and when; the instants it yields are those that are not excluded."""

    schedule: Schedule
    timetable: Timetable
    task: Task
    pin: tuple[str, int | None] | None
    """Name and version of the definition that the task was made from."""
    row: Row
    """The row of the task's table, but for its id and its options."""
    options: str
    """Those options, without their end."""
    policy: Policy
    jitter_s: float
    excludes: bool
    """Whether it leaves any instant out."""
    launches: bool
    """Whether it starts runs of a workflow: the arguments of *task* say of which."""

    def row_for(self, identifier: bytes, slot: OpenRun) -> Row:
        """Return the row of a run's task, which the task in memory is for all of them."""
        options = f'{self.options}"slot":[{slot.due_at},{slot.backfill},{slot.manual}]}}'
        return (identifier, *self.row, options)

    def delay(self, identifier: bytes, due: int) -> int:
        """Return by how much an instant is put off; always less than until the next."""
        return jitter_us(identifier, due, jitter_s=self.jitter_s) if self.jitter_s else 0

    def ready_until(self, identifier: bytes, now: int) -> int:
        """Return up to which instant all have waited for their jitter by *now*."""
        last = self.timetable.previous_before(now + 1) if self.jitter_s else None
        return now if last is None or last + self.delay(identifier, last) <= now else last - 1

    def next_due(self, record: Record) -> int | None:
        """Return the first instant after the last decision, None when there is none any more."""
        runs_max = self.schedule.runs_max
        if runs_max is not None and record.runs >= runs_max:
            return None
        return self.timetable.next_after(record.decided_until)

    def is_excluded(self, due: int) -> bool:
        """Tell whether an instant lies on an excluded day, by the schedule's own clock."""
        return self.excludes and self.timetable.excluded_until(due) is not None

    def next_after(self, instant_us: int) -> int | None:
        """Return the first instant strictly after that is not excluded."""
        return self.timetable.open_after(instant_us)

    def previous_before(self, instant_us: int) -> int | None:
        """Return the last instant strictly before that is not excluded."""
        return self.timetable.open_before(instant_us)


def plan_of(record: Record) -> Plan:
    """Return the plan of a record, made once while the record is in memory."""
    if record.plan is None:
        record.plan = _made(record)
    found: Plan = record.plan
    return found


def task_text(task: Task) -> str:
    """Return a task as a record keeps it."""
    kept = (task.name, task.namespace, task.type, dumps(task.arguments), task.options)
    return dumps(kept)


def _made(record: Record) -> Plan:
    schedule = stored_schedule(record.spec)
    name, namespace, type_, arguments, options = parsed(record.task)
    task = task_from_row(type_, arguments, options, name, None, namespace)
    mark = mark_of(namespace, task.exclusive)
    catch_up = schedule.catch_up
    window_us = round(catch_up.window_s * MICROSECONDS)
    return Plan(
        schedule,
        timetable_for(schedule, record.anchor_at),
        task,
        None if task.definition is None else reference_of(task.definition),
        (type_, task.queue, task.priority, mark, arguments),
        options[:-1] + ("," if options != "{}" else ""),
        Policy(catch_up.policy, window_us, catch_up.max),
        schedule.jitter_s,
        bool(schedule.exclude),
        schedule.workflow is not None,
    )
