"""What may be asked for in which state: the whole table, and what each answer leads to."""

import pytest
from core.house import PLAIN
from tipman.errors import InvalidError, NotFoundError
from tipman.events import StopReason


def waiting(house):
    return house.task(dependencies=[_uri(house, house.task())])


def delayed(house):
    return house.task(after_s=10)


def queued(house):
    return house.submit(*[{**PLAIN, "queue": "narrow"}] * 2)[1]


def executing(house):
    return house.task(timeout_s=60)


def finishing(house):
    identifier = executing(house)
    house.suspend(identifier)
    return identifier


def parking(house):
    identifier = executing(house)
    house.suspend(identifier, {"in_flight": "stop"})
    return identifier


def ending(house):
    identifier = house.task(timeout_s=5)
    house.advance(5)
    return identifier


def cancelling(house):
    identifier = executing(house)
    house.cancel(identifier)
    return identifier


def backing_off(house):
    identifier = house.task(retry={"attempts_max": 2, "delay_s": 100})
    house.fail(identifier)
    return identifier


def awaiting(house):
    return house.task(type="wait", arguments={})


def suspended(house):
    identifier = delayed(house)
    house.suspend(identifier)
    return identifier


def succeeded(house):
    identifier = executing(house)
    house.succeed(identifier)
    return identifier


def failed(house):
    identifier = executing(house)
    house.fail(identifier)
    return identifier


def skipped(house):
    return house.task(dependencies=[_uri(house, failed(house))])


def cancelled(house):
    identifier = delayed(house)
    house.cancel(identifier)
    return identifier


def abandoned(house):
    identifier = executing(house)
    for _ in range(house.settings.lost_max):
        house.crash()
    return identifier


def _uri(house, identifier):
    return house.view(identifier)["uri"]


CONFLICT = None
ASKED = {
    "cancel": ("cancel.requested", None),
    "suspend": ("suspend.requested", None),
    "stop": ("suspend.requested", {"in_flight": "stop"}),
    "resume": ("resume.requested", None),
    "retry": ("retry.requested", None),
}
TABLE = {
    waiting: {"cancel": "cancelled", "suspend": "suspended", "stop": "suspended"},
    delayed: {"cancel": "cancelled", "suspend": "suspended", "stop": "suspended"},
    queued: {"cancel": "cancelled", "suspend": "suspended", "stop": "suspended"},
    executing: {"cancel": "cancelling", "suspend": "finishing", "stop": "parking"},
    finishing: {"cancel": "cancelling", "stop": "parking", "resume": "executing"},
    parking: {"cancel": "cancelling", "resume": "ending"},
    ending: {"cancel": "cancelling", "suspend": "parking", "stop": "parking"},
    cancelling: {"cancel": "cancelling"},
    backing_off: {"cancel": "cancelled", "suspend": "suspended", "stop": "suspended"},
    awaiting: {"cancel": "cancelled", "suspend": "suspended", "stop": "suspended"},
    suspended: {"cancel": "cancelled", "resume": "delayed"},
    succeeded: {},
    failed: {"retry": "executing"},
    skipped: {},
    cancelled: {"cancel": "cancelled", "retry": "executing"},
    abandoned: {"retry": "executing"},
}
"""By state what each request leads to; one that is not named is a conflict."""


@pytest.mark.parametrize("state", TABLE, ids=lambda state: state.__name__)
def test_a_request_moves_a_task_or_is_a_conflict_that_names_the_state(build, state):
    house = build(queues={"narrow": 1}, lost_max=2, slots=100)
    expected = TABLE[state]

    for word, (name, data) in ASKED.items():
        identifier = state(house)
        assert house.configuration(identifier) == state.__name__
        if expected.get(word) is CONFLICT:
            assert house.conflict(name, identifier, data) == house.state(identifier), word
        else:
            house.ask(name, identifier, data)
        assert house.configuration(identifier) == expected.get(word, state.__name__), word


@pytest.mark.parametrize("state", TABLE, ids=lambda state: state.__name__)
def test_only_a_wait_task_hears_what_is_reported_from_outside(build, state):
    house = build(queues={"narrow": 1}, lost_max=2)
    identifier = state(house)
    if state is awaiting:
        return

    for name in ("finish.reported", "fail.reported"):
        assert house.conflict(name, identifier) == house.state(identifier)


@pytest.mark.parametrize("state", TABLE, ids=lambda state: state.__name__)
def test_every_unsettled_state_names_what_it_waits_for_and_a_settled_one_nothing(build, state):
    house = build(queues={"narrow": 1}, lost_max=2)

    identifier = state(house)
    waiting_for = house.explain(identifier)["waiting_for"]

    assert bool(waiting_for) != house.view(identifier)["settled"]
    assert all(reason["text"] for reason in waiting_for)
    if state in {delayed, backing_off}:
        assert waiting_for[0]["until"] == house.view(identifier)["due_at"]


