"""What simulations found: each defect has a test that names it."""

import dataclasses

import pytest
from core.house import ACTOR
from tipman.definitions.schedules import schedule_of
from tipman.events import ScheduleChanged, ScheduleDeleted
from tipman.handlers.plans import task_text

TASK = {"type": "sleep", "arguments": {"duration_s": 1}}
HOURLY = {"every_s": 3600, "jitter_s": 3000, "task": TASK}


def changed(identifier, **fields):
    schedule, task = schedule_of({**HOURLY, "overlap": "allow", **fields})
    changes = ("overlap", *fields)
    return ScheduleChanged(identifier, ACTOR, schedule.text, task_text(task), schedule, 1, changes)


@pytest.mark.parametrize("ends", [changed, lambda i: ScheduleDeleted(i, ACTOR)])
def test_what_waits_for_its_jitter_is_decided_before_a_schedule_changes_or_ends(house, ends):
    schedule = house.schedule(**HOURLY)
    house.advance(3600)
    assert house.slots(schedule) == []

    house.publish(ends(schedule))

    assert [d[:2] for d in house.decisions(schedule)] == [(3600, "run")]


def test_a_change_that_does_not_speak_of_pausing_leaves_a_schedule_paused(house):
    schedule = house.schedule(every_s=3600, pause_after_failures=1, task=TASK)
    looked_at_before = changed(schedule)
    house.advance(3600)
    house.fail(next(iter(house.hand.open)))
    assert house.leaf(schedule) == "paused"

    house.publish(looked_at_before)
    assert house.leaf(schedule) == "paused"

    house.publish(dataclasses.replace(changed(schedule, paused=False), revision=2))
    assert house.leaf(schedule) == "idle"
