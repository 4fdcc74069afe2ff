"""Requests: pausing, resuming, triggering, changing, ending and filling in."""

import pytest
from core.house import ACTOR, PLAIN
from schedules.house import START_US
from tipman.clock import MICROSECONDS
from tipman.definitions import task_of
from tipman.definitions.schedules import schedule_of
from tipman.errors import ConflictError
from tipman.events import BackfillRequested, ScheduleChanged, ScheduleDeleted
from tipman.handlers.plans import task_text
from tipman.schedules import views
from tipman.schedules.backfills import Backfill

MINUTE = {"every_s": 60, "overlap": "allow"}


def change(house, schedule, revision=1, **fields):
    given, task = schedule_of({"task": PLAIN, **fields})
    text = task_text(task or task_of(PLAIN))
    house.publish(
        ScheduleChanged(schedule, ACTOR, given.text, text, given, revision, tuple(fields))
    )


def state(house, schedule):
    rows = house.reader.fetch("SELECT state FROM instance WHERE id = ?", (schedule,))
    return rows[0][0]


def test_a_paused_schedule_arms_no_alarm(house):
    schedule = house.schedule(**MINUTE)

    house.ask("pause.requested", schedule)
    house.advance(60)

    assert house.clock.next_alarm_s() is None
    assert house.slots(schedule) == []


def test_what_was_due_while_it_was_paused_is_written_when_it_is_resumed(house):
    schedule = house.schedule(**MINUTE)
    house.advance(60)
    house.ask("pause.requested", schedule)
    house.advance(150)

    house.ask("resume.requested", schedule)

    assert house.decisions(schedule) == [
        (60, "run", None),
        (120, "skipped", "paused"),
        (180, "skipped", "paused"),
    ]
    house.advance(30)
    assert house.decisions(schedule)[-1] == (240, "run", None)


def test_a_pause_of_thousands_is_one_row(house):
    schedule = house.schedule(every_s=1, overlap="allow")
    house.ask("pause.requested", schedule)
    house.clock.jump(5_000)
    house.advance(30)

    house.ask("resume.requested", schedule)

    (slot,) = house.slots(schedule)
    assert (slot["reason"], slot["count"]) == ("paused", 5_030)


def test_a_pause_outlives_a_crash(house):
    schedule = house.schedule(**MINUTE)
    house.ask("pause.requested", schedule)
    house.clock.jump(130)

    house.crash()
    house.advance(60)
    house.ask("resume.requested", schedule)

    assert {d[1:] for d in house.decisions(schedule)} == {("skipped", "paused")}
    assert len(house.slots(schedule)) == 3


def test_failures_in_a_row_pause_it(house):
    schedule = house.schedule(**MINUTE, pause_after_failures=2)
    house.advance(60)
    house.fail(house.slots(schedule)[0]["instance"])
    house.advance(60)

    house.fail(house.slots(schedule)[1]["instance"])

    assert state(house, schedule) == "paused"
    house.ask("resume.requested", schedule)
    house.advance(60)
    house.fail(house.slots(schedule)[2]["instance"])
    assert state(house, schedule) == "active"


def explained(house, schedule):
    found = views.stored(house.core.database, schedule)
    return [reason["text"] for reason in views.explain(found, [], is_orphan=False)["waiting_for"]]


def test_one_that_failures_paused_says_so(house):
    schedule = house.schedule(**MINUTE, pause_after_failures=1)
    house.advance(60)

    house.fail(house.slots(schedule)[0]["instance"])

    assert explained(house, schedule) == ["resume.requested: 1 in a row did not succeed"]
    house.ask("resume.requested", schedule)
    house.ask("pause.requested", schedule)
    assert explained(house, schedule) == ["resume.requested"]


def test_it_finishes_when_it_has_run_often_enough(house):
    schedule = house.schedule(**MINUTE, runs_max=2)
    for _ in range(4):
        house.advance(60)
    runs = [s["instance"] for s in house.slots(schedule)]
    assert len(runs) == 2
    assert state(house, schedule) == "active"

    for run in runs:
        house.succeed(run)

    assert state(house, schedule) == "finished"
    assert house.names(schedule)[-1] == "schedule.finished"