@pytest.mark.parametrize("state", [cancelling, cancelled])
def test_cancelling_what_is_cancelled_changes_nothing_and_is_fine(house, state):
    identifier = state(house)
    before = house.log(identifier)

    house.cancel(identifier)

    assert house.log(identifier) == before


def test_a_request_for_nobody_is_not_found(house):
    with pytest.raises(NotFoundError, match="00000000-0000-0000-0000-000000000007"):
        house.cancel((7).to_bytes(16, "big"))


def test_in_flight_is_finish_or_stop(house):
    identifier = executing(house)

    with pytest.raises(InvalidError) as refused:
        house.suspend(identifier, {"in_flight": "later"})

    assert refused.value.faults[0].pointer == "/data/in_flight"
    assert house.configuration(identifier) == "executing"


def test_the_log_says_who_asked(house):
    identifier = delayed(house)

    house.cancel(identifier)

    lines = {line["name"]: line["actor"] for line in house.log(identifier)}
    assert lines == {
        "task.submitted": "tester",
        "cancel.requested": "tester",
        "task.settled": "engine",
    }


# Cancel.


def test_a_running_attempt_is_ended_before_its_task_is_cancelled(build):
    house = build(grace_s=3)
    identifier = executing(house)

    house.cancel(identifier)

    (stop,) = house.hand.stops
    assert (stop.instance, stop.attempt, stop.grace_s) == (identifier, 1, 3)
    assert stop.reason is StopReason.CANCELLED
    assert house.state(identifier) == "running"
    house.interrupt(identifier, StopReason.CANCELLED)
    assert house.state(identifier) == "cancelled"
    assert house.outcomes(identifier) == ["interrupted"]


@pytest.mark.parametrize("end", ["succeed", "fail", "time_out"])
def test_a_cancel_that_was_accepted_holds_however_the_attempt_ends(house, end):
    identifier = house.task(retry={"attempts_max": 5})
    house.cancel(identifier)

    getattr(house, end)(identifier)

    assert house.state(identifier) == "cancelled"
    assert len(house.hand.started) == 1


def test_a_cancel_that_was_accepted_holds_over_a_crash(house):
    identifier = executing(house)
    house.cancel(identifier)

    house.crash()

    assert house.state(identifier) == "cancelled"
    assert house.hand.started == []


def test_a_cancelled_task_does_not_time_out_as_well(house):
    identifier = executing(house)
    house.cancel(identifier)

    house.advance(1000)

    assert len(house.hand.stops) == 1
    assert house.configuration(identifier) == "cancelling"


def test_what_was_cancelled_while_queued_never_starts(build):
    house = build(slots=1)
    first, second = house.submit(PLAIN, PLAIN)
    house.cancel(second)

    house.succeed(first)

    assert house.states(first, second) == ["succeeded", "cancelled"]
    assert len(house.hand.started) == 1


# Suspend and resume.


def test_a_suspended_running_attempt_finishes_and_its_success_counts(house):
    identifier = finishing(house)

    house.succeed(identifier)

    assert house.hand.stops == []
    assert house.state(identifier) == "succeeded"


def test_a_suspended_running_attempt_that_fails_for_good_has_failed(house):
    identifier = finishing(house)

    house.fail(identifier)

    assert house.state(identifier) == "failed"


@pytest.mark.parametrize(("delay_s", "then"), [(0, "executing"), (100, "backing_off")])
def test_what_would_have_been_retried_is_suspended_instead(house, delay_s, then):
    identifier = house.task(retry={"attempts_max": 2, "delay_s": delay_s})
    house.suspend(identifier)

    house.fail(identifier)

    assert house.state(identifier) == "suspended"
    house.advance(1000 if delay_s == 0 else 10)
    assert house.state(identifier) == "suspended"
    house.resume(identifier)
    assert house.configuration(identifier) == then


def test_stopping_in_flight_ends_the_attempt_and_resuming_queues_it_again(house):
    identifier = parking(house)
    assert [stop.reason for stop in house.hand.stops] == [StopReason.SUSPENDED]

    house.interrupt(identifier, StopReason.SUSPENDED)

    assert house.state(identifier) == "suspended"
    assert house.outcomes(identifier) == ["interrupted"]
    house.resume(identifier)
    assert house.configuration(identifier) == "executing"
    assert house.view(identifier)["attempt"] == 2


def test_an_attempt_that_succeeds_while_it_is_being_stopped_has_succeeded(house):
    identifier = parking(house)

    house.succeed(identifier)

    assert house.state(identifier) == "succeeded"


