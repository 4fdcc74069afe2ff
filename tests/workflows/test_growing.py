"""Runs that grow: tasks and dependencies that are added while they go on."""

import pytest
from core.house import ACTOR, PLAIN
from tipman.definitions.growth import added_tasks, attachments_of
from tipman.errors import (
    ConflictError,
    CycleError,
    InvalidError,
    QuotaReachedError,
    UnknownDependencyError,
)
from tipman.events import StopReason
from tipman.ids import text_of
from tipman.run_events import DependenciesAdded, RunForked
from tipman.runs.graphs import graph_of
from workflows.runs import chain, plain, run_of, started, states


def add(house, run, *tasks):
    """Add tasks to a run; return their ids by name."""
    said = house.core.directory.runs.record(run).said
    event = house.submitter.addition(run, added_tasks(list(tasks), said), actor=ACTOR)
    house.publish(event)
    return {each.task.name: each.instance for each in event.submissions}


def attach(house, run, **needs):
    edges = [{"task": task, "dependencies": names} for task, names in needs.items()]
    house.publish(DependenciesAdded(run, attachments_of(edges), ACTOR))


def test_tasks_are_added_to_a_run_that_goes_on_and_belong_to_it(house):
    run, ids = chain(house, "a", "b")

    more = add(house, run, plain("c", "b"), plain("d", "c"), plain("e"))

    assert run_of(house, more) == run
    assert states(house, more) == {"c": "waiting", "d": "waiting", "e": "running"}
    for name in "ab":
        house.succeed(ids[name])
    assert house.state(run) == "running"
    for name in "cde":
        house.succeed(more[name])
    assert house.state(run) == "succeeded"


def test_a_task_after_one_that_has_settled_begins_at_once_or_is_skipped(house):
    run, ids = started(house, plain("good"), plain("bad"), plain("open"))
    house.succeed(ids["good"])
    house.fail(ids["bad"])

    more = add(house, run, plain("x", "good"), plain("y", "bad"), plain("z", "good", "open"))

    assert states(house, more) == {"x": "running", "y": "skipped", "z": "waiting"}


def test_what_the_workflow_says_of_all_its_tasks_holds_for_new_ones(house):
    run, ids = started(house, plain("a"), plain("b"), on_failure="continue", priority=7)
    house.fail(ids["a"])

    more = add(house, run, plain("c", "a"))

    assert house.state(more["c"]) == "running"
    assert house.view(more["c"])["priority"] == 7


def test_a_new_task_must_have_a_name_of_its_own_and_known_dependencies(house):
    run, ids = chain(house, "a", "b")

    with pytest.raises(InvalidError, match="already") as refusal:
        add(house, run, plain("c"), plain("b"))
    assert refusal.value.faults[0].pointer == "/tasks/1/name"
    with pytest.raises(UnknownDependencyError, match="did you mean `b`") as refusal:
        add(house, run, plain("c", "a"), plain("d", "bb"))
    assert refusal.value.faults[0].pointer == "/tasks/1/dependencies/0"
    assert len(house.reader.fetch("SELECT 1 FROM instance WHERE run = ?", (run,))) == len(ids)


@pytest.mark.parametrize("faulty", [{"key": "k"}, {"name": None}, {"type": "slep"}])
def test_a_new_task_is_written_as_in_the_file(house, faulty):
    run, _ = chain(house, "a")

    with pytest.raises(InvalidError) as refusal:
        add(house, run, {**plain("c"), **faulty})

    assert refusal.value.faults[0].pointer.startswith("/tasks/0")


def test_new_tasks_that_wait_for_one_another_are_refused(house):
    run, _ = chain(house, "a")

    with pytest.raises(CycleError, match="c -> d -> c"):
        add(house, run, plain("c", "d"), plain("d", "c", "a"))


def test_a_run_that_has_settled_takes_no_more(house):
    run, ids = chain(house, "a")
    house.succeed(ids["a"])

    with pytest.raises(ConflictError) as refusal:
        add(house, run, plain("b"))

    assert refusal.value.state == "succeeded"


def test_a_run_that_is_being_cancelled_takes_no_more(house):
    run, ids = chain(house, "a", "b")
    house.cancel(run)

    with pytest.raises(ConflictError, match="cancelling"):
        add(house, run, plain("c"))
    house.interrupt(ids["a"], StopReason.CANCELLED)
    assert house.state(run) == "cancelled"


def test_a_suspended_run_takes_more_and_begins_it_when_it_goes_on(house):
    run, _ = chain(house, "a")
    house.suspend(run)

    more = add(house, run, plain("b"), {"name": "w", "type": "wait"})

    assert states(house, more) == {"b": "suspended", "w": "suspended"}
    house.resume(run)
    assert states(house, more) == {"b": "running", "w": "awaiting"}


