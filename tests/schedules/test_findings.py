"""What simulations found: each defect has a test that names it."""

import pytest
from core.house import ACTOR
from tipman.definitions.schedules import schedule_of
from tipman.events import ScheduleChanged, ScheduleDeleted
from tipman.handlers.plans import task_text

TASK = {"type": "sleep", "arguments": {"duration_s": 1}}
HOURLY = {"every_s": 3600, "jitter_s": 3000, "task": TASK}


def changed(identifier):
    schedule, task = schedule_of({**HOURLY, "overlap": "allow"})
    return ScheduleChanged(
        identifier, ACTOR, schedule.text, task_text(task), schedule, 1, ("overlap",)
    )


@pytest.mark.parametrize("ends", [changed, lambda i: ScheduleDeleted(i, ACTOR)])
def test_what_waits_for_its_jitter_is_decided_before_a_schedule_changes_or_ends(house, ends):
    schedule = house.schedule(**HOURLY)
    house.advance(3600)
    assert house.slots(schedule) == []

    house.publish(ends(schedule))

    assert [d[:2] for d in house.decisions(schedule)] == [(3600, "run")]
