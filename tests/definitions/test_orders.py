"""What is asked of one run: its input over the file's, its key, what goes before other work."""

import pytest
from tipman.definitions import order_of, ordered, with_input, workflow_of
from tipman.errors import InvalidError

TASKS = [{"name": "a", "type": "wait"}, {"name": "b", "type": "wait", "priority": 7}]


def flow(**fields):
    return workflow_of({"name": "flow", "tasks": TASKS, **fields}, default_name="flow")


def pointers(caught):
    return [fault.pointer for fault in caught.value.faults]


def test_values_that_are_given_take_the_place_of_those_of_the_file():
    given = with_input(flow(input={"day": "today", "deep": {"a": 1}}), {"deep": {"b": 2}, "x": 3})

    assert given.input == {"day": "today", "deep": {"b": 2}, "x": 3}
    assert with_input(flow(input={"day": 1}), None).input == {"day": 1}


def test_the_schema_judges_what_comes_of_it():
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    workflow = flow(input={"n": 1}, input_schema=schema)

    with pytest.raises(InvalidError) as caught:
        with_input(workflow, {"n": "many"})

    assert pointers(caught) == ["/input/n"]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ([1], "/input"),
        ({"n": float("nan")}, "/input/n"),
        ({"n": {"deep": {1: 2}}}, "/input/n/deep"),
        ({"n": "\udcff"}, "/input/n"),
    ],
)
def test_an_input_that_is_no_json_object_is_refused_with_its_place(given, pointer):
    with pytest.raises(InvalidError) as caught:
        with_input(flow(), given)

    assert pointers(caught)[0].startswith(pointer)


def test_a_priority_is_that_of_tasks_and_hooks_without_one_of_their_own():
    hooks = {"failed": {"type": "wait"}, "settled": {"type": "wait", "priority": 2}}
    workflow = flow(priority=1, hooks=hooks)

    wanted = ordered(workflow, order_of({"priority": 5}))

    assert [task.priority for task in wanted.tasks] == [5, 7]
    assert {name: hook.priority for name, hook in wanted.hooks.items()} == {
        "failed": 5,
        "settled": 2,
    }
    assert [task.priority for task in ordered(workflow, order_of({})).tasks] == [1, 7]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        (3, ""),
        ({"kee": "x"}, "/kee"),
        ({"key": "a key"}, "/key"),
        ({"key": "batch"}, "/key"),
        ({"priority": 1001}, "/priority"),
        ({"version": 0}, "/version"),
        ({"namespace": ""}, "/namespace"),
    ],
)
def test_an_order_that_can_not_be_is_refused_with_its_place(given, pointer):
    with pytest.raises(InvalidError) as caught:
        order_of(given)

    assert pointers(caught) == [pointer]
