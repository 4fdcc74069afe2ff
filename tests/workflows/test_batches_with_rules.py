"""Plain batches have rules, edges without data and a word about failures, as workflows have."""

import pytest
from serving.served import Served

EXEC = {"type": "exec", "arguments": "true"}
FAILS = {"type": "exec", "arguments": "exit 3"}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("home")) as running:
        yield running


def submit(served, *tasks, **more):
    answer = served.post("/api/v1/tasks/batch", {"tasks": tasks, **more})
    assert answer.status == 202, answer.body
    return [task["id"] for task in answer.json["items"]]


@pytest.mark.parametrize(("policy", "state"), [("skip", "skipped"), ("continue", "succeeded")])
def test_a_batch_says_what_follows_a_failure(served, policy, state):
    key = f"bad-{policy}"

    _, after = submit(
        served, {**FAILS, "key": key}, {**EXEC, "dependencies": [key]}, on_failure=policy
    )

    served.wait(after, state)


def test_a_batch_that_blocks_waits_for_a_retry(served):
    bad, after = submit(
        served, {**FAILS, "key": "bad"}, {**EXEC, "dependencies": ["bad"]}, on_failure="block"
    )
    served.wait(bad, "failed")

    assert served.get(f"/api/v1/tasks/{after}").json["state"] == "blocked"


def test_only_a_run_can_fail_fast(served):
    answer = served.post("/api/v1/tasks/batch", {"tasks": [EXEC], "on_failure": "fail_fast"})

    assert (answer.status, answer.json["errors"]) == (
        422,
        [{"pointer": "/on_failure",
          "detail": "must be one of skip, block, continue, not `fail_fast`"}],
    )  # fmt: skip


def test_a_task_of_a_batch_has_a_rule_over_keys_and_an_edge_that_carries_order(served):
    edge = {"task": "started", "carry": "order"}
    rule = {"all": [{"failed": "broken"}, {"succeeded": "started"}]}

    _, _, after = submit(
        served,
        {**FAILS, "key": "broken"},
        {**EXEC, "key": "started"},
        {**EXEC, "dependencies": ["broken", edge], "when": rule},
    )

    served.wait(after, "succeeded")


def test_a_rule_over_what_is_no_dependency_is_refused(served):
    answer = served.post("/api/v1/tasks", {**EXEC, "dependencies": [], "when": {"failed": "x"}})

    assert (answer.status, answer.json["errors"]) == (
        422,
        [{"pointer": "/when/failed", "detail": "`x` is no direct dependency of this task"}],
    )
