"""`workflow` tasks: each starts a run of a registered workflow, and ends as that run does."""

import pytest
from core.house import PLAIN
from tipman.errors import ConflictError
from tipman.ids import text_of

NODE = {**PLAIN, "name": "node"}
ASK = {"name": "ask", "type": "approval"}


def child(name="small", **arguments):
    return {"name": "sub", "type": "workflow", "arguments": {"name": name, **arguments}}


def runs_of(house, task):
    """Return the runs that a task has started, oldest first."""
    rows = house.reader.fetch("SELECT id FROM workflow_run WHERE parent = ? ORDER BY id", (task,))
    return [bytes(row[0]) for row in rows]


def nodes_of(house, run):
    rows = house.reader.fetch("SELECT name, id FROM instance WHERE run = ?", (run,))
    return {name: bytes(identifier) for name, identifier in rows}


def run_state(house, run):
    return house.reader.fetch("SELECT state FROM instance WHERE id = ?", (run,))[0][0]


def begun(house, *tasks, **arguments):
    """Register a workflow and start it by a task; return the task, its run and its nodes."""
    house.register("small", *(tasks or (NODE,)))
    (task,) = house.submit(child(**arguments))
    (run,) = runs_of(house, task)
    return task, run, nodes_of(house, run)


def test_a_task_ends_well_with_its_run(build):
    house = build(slots=1)
    task, run, nodes = begun(house)

    assert house.state(task) == "awaiting"
    assert run_state(house, run) == "running"
    house.succeed(nodes["node"])

    assert run_state(house, run) == "succeeded"
    assert house.state(task) == "succeeded"
    result = house.result(task)
    assert result["run"] == f"/api/v1/runs/{text_of(run)}"
    assert result["state"] == "succeeded"


def test_a_task_fails_with_its_run(house):
    task, run, nodes = begun(house)

    house.fail(nodes["node"])

    assert run_state(house, run) == "failed"
    assert house.error(task)["code"] == "child_failed"
    assert text_of(run) in house.error(task)["message"]


def test_a_task_fails_when_its_run_is_cancelled(house):
    task, run, _ = begun(house, ASK)

    house.cancel(run)

    assert house.error(task)["code"] == "child_cancelled"


def test_the_input_is_filled_in_and_given_to_the_run(house):
    house.register("small", NODE, input={"day": "monday", "size": 1})
    ids = house.run(
        {"name": "before", "type": "eval", "arguments": "result = 3"},
        {**child(input={"size": "{results.before}"}), "dependencies": ["before"]},
    )
    house.succeed(ids["before"], 3)

    (run,) = runs_of(house, ids["sub"])

    rows = house.reader.fetch(
        "SELECT input, version, depth FROM workflow_run WHERE id = ?", (run,)
    )
    assert rows == [('{"day":"monday","size":3}', 1, 1)]


def test_input_that_the_schema_refuses_fails_the_task_with_its_place(house):
    schema = {"type": "object", "properties": {"size": {"type": "integer"}}}
    house.register("small", NODE, input_schema=schema)

    (task,) = house.submit(child(input={"size": "big"}))

    assert house.state(task) == "failed"
    assert house.error(task)["code"] == "invalid_input"
    assert "/input/size" in house.error(task)["message"]
    assert not runs_of(house, task)


@pytest.mark.parametrize("arguments", [{"name": "nobody"}, {"name": "small", "version": 7}])
def test_a_workflow_that_is_not_there_fails_the_task(house, arguments):
    house.register("small", NODE)

    (task,) = house.submit({"type": "workflow", "arguments": arguments})

    assert house.error(task)["code"] == "unknown_workflow"


def test_a_version_that_is_named_is_the_one_that_runs(house):
    house.register("small", NODE)
    house.register("small", NODE, ASK)

    tasks = house.submit(child(version=1), child())

    nodes = [nodes_of(house, *runs_of(house, task)) for task in tasks]
    assert [sorted(found) for found in nodes] == [["node"], ["ask", "node"]]


def test_a_workflow_that_starts_itself_without_end_stops_at_the_limit(build):
    house = build(runs_depth_max=3)
    house.register("small", child())

    (task,) = house.submit(child())

    assert house.state(task) == "failed"
    rows = house.reader.fetch("SELECT depth FROM workflow_run ORDER BY depth")
    assert [row[0] for row in rows] == [0, 1, 2, 3]
    deepest = house.reader.fetch(
        "SELECT a.error FROM attempt AS a JOIN instance AS i ON i.id = a.instance"
        " JOIN workflow_run AS r ON r.id = i.run WHERE r.depth = 3"
    )
    assert "too_deep" in deepest[0][0]


def test_cancelling_the_task_cancels_its_run_first(house):
    task, run, nodes = begun(house)

    house.cancel(task)
    assert house.configuration(task) == "withdrawing"
    assert house.configuration(nodes["node"]) == "cancelling"
    house.interrupt_cancelled(nodes["node"])

    assert run_state(house, run) == "cancelled"
    assert house.state(task) == "cancelled"


