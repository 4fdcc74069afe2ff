"""Time: due tasks, the one alarm, and clocks that are moved."""

from datetime import timedelta

import pytest
from core.house import PLAIN
from tipman.clock import MICROSECONDS, rfc3339
from tipman.receipts import Receipt


def instant(house, seconds):
    return rfc3339(house.clock.wall_us() + round(seconds * MICROSECONDS))


@pytest.mark.parametrize(
    ("due_in", "after_s", "starts_in"),
    [(100, None, 100), (None, 10, 10), (100, 10, 100), (5, 10, 10), (-5, None, 0), (-5, 0, 0)],
)
def test_the_later_of_due_at_and_after_s_counts(house, due_in, after_s, starts_in):
    fields = {} if after_s is None else {"after_s": after_s}
    if due_in is not None:
        fields["due_at"] = instant(house, due_in)

    identifier = house.task(**fields)

    if starts_in:
        assert house.state(identifier) == "delayed"
        assert house.view(identifier)["due_at"] == instant(house, starts_in)
        house.advance(starts_in - 0.001)
        assert house.state(identifier) == "delayed"
        house.advance(0.001)
    assert house.state(identifier) == "running"


def test_after_s_counts_from_when_the_dependencies_settled(house):
    first = house.task(key="first")
    identifier = house.task(dependencies=["first"], after_s=10)
    house.advance(100)
    assert house.state(identifier) == "waiting"

    house.succeed(first)

    assert house.state(identifier) == "delayed"
    house.advance(9.9)
    assert house.state(identifier) == "delayed"
    house.advance(0.1)
    assert house.state(identifier) == "running"


def test_a_due_time_that_passed_while_it_waited_delays_no_more(house):
    first = house.task(key="first")
    due_at = instant(house, 50)
    identifier = house.task(dependencies=["first"], due_at=due_at)
    house.advance(100)
    assert house.view(identifier)["due_at"] == due_at

    house.succeed(first)

    assert house.state(identifier) == "running"


def test_a_suspension_does_not_move_the_due_time(house):
    identifier = house.task(after_s=10)
    house.advance(5)
    house.suspend(identifier)
    house.advance(2)
    house.resume(identifier)

    house.advance(2.9)

    assert house.state(identifier) == "delayed"
    house.advance(0.1)
    assert house.state(identifier) == "running"


def test_what_fell_due_while_it_was_suspended_starts_when_it_is_resumed(house):
    identifier = house.task(after_s=10)
    house.suspend(identifier)
    house.advance(100)
    assert house.state(identifier) == "suspended"

    house.resume(identifier)
    house.advance(0)

    assert house.state(identifier) == "running"


def test_what_was_backing_off_starts_when_it_is_resumed_too_late(house):
    identifier = house.task(retry={"attempts_max": 2, "delay_s": 10})
    house.fail(identifier)
    house.suspend(identifier)
    house.advance(100)

    house.resume(identifier)
    house.advance(0)

    assert house.state(identifier) == "running"


def test_what_fell_due_while_no_engine_ran_starts_at_the_next_start(house):
    identifier = house.task(after_s=10)
    house.clock.jump(100)

    house.crash()
    house.advance(0)

    assert house.state(identifier) == "running"


def test_all_that_is_due_at_one_instant_is_taken(build):
    house = build(slots=4_000)
    ids = house.submit(*[{**PLAIN, "after_s": 10}] * 3_000, {**PLAIN, "after_s": 11})

    house.advance(10)

    assert len(house.hand.started) == 3_000
    assert house.state(ids[-1]) == "delayed"


