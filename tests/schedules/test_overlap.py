"""Overlap: what becomes of an instant while a run of the schedule still goes on."""

import pytest


def fire(house, times):
    for _ in range(times):
        house.advance(60)


def decided(house, schedule):
    return [(s["decision"], s["reason"]) for s in house.slots(schedule)]


RUN, SKIPPED, SUPERSEDED = ("run", None), ("skipped", "overlap"), ("skipped", "superseded")


def test_skip_lets_the_one_that_runs_finish(house):
    schedule = house.schedule(every_s=60, overlap="skip")

    fire(house, 3)

    assert decided(house, schedule) == [RUN, SKIPPED, SKIPPED]
    first = house.slots(schedule)[0]["instance"]
    assert {s["blocking"] for s in house.slots(schedule)[1:]} == {first}
    house.succeed(first)
    fire(house, 1)
    assert decided(house, schedule)[-1] == RUN


def test_queue_one_keeps_one_waiting(house):
    schedule = house.schedule(every_s=60, overlap="queue_one")

    fire(house, 3)

    assert decided(house, schedule) == [RUN, RUN, SKIPPED]
    first, second, third = house.slots(schedule)
    assert house.states(first["instance"], second["instance"]) == ["running", "waiting"]
    assert third["blocking"] == first["instance"]
    house.succeed(first["instance"])
    assert house.state(second["instance"]) == "running"


def test_queue_all_keeps_as_many_as_it_may_waiting_in_order(house):
    schedule = house.schedule(every_s=60, overlap="queue_all", queue_max=2)

    fire(house, 4)

    assert decided(house, schedule) == [RUN, RUN, RUN, SKIPPED]
    runs = [s["instance"] for s in house.slots(schedule)[:3]]
    assert house.states(*runs) == ["running", "waiting", "waiting"]
    house.succeed(runs[0])
    assert house.states(*runs) == ["succeeded", "running", "waiting"]
    house.fail(runs[1])
    assert house.states(*runs) == ["succeeded", "failed", "running"]


def test_latest_replaces_the_one_that_waits(house):
    schedule = house.schedule(every_s=60, overlap="latest")

    fire(house, 3)

    assert decided(house, schedule) == [RUN, SUPERSEDED, RUN]
    runs = [s["instance"] for s in house.slots(schedule)]
    assert house.states(*runs) == ["running", "skipped", "waiting"]
    assert house.slots(schedule)[1]["blocking"] == runs[2]
    assert house.error(runs[1])["code"] == "superseded"
    house.succeed(runs[0])
    assert house.state(runs[2]) == "running"


def test_cancel_running_ends_what_runs_and_starts_once_it_has_ended(house):
    schedule = house.schedule(every_s=60, overlap="cancel_running")

    fire(house, 2)

    runs = [s["instance"] for s in house.slots(schedule)]
    assert decided(house, schedule) == [RUN, RUN]
    assert house.configuration(runs[0]) == "cancelling"
    assert house.state(runs[1]) == "waiting"
    house.report(house.success(runs[0]))
    assert house.states(*runs) == ["cancelled", "running"]


def test_allow_starts_beside_what_runs(house):
    schedule = house.schedule(every_s=60, overlap="allow")

    fire(house, 3)

    runs = [s["instance"] for s in house.slots(schedule)]
    assert house.states(*runs) == ["running"] * 3
    for run in runs:
        assert house.leaf(schedule) == "running"
        house.succeed(run)
    assert house.leaf(schedule) == "idle"


@pytest.mark.parametrize("overlap", ["queue_one", "queue_all", "latest", "cancel_running"])
def test_who_waits_for_a_turn_still_gets_it_after_a_crash(house, overlap):
    schedule = house.schedule(every_s=60, overlap=overlap, task={"type": "wait"})
    fire(house, 2)
    runs = [s["instance"] for s in house.slots(schedule)]

    house.crash()
    if house.state(runs[0]) == "awaiting":
        assert house.state(runs[1]) == "waiting"
        house.ask("finish.reported", runs[0])

    assert house.state(runs[1]) == "awaiting"


def test_a_suspended_run_that_waits_does_not_pass_the_others(house):
    schedule = house.schedule(every_s=60, overlap="queue_one")
    fire(house, 2)
    first, second = (s["instance"] for s in house.slots(schedule))

    house.suspend(second)
    house.resume(second)
    assert house.state(second) == "waiting"

    house.suspend(second)
    house.succeed(first)
    assert house.state(second) == "suspended"
    house.resume(second)
    assert house.state(second) == "running"


def test_a_run_that_waits_says_what_for(house):
    schedule = house.schedule(every_s=60, overlap="queue_one")
    fire(house, 2)

    (reason,) = house.explain(house.slots(schedule)[1]["instance"])["waiting_for"]

    assert reason["kind"] == "schedule"


def test_a_waiting_run_that_is_cancelled_makes_room(house):
    schedule = house.schedule(every_s=60, overlap="queue_one")
    fire(house, 2)
    first, second = (s["instance"] for s in house.slots(schedule))

    house.cancel(second)
    fire(house, 1)

    third = house.slots(schedule)[2]["instance"]
    assert house.states(first, second, third) == ["running", "cancelled", "waiting"]
    house.succeed(first)
    assert house.state(third) == "running"


def test_a_run_that_is_tried_again_counts_as_open(house):
    schedule = house.schedule(every_s=60)
    fire(house, 1)
    run = house.slots(schedule)[0]["instance"]
    house.fail(run)
    assert house.leaf(schedule) == "idle"

    house.retry(run)

    assert house.leaf(schedule) == "running"
    fire(house, 1)
    assert decided(house, schedule) == [RUN, SKIPPED]


def test_two_schedules_do_not_hold_up_each_other(house):
    one, other = house.schedule(every_s=60), house.schedule(every_s=60)

    fire(house, 1)

    assert decided(house, one) == decided(house, other) == [RUN]
