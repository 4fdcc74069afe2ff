"""What expressions and rules read and nothing gives them is noted with its place."""

import pytest
from tipman.definitions import workflow_of
from tipman.definitions.readings import unknown_readings

COUNT = {"name": "count", "type": "eval", "arguments": "result = 3"}


def noted(*tasks, **more):
    workflow = workflow_of({"tasks": [COUNT, *tasks], **more}, default_name="w")
    return [(fault.pointer, fault.detail) for fault in unknown_readings(workflow)]


def rest(duration, **more):
    return {"name": "rest", "type": "sleep", "arguments": {"duration_s": duration}, **more}


@pytest.mark.parametrize(
    ("duration", "detail"),
    [
        (
            "{results.coutn / 10}",
            "it has no result of `coutn`, on which it does not depend; did you mean `count`?",
        ),
        ("{results['later']}", "it has no result of `later`, on which it does not depend"),
        (
            "{contxt.n}",
            "nothing is called `contxt` here, only `context`, `results`; did you mean `context`?",
        ),
        ("{index}", "nothing is called `index` here, only `context`, `results`"),
    ],
)
def test_an_unknown_name_is_noted(duration, detail):
    assert noted(rest(duration, dependencies=["count"])) == [
        ("/tasks/1/arguments/duration_s", detail)
    ]


@pytest.mark.parametrize(
    "duration",
    [1, "{results.count}", "{results['count']}", "{results.get('later', 1)}", "{context.later}"],
)
def test_what_may_be_there_is_not_noted(duration):
    assert noted(rest(duration, dependencies=[{"task": "count", "carry": "order"}])) == []


def test_an_item_is_seen_by_the_task_of_a_map_alone():
    inner = {"type": "sleep", "arguments": {"duration_s": "{item + index + itm}"}}
    each = {"name": "each", "type": "map", "arguments": {"over": "{item}", "task": inner}}

    assert [pointer for pointer, _ in noted(each)] == [
        "/tasks/1/arguments/over",
        "/tasks/1/arguments/task/arguments/duration_s",
    ]


def test_a_rule_over_the_result_of_no_dependency_is_noted():
    def over(key):
        return {"context": {"key": key, "operator": "exists"}}

    rule = {"any": [over("results.count.n"), {"none": [over("results.pull.n"), over("n")]}]}

    assert noted(rest(1, dependencies=["count"], when=rule)) == [
        (
            "/tasks/1/when/any/1/none/0/context/key",
            "it has no result of `pull`, on which it does not depend",
        )
    ]


def test_a_task_whose_name_has_dots_is_known():
    dotted = {"name": "count.all", "type": "wait"}
    rule = {"context": {"key": "results.count.all.n", "operator": "exists"}}

    assert noted(dotted, rest(1, dependencies=["count.all"], when=rule)) == []


def test_hooks_and_what_undoes_are_looked_at_too():
    undo = {"type": "sleep", "arguments": {"duration_s": "{reslts.rest}"}}
    hook = {"type": "sleep", "arguments": {"duration_s": "{results.count + contxt.n}"}}

    found = noted(rest(1, compensate=undo), hooks={"settled": hook})

    assert [pointer for pointer, _ in found] == [
        "/tasks/1/compensate/arguments/duration_s",
        "/hooks/settled/arguments/duration_s",
    ]
