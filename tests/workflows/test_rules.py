"""Rules at work: who goes on, who is skipped and why, and what opens again."""

import pytest
from core.house import BOOM, PLAIN
from jsonschema import Draft202012Validator
from tipman.charts import SETTLED
from tipman.errors import ConflictError
from tipman.events import RetryRequested, StopReason
from tipman.ids import text_of
from tipman_api.schemas import TASK
from workflows.runs import run_of


def node(name, *needs, **fields):
    return {**PLAIN, "name": name, "dependencies": list(needs), **fields}


def end(house, identifier, state):
    """Let a running task end so."""
    if state == "succeeded":
        house.succeed(identifier)
    elif state == "failed":
        house.fail(identifier)
    elif state == "cancelled":
        house.cancel(identifier)
        house.interrupt(identifier, StopReason.CANCELLED)


def data_of(house, identifier, name, at=-1):
    return [line["data"] for line in house.log(identifier) if line["name"] == name][at]


def test_a_handler_of_failures_runs_when_what_it_watches_failed(house):
    run = house.run(node("test"), node("tell", "test", when="any_failed"))

    house.fail(run["test"])

    assert house.state(run["tell"]) == "running"
    data = data_of(house, run["tell"], "dependency.settled")
    assert data["rule"] == "any_failed"
    assert data["why"] == "any_failed: `test` failed"


def test_a_task_whose_rule_does_not_hold_is_skipped_with_the_reason_and_what_was_seen(house):
    tree = {"any": [{"failed": "test"}, {"context": {
        "key": "coverage", "operator": "less_than", "value": 90}}]}  # fmt: skip
    run = house.run(node("test"), node("tell", "test", when=tree), input={"coverage": 95})

    house.succeed(run["test"])

    assert house.state(run["tell"]) == "skipped"
    error = house.error(run["tell"])
    assert error["code"] == "skipped"
    assert error["message"] == (
        "its rule does not hold: `test` succeeded; `coverage` is 95, against `less_than 90`"
    )
    assert error["rule"] == tree
    assert error["seen"] == {
        "outcomes": {"succeeded": 1}, "tasks": {"test": "succeeded"}, "context": {"coverage": 95},
    }  # fmt: skip
    assert house.view(run["tell"])["error"] == error
    assert data_of(house, run["tell"], "dependency.settled")["seen"] == error["seen"]


@pytest.mark.parametrize(
    ("word", "first", "second", "goes_on"),
    [
        ("all_succeeded", "succeeded", "failed", False),
        ("all_failed", "failed", "cancelled", True),
        ("all_settled", "failed", "succeeded", True),
        ("always", "failed", "failed", True),
        ("none_failed", "succeeded", "cancelled", False),
        ("none_failed_any_succeeded", "succeeded", "succeeded", True),
        ("none_skipped", "failed", "succeeded", True),
    ],
)
def test_a_word_is_weighed_when_the_last_dependency_has_settled(
    house, word, first, second, goes_on
):
    run = house.run(node("a"), node("b"), node("c", "a", "b", when=word))

    end(house, run["a"], first)
    assert house.state(run["c"]) == "waiting"
    end(house, run["b"], second)

    assert house.state(run["c"]) == ("running" if goes_on else "skipped")


@pytest.mark.parametrize(
    ("word", "state"),
    [("any_succeeded", "succeeded"), ("any_failed", "cancelled"), ("any_settled", "failed")],
)
def test_a_bare_any_starts_early_and_the_log_names_what_had_settled(house, word, state):
    run = house.run(node("a"), node("b"), node("c", "a", "b", when=word))

    end(house, run["a"], state)

    assert house.state(run["c"]) == "running"
    assert data_of(house, run["c"], "dependency.settled")["seen"]["tasks"] == {"a": state}
    house.succeed(run["c"])
    house.fail(run["b"])
    assert house.state(run["c"]) == "succeeded"
    assert house.view(run["c"])["dependencies_remaining"] == 0


