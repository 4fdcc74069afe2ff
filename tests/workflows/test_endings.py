"""How runs end: what succeeded is undone where they fail, then hooks run, then they settle."""

import pytest
from core.house import PLAIN
from tipman import bus
from tipman.events import StopReason
from workflows.runs import chain, plain, started, states

HOOKS = dict.fromkeys(("succeeded", "failed", "settled"), PLAIN)
UNDO = {"compensate": PLAIN}


def aftermath(house, run):
    """Return the ids of compensations and hooks by name, the newest of a name."""
    rows = house.reader.fetch("SELECT name, id FROM instance WHERE parent = ? ORDER BY id", (run,))
    return {name: bytes(identifier) for name, identifier in rows}


def done(house, run, *names):
    """Let these compensations or hooks succeed, in this order."""
    for name in names:
        house.succeed(aftermath(house, run)[name])


# Hooks.


@pytest.mark.parametrize(
    ("end", "names"),
    [
        ("succeed", ["hooks.succeeded", "hooks.settled"]),
        ("fail", ["hooks.failed", "hooks.settled"]),
    ],
)
def test_hooks_run_side_by_side_when_the_last_task_has_settled(house, end, names):
    run, ids = chain(house, "a", "b", hooks=HOOKS)
    house.succeed(ids["a"])
    assert aftermath(house, run) == {}

    getattr(house, end)(ids["b"])

    assert [*aftermath(house, run)] == names
    assert states(house, aftermath(house, run)) == dict.fromkeys(names, "running")
    assert house.state(run) == "running"
    done(house, run, *names)
    assert house.state(run) == ("succeeded" if end == "succeed" else "failed")


def test_a_cancelled_run_has_neither_succeeded_nor_failed(house):
    run, ids = chain(house, "a", hooks=HOOKS)
    house.cancel(run)
    house.interrupt(ids["a"], StopReason.CANCELLED)

    assert [*aftermath(house, run)] == ["hooks.settled"]
    done(house, run, "hooks.settled")
    assert house.state(run) == "cancelled"


def test_a_run_of_which_a_task_had_failed_has_failed_also_when_it_is_cancelled(house):
    run, ids = started(house, plain("a"), plain("b"), hooks=HOOKS)
    house.fail(ids["a"])
    house.cancel(run)
    house.interrupt(ids["b"], StopReason.CANCELLED)

    assert [*aftermath(house, run)] == ["hooks.failed", "hooks.settled"]
    done(house, run, "hooks.failed", "hooks.settled")
    assert house.state(run) == "failed"


def test_a_hook_does_not_change_the_outcome_and_its_failure_is_to_be_seen(house):
    run, ids = chain(house, "a", hooks={"settled": PLAIN})
    house.succeed(ids["a"])

    house.fail(aftermath(house, run)["hooks.settled"])

    assert house.state(run) == "succeeded"
    assert house.state(aftermath(house, run)["hooks.settled"]) == "failed"


def test_a_hook_knows_the_run_and_how_it_ended(house):
    hook = {"type": "exec", "arguments": "true"}
    run, ids = chain(house, "a", hooks={"failed": hook})

    house.fail(ids["a"])

    env = house.hand.open[aftermath(house, run)["hooks.failed"]].env
    assert env["TIPMAN_RUN_STATE"] == "failed"
    assert env["TIPMAN_RUN"].replace("-", "") == run.hex()


def test_hooks_run_once_for_each_opening(house):
    run, ids = chain(house, "a", hooks={"settled": PLAIN})
    house.fail(ids["a"])
    done(house, run, "hooks.settled")
    assert house.state(run) == "failed"

    house.retry(run)
    house.succeed(ids["a"])
    done(house, run, "hooks.settled")

    assert house.state(run) == "succeeded"
    assert len(house.reader.fetch("SELECT 1 FROM instance WHERE parent = ?", (run,))) == 2
    assert house.names(run).count("run.settled") == 2


def test_hooks_are_there_once_after_a_crash_at_any_event(build, monkeypatch):
    monkeypatch.setattr(bus, "EVENTS_MAX", 1)
    house = build()
    run, ids = chain(house, "a", hooks=HOOKS)
    house.core.bus.publish_nowait(house.success(ids["a"]))
    while house.core.bus.drain():
        house.crash()

    assert [*aftermath(house, run)] == ["hooks.succeeded", "hooks.settled"]
    assert len(house.reader.fetch("SELECT 1 FROM instance WHERE parent = ?", (run,))) == 2