def test_an_abandoned_run_goes_on_by_itself(house):
    task, run, nodes = begun(house, on_close="abandon")

    house.cancel(task)
    assert house.state(task) == "cancelled"
    house.crash()
    house.fail(nodes["node"])

    assert run_state(house, run) == "failed"
    house.retry(run)
    assert (house.state(task), run_state(house, run)) == ("cancelled", "running")


def test_a_task_may_wait_for_its_run_before_it_ends(house):
    task, run, nodes = begun(house, on_close="wait")

    house.cancel(task)
    assert house.configuration(task) == "withdrawing"
    assert run_state(house, run) == "running"
    house.succeed(nodes["node"])

    assert (run_state(house, run), house.state(task)) == ("succeeded", "cancelled")


def test_a_task_that_runs_out_of_time_ends_its_run_first(house):
    house.register("small", ASK)
    (task,) = house.submit({**child(), "timeout_s": 60})
    (run,) = runs_of(house, task)

    house.advance(60)

    assert run_state(house, run) == "cancelled"
    assert house.error(task)["code"] == "timeout"


def test_a_run_that_is_cancelled_ends_what_its_tasks_have_begun(house):
    house.register("small", ASK)
    ids = house.run(child())
    (run,) = runs_of(house, ids["sub"])
    (outer,) = house.reader.fetch("SELECT run FROM instance WHERE id = ?", (ids["sub"],))[0]

    house.cancel(bytes(outer))

    assert run_state(house, run) == "cancelled"
    assert run_state(house, bytes(outer)) == "cancelled"


def test_suspending_the_task_suspends_its_run(house):
    task, run, nodes = begun(house, ASK)

    house.suspend(task)
    assert run_state(house, run) == "suspended"
    assert house.state(nodes["ask"]) == "suspended"
    house.crash()
    house.resume(task)

    assert house.states(task, nodes["ask"]) == ["awaiting"] * 2
    assert run_state(house, run) == "running"


def test_a_run_that_somebody_suspended_stays_so_when_its_task_is_resumed(house):
    task, run, _ = begun(house, ASK)
    house.suspend(run)

    house.suspend(task)
    house.resume(task)

    assert run_state(house, run) == "suspended"
    house.resume(run)
    assert run_state(house, run) == "running"


def test_retrying_the_task_starts_another_run(house):
    task, first, nodes = begun(house)
    house.fail(nodes["node"])

    house.retry(task)

    _, second = runs_of(house, task)
    assert run_state(house, first) == "failed"
    house.succeed(nodes_of(house, second)["node"])
    assert house.state(task) == "succeeded"
    assert house.outcomes(task) == ["failed", "succeeded"]


def test_a_policy_of_the_task_starts_another_run(house):
    house.register("small", NODE)
    retry = {"attempts_max": 2, "delay_s": 10}
    (task,) = house.submit({**child(), "retry": retry})
    (first,) = runs_of(house, task)
    house.fail(nodes_of(house, first)["node"])
    assert house.state(task) == "backing_off"

    house.advance(10)

    _, second = runs_of(house, task)
    house.succeed(nodes_of(house, second)["node"])
    assert house.state(task) == "succeeded"


def test_retrying_the_run_opens_its_task_and_the_run_around_it(house):
    house.register("small", NODE)
    ids = house.run(child(), {**PLAIN, "name": "after", "dependencies": ["sub"]})
    (run,) = runs_of(house, ids["sub"])
    node = nodes_of(house, run)["node"]
    house.fail(node)
    outer = bytes(house.reader.fetch("SELECT run FROM instance WHERE id = ?", (ids["sub"],))[0][0])
    assert run_state(house, outer) == "failed"

    house.retry(run)

    assert house.states(ids["sub"], ids["after"]) == ["awaiting", "waiting"]
    assert (run_state(house, run), run_state(house, outer)) == ("running", "running")
    house.crash()
    house.succeed(node)
    assert house.states(ids["sub"], ids["after"]) == ["succeeded", "running"]
    assert len(runs_of(house, ids["sub"])) == 1


def test_retrying_a_task_of_the_run_opens_all_that_is_around_it(house):
    task, run, nodes = begun(house)
    house.fail(nodes["node"])

    house.retry(nodes["node"])

    assert (house.state(task), run_state(house, run)) == ("awaiting", "running")


def test_an_older_run_is_not_opened_again_and_the_refusal_names_the_newer(house):
    task, first, nodes = begun(house)
    house.fail(nodes["node"])
    house.retry(task)
    _, second = runs_of(house, task)

    for asked in (first, nodes["node"]):
        with pytest.raises(ConflictError, match=f"newer run, /api/v1/runs/{text_of(second)}"):
            house.retry(asked)

    house.fail(nodes_of(house, second)["node"])
    assert house.state(task) == "failed"
    assert house.conflict("retry.requested", nodes["node"]) == "failed"
    house.retry(second)
    assert (run_state(house, first), run_state(house, second)) == ("failed", "running")