def test_a_run_that_another_took_the_place_of_is_not_counted(house):
    schedule = house.schedule(**MINUTE | {"overlap": "latest"}, runs_max=3)
    for _ in range(4):
        house.advance(60)
    house.succeed(house.slots(schedule)[0]["instance"])

    for _ in range(2):
        house.advance(60)

    decisions = [s["decision"] for s in house.slots(schedule)]
    assert decisions == ["run", "skipped", "skipped", "run", "run"]
    for slot in house.slots(schedule)[3:]:
        assert state(house, schedule) == "active"
        house.succeed(slot["instance"])
    assert state(house, schedule) == "finished"


def test_what_was_asked_for_is_not_counted_and_takes_the_place_of_what_was(house):
    schedule = house.schedule(**MINUTE | {"overlap": "latest"}, runs_max=2)
    for _ in range(2):
        house.advance(60)

    house.ask("trigger.requested", schedule)
    house.advance(60)

    assert [s["decision"] for s in house.slots(schedule)] == ["run", "skipped", "run"]
    for slot in house.slots(schedule)[::2]:
        house.succeed(slot["instance"])
    assert state(house, schedule) == "finished"


def test_an_instant_once_finishes_it(house):
    schedule = house.schedule(at="2023-11-15T00:00:00Z")

    house.clock.jump(6_400)
    house.advance(60)
    house.succeed(house.slots(schedule)[0]["instance"])

    assert state(house, schedule) == "finished"


def test_a_trigger_submits_at_once_also_while_it_is_paused(house):
    schedule = house.schedule(every_s=60)
    house.ask("pause.requested", schedule)

    house.ask("trigger.requested", schedule)
    house.ask("trigger.requested", schedule)

    first, second = house.slots(schedule)
    assert (first["decision"], first["manual"]) == ("run", 1)
    assert (second["decision"], second["reason"], second["manual"]) == ("skipped", "overlap", 2)
    assert state(house, schedule) == "paused"


def test_a_new_interval_counts_from_the_change(house):
    schedule = house.schedule(**MINUTE)
    house.advance(90)

    change(house, schedule, every_s=20, overlap="allow")

    house.advance(40)
    assert [due for due, *_ in house.decisions(schedule)] == [60, 110, 130]


def test_what_was_due_before_a_change_is_decided_as_it_was(house):
    schedule = house.schedule(**MINUTE)
    house.clock.jump(185)

    change(house, schedule, every_s=100, overlap="allow")

    assert [due for due, *_ in house.decisions(schedule)] == [60, 120, 180]


def test_a_change_that_somebody_else_overtook_is_refused(house):
    schedule = house.schedule(**MINUTE)
    change(house, schedule, every_s=20)

    with pytest.raises(ConflictError, match="revision 2"):
        change(house, schedule, every_s=30)


def test_a_change_can_pause_and_resume(house):
    schedule = house.schedule(**MINUTE)
    change(house, schedule, **MINUTE, paused=True)
    assert state(house, schedule) == "paused"
    house.advance(130)

    change(house, schedule, 2, **MINUTE, paused=False)

    assert state(house, schedule) == "active"
    assert [d[1:] for d in house.decisions(schedule)] == [("skipped", "paused")] * 2


def test_a_deleted_schedule_fires_no_more(house):
    schedule = house.schedule(every_s=60, overlap="queue_one", key="k")
    house.advance(60)
    house.advance(60)
    first, second = (s["instance"] for s in house.slots(schedule))

    house.publish(ScheduleDeleted(schedule, ACTOR))

    assert house.states(first, second) == ["running", "cancelled"]
    house.succeed(first)
    house.advance(120)
    assert len(house.slots(schedule)) == 2
    assert state(house, schedule) == "finished"


