"""Types that run what a submitter wrote can be switched off, on every way in."""

import pytest
from tipman.definitions import workflow_of
from tipman.errors import InvalidError, NotFoundError, TypeOffError
from tipman.runtime import Engine
from tipman.settings import load

EXEC = {"name": "a", "type": "exec", "arguments": "true"}
SHELL = {"type": "exec", "arguments": "true"}
SLEEP = {"name": "b", "type": "sleep", "arguments": {"duration_s": 0}}


@pytest.fixture
def engine(tmp_path):
    with Engine(home=tmp_path / "home", types_off="exec,eval") as engine:
        yield engine


def test_a_task_of_a_type_that_is_off_is_refused_by_name(engine):
    with pytest.raises(TypeOffError, match="`exec` tasks are switched off") as caught:
        engine.submit_task(EXEC)

    assert caught.value.faults[0].pointer == "/type"


def test_a_batch_with_one_of_them_changes_nothing(engine):
    with pytest.raises(TypeOffError):
        engine.submit_batch([{**SLEEP, "key": "kept"}, EXEC])

    with pytest.raises(NotFoundError, match="kept"):
        engine.find("kept")


def test_a_workflow_with_one_of_them_is_refused(engine):
    with pytest.raises(TypeOffError):
        engine.submit_workflow(workflow_of({"tasks": [SLEEP, EXEC]}, default_name="w"))


def test_what_is_not_off_runs_as_before(engine):
    handle = engine.submit_task(SLEEP)

    assert handle.wait(timeout_s=20)
    assert handle.state == "succeeded"


def test_without_the_setting_it_runs(tmp_path):
    with Engine(home=tmp_path / "home") as engine:
        handle = engine.submit_task(EXEC)
        assert handle.wait(timeout_s=20)


def test_only_types_that_run_what_was_written_can_be_switched_off():
    assert load(toml='types_off = ["python"]').types_off == ("python",)
    with pytest.raises(InvalidError, match="task types out of exec, eval, python"):
        load(flags={"types_off": "sleep"})


@pytest.mark.parametrize(
    "task",
    [
        {"type": "map", "arguments": {"over": [1], "task": SHELL}},
        {"type": "map", "arguments": {"over": [1], "task": {
            "type": "map", "arguments": {"over": [1], "task": SHELL}}}},
    ],
)  # fmt: skip
def test_a_type_that_is_off_is_not_brought_along_by_another_task(engine, task):
    with pytest.raises(TypeOffError):
        engine.submit_task(task)
    with pytest.raises(TypeOffError):
        engine.run_workflow({"tasks": [{"name": "a", **task}]})


def test_a_type_that_is_off_does_not_take_back_what_another_did(engine):
    with pytest.raises(TypeOffError):
        engine.run_workflow({"tasks": [{"name": "a", "type": "wait", "compensate": SHELL}]})


def test_a_type_that_is_off_is_not_run_by_a_hook(engine):
    hooks = {"settled": SHELL}

    with pytest.raises(TypeOffError):
        engine.run_workflow({"tasks": [{"name": "a", "type": "wait"}], "hooks": hooks})
