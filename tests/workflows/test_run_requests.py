"""What is asked of a run: of all its tasks, or of some and those below them."""

import pytest
from core.house import PLAIN
from tipman import bus
from tipman.errors import ConflictError, InvalidError
from tipman.events import StopReason
from workflows.runs import chain, plain, started, states

# Cancelling.


def test_cancelling_a_run_cancels_all_that_is_open_of_it(house):
    run, ids = chain(house, "a", "b", "c")
    house.succeed(ids["a"])

    house.cancel(run)
    house.interrupt(ids["b"], StopReason.CANCELLED)

    assert states(house, ids) == {"a": "succeeded", "b": "cancelled", "c": "cancelled"}
    assert house.state(run) == "cancelled"


def test_a_run_is_cancelled_when_its_last_attempt_has_ended(house):
    run, ids = chain(house, "a")

    house.cancel(run)

    assert (house.state(run), house.configuration(run)) == ("running", "cancelling")
    house.interrupt(ids["a"], StopReason.CANCELLED)
    assert house.state(run) == "cancelled"


def test_the_log_of_every_task_says_who_cancelled_the_run(house):
    run, ids = chain(house, "a", "b")

    house.cancel(run)

    lines = [line for name in ids for line in house.log(ids[name])]
    assert [line["actor"] for line in lines if line["name"] == "cancel.requested"] == [
        "tester"
    ] * 2


def test_cancelling_what_is_cancelled_changes_nothing(house):
    run, ids = chain(house, "a")
    house.cancel(run)
    house.cancel(run)
    house.interrupt(ids["a"], StopReason.CANCELLED)
    before = house.log(run)

    house.cancel(run)

    assert house.log(run) == before


def test_what_has_succeeded_can_not_be_cancelled(house):
    run, ids = chain(house, "a")
    house.succeed(ids["a"])

    assert house.conflict("cancel.requested", run) == "succeeded"


def test_a_suspended_run_can_be_cancelled(house):
    run, ids = chain(house, "a", "b")
    house.suspend(run)
    house.succeed(ids["a"])

    house.cancel(run)

    assert house.state(run) == "cancelled"
    assert states(house, ids) == {"a": "succeeded", "b": "cancelled"}


def test_a_large_run_is_cancelled_over_many_drains_and_starts_nothing_meanwhile(
    build, monkeypatch
):
    monkeypatch.setattr(bus, "EVENTS_MAX", 3)
    house = build(slots=2)
    run, ids = started(house, *[plain(f"t{n}") for n in range(12)])

    house.cancel(run)
    for identifier in list(house.hand.open):
        house.interrupt(identifier, StopReason.CANCELLED)

    assert house.state(run) == "cancelled"
    assert len(house.started()) == 2
    assert set(states(house, ids).values()) == {"cancelled"}


# Suspending.


def test_a_suspended_run_starts_nothing_more_and_goes_on_where_it_was(house):
    run, ids = chain(house, "a", "b", "c")

    house.suspend(run)
    house.succeed(ids["a"])

    assert house.state(run) == "suspended"
    assert states(house, ids) == {"a": "succeeded", "b": "suspended", "c": "suspended"}
    house.resume(run)
    assert house.state(run) == "running"
    assert states(house, ids) == {"a": "succeeded", "b": "running", "c": "waiting"}


def test_suspending_a_run_can_end_what_runs(house):
    run, ids = chain(house, "a", "b")

    house.suspend(run, {"in_flight": "stop"})
    house.interrupt(ids["a"], StopReason.SUSPENDED)

    assert states(house, ids) == {"a": "suspended", "b": "suspended"}
    house.resume(run)
    assert states(house, ids) == {"a": "running", "b": "waiting"}


def test_what_a_person_suspended_stays_so_when_the_run_goes_on(house):
    run, ids = started(house, plain("a"), plain("b", "a"), plain("c", "a"))
    house.suspend(ids["b"])
    house.suspend(run)
    house.succeed(ids["a"])

    house.resume(run)

    assert states(house, ids) == {"a": "succeeded", "b": "suspended", "c": "running"}
    house.resume(ids["b"])
    assert house.state(ids["b"]) == "running"