def test_a_schedule_that_has_finished_is_not_kept_in_memory_by_the_end_of_its_run(house):
    schedule = house.schedule(**MINUTE)
    house.advance(60)
    house.publish(ScheduleDeleted(schedule, ACTOR))

    house.succeed(house.slots(schedule)[0]["instance"])

    assert house.names(schedule)[-1] == "slot.settled"
    assert house.core.directory.cached(schedule) is None


def test_a_key_is_free_in_the_drain_in_which_its_schedule_ends(house):
    house.schedule(**MINUTE, key="k")
    old = house.schedule(**MINUTE, key="j")
    house.core.bus.report(ScheduleDeleted(old, ACTOR))

    new = house.schedule(**MINUTE, key="j")

    assert state(house, new) == "active"


def fill(house, schedule, since, until, **more):
    """Publish a backfill of seconds after the start."""
    bounds = (START_US + round(since * 1e6), START_US + round(until * 1e6))
    given = {"what": "missing", "order": "forwards", "concurrency": 1, **more}
    house.publish(BackfillRequested(schedule, ACTOR, Backfill(*bounds, **given)))


def of_backfill(house, schedule, number=1):
    return [s for s in house.slots(schedule) if s["backfill"] == number]


def test_a_backfill_runs_what_is_missing_so_many_at_a_time(house):
    schedule = house.schedule(**MINUTE, catch_up={"policy": "none"})
    house.clock.jump(250)
    house.crash()
    house.advance(50)

    fill(house, schedule, 0, 310, concurrency=2)

    slots = of_backfill(house, schedule)
    assert [(s["due_at"] - START_US) // MICROSECONDS for s in slots] == [60, 120, 180, 240]
    runs = [s["instance"] for s in slots]
    assert house.states(*runs) == ["running", "running", "waiting", "waiting"]
    house.succeed(runs[1])
    assert house.states(*runs) == ["running", "succeeded", "running", "waiting"]


def test_a_backfill_runs_backwards_from_the_end(house):
    schedule = house.schedule(**MINUTE, catch_up={"policy": "none"})
    house.clock.jump(250)
    house.crash()
    house.advance(0)

    fill(house, schedule, 0, 250, order="backwards")

    states = house.states(*(s["instance"] for s in of_backfill(house, schedule)))
    assert states == ["waiting", "waiting", "waiting", "running"]


def test_a_backfill_runs_what_failed(house):
    schedule = house.schedule(**MINUTE)
    house.advance(60)
    house.advance(60)
    first, second = (s["instance"] for s in house.slots(schedule))
    house.fail(first)
    house.succeed(second)

    fill(house, schedule, 0, 120.5, what="failed")
    fill(house, schedule, 0, 120.5, what="all")

    assert [s["due_at"] - START_US for s in of_backfill(house, schedule)] == [60_000_000]
    assert len(of_backfill(house, schedule, 2)) == 2


def test_a_backfill_goes_on_after_a_crash_and_does_not_hold_up_the_schedule(house):
    schedule = house.schedule(every_s=60, catch_up={"policy": "none"}, task={"type": "wait"})
    house.clock.jump(130)
    house.crash()
    house.advance(0)
    fill(house, schedule, 0, 130)

    house.crash()
    house.advance(50)

    assert house.decisions(schedule)[-1] == (180, "run", None)
    first, second = (s["instance"] for s in of_backfill(house, schedule))
    house.ask("finish.reported", first)
    assert house.state(second) == "awaiting"


def test_a_backfill_is_bounded(house):
    schedule = house.schedule(every_s=1)

    with pytest.raises(Exception, match="in parts"):
        fill(house, schedule, 0, 5_000)


def test_the_log_says_every_decision(house):
    schedule = house.schedule(every_s=60)
    house.advance(60)
    house.succeed(house.slots(schedule)[0]["instance"])

    lines = house.log(schedule)

    assert [line["name"] for line in lines] == ["schedule.created", "slot.decided", "slot.settled"]
    assert [line["after"] for line in lines] == ["idle", "running", "idle"]
    assert lines[1]["data"]["due_at"] == START_US + 60 * MICROSECONDS