def test_a_run_whose_task_is_tried_again_while_hooks_run_goes_on_and_has_hooks_anew(house):
    run, ids = chain(house, "a", "b", hooks={"failed": PLAIN})
    house.fail(ids["a"])
    first = aftermath(house, run)["hooks.failed"]

    house.retry(ids["a"])

    assert house.configuration(run) == "working"
    house.succeed(first)
    assert house.configuration(run) == "working"
    house.fail(ids["a"])
    assert aftermath(house, run)["hooks.failed"] != first
    done(house, run, "hooks.failed")
    assert house.state(run) == "failed"


def test_a_run_does_not_settle_before_a_hook_of_an_earlier_opening(house):
    run, ids = chain(house, "a", hooks={"failed": PLAIN})
    house.fail(ids["a"])
    house.retry(ids["a"])
    house.succeed(ids["a"])

    assert house.state(run) == "running"
    done(house, run, "hooks.failed")
    assert house.state(run) == "succeeded"


def test_cancelling_while_hooks_run_cancels_the_hooks(house):
    run, ids = chain(house, "a", hooks=HOOKS)
    house.succeed(ids["a"])

    house.cancel(run)
    for hook in aftermath(house, run).values():
        house.interrupt(hook, StopReason.CANCELLED)

    assert house.state(run) == "succeeded"
    assert set(states(house, aftermath(house, run)).values()) == {"cancelled"}


def test_a_run_that_is_suspended_while_it_closes_goes_on_closing(build):
    house = build(slots=1)
    run, ids = chain(house, "a", hooks=HOOKS)
    house.succeed(ids["a"])

    house.suspend(run)
    done(house, run, "hooks.succeeded")

    assert states(house, aftermath(house, run))["hooks.settled"] == "suspended"
    assert house.state(run) == "suspended"
    house.resume(run)
    done(house, run, "hooks.settled")
    assert house.state(run) == "succeeded"


def test_a_run_whose_task_is_tried_again_while_it_is_suspended_closing_works_when_it_goes_on(
    house,
):
    run, ids = chain(house, "a", "b", hooks={"failed": PLAIN})
    house.fail(ids["a"])
    house.suspend(run)

    house.retry(ids["a"])
    done(house, run, "hooks.failed")

    assert house.state(run) == "suspended"
    house.resume(run)
    assert (house.configuration(run), house.state(ids["a"])) == ("working", "running")
    house.succeed(ids["a"])
    house.succeed(ids["b"])
    assert house.state(run) == "succeeded"


def test_what_a_suspension_held_goes_on_when_the_run_is_cancelled_instead_of_resumed(build):
    house = build(slots=1)
    run, ids = chain(house, "a", hooks=HOOKS)
    house.fail(ids["a"])
    house.suspend(run)
    house.retry(ids["a"])
    earlier = aftermath(house, run)
    assert house.state(earlier["hooks.settled"]) == "suspended"

    house.cancel(run)
    house.succeed(earlier["hooks.failed"])

    assert house.state(earlier["hooks.settled"]) == "running"
    house.succeed(earlier["hooks.settled"])
    done(house, run, "hooks.settled")
    assert house.state(run) == "cancelled"


def test_a_hook_that_failed_can_be_tried_again_and_the_outcome_stays(house):
    run, ids = chain(house, "a", hooks={"settled": PLAIN})
    house.succeed(ids["a"])
    house.fail(aftermath(house, run)["hooks.settled"])

    house.retry(aftermath(house, run)["hooks.settled"])

    assert house.state(run) == "running"
    done(house, run, "hooks.settled")
    assert house.state(run) == "succeeded"
    assert len(aftermath(house, run)) == 1


# Undoing.


def test_what_succeeded_is_undone_one_after_the_other_the_last_first(house):
    run, ids = started(
        house,
        plain("a", **UNDO),
        plain("b", **UNDO),
        plain("c", "a", "b", **UNDO),
        plain("d", "c"),
    )
    for name in "bac":
        house.succeed(ids[name])

    house.fail(ids["d"])

    order = []
    while house.state(run) == "running":
        (attempt,) = house.hand.open.values()
        order.append(attempt.name)
        house.succeed(attempt.instance)
    assert order == ["c.undo", "a.undo", "b.undo"]
    assert house.state(run) == "failed"


def test_the_order_of_undoing_is_known_after_a_crash(house):
    run, ids = started(house, plain("a", **UNDO), plain("b", **UNDO), plain("c"))
    house.succeed(ids["b"])
    house.crash()
    house.succeed(ids["a"])
    house.fail(ids["c"])
    house.crash()

    assert states(house, aftermath(house, run)) == {"a.undo": "running", "b.undo": "waiting"}
    done(house, run, "a.undo", "b.undo")
    assert house.state(run) == "failed"


