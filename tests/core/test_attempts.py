"""Attempts: how they end, whose report counts, and what is tried again."""

import itertools
import json

import pytest
from core.house import BOOM, PLAIN
from tipman.events import (
    AttemptFailed,
    AttemptSucceeded,
    AttemptTimedOut,
    Failure,
    StopReason,
)


def settled(house, identifier):
    return house.names(identifier).count("task.settled")


def test_an_attempt_that_succeeds_settles_its_task_with_its_result(house):
    identifier = house.task()

    house.succeed(identifier, {"answer": [1, None, "ä"]})

    view = house.view(identifier)
    assert (view["state"], view["settled"], view["running"]) == ("succeeded", True, False)
    assert view["result"] == {"answer": [1, None, "ä"]}
    assert view["error"] is None
    assert house.names(identifier) == [
        "task.submitted",
        "task.queued",
        "attempt.started",
        "attempt.succeeded",
        "task.settled",
    ]


def test_the_log_has_no_gap_and_each_line_begins_where_the_last_ended(house):
    identifier = house.task(retry={"attempts_max": 2, "delay_s": 5})
    house.fail(identifier)
    house.suspend(identifier)
    house.resume(identifier)
    house.advance(5)
    house.succeed(identifier)

    lines = house.log(identifier)

    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[0]["before"] == ""
    for earlier, later in itertools.pairwise(lines):
        assert later["before"] == earlier["after"]
    assert lines[-1]["after"] == house.configuration(identifier)


def test_an_attempt_that_fails_settles_its_task_with_its_error(house):
    identifier = house.task()

    house.fail(identifier, result='{"exit_code":3}')

    view = house.view(identifier)
    assert view["state"] == "failed"
    assert view["error"] == {
        "code": "exception",
        "message": "boom",
        "traceback": "a traceback",
    }
    assert view["result"] == {"exit_code": 3}


def test_a_task_that_is_started_knows_what_it_was_asked_for(build):
    house = build()
    identifier = house.task(type="exec", arguments="make", env={"A": "b"}, timeout_s=7, name="n")

    (start,) = house.hand.started

    assert (start.instance, start.attempt, start.epoch) == (identifier, 1, house.core.epoch)
    assert (start.type, start.name, start.arguments) == ("exec", "n", "make")
    assert (dict(start.env), start.timeout_s) == ({"A": "b"}, 7)


def test_a_result_past_the_limit_fails_its_attempt(build):
    house = build(result_bytes_max=10)
    small, large = house.submit(PLAIN, PLAIN)

    house.succeed(small, "12345678")
    house.succeed(large, "123456789")

    assert house.states(small, large) == ["succeeded", "failed"]
    assert house.error(large)["code"] == "too_large"
    assert house.result(large) is None
    assert "attempt.failed" in house.names(large)


def test_a_task_of_a_type_that_this_engine_does_not_run_fails(build):
    house = build(types=("sleep",))

    identifier = house.task(type="http", arguments={"url": "http://127.0.0.1:1/"})

    assert house.state(identifier) == "failed"
    assert house.error(identifier)["code"] == "executor"


# Retries.


def test_a_failure_is_retried_after_its_delay(house):
    identifier = house.task(retry={"attempts_max": 3, "backoff": "exponential", "delay_s": 10})

    house.fail(identifier)
    assert house.state(identifier) == "backing_off"
    house.advance(9.9)
    assert house.state(identifier) == "backing_off"
    house.advance(0.1)
    assert house.state(identifier) == "running"
    house.fail(identifier)
    house.advance(19.9)
    assert house.state(identifier) == "backing_off"
    house.advance(0.1)
    house.fail(identifier)

    assert house.state(identifier) == "failed"
    assert house.outcomes(identifier) == ["failed"] * 3


def test_a_retry_survives_a_crash_and_keeps_its_instant(house):
    identifier = house.task(retry={"attempts_max": 2, "delay_s": 10})
    house.fail(identifier)
    house.advance(4)

    house.crash()

    assert house.state(identifier) == "backing_off"
    house.advance(5.9)
    assert house.state(identifier) == "backing_off"
    house.advance(0.1)
    assert house.state(identifier) == "running"


