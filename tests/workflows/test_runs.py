"""Runs by themselves: how they begin and end, what stops them, and what they share."""

import pytest
from core.house import PLAIN
from tipman.definitions import workflow_of
from tipman.errors import ConflictError
from tipman.events import StopReason
from tipman.registrations import NamespaceCreated, NamespaceDeleted
from tipman.submission import Beginning
from tipman.verification import verify
from workflows.runs import chain, plain, started, states


def test_a_run_is_queued_until_its_first_task_begins_and_ends_with_the_last(build):
    house = build(slots=1)
    other = house.task()
    run, ids = chain(house, "a", "b")
    assert house.state(run) == "queued"

    house.succeed(other)
    assert house.state(run) == "running"
    house.succeed(ids["a"])
    house.succeed(ids["b"])

    assert house.state(run) == "succeeded"
    assert house.names(run) == ["run.submitted", "run.started", "run.drained", "run.settled"]


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [("ss", "succeeded"), ("sf", "failed"), ("fs", "failed"), ("cs", "succeeded")],
)
def test_a_run_has_failed_if_a_task_has(house, ends, outcome):
    run, ids = started(house, plain("a"), plain("b"))

    for name, end in zip(ids, ends, strict=True):
        if end == "c":
            house.cancel(ids[name])
            house.interrupt(ids[name], StopReason.CANCELLED)
        else:
            (house.succeed if end == "s" else house.fail)(ids[name])

    assert house.state(run) == outcome


def test_a_run_whose_task_was_abandoned_has_failed(build):
    house = build(lost_max=1)
    run, ids = chain(house, "a")

    house.crash()

    assert (house.state(ids["a"]), house.state(run)) == ("abandoned", "failed")


def test_the_logs_of_runs_fold_to_their_rows(house):
    run, ids = started(house, plain("a", compensate=PLAIN), plain("b"), hooks={"settled": PLAIN})
    house.suspend(run)
    house.resume(run)
    house.succeed(ids["a"])
    house.fail(ids["b"])
    house.retry(run)
    house.cancel(run)

    assert verify(house.reader).view()["faults"] == []


# What stops a run.


def test_the_first_failure_cancels_a_run_that_is_to_fail_fast(house):
    run, ids = started(
        house, plain("a"), plain("b"), plain("c", "b"), plain("d", "a"), on_failure="fail_fast"
    )

    house.fail(ids["a"])

    assert house.configuration(run) == "failing"
    assert states(house, ids) == {
        "a": "failed", "b": "running", "c": "cancelled", "d": "skipped",
    }  # fmt: skip
    house.interrupt(ids["b"], StopReason.CANCELLED)
    assert house.state(run) == "failed"


def test_a_failure_that_is_tried_again_does_not_stop_a_run(house):
    retry = {"attempts_max": 2, "delay_s": 0}
    run, ids = started(house, plain("a", retry=retry), plain("b"), on_failure="fail_fast")

    house.fail(ids["a"])

    assert states(house, ids) == {"a": "running", "b": "running"}
    house.fail(ids["a"])
    assert house.configuration(run) == "failing"


def test_a_run_that_failed_fast_is_tried_again_as_a_whole(house):
    run, ids = started(house, plain("a"), plain("b", "a"), plain("c"), on_failure="fail_fast")
    house.fail(ids["a"])
    house.interrupt(ids["c"], StopReason.CANCELLED)

    house.retry(run)

    assert states(house, ids) == {"a": "running", "b": "waiting", "c": "running"}


def test_a_run_that_takes_too_long_is_cancelled_and_has_failed(house):
    run, ids = chain(house, "a", "b", timeout_s=60)
    house.advance(59)
    assert house.state(run) == "running"

    house.advance(1)
    house.interrupt(ids["a"], StopReason.CANCELLED)

    assert house.state(run) == "failed"
    assert states(house, ids) == {"a": "cancelled", "b": "cancelled"}
    assert house.error(run) == {"code": "timeout", "message": "the run took longer than 60.0 s"}


def test_the_time_of_a_run_counts_from_its_first_task_and_from_each_opening(build):
    house = build(slots=1)
    other = house.task()
    run, ids = chain(house, "a", timeout_s=60)
    house.advance(100)
    house.succeed(other)
    house.advance(59)
    house.fail(ids["a"])
    house.advance(100)
    assert house.state(run) == "failed"

    house.retry(run)
    house.advance(59)
    assert house.configuration(run) == "working"
    house.advance(1)
    assert house.configuration(run) == "overdue"
    house.interrupt(ids["a"], StopReason.CANCELLED)
    assert house.error(run)["code"] == "timeout"
    house.retry(run)
    assert house.error(run) is None


def test_the_time_of_a_run_stands_still_while_it_is_suspended(house):
    run, _ = chain(house, "a", timeout_s=60)
    house.advance(50)
    house.suspend(run)
    house.crash()
    house.advance(1000)

    house.resume(run)
    house.advance(9)
    assert house.configuration(run) == "working"
    house.advance(1)

    assert house.configuration(run) == "overdue"


def test_the_time_of_a_run_is_over_while_no_engine_is_there(house):
    run, ids = chain(house, "a", "b", timeout_s=60)
    house.crash()
    house.clock.advance(100)
    house.rest()

    house.advance(0)

    assert states(house, ids)["b"] == "cancelled"
    for identifier in list(house.hand.open):
        house.interrupt(identifier, StopReason.CANCELLED)
    assert house.state(run) == "failed"


def test_a_run_that_is_closing_has_all_the_time_it_needs(house):
    run, ids = chain(house, "a", timeout_s=60, hooks={"settled": PLAIN})
    house.succeed(ids["a"])

    house.advance(100)

    assert house.configuration(run) == "closing_succeeded"


# What a run shares.


def test_so_many_tasks_of_a_run_are_in_progress_and_others_are_not_held_up(build):
    house = build(slots=10)
    _, ids = started(house, *[plain(f"t{n}") for n in range(5)], slots=2)
    other = house.task()

    assert sorted(states(house, ids).values()) == ["queued"] * 3 + ["running"] * 2
    assert house.state(other) == "running"
    assert "slot of its run, all 2 are taken" in house.explain(ids["t4"])["waiting_for"][0]["text"]


def test_the_slots_of_a_run_are_counted_after_a_crash(build):
    house = build(slots=10)
    run, ids = started(house, *[plain(f"t{n}") for n in range(5)], slots=2)

    house.crash()

    assert sorted(states(house, ids).values()) == ["queued"] * 3 + ["running"] * 2
    while house.hand.open:
        assert len(house.hand.open) <= 2
        house.succeed(next(iter(house.hand.open)))
    assert house.state(run) == "succeeded"


def test_a_namespace_with_an_open_run_stays(house):
    house.publish(NamespaceCreated("team", "tester", None, None))
    flow = workflow_of({"tasks": [plain("a")]}, default_name="flow")
    event = house.submitter.workflow(
        flow, actor="tester", now_us=house.clock.wall_us(), at=Beginning(namespace="team")
    )
    house.publish(event)
    run = event.run.row[0]
    house.suspend(run)
    house.succeed(event.instance)

    with pytest.raises(ConflictError, match="1 open run"):
        house.publish(NamespaceDeleted("team", "tester"))

    house.resume(run)
    house.publish(NamespaceDeleted("team", "tester"))