def test_a_cancelled_run_is_undone_before_its_hooks(house):
    run, ids = started(house, plain("a", **UNDO), plain("b", "a"), hooks=HOOKS)
    house.succeed(ids["a"])
    house.cancel(run)
    house.interrupt(ids["b"], StopReason.CANCELLED)

    assert [*aftermath(house, run)] == ["a.undo"]
    done(house, run, "a.undo")
    assert [*aftermath(house, run)] == ["a.undo", "hooks.settled"]
    done(house, run, "hooks.settled")
    assert house.state(run) == "cancelled"


def test_what_did_not_succeed_is_not_undone_nor_a_run_that_went_well(house):
    run, ids = started(house, plain("a", **UNDO), plain("b", "a", **UNDO))
    house.fail(ids["a"])
    assert (house.state(run), aftermath(house, run)) == ("failed", {})

    run, ids = chain(house, "a")
    run, ids = started(house, plain("a", **UNDO))
    house.succeed(ids["a"])
    assert (house.state(run), aftermath(house, run)) == ("succeeded", {})


def test_a_compensation_sees_the_result_of_what_it_undoes(house):
    undo = {"type": "eval", "arguments": "result = results"}
    run, ids = started(house, plain("a", compensate=undo), plain("b"))
    house.succeed(ids["a"], {"room": 12})

    house.fail(ids["b"])

    attempt = house.hand.open[aftermath(house, run)["a.undo"]]
    assert attempt.context["results"] == {"a": {"room": 12}}


def test_when_a_compensation_fails_the_others_are_undone_all_the_same(house):
    run, ids = started(house, plain("a", **UNDO), plain("b", **UNDO), plain("c"))
    house.succeed(ids["a"])
    house.succeed(ids["b"])
    house.fail(ids["c"])

    house.fail(aftermath(house, run)["b.undo"])
    done(house, run, "a.undo")

    assert house.state(run) == "failed"


def test_what_was_undone_is_not_undone_again_when_the_run_fails_again(house):
    run, ids = started(house, plain("a", **UNDO), plain("b", **UNDO), plain("c"))
    house.succeed(ids["a"])
    house.succeed(ids["b"])
    house.fail(ids["c"])
    done(house, run, "b.undo")
    house.fail(aftermath(house, run)["a.undo"])

    house.retry(run)
    house.fail(ids["c"])

    undone = house.reader.fetch(
        "SELECT name, state FROM instance WHERE parent = ? ORDER BY id", (run,)
    )
    assert undone == [("b.undo", "succeeded"), ("a.undo", "failed"), ("a.undo", "running")]
    done(house, run, "a.undo")
    assert house.state(run) == "failed"


def test_a_run_that_goes_on_while_it_is_undone_undoes_no_more(house):
    run, ids = started(house, plain("a", **UNDO), plain("b", **UNDO), plain("c"))
    house.succeed(ids["a"])
    house.succeed(ids["b"])
    house.fail(ids["c"])

    house.retry(run)

    assert states(house, aftermath(house, run)) == {"b.undo": "running", "a.undo": "cancelled"}
    done(house, run, "b.undo")
    house.succeed(ids["c"])
    assert house.state(run) == "succeeded"


def test_repeating_a_cancel_does_not_call_the_undoing_off(house):
    run, ids = started(house, plain("a", **UNDO), plain("b", "a"))
    house.succeed(ids["a"])
    house.cancel(run)
    house.interrupt(ids["b"], StopReason.CANCELLED)

    house.cancel(run)

    assert states(house, aftermath(house, run)) == {"a.undo": "running"}


def test_cancelling_a_failed_run_while_it_is_undone_calls_that_off(house):
    run, ids = started(house, plain("a", **UNDO), plain("b", **UNDO), plain("c"), hooks=HOOKS)
    house.succeed(ids["a"])
    house.succeed(ids["b"])
    house.fail(ids["c"])

    house.cancel(run)
    house.interrupt(aftermath(house, run)["b.undo"], StopReason.CANCELLED)

    assert states(house, aftermath(house, run)) == {
        "b.undo": "cancelled", "a.undo": "cancelled", "hooks.failed": "running",
        "hooks.settled": "running",
    }  # fmt: skip


def test_no_quota_keeps_compensations_and_hooks_out(house):
    run, ids = started(house, plain("a", **UNDO), plain("b", "a"), hooks=HOOKS)
    namespace = house.core.directory.registry.namespaces["default"]
    house.core.directory.registry.put_namespace(namespace.__class__("default", 2, None, 0))
    house.succeed(ids["a"])
    house.task()

    house.fail(ids["b"])

    assert house.state(aftermath(house, run)["a.undo"]) == "running"
    done(house, run, "a.undo", "hooks.failed", "hooks.settled")
    assert house.state(run) == "failed"
    assert house.core.directory.registry.open_tasks["default"] == 1