def test_who_suspended_a_task_is_known_after_a_crash(house):
    run, ids = started(house, plain("a"), plain("b", "a"), plain("c", "a"))
    house.suspend(ids["b"])
    house.suspend(run)
    house.crash()

    house.resume(run)
    house.succeed(ids["a"])

    assert states(house, ids) == {"a": "succeeded", "b": "suspended", "c": "running"}


def test_a_task_of_a_suspended_run_goes_on_with_it_and_not_before(house):
    run, ids = chain(house, "a", "b")
    house.suspend(run)

    assert house.conflict("resume.requested", ids["b"]) == "suspended"


def test_a_run_whose_last_task_settles_while_it_is_suspended_settles_when_it_goes_on(house):
    run, ids = chain(house, "a")
    house.suspend(run)
    house.succeed(ids["a"])
    assert house.state(run) == "suspended"

    house.resume(run)

    assert house.state(run) == "succeeded"


def test_a_task_that_is_tried_again_in_a_suspended_run_waits_for_the_run(house):
    run, ids = started(house, plain("a"), plain("b"))
    house.fail(ids["a"])
    house.suspend(run)

    house.retry(ids["a"])

    assert house.state(ids["a"]) == "suspended"
    house.resume(run)
    assert house.state(ids["a"]) == "running"


def test_a_run_that_was_suspended_before_it_began_is_queued_again(build):
    house = build(slots=1)
    house.task()
    run, ids = chain(house, "a")
    assert house.state(run) == "queued"

    house.suspend(run)
    house.resume(run)

    assert (house.state(run), house.state(ids["a"])) == ("queued", "queued")


def test_a_large_run_is_suspended_over_many_drains_and_starts_nothing_meanwhile(
    build, monkeypatch
):
    monkeypatch.setattr(bus, "EVENTS_MAX", 3)
    house = build(slots=2)
    run, ids = started(house, *[plain(f"t{n}") for n in range(12)])

    house.suspend(run)
    for identifier in list(house.hand.open):
        house.succeed(identifier)

    assert len(house.started()) == 2
    assert sorted(states(house, ids).values()) == ["succeeded"] * 2 + ["suspended"] * 10
    house.resume(run)
    while house.hand.open:
        house.succeed(next(iter(house.hand.open)))
    assert house.state(run) == "succeeded"


@pytest.mark.parametrize(
    "data", [{"tasks": "a"}, {"tasks": []}, {"task": ["a"]}, [], {"descendants": True}]
)
def test_data_that_is_no_choice_of_tasks_is_refused(house, data):
    run, _ = chain(house, "a")

    with pytest.raises(InvalidError) as refusal:
        house.ask("suspend.requested", run, data)

    assert refusal.value.faults[0].pointer.startswith("/data")


def test_a_name_that_no_task_of_the_run_has_is_refused_with_the_nearest(house):
    run, _ = chain(house, "fetch", "pack")

    with pytest.raises(InvalidError, match="did you mean `pack`"):
        house.ask("cancel.requested", run, {"tasks": ["pakc"]})


# Part of a run.


def diamond(house):
    return started(
        house, plain("top"), plain("left", "top"), plain("right", "top"),
        plain("low", "left"), plain("end", "low", "right"),
    )  # fmt: skip


def test_a_subtree_is_suspended_and_goes_on_by_itself(house):
    run, ids = diamond(house)

    house.suspend(run, {"tasks": ["left"], "descendants": True})
    house.succeed(ids["top"])

    assert states(house, ids) == {
        "top": "succeeded", "left": "suspended", "right": "running", "low": "suspended",
        "end": "suspended",
    }  # fmt: skip
    assert house.state(run) == "running"
    house.ask("resume.requested", run, {"tasks": ["left"], "descendants": True})
    assert states(house, ids)["left"] == "running"
    assert states(house, ids)["end"] == "waiting"


def test_a_subtree_is_cancelled_and_the_rest_goes_on(house):
    run, ids = diamond(house)

    house.ask("cancel.requested", run, {"tasks": ["low"], "descendants": True})
    house.succeed(ids["top"])
    house.succeed(ids["left"])
    house.succeed(ids["right"])

    assert states(house, ids)["low"] == states(house, ids)["end"] == "cancelled"
    assert house.state(run) == "succeeded"