def test_what_fell_due_at_many_instants_meanwhile_is_taken(build):
    house = build(slots=4_000)
    start_us = house.clock.wall_us()
    dues = [{**PLAIN, "due_at": rfc3339(start_us + 1_000 + n // 3)} for n in range(2_500)]
    house.submit(*dues)

    house.clock.jump(10)
    house.advance(1)

    assert len(house.hand.started) == 2_500


def test_tasks_start_in_the_order_they_fell_due(build):
    house = build(slots=1)
    house.submit(PLAIN, *({**PLAIN, "name": f"{s}", "after_s": s} for s in (3, 1, 2)))
    for _ in range(3):
        house.advance(1)

    for _ in range(4):
        house.succeed(house.hand.started[-1].instance)

    assert house.started() == ["sleep", "1", "2", "3"]


# The alarm.


def test_an_idle_engine_arms_no_alarm(house):
    assert house.clock.next_alarm_s() is None
    identifier = house.task()
    assert house.clock.next_alarm_s() is None

    house.succeed(identifier)

    assert house.clock.next_alarm_s() is None


def test_an_engine_whose_deadlines_are_gone_arms_no_alarm_in_the_end(house):
    identifier = house.task(timeout_s=5)
    house.advance(1)
    house.succeed(identifier)

    house.advance(60)

    assert house.clock.next_alarm_s() is None


def test_the_alarm_is_armed_for_the_earliest_deadline(house):
    house.task(after_s=20)
    assert house.clock.next_alarm_s() == 20

    house.task(after_s=5)

    assert house.clock.next_alarm_s() == 5
    house.task(after_s=10)
    assert house.clock.next_alarm_s() == 5
    house.advance(5)
    assert house.clock.next_alarm_s() == 5


def test_the_alarm_is_never_further_away_than_half_a_minute(house):
    identifier = house.task(after_s=timedelta(days=3).total_seconds())

    for _ in range(4):
        assert 0 < house.clock.next_alarm_s() <= 30
        house.advance(30)

    assert house.state(identifier) == "delayed"


def test_the_alarm_is_armed_again_after_a_start(house):
    house.task(after_s=20)

    house.crash()

    assert house.clock.next_alarm_s() == 20


@pytest.mark.parametrize("end", ["succeed", "fail", "cancel", "suspend"])
def test_the_time_out_of_an_attempt_is_remembered_until_it_ends(house, end):
    identifier = house.task(timeout_s=5)
    assert house.core.directory.deadlines.limits == {identifier: house.clock.wall_us() + 5_000_000}

    if end == "suspend":
        house.ask("suspend.requested", identifier, {"in_flight": "stop"})
    else:
        getattr(house, end)(identifier)

    assert house.core.directory.deadlines.limits == {}
    house.advance(5)
    assert "timer.fired" not in house.names(identifier)


def test_a_time_out_that_died_with_its_engine_ends_no_later_attempt(house):
    identifier = house.task(timeout_s=5)
    house.advance(3)
    house.crash()

    house.advance(4)

    assert house.outcomes(identifier) == ["lost"]
    house.advance(1)
    assert house.configuration(identifier) == "ending"


# Clocks that are moved.


def test_a_clock_that_is_set_back_makes_what_is_due_wait_for_its_instant(house):
    identifier = house.task(after_s=10)
    house.advance(5)
    house.clock.jump(-100)

    house.advance(60)

    assert house.state(identifier) == "delayed"
    house.advance(44.9)
    assert house.state(identifier) == "delayed"
    house.advance(0.1)
    assert house.state(identifier) == "running"
    assert len(house.hand.started) == 1


def test_a_clock_that_is_set_forward_is_noticed_within_half_a_minute(house):
    identifier = house.task(after_s=3_600)

    house.clock.jump(3_600)
    house.advance(30)

    assert house.state(identifier) == "running"


def test_a_timer_that_was_published_before_the_clock_was_set_back_is_not_lost(house):
    identifier = house.task(after_s=10)
    house.clock.advance(10)
    house.clock.jump(-5)
    house.rest()
    assert house.state(identifier) == "delayed"

    house.advance(60)

    assert house.state(identifier) == "running"


def test_a_deadline_that_the_bus_has_not_reached_is_published_once(house):
    for after_s in (10, 11, 12):
        house.task(after_s=after_s)
    told = []
    house.core.bus.publish_nowait = lambda event: told.append(event) or Receipt()

    for _ in range(3):
        house.clock.advance(5)

    assert sum(len(event.instances) for event in told) == 3


def test_a_deadline_that_was_refused_is_published_again_at_the_next_look(house):
    house.task(after_s=10)
    house.task(after_s=11)
    told = []
    house.core.bus.publish_nowait = lambda event: told.append(event) or refused()

    house.clock.advance(10)
    house.clock.advance(1)

    assert [len(event.instances) for event in told] == [1, 2]


def refused():
    """Return the receipt of an event that changed nothing."""
    receipt = Receipt()
    receipt.settle(None)
    return receipt
