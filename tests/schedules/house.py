"""A house in which schedules live."""

from core.house import ACTOR, PLAIN, House
from tipman.clock import MICROSECONDS
from tipman.definitions import task_of
from tipman.definitions.schedules import schedule_of
from tipman.events import ScheduleCreated
from tipman.handlers.plans import task_text

EVERY_MINUTE = {"every_s": 60}


class Timehouse(House):
    """A house whose schedules submit a task that sleeps unless they say otherwise."""

    drains_max = None
    """So many drains, of as few events as they are told, before it rests; None for all."""

    def rest(self):
        if self.drains_max is None:
            super().rest()
            return
        for _ in range(self.drains_max):
            self.core.bus.drain()

    def schedule(self, **fields):
        """Make a schedule; return its id."""
        given = {"task": PLAIN, **fields}
        schedule, task = schedule_of(given)
        identifier = self.submitter.new_id()
        name = schedule.name or schedule.key or task.name
        event = ScheduleCreated(
            identifier, ACTOR, schedule.text, task_text(task or task_of(PLAIN)), schedule,
            schedule.namespace, schedule.key, name,
        )  # fmt: skip
        self.publish(event)
        return identifier

    def slots(self, schedule):
        """Return the slots, oldest first."""
        rows = self.reader.fetch(
            "SELECT due_at, decision, reason, instance, blocking, decided_at, due_until, count,"
            " backfill, manual FROM slot WHERE schedule = ? ORDER BY due_at, backfill, manual",
            (schedule,),
        )
        return [dict(zip(_SLOT, row, strict=True)) for row in rows]

    def decisions(self, schedule):
        """Return (seconds after the start, decision, reason) of every slot, oldest first."""
        return [
            ((s["due_at"] - START_US) / MICROSECONDS, s["decision"], s["reason"])
            for s in self.slots(schedule)
        ]

    def leaf(self, schedule):
        return self.configuration(schedule)


START_US = 1_700_000_000 * MICROSECONDS
_SLOT = (
    "due_at", "decision", "reason", "instance", "blocking", "decided_at", "due_until", "count",
    "backfill", "manual",
)  # fmt: skip