def test_asking_tasks_that_it_changes_nothing_of_is_a_conflict(house):
    run, ids = chain(house, "a", "b")
    house.succeed(ids["a"])

    with pytest.raises(ConflictError):
        house.ask("cancel.requested", run, {"tasks": ["a"]})
    with pytest.raises(ConflictError):
        house.ask("resume.requested", run, {"tasks": ["b"]})


# Trying again.


def test_a_failed_run_goes_on_from_the_failed_task_and_does_nothing_twice(house):
    run, ids = chain(house, "a", "b", "c")
    house.succeed(ids["a"])
    house.fail(ids["b"])
    assert house.state(run) == "failed"

    house.retry(run)

    assert states(house, ids) == {"a": "succeeded", "b": "running", "c": "waiting"}
    house.succeed(ids["b"])
    house.succeed(ids["c"])
    assert house.state(run) == "succeeded"
    assert house.started() == ["a", "b", "b", "c"]


def test_a_cancelled_run_is_tried_again_in_the_order_of_its_tasks(house):
    run, ids = chain(house, "a", "b", "c", "d")
    house.cancel(run)
    house.interrupt(ids["a"], StopReason.CANCELLED)
    assert house.state(run) == "cancelled"

    house.retry(run)

    assert states(house, ids) == {"a": "running", "b": "waiting", "c": "waiting", "d": "waiting"}
    for name in "abcd":
        house.succeed(ids[name])
    assert house.state(run) == "succeeded"


def test_a_cancelled_task_below_a_skipped_one_waits_for_it_again(house):
    run, ids = chain(house, "a", "b", "c")
    house.cancel(ids["c"])
    house.fail(ids["a"])
    assert states(house, ids) == {"a": "failed", "b": "skipped", "c": "cancelled"}

    house.retry(run)

    assert states(house, ids) == {"a": "running", "b": "waiting", "c": "waiting"}
    for name in "abc":
        house.succeed(ids[name])
    assert house.state(run) == "succeeded"


def test_a_task_that_ran_after_a_failure_waits_for_it_when_both_are_tried_again(house):
    run, ids = started(house, plain("a"), plain("tidy", "a", when="all_settled"))
    house.fail(ids["a"])
    house.fail(ids["tidy"])

    house.retry(run)

    assert states(house, ids) == {"a": "running", "tidy": "waiting"}
    house.succeed(ids["a"])
    assert house.state(ids["tidy"]) == "running"


def test_named_tasks_are_tried_again_alone(house):
    run, ids = started(house, plain("a"), plain("b"), plain("c", "a"))
    house.fail(ids["a"])
    house.fail(ids["b"])

    house.ask("retry.requested", run, {"tasks": ["a"]})

    assert states(house, ids) == {"a": "running", "b": "failed", "c": "waiting"}


def test_a_subtree_is_tried_again_with_what_was_cancelled_in_it(house):
    run, ids = started(house, plain("a"), plain("b", "a"), plain("c"), plain("d", "c"))
    house.cancel(ids["b"])
    house.cancel(ids["d"])
    house.fail(ids["a"])
    house.fail(ids["c"])

    house.ask("retry.requested", run, {"tasks": ["a"], "descendants": True})

    assert states(house, ids) == {"a": "running", "b": "waiting", "c": "failed", "d": "cancelled"}


def test_a_task_whose_dependency_still_failed_can_not_be_named_alone(house):
    run, ids = chain(house, "a", "b")
    house.fail(ids["a"])

    with pytest.raises(ConflictError, match="retry that first"):
        house.ask("retry.requested", run, {"tasks": ["b"]})


def test_a_run_that_went_well_has_nothing_to_try_again(house):
    run, ids = chain(house, "a")
    house.succeed(ids["a"])

    assert house.conflict("retry.requested", run) == "succeeded"