def test_a_bare_any_is_skipped_when_nothing_answered_it(house):
    run = house.run(node("a"), node("b"), node("c", "a", "b", when="any_failed"))

    house.succeed(run["a"])
    assert house.state(run["c"]) == "waiting"
    house.succeed(run["b"])

    assert house.state(run["c"]) == "skipped"


def test_a_skip_goes_down_the_graph_and_rules_may_look_for_it(house):
    run = house.run(
        node("a"), node("b", "a"), node("c", "b"), node("d", "c", when={"skipped": "c"})
    )

    house.fail(run["a"])

    assert house.states(run["b"], run["c"], run["d"]) == ["skipped", "skipped", "running"]
    assert house.error(run["c"])["code"] == "dependency"


def test_all_skipped_holds_when_all_were(house):
    run = house.run(
        node("a"), node("b", "a"), node("c", "a"), node("d", "b", "c", when="all_skipped")
    )

    house.fail(run["a"])

    assert house.state(run["d"]) == "running"


def test_a_task_without_dependencies_may_look_at_the_input(house):
    rule = {"context": {"key": "deploy", "operator": "equals", "value": True}}

    run = house.run(node("a", when=rule), input={"deploy": False})

    assert house.state(run["a"]) == "skipped"
    assert house.error(run["a"])["seen"]["context"] == {"deploy": False}


def test_a_rule_may_look_at_the_result_of_a_dependency(house):
    rule = {"context": {"key": "results.test.exit_code", "operator": "equals", "value": 2}}
    run = house.run(node("test"), node("tell", "test", when=rule))

    house.fail(run["test"], result='{"exit_code": 2}')

    assert house.state(run["tell"]) == "running"


def test_tasks_of_a_plain_batch_have_rules_too(house):
    first, second = house.submit(
        {**PLAIN, "key": "a"},
        {**PLAIN, "key": "b", "dependencies": ["a"], "when": {"failed": "a"}},
    )
    other = house.task(dependencies=[text_of(first)], when={"failed": text_of(first)})

    house.fail(first)

    assert house.states(second, other) == ["running", "running"]


def test_a_rule_over_what_settled_before_is_weighed_at_once(house):
    first = house.task(key="a")
    house.fail(first)

    goes, stays = house.submit(
        {**PLAIN, "dependencies": ["a"], "when": "all_failed"},
        {**PLAIN, "dependencies": ["a"], "when": "none_failed"},
    )

    assert house.states(goes, stays) == ["running", "skipped"]


def test_on_failure_continue_lets_dependents_go_on(house):
    run = house.run(node("a"), node("b", "a"), on_failure="continue")

    house.fail(run["a"])

    assert house.state(run["b"]) == "running"


def test_on_failure_block_holds_dependents_until_the_failed_task_is_retried(house):
    run = house.run(node("a"), node("b", "a"), node("c", "b"), on_failure="block")

    house.fail(run["a"])
    assert house.states(run["b"], run["c"]) == ["blocked", "waiting"]
    (reason,) = house.explain(run["b"])["waiting_for"]
    assert reason["uri"] == f"/api/v1/tasks/{text_of(run['a'])}"
    assert reason["text"] == "a retry of a, which failed"
    house.retry(run["a"])
    assert house.state(run["b"]) == "waiting"
    house.succeed(run["a"])

    assert house.states(run["b"], run["c"]) == ["running", "waiting"]


def test_who_is_blocked_can_be_cancelled(house):
    run = house.run(node("a"), node("b", "a"), node("c", "b"), on_failure="block")
    house.fail(run["a"])

    house.cancel(run["b"])

    assert house.states(run["b"], run["c"]) == ["cancelled", "blocked"]


def test_what_a_rule_skipped_is_not_waited_for_by_who_would_be_blocked(house):
    run = house.run(
        node("a"), node("b", "a", when="all_failed"), node("c", "b"), on_failure="block"
    )

    house.succeed(run["a"])

    assert house.states(run["b"], run["c"]) == ["skipped", "skipped"]