def test_a_run_whose_task_is_about_to_start_another_is_not_opened_again(house):
    house.register("small", NODE)
    retry = {"attempts_max": 2, "delay_s": 10}
    (task,) = house.submit({**child(), "retry": retry})
    (first,) = runs_of(house, task)
    house.fail(nodes_of(house, first)["node"])

    for _ in range(2):
        with pytest.raises(ConflictError, match="starts another run"):
            house.retry(first)
        if house.state(task) == "backing_off":
            house.suspend(task)
    house.resume(task)
    house.advance(10)

    assert [run_state(house, run) for run in runs_of(house, task)] == ["failed", "running"]


def test_a_run_below_an_older_run_is_not_opened_again(house):
    house.register("inner", NODE)
    house.register("small", {**child(), "name": "call", "arguments": {"name": "inner"}})
    (task,) = house.submit(child())
    (first,) = runs_of(house, task)
    (below,) = runs_of(house, nodes_of(house, first)["call"])
    house.fail(nodes_of(house, below)["node"])
    house.retry(task)
    _, second = runs_of(house, task)

    with pytest.raises(ConflictError, match=text_of(second)):
        house.retry(nodes_of(house, below)["node"])


def test_what_ended_while_the_task_was_suspended_counts_then(house):
    task, run, nodes = begun(house)
    house.suspend(task)
    house.succeed(nodes["node"])
    assert run_state(house, run) == "suspended"

    house.resume(task)

    assert house.state(task) == "succeeded"
    assert len(runs_of(house, task)) == 1


def test_explain_names_the_run_that_is_waited_for(house):
    task, run, _ = begun(house)

    (reason,) = house.explain(task)["waiting_for"]

    assert reason["uri"] == f"/api/v1/runs/{text_of(run)}"
    assert reason["kind"] == "run"


def test_a_map_may_start_a_run_for_each_item(house):
    house.register("small", NODE)
    over = {"over": ["a", "b"], "task": {"type": "workflow", "arguments": {"name": "small",
            "input": {"what": "{item}"}}}}  # fmt: skip
    (task,) = house.submit({"type": "map", "arguments": over})

    rows = house.reader.fetch("SELECT id, input FROM workflow_run ORDER BY id")
    assert [row[1] for row in rows] == ['{"what":"a"}', '{"what":"b"}']
    for row in rows:
        house.succeed(nodes_of(house, bytes(row[0]))["node"])

    assert house.state(task) == "succeeded"
    assert [each["state"] for each in house.result(task)] == ["succeeded"] * 2


def test_a_quota_that_is_reached_fails_the_task(house):
    from tipman.registrations import NamespaceChanged

    house.register("small", NODE, {**NODE, "name": "other"})
    house.publish(NamespaceChanged("default", "tester", {"open_tasks_max": 2}))

    (task,) = house.submit(child())

    assert house.error(task)["code"] == "quota_reached"


def test_what_the_run_adds_to_its_context_is_seen_after_the_task(house):
    adding = {"name": "add", "type": "eval", "arguments": "result = {'n': 1}"}
    house.register("small", adding, {**NODE, "dependencies": ["add"]}, input={"day": "monday"})
    ids = house.run(child(), {"name": "after", "type": "eval", "arguments": "pass",
                    "dependencies": ["sub"]})  # fmt: skip
    (run,) = runs_of(house, ids["sub"])
    nodes = nodes_of(house, run)

    house.succeed(nodes["add"], {"n": 1})
    house.succeed(nodes["node"])

    assert house.result(ids["sub"])["context"] == {"n": 1}
    seen = house.hand.open[ids["after"]].context
    assert seen["context"] == {"sub": {"n": 1}}
    assert seen["results"]["sub"]["context"] == {"n": 1}


def test_a_run_may_undo_a_task_by_another_run(house):
    house.register("undo", NODE)
    undo = {"type": "workflow", "arguments": {"name": "undo"}}
    ids = house.run(
        {**PLAIN, "name": "do", "compensate": undo},
        {**PLAIN, "name": "fails", "dependencies": ["do"]},
    )
    outer = bytes(house.reader.fetch("SELECT run FROM instance WHERE id = ?", (ids["do"],))[0][0])
    house.succeed(ids["do"])
    house.fail(ids["fails"])

    rows = house.reader.fetch("SELECT id FROM workflow_run WHERE name = 'undo'")
    (run,) = [bytes(row[0]) for row in rows]
    assert run_state(house, outer) == "running"
    house.succeed(nodes_of(house, run)["node"])

    assert (run_state(house, run), run_state(house, outer)) == ("succeeded", "failed")
