"""Firing: each instant decided once, its run submitted and the next deadline armed with it."""

from core.house import PLAIN


def test_a_schedule_fires_when_its_interval_is_over(house):
    schedule = house.schedule(every_s=60)
    assert house.clock.next_alarm_s() == 30
    house.advance(59.9)
    assert house.slots(schedule) == []

    house.advance(0.1)

    assert house.decisions(schedule) == [(60, "run", None)]
    assert house.started() == ["sleep"]
    assert house.leaf(schedule) == "running"


def test_the_next_deadline_is_armed_with_the_decision(house):
    schedule = house.schedule(every_s=60)
    house.advance(60)
    house.succeed(house.slots(schedule)[0]["instance"])
    assert house.leaf(schedule) == "idle"

    house.advance(60)

    assert house.decisions(schedule) == [(60, "run", None), (120, "run", None)]


def test_a_run_that_still_goes_on_makes_the_next_one_skip(house):
    schedule = house.schedule(every_s=60)

    house.advance(60)
    house.advance(60)

    first, second = house.slots(schedule)
    assert (second["decision"], second["reason"]) == ("skipped", "overlap")
    assert second["blocking"] == first["instance"]


def test_a_schedule_goes_on_after_a_crash(house):
    schedule = house.schedule(every_s=60)
    house.advance(60)

    house.crash()
    house.advance(60)

    assert [d[:2] for d in house.decisions(schedule)] == [(60, "run"), (120, "skipped")]


def test_what_was_missed_while_nobody_was_there_is_written_down(house):
    schedule = house.schedule(every_s=60, task=PLAIN)
    house.clock.jump(230)

    house.crash()
    house.advance(0)

    assert house.decisions(schedule) == [
        (60, "missed", "down"),
        (120, "missed", "down"),
        (180, "run", None),
    ]