def test_a_task_that_was_blocked_and_suspended_goes_on_as_things_stand(house):
    run = house.run(node("a"), node("b", "a"), on_failure="block")
    house.fail(run["a"])
    house.suspend(run["b"])
    house.retry(run["a"])

    house.resume(run["b"])
    assert house.state(run["b"]) == "waiting"
    house.succeed(run["a"])

    assert house.state(run["b"]) == "running"


def test_what_a_rule_skipped_opens_again_with_a_dependency(house):
    run = house.run(node("a"), node("b", "a", when="all_succeeded"), node("c", "b"))
    house.fail(run["a"])
    assert house.error(run["b"])["code"] == "skipped"

    house.retry(run["a"])
    assert house.states(run["b"], run["c"]) == ["waiting", "waiting"]
    assert house.error(run["b"]) is None
    house.succeed(run["a"])

    assert house.state(run["b"]) == "running"


def test_work_that_ran_stays_when_a_dependency_opens_again(house):
    run = house.run(node("a"), node("tell", "a", when="any_failed"), node("b", "tell"))
    house.fail(run["a"])
    house.succeed(run["tell"])

    house.retry(run["a"])
    assert house.states(run["tell"], run["b"]) == ["succeeded", "running"]
    house.succeed(run["a"])

    assert house.state(run["tell"]) == "succeeded"
    assert len(house.attempts(run["tell"])) == 1


def test_who_was_let_on_and_has_not_begun_waits_again(build):
    house = build(slots=2)
    busy = (node("d", priority=2), node("a", priority=2), node("b", priority=1))
    run = house.run(*busy, node("c", "a", when="all_settled"))
    house.fail(run["a"])
    assert house.states(run["b"], run["c"], run["d"]) == ["running", "queued", "running"]

    house.retry(run["a"])
    assert house.state(run["c"]) == "waiting"
    for name in ("d", "b", "a"):
        house.succeed(run[name])

    assert house.state(run["c"]) == "running"


def test_who_was_let_on_suspended_and_turned_back_waits_again(build):
    house = build(slots=2)
    busy = (node("d", priority=2), node("a", priority=2), node("b", priority=1))
    run = house.run(*busy, node("c", "a", when="all_settled"))
    house.fail(run["a"])
    house.suspend(run["c"])
    house.retry(run["a"])

    house.resume(run["c"])

    assert house.state(run["c"]) == "waiting"


def test_an_early_answer_that_is_gone_is_waited_for_again(build):
    house = build(slots=2)
    run = house.run(
        node("a"), node("b"), node("c", "a", "b", when="any_failed"), node("d", priority=1)
    )
    house.fail(run["a"])
    assert house.states(run["c"], run["d"]) == ["queued", "running"]

    house.retry(run["a"])
    assert house.state(run["c"]) == "waiting"
    house.fail(run["b"])

    assert house.state(run["c"]) in {"queued", "running"}


def test_a_skip_whose_cause_stands_is_not_retried(house):
    run = house.run(node("a"), node("b", "a", when="all_failed"))
    house.succeed(run["a"])

    with pytest.raises(ConflictError) as error:
        house.publish(RetryRequested(run["b"], "tester", None))

    assert "all_failed: `a` succeeded" in str(error.value)


def test_a_rule_that_was_weighed_while_suspended_counts_at_the_resume(house):
    run = house.run(node("a"), node("b", "a", when="all_failed"))
    house.suspend(run["b"])
    house.succeed(run["a"])
    assert house.state(run["b"]) == "suspended"

    house.resume(run["b"])

    assert house.state(run["b"]) == "skipped"
    assert house.error(run["b"])["code"] == "skipped"