def test_only_the_failures_that_the_policy_names_are_retried(house):
    retry = {"attempts_max": 2, "delay_s": 0, "on": ["exit:75", "timeout"]}
    retried, ended = house.submit({**PLAIN, "retry": retry}, {**PLAIN, "retry": retry})

    house.fail(retried, Failure("exit_code", "ended with 75", matches=("exit:75",)))
    house.fail(ended, BOOM)

    assert house.states(retried, ended) == ["running", "failed"]


def test_a_time_out_is_retried_as_a_failure(house):
    retry = {"attempts_max": 2, "delay_s": 0, "on": ["timeout"]}
    identifier = house.task(timeout_s=5, retry=retry)
    house.advance(5)

    house.time_out(identifier)

    assert house.state(identifier) == "running"
    assert house.outcomes(identifier) == ["timed_out"]
    house.advance(5)
    house.time_out(identifier)
    assert house.state(identifier) == "failed"
    assert house.error(identifier)["code"] == "timeout"


def test_an_attempt_that_ends_by_itself_at_its_time_limit_counts_as_it_ended(house):
    identifier = house.task(timeout_s=5)
    house.advance(5)

    house.succeed(identifier, "just in time")

    assert house.state(identifier) == "succeeded"


def test_each_attempt_has_its_own_time_limit(house):
    identifier = house.task(timeout_s=5, retry={"attempts_max": 2, "delay_s": 100})
    house.advance(4)
    house.fail(identifier)
    house.advance(100)

    house.advance(4.9)

    assert house.hand.stops == []
    house.advance(0.1)
    assert [(s.attempt, s.reason) for s in house.hand.stops] == [(2, StopReason.TIMED_OUT)]


# Lost and interrupted.


def test_an_attempt_whose_engine_died_is_lost_and_followed_by_another(house):
    identifier = house.task()
    epoch = house.core.epoch

    house.crash()

    assert house.state(identifier) == "running"
    (lost,) = house.attempts(identifier)
    assert (lost["number"], lost["outcome"], lost["epoch"]) == (1, "lost", epoch)
    (start,) = house.hand.started
    assert (start.attempt, start.epoch) == (2, house.core.epoch)


def test_an_attempt_of_another_node_is_lost_only_where_that_node_can_not_live(house):
    identifier = house.task()

    house.crash(node="another")

    # On a file the lock proves that nobody else lives; on a server others may.
    lost = ["lost"] if house.core.database.is_sqlite else []
    assert house.outcomes(identifier) == lost
    assert house.view(identifier)["running"] == bool(lost)
    house.crash()
    assert house.state(identifier) == "running"
    assert house.outcomes(identifier) == [*lost, "lost"]


def test_lost_attempts_do_not_count_against_the_attempts_allowed(house):
    identifier = house.task(retry={"attempts_max": 2, "delay_s": 0})
    house.crash()

    house.fail(identifier)
    assert house.state(identifier) == "running"
    house.crash()
    assert house.state(identifier) == "running"
    house.fail(identifier)

    assert house.state(identifier) == "failed"
    assert house.outcomes(identifier) == ["lost", "failed", "lost", "failed"]


@pytest.mark.parametrize("lost_max", [1, 3])
def test_a_task_that_lost_its_engine_too_often_is_abandoned(build, lost_max):
    house = build(lost_max=lost_max)
    identifier = house.task()

    for _ in range(lost_max - 1):
        house.crash()
        assert house.state(identifier) == "running"
    house.crash()

    assert house.state(identifier) == "abandoned"
    assert house.outcomes(identifier) == ["lost"] * lost_max
    assert house.error(identifier)["code"] == "lost"
    assert house.hand.started == []
    house.crash()
    assert settled(house, identifier) == 1


def test_a_retried_task_may_be_lost_as_often_again(build):
    house = build(lost_max=2)
    identifier = house.task()
    house.crash()
    house.crash()

    house.retry(identifier)
    house.crash()

    assert house.state(identifier) == "running"
    house.crash()
    assert house.state(identifier) == "abandoned"


