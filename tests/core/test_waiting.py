"""`wait` tasks: settled from outside, early or late, or by running out of time."""

import pytest
from core.house import PLAIN, WAIT


def test_a_wait_task_takes_no_slot(build):
    house = build(slots=1)
    waits = house.submit(*[WAIT] * 3)

    identifier = house.task()

    assert house.states(*waits) == ["awaiting"] * 3
    assert house.state(identifier) == "running"
    assert house.explain(waits[0])["waiting_for"][0]["kind"] == "event"


def test_what_is_reported_is_its_result(house):
    (identifier,) = house.submit(WAIT)

    house.ask("finish.reported", identifier, {"by": "anna", "amount": 3})

    assert house.state(identifier) == "succeeded"
    assert house.result(identifier) == {"by": "anna", "amount": 3}
    assert house.log(identifier)[-2]["actor"] == "tester"
    assert house.outcomes(identifier) == ["succeeded"]
    assert house.conflict("finish.reported", identifier) == "succeeded"
    assert house.conflict("fail.reported", identifier) == "succeeded"


@pytest.mark.parametrize(("data", "message"), [("too dear", "too dear"), ({"a": 1}, '{"a":1}')])
def test_a_reported_failure_fails_it_with_the_reason(house, data, message):
    (identifier,) = house.submit(WAIT)

    house.ask("fail.reported", identifier, data)

    assert house.state(identifier) == "failed"
    assert house.error(identifier) == {"code": "reported", "message": message}


def test_a_reported_failure_is_retried_as_the_policy_says(house):
    (identifier,) = house.submit({**WAIT, "retry": {"attempts_max": 2, "delay_s": 10}})

    house.ask("fail.reported", identifier, "not yet")

    assert house.state(identifier) == "backing_off"
    house.advance(10)
    assert house.state(identifier) == "awaiting"
    house.ask("finish.reported", identifier, "now")
    assert house.outcomes(identifier) == ["failed", "succeeded"]


def test_a_wait_that_runs_out_of_time_fails(house):
    (identifier,) = house.submit({**WAIT, "timeout_s": 60})

    house.advance(59.9)
    assert house.state(identifier) == "awaiting"
    house.advance(0.1)

    assert house.state(identifier) == "failed"
    assert house.error(identifier)["code"] == "timeout"


def test_a_wait_that_runs_out_is_retried_as_the_policy_says(house):
    retry = {"attempts_max": 3, "delay_s": 10, "on": ["timeout"]}
    (identifier,) = house.submit({**WAIT, "timeout_s": 60, "retry": retry})

    house.advance(60)
    assert house.state(identifier) == "backing_off"
    house.advance(10)
    assert house.state(identifier) == "awaiting"
    house.advance(59.9)
    assert house.state(identifier) == "awaiting"
    house.ask("fail.reported", identifier, "no")

    assert house.state(identifier) == "failed", "a report is no time-out"
    assert house.outcomes(identifier) == ["failed", "failed"]


def test_a_failed_wait_waits_anew_when_it_is_retried(house):
    (identifier,) = house.submit({**WAIT, "timeout_s": 60})
    house.advance(60)

    house.retry(identifier)

    assert house.state(identifier) == "awaiting"
    house.advance(59.9)
    assert house.state(identifier) == "awaiting"
    house.advance(0.1)
    assert house.state(identifier) == "failed"


@pytest.mark.parametrize("delay_s", [0, 5])
def test_a_retried_wait_takes_no_slot(build, delay_s):
    house = build(slots=1)
    house.task()
    (identifier,) = house.submit({**WAIT, "retry": {"attempts_max": 2, "delay_s": delay_s}})

    house.ask("fail.reported", identifier, "no")
    house.advance(delay_s)

    assert house.state(identifier) == "awaiting"
    assert house.core.frontier.slots_taken == 1


def test_a_wait_without_a_limit_waits_for_ever(house):
    (identifier,) = house.submit(WAIT)

    house.advance(10**9)

    assert house.state(identifier) == "awaiting"
    assert house.clock.next_alarm_s() is None


@pytest.mark.parametrize(
    ("name", "state"), [("finish.reported", "succeeded"), ("fail.reported", "failed")]
)
def test_what_is_reported_early_is_kept(house, name, state):
    first = house.task(key="first")
    (identifier,) = house.submit({**WAIT, "dependencies": ["first"]})

    house.ask(name, identifier, "early")
    assert house.state(identifier) == "waiting"
    assert house.conflict(name, identifier) == "waiting"
    house.crash()
    house.succeed(first)

    assert house.state(identifier) == state


@pytest.mark.parametrize("is_suspended", [False, True])
@pytest.mark.parametrize(
    ("name", "state"), [("finish.reported", "succeeded"), ("fail.reported", "failed")]
)
def test_what_is_reported_before_the_due_time_counts_at_the_due_time(
    house, is_suspended, name, state
):
    (identifier,) = house.submit({**WAIT, "after_s": 10})
    if is_suspended:
        house.suspend(identifier)
    house.ask(name, identifier, "early")
    if is_suspended:
        house.resume(identifier)
    house.advance(9)
    assert house.state(identifier) == "delayed"

    house.advance(1)

    assert house.state(identifier) == state
    assert "early" in {house.result(identifier), (house.error(identifier) or {}).get("message")}


def test_what_is_reported_while_it_is_suspended_counts_when_it_is_resumed(house):
    (identifier,) = house.submit(WAIT)
    house.suspend(identifier)

    house.ask("finish.reported", identifier, 1)

    assert house.state(identifier) == "suspended"
    house.resume(identifier)
    assert house.state(identifier) == "succeeded"
    assert house.result(identifier) == 1


def test_a_suspended_wait_keeps_its_time_limit(house):
    (identifier,) = house.submit({**WAIT, "timeout_s": 60})
    house.suspend(identifier)
    house.advance(100)
    assert house.state(identifier) == "suspended"

    house.resume(identifier)
    house.advance(0)

    assert house.state(identifier) == "failed"
    assert house.error(identifier)["code"] == "timeout"
    assert house.outcomes(identifier) == ["failed"]


def test_a_wait_is_one_wait_over_suspension_and_crash(house):
    (identifier,) = house.submit(WAIT)
    house.suspend(identifier)
    house.resume(identifier)

    house.crash()

    assert house.state(identifier) == "awaiting"
    assert house.view(identifier)["attempt"] == 1
    assert house.attempts(identifier) == []


def test_a_cancelled_wait_opens_again_when_retried(house):
    (identifier,) = house.submit(WAIT)
    house.cancel(identifier)
    assert house.state(identifier) == "cancelled"

    house.retry(identifier)

    assert house.state(identifier) == "awaiting"
    house.ask("finish.reported", identifier)
    assert house.state(identifier) == "succeeded"


def test_the_dependents_of_a_wait_go_on_with_its_end(house):
    waiting, dependent = house.submit({**WAIT, "key": "wait"}, {**PLAIN, "dependencies": ["wait"]})

    house.ask("finish.reported", waiting)

    assert house.state(dependent) == "running"
