"""Previews: the part of an engine that says what schedules will do."""

from collections.abc import Callable, Mapping
from typing import Any

from tipman.clock import rfc3339
from tipman.definitions.schedules import schedule_of
from tipman.definitions.timing import timetable_for
from tipman.handlers.plans import plan_of
from tipman.ids import text_of
from tipman.librarian import Librarian
from tipman.schedules import views
from tipman.schedules.decisions import caught_up, granted, plan_backlog
from tipman.timetable import Timetable

LIMIT = views.LIMIT


class Previews(Librarian):
    """The part of an engine that looks ahead; nothing here changes anything."""

    def upcoming(self, identifier: bytes, *, limit: int = 10) -> list[dict[str, Any]]:
        """Return the next instants of a schedule; none while it is paused."""
        with self.reading() as database:
            found = views.stored(database, identifier)
        if found.state != "active" or found.record.next_at is None:
            return []
        plan, runs_max = plan_of(found.record), found.spec.runs_max
        if runs_max is not None:
            limit = min(limit, runs_max - found.record.runs)
        describe = described(plan.timetable)
        return views.upcoming(plan.next_after, describe, found.record.next_at - 1, limit)

    def all_upcoming(
        self, *, namespace: str | None = None, limit: int = LIMIT
    ) -> list[dict[str, Any]]:
        """Return the next instants of all schedules, each with the schedule that it is of."""
        with self.reading() as database:
            ids = views.next_due(database, namespace=namespace, limit=limit)
        items = [
            {**item, "schedule": views.URI + text_of(identifier)}
            for identifier in ids
            for item in self.upcoming(identifier, limit=limit)
        ]
        return sorted(items, key=lambda item: (item["due_at"], item["schedule"]))[:limit]

    def outlook(self, identifier: bytes, *, limit: int = 10) -> dict[str, Any]:
        """Return the next instants of a schedule, and what a restart now would catch up."""
        items = self.upcoming(identifier, limit=limit)
        return {"items": items, "catch_up": self.preview_catch_up(identifier)}

    def preview(self, given: Mapping[str, Any], *, limit: int = 10) -> list[dict[str, Any]]:
        """Return the first instants that a schedule would have if it were made now.

        Raises:
            InvalidError: as `create_schedule`.
        """
        schedule, _ = schedule_of(given, settings=self.settings)
        now = self.core.clock.wall_us()
        starts_at = schedule.instant("starts_at")
        timetable = timetable_for(schedule, now if starts_at is None else starts_at)
        return views.upcoming(timetable.next_after, described(timetable), now, limit)

    def preview_catch_up(self, identifier: bytes) -> dict[str, Any]:
        """Return what would be caught up if the engine had been away since the last decision.

        `due` counts the instants until now without a decision, `runs` are those that would run,
        at once or in turn, overlap being what it is.
        """
        with self.reading() as database:
            found = views.stored(database, identifier)
            running = len(views.open_runs(database, [identifier]).get(identifier, ()))
        plan, record, now = plan_of(found.record), found.record, self.core.clock.wall_us()
        until = plan.ready_until(identifier, now)
        runs: list[int] = []
        if record.next_at is None:
            return {"due": 0, "runs": runs}
        if found.state == "active":
            most = found.spec.runs_max
            backlog = plan_backlog(
                plan.policy, plan, decided_until=record.decided_until, until=until, back_at=now
            )
            runs = granted(
                caught_up(backlog, plan),
                plan.schedule.overlap,
                running=running,
                queue_max=plan.schedule.queue_max,
                runs_left=None if most is None else most - record.runs,
            )
        due = plan.timetable.count_between(record.decided_until, until)
        return {"due": due, "runs": list(map(described(plan.timetable), runs))}


def described(timetable: Timetable) -> Callable[[int], dict[str, Any]]:
    """Return what shows an instant: in UTC, by the schedule's clock, and how that was moved."""

    def describe(due: int) -> dict[str, Any]:
        local, note = timetable.local(due), timetable.note(due)
        return {"due_at": rfc3339(due), "local": local, "note": note}

    return describe