def test_a_task_may_rather_fail_than_run_again_when_it_was_lost(house):
    identifier = house.task(on_lost="fail", retry={"attempts_max": 9, "delay_s": 0})

    house.crash()

    assert house.state(identifier) == "failed"
    assert house.error(identifier)["code"] == "lost"


def test_an_interrupted_attempt_is_followed_by_another_and_does_not_count(house):
    identifier = house.task()

    house.stop()
    house.stop()

    assert house.state(identifier) == "running"
    assert house.outcomes(identifier) == ["interrupted"] * 2
    assert house.hand.started[0].attempt == 3
    house.fail(identifier)
    assert house.state(identifier) == "failed"


def test_interruptions_never_make_a_task_abandoned(build):
    house = build(lost_max=1)
    identifier = house.task()

    for _ in range(3):
        house.stop()

    assert house.state(identifier) == "running"


def test_what_settled_is_not_touched_by_a_start(house):
    ended = house.task()
    house.succeed(ended, 1)
    before = house.log(ended)

    house.crash()

    assert house.log(ended) == before
    assert house.hand.started == []


def test_what_is_queued_starts_at_the_next_start_in_its_order(build):
    house = build(slots=1)
    house.submit(
        {**PLAIN, "name": "first", "on_lost": "fail"},
        {**PLAIN, "name": "low", "priority": -1},
        {**PLAIN, "name": "high", "priority": 1},
    )

    house.crash()

    assert house.started() == ["high"]


# Fencing.


@pytest.mark.parametrize(
    "late",
    [
        lambda i, n, e: AttemptSucceeded(i, n, e, '"late"'),
        lambda i, n, e: AttemptFailed(i, n, e, BOOM),
        AttemptTimedOut,
    ],
    ids=["succeeded", "failed", "timed_out"],
)
def test_a_report_that_is_not_of_the_current_attempt_is_fenced(house, late):
    identifier = house.task(retry={"attempts_max": 2, "delay_s": 0})
    epoch = house.core.epoch
    house.fail(identifier)

    for number, of_epoch in ((1, epoch), (2, epoch - 1), (3, epoch)):
        house.core.worker.report(late(identifier, number, of_epoch))
        house.rest()

    assert house.configuration(identifier) == "executing"
    assert house.view(identifier)["attempt"] == 2
    assert house.outcomes(identifier) == ["failed"]
    fenced = [line["data"] for line in house.log(identifier) if line["name"] == "attempt.fenced"]
    assert [(d["attempt"], d["epoch"]) for d in fenced] == [(1, epoch), (2, epoch - 1), (3, epoch)]


def test_a_report_after_the_end_is_fenced(house):
    identifier = house.task()
    start = house.hand.started[0]
    house.succeed(identifier, "first")

    again = AttemptSucceeded(identifier, start.attempt, start.epoch, '"second"')
    house.core.worker.report(again)
    house.rest()

    assert house.result(identifier) == "first"
    assert settled(house, identifier) == 1
    assert house.names(identifier)[-1] == "attempt.fenced"


def test_a_report_of_a_dead_engine_is_fenced_by_the_next(house):
    identifier = house.task()
    start = house.hand.started[0]
    house.crash()

    late = AttemptSucceeded(identifier, start.attempt, start.epoch, '"late"')
    house.core.worker.report(late)
    house.rest()

    assert house.state(identifier) == "running"
    assert house.names(identifier)[-1] == "attempt.fenced"


# Detached: code that could not be ended.


def test_a_detached_attempt_keeps_its_slot_until_it_comes_back(build):
    house = build(slots=1)
    stuck, after = house.submit({**PLAIN, "timeout_s": 5}, PLAIN)
    start = house.hand.started[0]
    house.advance(5)

    house.time_out(stuck, detached=True)

    assert house.states(stuck, after) == ["failed", "queued"]
    assert "all 1 are taken" in house.explain(after)["waiting_for"][0]["text"]
    house.come_back(start)
    assert house.state(after) == "running"
    assert house.names(stuck)[-1] == "attempt.fenced"
    assert house.state(stuck) == "failed"