def test_a_run_takes_no_more_tasks_than_the_settings_allow(build):
    house = build(tasks_max=3)
    run, _ = chain(house, "a", "b")

    with pytest.raises(InvalidError, match="more than 3 tasks"):
        add(house, run, plain("c"), plain("d"))
    add(house, run, plain("c"))


def test_the_quota_of_the_namespace_holds_for_new_tasks(house):
    house.core.directory.registry.put_namespace(
        house.core.directory.registry.namespaces["default"].__class__("default", 2, None, 0)
    )
    run, _ = chain(house, "a", "b")

    with pytest.raises(QuotaReachedError):
        add(house, run, plain("c"))

    assert house.names(run) == ["run.submitted", "run.started"]


# Dependencies.


def test_a_task_that_has_not_begun_waits_for_more(house):
    run, ids = started(house, plain("a"), plain("b"), plain("c", "a"))

    attach(house, run, c=["b"])
    house.succeed(ids["a"])

    assert house.state(ids["c"]) == "waiting"
    house.succeed(ids["b"])
    assert house.state(ids["c"]) == "running"


def test_a_queued_task_waits_again(build):
    house = build(slots=1)
    run, ids = started(house, plain("a"), plain("b"))

    attach(house, run, b=["a"])
    house.succeed(ids["a"])

    assert states(house, ids) == {"a": "succeeded", "b": "running"}
    assert "waiting" in [line["after"] for line in house.log(ids["b"])]


def test_a_delayed_task_waits_again(house):
    run, ids = started(house, plain("a"), plain("b", after_s=5))

    attach(house, run, b=["a"])
    house.advance(6)

    assert house.state(ids["b"]) == "waiting"
    house.succeed(ids["a"])
    assert house.state(ids["b"]) == "delayed"


def test_a_dependency_that_has_settled_counts_at_once(build):
    house = build(slots=2)
    run, ids = started(
        house, plain("good"), plain("bad"), plain("open"), plain("x"), plain("y"), plain("z", "x")
    )
    house.succeed(ids["good"])
    house.fail(ids["bad"])
    assert states(house, ids)["y"] == "queued"

    attach(house, run, y=["good"], z=["bad"])

    assert states(house, ids)["y"] == "queued"
    house.succeed(ids["open"])
    assert states(house, ids)["y"] == "running"
    house.succeed(ids["x"])
    assert states(house, ids)["z"] == "skipped"


def test_a_dependency_that_failed_before_skips_a_task_that_was_queued(build):
    house = build(slots=1)
    run, ids = started(house, plain("bad"), plain("x"), plain("y"))
    house.fail(ids["bad"])

    attach(house, run, y=["bad"])

    assert states(house, ids)["y"] == "skipped"
    assert house.error(ids["y"])["cause"].endswith(house.view(ids["bad"])["id"])


def test_a_task_that_was_blocked_waits_for_what_was_added(house):
    run, ids = started(house, plain("a"), plain("b"), plain("c", "a"), on_failure="block")
    house.fail(ids["a"])
    assert house.state(ids["c"]) == "blocked"

    attach(house, run, c=["b"])
    house.succeed(ids["b"])

    assert house.state(ids["c"]) == "blocked"
    house.retry(ids["a"])
    house.succeed(ids["a"])
    assert house.state(ids["c"]) == "running"


def test_a_suspended_task_waits_for_more_when_it_goes_on(build):
    house = build(slots=1)
    run, ids = started(house, plain("a"), plain("b"))
    house.suspend(ids["b"])

    attach(house, run, b=["a"])
    house.resume(ids["b"])

    assert house.state(ids["b"]) == "waiting"


@pytest.mark.parametrize("end", [None, "succeed", "fail"])
def test_a_task_that_has_begun_waits_for_nothing_more(house, end):
    run, ids = started(house, plain("a"), plain("b"))
    if end is not None:
        getattr(house, end)(ids["b"])

    with pytest.raises(ConflictError, match="'b' has"):
        attach(house, run, b=["a"])


def test_a_circle_is_refused_by_its_names_and_nothing_is_added(house):
    run, ids = chain(house, "a", "b", "c", "d")

    with pytest.raises(CycleError, match="d -> c -> b"):
        attach(house, run, b=["d"])

    assert len(house.view(ids["b"])["dependencies"]) == 1
    with pytest.raises(CycleError):
        attach(house, run, c=["c"])


def test_a_circle_that_two_requests_would_close_is_refused_by_the_second(house):
    run, _ = started(house, plain("a"), plain("b", "a"), plain("c", "a"))

    attach(house, run, b=["c"])

    with pytest.raises(CycleError, match="c -> b"):
        attach(house, run, c=["b"])


