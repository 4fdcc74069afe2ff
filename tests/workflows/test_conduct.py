"""What an engine is asked: to let a run grow, and to fork it."""

import pytest
from core.engines import PATIENCE_S
from storage.databases import new_url
from tipman.errors import ConflictError, InvalidError, NotFoundError
from tipman.executors.functions import Registry
from tipman.runtime import Engine

WAIT = {"type": "wait"}


@pytest.fixture
def engine(tmp_path):
    tasks = Registry()

    @tasks.task(name="echo")
    def echo(value):
        return value

    engine = Engine(
        new_url("sqlite", tmp_path), home=tmp_path / "home", tasks=tasks, durability="normal"
    )
    with engine:
        yield engine


def echo(name, value, *needs):
    arguments = {"task": "echo", "args": {"value": value}}
    return {"name": name, "type": "inline", "arguments": arguments, "dependencies": list(needs)}


def test_a_run_grows_by_tasks_that_call_functions(engine):
    run = engine.run_workflow({"name": "grows", "tasks": [{"name": "gate", **WAIT}]})

    added = engine.add_tasks(run, [echo("first", 1, "gate"), echo("second", 2)])
    engine.add_dependencies(run, [{"task": "first", "dependencies": ["second"]}])
    engine.send(run.tasks["gate"], "finish.reported")

    assert run.wait(PATIENCE_S).state == "succeeded"
    assert {name: task.result for name, task in added.items()} == {"first": 1, "second": 2}
    assert [*run.tasks] == ["gate", "first", "second"]


def test_what_can_not_be_added_is_refused_before_it_is_handed_in(engine):
    run = engine.run_workflow({"name": "grows", "tasks": [{"name": "gate", **WAIT}]})

    with pytest.raises(InvalidError) as refusal:
        engine.add_tasks(run, [{"name": "x", "type": "inline", "arguments": {"task": 7}}])
    assert refusal.value.faults[0].pointer.startswith("/tasks/0/arguments")
    with pytest.raises(InvalidError) as refusal:
        engine.add_dependencies(run, [{"task": "gate", "dependency": "x"}])
    assert refusal.value.faults[0].pointer.startswith("/dependencies/0")
    with pytest.raises(InvalidError):
        engine.add_tasks(run, [])
    with pytest.raises(NotFoundError):
        engine.add_tasks("nobody", [echo("x", 1)])


def test_a_run_that_has_settled_does_not_grow(engine):
    run = engine.run_workflow({"name": "done", "tasks": [echo("a", 1)]}).wait(PATIENCE_S)

    with pytest.raises(ConflictError):
        engine.add_tasks(run, [echo("b", 1)])
    with pytest.raises(ConflictError):
        engine.add_dependencies(run, [{"task": "a", "dependencies": ["a"]}])


def test_a_fork_of_a_registered_workflow_is_of_its_version_and_its_input_must_fit(engine):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    flow = {"name": "kept", "input": {"n": 1}, "input_schema": schema}
    engine.add_workflow({**flow, "tasks": [echo("a", 1), echo("b", "{context.n}", "a")]})
    run = engine.run_workflow("kept").wait(PATIENCE_S)
    engine.add_workflow({**flow, "tasks": [echo("other", 1)]})

    fork = engine.fork(run, "b", {"n": 2}, key="again").wait(PATIENCE_S)

    assert fork.results == {"a": 1, "b": 2}
    shown = fork.view()
    assert (shown["version"], shown["input"], shown["key"]) == (1, {"n": 2}, "again")
    assert shown["origin"] == run.uri
    with pytest.raises(InvalidError) as refusal:
        engine.fork(run, "b", {"n": "two"})
    assert refusal.value.faults[0].pointer == "/input/n"


def test_values_that_a_fork_is_not_given_are_those_of_the_old_run(engine):
    flow = {"name": "free", "input": {"a": 1, "b": 1}, "tasks": [echo("x", "{context}")]}
    run = engine.run_workflow(flow, {"a": 2}).wait(PATIENCE_S)

    fork = engine.fork(run, input={"b": 3}).wait(PATIENCE_S)

    assert fork.results == {"x": {"a": 2, "b": 3}}


def test_a_run_is_held_and_let_go_by_its_handle(engine):
    run = engine.run_workflow({"name": "held", "tasks": [{"name": "gate", **WAIT}]})

    assert run.suspend().state == "suspended"
    assert run.tasks["gate"].state == "suspended"
    assert run.resume().state == "running"
    assert run.cancel(["gate"]).wait(PATIENCE_S).state == "succeeded"
    assert run.retry().state == "running"
    assert run.cancel().wait(PATIENCE_S).state == "cancelled"
