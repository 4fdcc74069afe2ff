"""Crashes of schedules: wherever a drain ends, each instant is decided once and all goes on."""

import sqlite3
from contextlib import closing

import pytest
from tipman import verification
from tipman.database import sqlite_path
from tipman.events import TimerFired

CHANGED = "UPDATE instance SET sequence = 99 WHERE id = ?"
BACK = (
    "UPDATE instance SET started_at = started_at - 60000000, queued_at = queued_at - 60000000"
    " WHERE kind = 'schedule'"
)


@pytest.mark.parametrize("drains", range(1, 9))
@pytest.mark.parametrize("overlap", ["queue_one", "latest", "cancel_running"])
def test_a_crash_between_two_drains_loses_no_turn(house, monkeypatch, overlap, drains):
    schedule = house.schedule(every_s=60, overlap=overlap, task={"type": "wait"})
    for _ in range(3):
        house.advance(60)
    first = house.slots(schedule)[0]["instance"]
    monkeypatch.setattr("tipman.bus.EVENTS_MAX", 1)
    if house.state(first) == "awaiting":
        house.core.bus.publish_nowait(house.request("finish.reported", first))
    for _ in range(drains):
        house.core.bus.drain()

    house.crash()

    runs = [s["instance"] for s in house.slots(schedule) if s["decision"] == "run"]
    # Whoever was told that the first has ended: asked again, it does no more than that.
    if house.state(first) == "awaiting":
        house.ask("finish.reported", first)
    states = house.states(*runs)
    assert states.count("awaiting") == 1
    assert "waiting" not in states
    assert [due for due, *_ in house.decisions(schedule)] == [60, 120, 180]


def test_the_logs_of_schedules_lead_to_their_rows(house):
    schedule = house.schedule(every_s=60, overlap="queue_one", pause_after_failures=1)
    house.advance(60)
    house.advance(60)
    house.fail(house.slots(schedule)[0]["instance"])
    house.ask("resume.requested", schedule)
    house.clock.jump(500)
    house.advance(60)
    house.crash()

    found = verification.verify(house.reader)

    assert found.is_whole, found.faults
    assert found.instances == len(house.reader.fetch("SELECT id FROM instance"))


def test_a_timer_that_comes_twice_decides_once(house):
    schedule = house.schedule(every_s=60, overlap="allow")
    house.clock.advance(60)

    house.core.bus.report(TimerFired(schedule))
    house.core.bus.report(TimerFired(schedule))
    house.rest()

    assert house.decisions(schedule) == [(60, "run", None)]


def test_a_schedule_that_can_not_be_read_takes_no_other_with_it(house, caplog):
    schedules = [house.schedule(every_s=60) for _ in range(3)]
    house.core.database.execute("UPDATE schedule SET spec = 'torn' WHERE id = ?", (schedules[1],))

    house.crash()
    house.advance(60)

    assert [len(house.slots(schedule)) for schedule in schedules] == [1, 0, 1]
    assert "the handler of timer.fired failed" in caplog.text


def test_many_long_backlogs_at_one_start_are_taken_in_turns(house):
    schedules = [house.schedule(every_s=60, catch_up={"policy": "none"}) for _ in range(30)]
    house.clock.jump(60 * 900)

    house.drains_max = 1
    house.crash()
    decided = [len(house.slots(schedule)) for schedule in schedules]
    house.drains_max = None
    house.advance(0)

    assert set(decided) == {0, 900}
    assert [len(house.slots(schedule)) for schedule in schedules] == [900] * 30


def test_a_slot_that_is_taken_stops_the_engine_before_anything_runs_twice(house):
    schedule = house.schedule(every_s=60, overlap="allow")
    house.advance(60)
    house.core.database.execute(BACK)
    house.core.database.execute("UPDATE instance SET wake_at = 1 WHERE kind = 'schedule'")

    house.crash()
    house.drains_max = 1
    house.advance(1)

    assert house.failure is not None
    assert len(house.slots(schedule)) == 1


def test_a_schedule_that_somebody_else_changed_stops_the_engine_when_it_fires(house):
    schedule = house.schedule(every_s=60)
    house.core.database.execute(CHANGED, (schedule,))

    house.advance(60)

    assert "changed by somebody else" in str(house.failure)
    assert house.slots(schedule) == []


def test_a_schedule_that_somebody_else_changed_stops_the_engine_when_its_run_ends(house):
    schedule = house.schedule(every_s=60)
    house.advance(60)
    run = house.slots(schedule)[0]["instance"]
    house.core.database.execute(CHANGED, (schedule,))

    house.succeed(run)

    assert "changed by somebody else" in str(house.failure)
    assert house.states(run) == ["running"]


def test_without_the_unique_key_the_same_would_run_twice(build, url):
    house = build()
    if not house.core.database.is_sqlite:
        pytest.skip("the table is changed by hand, which is shown once")
    schedule = house.schedule(every_s=60, overlap="allow")
    house.advance(60)
    with closing(sqlite3.connect(sqlite_path(url), isolation_level=None)) as database:
        database.execute("CREATE TABLE loose AS SELECT * FROM slot")
        database.execute("DROP TABLE slot")
        database.execute("ALTER TABLE loose RENAME TO slot")
        database.execute(BACK)
        database.execute("UPDATE instance SET wake_at = 1 WHERE kind = 'schedule'")

    house.crash()
    house.advance(1)

    assert [due for due, *_ in house.decisions(schedule)] == [60, 60]