def test_naming_tasks_that_went_well_does_not_say_that_the_whole_run_did(house):
    run, ids = started(house, plain("a"), plain("b"))
    house.fail(ids["a"])
    house.succeed(ids["b"])

    with pytest.raises(ConflictError, match=r"none of these tasks of the run .* ended badly"):
        house.ask("retry.requested", run, {"tasks": ["b"]})


def lenient_map(house):
    """Let a run succeed with a map of which the second of three items failed."""
    each = {"name": "each", "type": "map", "arguments": {
        "over": [1, 2, 3], "task": PLAIN, "failures_max": 1,
    }}  # fmt: skip
    run, ids = started(house, each, plain("end", "each"))
    for attempt in list(house.hand.open.values()):
        if attempt.name == "each[1]":
            house.fail(attempt.instance)
        else:
            house.succeed(attempt.instance)
    house.succeed(ids["end"])
    assert house.state(run) == "succeeded"
    return run, ids


@pytest.mark.parametrize("descendants", [False, True])
def test_a_map_that_succeeded_with_failures_is_tried_again_by_its_name(house, descendants):
    run, ids = lenient_map(house)

    house.ask("retry.requested", run, {"tasks": ["each"], "descendants": descendants})

    assert [a.name for a in house.hand.open.values()] == ["each[1]"]
    assert states(house, ids) == {"each": "awaiting", "end": "succeeded"}
    for identifier in list(house.hand.open):
        house.succeed(identifier)
    assert house.state(run) == "succeeded"
    assert house.conflict("retry.requested", run, {"tasks": ["each"]}) == "succeeded"


def test_a_run_with_such_a_map_has_nothing_to_try_again_by_itself(house):
    run, _ = lenient_map(house)

    assert house.conflict("retry.requested", run) == "succeeded"
    assert house.conflict("retry.requested", run, {"tasks": ["end"]}) == "succeeded"


def test_what_failed_in_a_run_that_goes_on_can_be_tried_again(house):
    run, ids = started(house, plain("a"), plain("b"))
    house.fail(ids["a"])

    house.retry(run)

    assert states(house, ids) == {"a": "running", "b": "running"}
    assert house.names(run)[-1] == "retry.requested"


def test_retrying_a_task_opens_its_run_again(house):
    run, ids = chain(house, "a", "b")
    house.fail(ids["a"])
    assert house.state(run) == "failed"

    house.retry(ids["a"])

    assert house.state(run) == "running"
    assert house.names(run)[-1] == "run.reopened"
    house.succeed(ids["a"])
    house.succeed(ids["b"])
    assert house.state(run) == "succeeded"


def test_a_large_run_is_tried_again_after_a_crash_in_the_middle(build, monkeypatch):
    monkeypatch.setattr(bus, "EVENTS_MAX", 3)
    house = build(slots=2)
    names = [f"t{n}" for n in range(9)]
    run, ids = chain(house, *names)
    house.cancel(run)
    house.interrupt(ids["t0"], StopReason.CANCELLED)
    house.core.bus.publish_nowait(house.request("retry.requested", run))
    house.core.bus.drain()

    house.crash()

    assert states(house, ids) == {"t0": "running", **dict.fromkeys(names[1:], "waiting")}
    for name in names:
        house.succeed(ids[name])
    assert house.state(run) == "succeeded"


def test_what_stops_can_not_be_tried_again_before_it_has_stopped(house):
    run, _ = chain(house, "a", "b")
    house.cancel(run)

    assert house.conflict("retry.requested", run) == "running"


@pytest.mark.parametrize("kind", [PLAIN, {"type": "wait"}])
def test_a_task_of_a_run_that_stops_can_not_be_tried_again_before_it_has_stopped(house, kind):
    run, ids = started(house, plain("a"), {"name": "b", **kind})
    house.cancel(ids["b"])
    for identifier in house.hand.open.keys() & {ids["b"]}:
        house.interrupt(identifier, StopReason.CANCELLED)
    house.cancel(run)

    assert house.conflict("retry.requested", ids["b"]) == "cancelled"
    house.interrupt(ids["a"], StopReason.CANCELLED)
    assert house.state(run) == "cancelled"
    house.retry(ids["b"])
    assert house.state(run) == "running"