def test_a_detached_attempt_of_a_class_keeps_the_next_one_out(house):
    house.class_task("Till")
    second = house.class_task("Till")
    start = house.hand.started[0]
    house.cancel(start.instance)

    house.interrupt(start.instance, StopReason.CANCELLED, detached=True)

    assert house.states(start.instance, second) == ["cancelled", "queued"]
    assert "default/Till" in house.explain(second)["waiting_for"][0]["text"]
    house.come_back(start)
    assert house.state(second) == "running"


def test_a_retried_attempt_runs_beside_its_detached_forerunner(house):
    identifier = house.task(timeout_s=5, retry={"attempts_max": 2, "delay_s": 0})
    first = house.hand.started[0]
    house.advance(5)
    house.time_out(identifier, detached=True)
    assert house.core.frontier.slots_taken == 2

    house.come_back(first)

    assert house.core.frontier.slots_taken == 1
    assert house.configuration(identifier) == "executing"


# What is kept between runs.


def test_a_counter_counts_in_the_transaction_that_settles(house):
    counts = [{"type": "counter", "arguments": {"name": "n", "by": by}} for by in (1, 5, -2)]
    first, second, third = house.submit(*counts)

    for identifier in (first, second, third):
        house.succeed(identifier)

    assert [house.result(i) for i in (first, second, third)] == [
        {"value": 1},
        {"value": 6},
        {"value": 4},
    ]
    house.crash()
    (fourth,) = house.submit({"type": "counter", "arguments": {"name": "n"}})
    house.succeed(fourth)
    assert house.result(fourth) == {"value": 5}


def test_a_counter_that_was_lost_has_not_counted(house):
    (identifier,) = house.submit({"type": "counter", "arguments": {"name": "n"}})
    house.crash()

    house.succeed(identifier)

    assert house.result(identifier) == {"value": 1}


def test_counters_of_different_names_do_not_mix(house):
    one, other = house.submit(
        *[{"type": "counter", "arguments": {"name": name, "by": 3}} for name in ("a", "b")]
    )

    house.succeed(one)
    house.succeed(other)

    assert house.result(one) == house.result(other) == {"value": 3}


def test_a_class_keeps_its_fields_only_when_its_attempt_succeeds(house):
    first, second, third = (house.class_task("Till", timeout_s=1) for _ in range(3))
    assert house.hand.open[first].kept is None

    house.succeed(first, kept='{"total":1}')
    assert json.loads(house.hand.open[second].kept) == {"total": 1}
    house.fail(second)

    assert json.loads(house.hand.open[third].kept) == {"total": 1}
    house.crash()
    assert json.loads(house.hand.open[third].kept) == {"total": 1}


def test_a_class_whose_result_was_too_large_keeps_nothing_of_it(build):
    house = build(result_bytes_max=10)
    first = house.class_task("Till")
    house.succeed(first, "x" * 20, kept='{"total":1}')

    second = house.class_task("Till")

    assert house.hand.open[second].kept is None


# What an attempt sees.


def test_a_task_sees_the_results_of_its_dependencies_by_name(house):
    tasks = house.run(
        {"name": "count", "type": "counter", "arguments": {"name": "n"}},
        {
            "name": "show",
            "type": "exec",
            "arguments": {"argv": ["echo", "{results.count.value}", "{context.day}"]},
            "dependencies": ["count"],
        },
        input={"day": "monday"},
    )

    house.succeed(tasks["count"])

    assert house.hand.started[1].arguments == {"argv": ["echo", "1", "monday"]}


def test_an_expression_that_names_nothing_fails_the_attempt(house):
    argv = {"argv": ["echo", "{context.missing}"]}
    tasks = house.run({"name": "show", "type": "exec", "arguments": argv})

    assert house.state(tasks["show"]) == "failed"
    assert house.error(tasks["show"])["code"] == "expression"
    assert house.hand.started == []
    assert house.core.frontier.slots_taken == 0