def test_a_crash_changes_nothing_of_what_was_decided(house):
    run = house.run(
        node("a"),
        node("b"),
        node("c", "a", "b", when="any_failed"),
        node("d", "a", when="any_failed"),
    )
    house.succeed(run["a"])
    assert house.state(run["d"]) == "skipped"

    house.crash()
    house.fail(run["b"])

    assert house.state(run["c"]) == "running"
    assert house.error(run["d"])["code"] == "skipped"


@pytest.mark.parametrize("count", [0, 3])
def test_explain_names_the_rule_and_what_is_missing(house, count):
    needs = [f"n{at}" for at in range(count + 2)]
    run = house.run(*map(node, needs), node("z", *needs, when="none_failed"))
    house.fail(run["n0"], BOOM)

    explained = house.explain(run["z"])

    assert explained["state"] == "waiting"
    rule, *tasks = explained["waiting_for"]
    assert rule["kind"] == "rule"
    assert rule["text"].startswith("none_failed waits for `n1`")
    assert [task["kind"] for task in tasks] == ["task"] * (count + 1)
    assert all(house.state(run[name]) not in SETTLED for name in needs[1:])


@pytest.mark.parametrize("rule", ["any_failed", {"none": [{"succeeded": "a"}]}])
def test_a_skip_reads_as_the_document_of_the_interface_says(house, rule):
    run = house.run(node("a"), node("b", "a", when=rule))

    house.succeed(run["a"])

    view = house.view(run["b"])
    assert view["error"]["rule"] == rule
    assert list(Draft202012Validator(TASK).iter_errors(view)) == []


# Tried again.


@pytest.mark.parametrize(
    ("word", "answer"),
    [("any_succeeded", "succeeded"), ("any_settled", "succeeded"), ("any_failed", "cancelled")],
)
def test_a_bare_any_that_is_answered_does_not_wait_for_what_is_tried_again(house, word, answer):
    run = house.run(node("a"), node("b"), node("c", "a", "b", when=word))
    end(house, run["a"], answer)
    house.fail(run["c"])
    house.fail(run["b"])

    # Of `a` and `b` only `b` is asked, and `c` with it.
    whole = run_of(house, run)
    house.ask("retry.requested", whole, {"tasks": ["b"], "descendants": True})

    assert house.states(run["b"], run["c"]) == ["running", "running"]
    assert house.view(run["c"])["dependencies_remaining"] == 1
    house.succeed(run["c"])
    house.succeed(run["b"])
    assert house.state(whole) == "succeeded" if answer == "succeeded" else "failed"


def test_a_bare_any_whose_answer_is_tried_again_waits_for_it(house):
    run = house.run(node("a"), node("b"), node("c", "a", "b", when="any_failed"))
    house.fail(run["a"])
    house.fail(run["c"])
    house.succeed(run["b"])

    house.ask("retry.requested", run_of(house, run), {"tasks": ["a"], "descendants": True})

    assert house.states(run["a"], run["b"], run["c"]) == ["running", "succeeded", "waiting"]
    house.succeed(run["a"])
    assert house.state(run["c"]) == "skipped"


def test_what_goes_on_early_again_sees_the_settled_alone_in_each_attempt(house):
    adding = {"type": "eval", "arguments": "result = context"}
    run = house.run(
        {"name": "a", **adding}, {"name": "b", **adding},
        node("c", "a", "b", when="any_succeeded", **adding, retry={"attempts_max": 2}),
    )  # fmt: skip
    house.suspend(run["c"])
    house.succeed(run["a"], {"x": 1})
    house.fail(run["b"])
    house.cancel(run["c"])

    whole = run_of(house, run)
    house.ask("retry.requested", whole, {"tasks": ["b", "c"]})

    assert house.hand.open[run["c"]].context["context"] == {"x": 1}
    house.succeed(run["b"], {"y": 2})
    house.fail(run["c"])
    house.advance(3_600)
    assert house.hand.open[run["c"]].context["context"] == {"x": 1}