def test_a_suspension_taken_back_in_time_leaves_no_trace_in_the_work(house):
    identifier = finishing(house)
    house.resume(identifier)

    house.succeed(identifier)

    assert house.state(identifier) == "succeeded"
    assert house.outcomes(identifier) == ["succeeded"]


def test_an_attempt_that_is_being_stopped_is_followed_by_another_when_resumed(house):
    identifier = parking(house)
    house.resume(identifier)

    house.interrupt(identifier, StopReason.SUSPENDED)

    assert house.configuration(identifier) == "executing"
    assert house.view(identifier)["attempt"] == 2


def test_a_suspended_running_attempt_still_has_its_time_limit(house):
    identifier = house.task(timeout_s=5)
    house.suspend(identifier)

    house.advance(5)

    assert [stop.reason for stop in house.hand.stops] == [StopReason.TIMED_OUT]
    house.time_out(identifier)
    assert house.state(identifier) == "failed"
    assert house.error(identifier)["code"] == "timeout"


def test_a_suspended_running_attempt_that_is_lost_is_suspended(house):
    identifier = finishing(house)

    house.crash()

    assert house.state(identifier) == "suspended"
    assert house.outcomes(identifier) == ["lost"]
    house.resume(identifier)
    assert house.configuration(identifier) == "executing"


def test_a_suspended_queued_task_takes_no_slot(build):
    house = build(slots=1)
    first, second = house.submit(PLAIN, PLAIN)
    house.suspend(second)

    house.succeed(first)

    assert house.state(second) == "suspended"
    house.resume(second)
    assert house.state(second) == "running"


def test_what_is_suspended_stays_so_over_a_crash_and_comes_back_by_history(house):
    identifier = suspended(house)

    house.crash()

    assert house.state(identifier) == "suspended"
    house.resume(identifier)
    assert house.state(identifier) == "delayed"
    house.advance(10)
    assert house.state(identifier) == "running"


@pytest.mark.parametrize(("end", "then"), [("succeed", "running"), ("fail", "skipped")])
def test_what_settled_meanwhile_counts_when_a_task_is_resumed(house, end, then):
    before = house.task()
    identifier = house.task(dependencies=[_uri(house, before)])
    house.suspend(identifier)

    getattr(house, end)(before)

    assert house.state(identifier) == "suspended"
    house.resume(identifier)
    assert house.state(identifier) == then


def test_a_task_whose_dependencies_settled_not_all_goes_on_waiting_when_resumed(house):
    first, second = house.submit(PLAIN, PLAIN)
    identifier = house.task(dependencies=[_uri(house, first), _uri(house, second)])
    house.suspend(identifier)
    house.succeed(first)

    house.resume(identifier)

    assert house.state(identifier) == "waiting"
    house.succeed(second)
    assert house.state(identifier) == "running"


def test_a_suspended_task_can_be_cancelled(house):
    identifier = suspended(house)

    house.cancel(identifier)

    assert house.state(identifier) == "cancelled"
    assert house.conflict("resume.requested", identifier) == "cancelled"


# Retry.


@pytest.mark.parametrize("state", [failed, cancelled, abandoned])
def test_retrying_begins_a_new_attempt_and_keeps_the_old_ones(build, state):
    house = build(lost_max=2)
    identifier = state(house)
    before = house.attempts(identifier)

    house.retry(identifier)
    house.succeed(identifier, "at last")

    assert house.state(identifier) == "succeeded"
    assert house.result(identifier) == "at last"
    assert house.attempts(identifier)[:-1] == before
    assert house.attempts(identifier)[-1]["number"] == len(before) + 1
    assert house.attempts(identifier)[-1]["opening"] == 2


def test_retrying_allows_as_many_attempts_as_the_first_time(house):
    identifier = house.task(retry={"attempts_max": 2, "delay_s": 0})
    house.fail(identifier)
    house.fail(identifier)
    assert house.state(identifier) == "failed"

    house.retry(identifier)

    house.fail(identifier)
    assert house.state(identifier) == "running"
    house.fail(identifier)
    assert house.state(identifier) == "failed"
    assert [a["opening"] for a in house.attempts(identifier)] == [1, 1, 2, 2]


def test_retrying_does_not_wait_for_a_due_time_again(house):
    identifier = house.task(after_s=10)
    house.advance(10)
    house.fail(identifier)

    house.retry(identifier)

    assert house.state(identifier) == "running"


def test_each_opening_settles_once(house):
    identifier = failed(house)

    house.retry(identifier)
    house.fail(identifier)

    names = house.names(identifier)
    assert names.count("task.settled") == 2
    assert names.count("task.reopened") == 1
    assert names.index("task.reopened") > names.index("task.settled")


def test_a_retried_task_shows_no_old_error(house):
    identifier = failed(house)

    house.retry(identifier)

    assert house.error(identifier) is None
    assert house.view(identifier)["settled_at"] is None