def test_all_dependencies_of_a_request_are_added_or_none(house):
    run, ids = started(house, plain("a"), plain("b", "a"), plain("c", "a"))

    with pytest.raises(UnknownDependencyError):
        attach(house, run, b=["c"], c=["nobody"])
    with pytest.raises(InvalidError, match="already"):
        attach(house, run, c=["b", "a"])

    assert len(house.view(ids["b"])["dependencies"]) == 1


def test_what_was_added_is_there_after_a_crash(house):
    run, ids = started(house, plain("a"), plain("b"), plain("c", "a"))
    more = add(house, run, plain("d", "c"))
    attach(house, run, c=["b"])

    house.crash()
    house.succeed(ids["a"])
    house.succeed(ids["b"])
    house.succeed(ids["c"])
    house.succeed(more["d"])

    assert house.state(run) == "succeeded"


def test_a_task_that_was_added_to_another_sees_its_result(house):
    run, ids = started(house, plain("a"), plain("b"), {
        "name": "c", "type": "eval", "arguments": "result = results", "dependencies": ["a"],
    })  # fmt: skip
    attach(house, run, c=["b"])

    house.succeed(ids["a"], 1)
    house.succeed(ids["b"], 2)

    assert house.hand.open[ids["c"]].context["results"] == {"a": 1, "b": 2}


def test_the_log_of_the_run_says_what_was_added_and_by_whom(house):
    run, _ = chain(house, "a")

    add(house, run, PLAIN | {"name": "b"})

    line = house.log(run)[-1]
    assert (line["name"], line["actor"]) == ("tasks.added", ACTOR)
    assert line["data"] == {"verdict": "", "tasks": ["b"], "count": 1}


# What a late dependency carries.

EVAL = {"type": "eval", "arguments": "result = context"}


def eval_(name, *needs):
    return {"name": name, "dependencies": list(needs), **EVAL}


@pytest.mark.parametrize("crashes", [False, True])
def test_a_late_dependency_may_carry_order_only(house, crashes):
    run, ids = started(
        house, eval_("a"), eval_("b"), eval_("c"), eval_("end", "a"), eval_("last", "end")
    )

    attach(house, run, end=[{"task": "b", "carry": "order"}, {"task": "c", "carry": "data"}])
    if crashes:
        house.crash()
    for name in "abc":
        house.succeed(ids[name], {name: 1})

    assert house.hand.open[ids["end"]].context["context"] == {"a": 1, "c": 1}
    assert sorted(house.hand.open[ids["end"]].context["results"]) == ["a", "c"]
    house.succeed(ids["end"], {})
    assert house.hand.open[ids["last"]].context["context"] == {"a": 1, "c": 1}


def test_what_a_late_dependency_carries_is_shown_and_forked(house):
    run, ids = started(house, plain("a"), plain("b"), plain("c"), plain("end", "a"))
    attach(house, run, end=["b"])
    attach(house, run, end=[{"task": "c", "carry": "order"}])
    assert house.log(ids["end"])[-1]["data"]["order"] == [text_of(ids["c"])]
    house.succeed(ids["a"])

    new = house.submitter.new_id()
    house.publish(RunForked(new, run, "end", "{}", None, ACTOR))

    for each in (run, new):
        edges = graph_of(house.reader, each).edges
        assert [(e.source, e.carry) for e in edges if e.target == "end"] == [
            ("a", "data"), ("b", "data"), ("c", "order"),
        ]  # fmt: skip


def test_tasks_and_order_between_them_may_be_added_in_one_drain(house):
    run, ids = started(house, eval_("a"))
    said = house.core.directory.runs.record(run).said
    more = house.submitter.addition(
        run, added_tasks([eval_("b"), eval_("c", "a")], said), actor=ACTOR
    )
    late = attachments_of([{"task": "c", "dependencies": [{"task": "b", "carry": "order"}]}])

    house.publish(more, DependenciesAdded(run, late, ACTOR))
    new = {each.task.name: each.instance for each in more.submissions}
    house.succeed(ids["a"], {"a": 1})
    house.succeed(new["b"], {"b": 1})

    assert house.hand.open[new["c"]].context["context"] == {"a": 1}


def test_an_edge_that_says_something_else_is_refused_with_its_place():
    with pytest.raises(InvalidError) as refused:
        attachments_of(
            [{"task": "a", "dependencies": ["b", {"task": "c", "carry": "all"}, {"tsk": "d"}]}]
        )

    pointers = {fault.pointer for fault in refused.value.faults}
    assert "/dependencies/0/dependencies/1/carry" in pointers
    assert {p for p in pointers if p.startswith("/dependencies/0/dependencies/2")}
