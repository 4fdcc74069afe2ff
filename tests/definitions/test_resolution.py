"""What a workflow says of its tasks stands in their own options once they are submitted."""

import json
from datetime import UTC, datetime

import pytest
from tipman.definitions import resolved_tasks, task_of, unpacked, workflow_of

EXEC = {"type": "exec", "arguments": "true"}
FIRST = {**EXEC, "name": "first"}


def resolved(*tasks, **given):
    items = [FIRST, *({**EXEC, "dependencies": ["first"], **task} for task in tasks)]
    return resolved_tasks(workflow_of({**given, "tasks": items}, default_name="x"))[1:]


def options(task):
    return {n: v for n, v in json.loads(task.options).items() if n != "timeout_s"}


def test_by_default_tasks_say_nothing_more():
    (task,) = resolved({"name": "a"})

    assert options(task) == {}
    assert (task.when, task.on_unmet, task.merge) == (None, "skip", "error")


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("skip", {}),
        ("fail_fast", {}),
        ("block", {"on_unmet": "block"}),
        ("continue", {"when": "all_settled"}),
    ],
)
def test_what_follows_a_failure_is_said_of_tasks_without_a_rule(policy, said):
    plain, ruled = resolved({"name": "a"}, {"name": "b", "when": "none_failed"}, on_failure=policy)

    assert options(plain) == said
    assert options(ruled) == {"when": "none_failed"}


def test_policies_of_merging_are_said_of_every_task_unless_they_are_the_default():
    assert [options(t) for t in resolved({"name": "a"}, merge="error")] == [{}]
    assert [options(t) for t in resolved({"name": "a"}, merge={"*": "last"})] == [
        {"merge": "last"}
    ]
    keyed = {"notes": "concat", "*": "first"}
    assert [options(t) for t in resolved({"name": "a"}, merge=keyed)] == [{"merge": keyed}]


def test_the_later_instant_of_task_and_workflow_counts():
    at = "2030-01-01T00:00:00Z"
    none, early, late = resolved(
        {"name": "a"},
        {"name": "b", "due_at": "2029-01-01T00:00:00Z"},
        {"name": "c", "due_at": "2031-01-01T00:00:00Z"},
        due_at=at,
    )

    assert none.due_at == early.due_at == datetime(2030, 1, 1, tzinfo=UTC)
    assert late.due_at == datetime(2031, 1, 1, tzinfo=UTC)


def test_priority_reaches_whatever_a_workflow_or_a_task_brings_along():
    each = {"type": "map", "arguments": {"over": [], "task": EXEC}}
    workflow = workflow_of(
        {
            "priority": 7,
            "tasks": [
                {**FIRST, "compensate": EXEC},
                {**each, "name": "each", "priority": 3},
                {
                    **each,
                    "name": "own",
                    "arguments": {"over": [], "task": {**EXEC, "priority": 1}},
                },
            ],
            "hooks": {"failed": EXEC, "settled": {**EXEC, "priority": 2}},
        },
        default_name="x",
    )

    first, each, own = workflow.tasks
    assert (first.priority, first.compensate.priority) == (7, 7)
    assert (each.priority, each.template.priority, own.template.priority) == (3, 3, 1)
    assert {name: hook.priority for name, hook in workflow.hooks.items()} == {
        "failed": 7, "settled": 2,
    }  # fmt: skip


def test_a_task_that_is_brought_along_has_a_name_and_comes_back_from_its_text():
    (task,) = resolved({"name": "pay", "compensate": {**EXEC, "timeout_s": 5}})

    assert task.compensate.name == "pay.undo"
    again = unpacked(task.compensate.packed, "team")
    assert (again.name, again.timeout_s, again.namespace) == ("pay.undo", 5, "team")
    (named,) = resolved({"name": "pay", "compensate": {**EXEC, "name": "refund"}})
    assert named.compensate.name == "refund"


def test_edges_that_carry_order_are_kept_by_their_positions():
    needs = [
        "first",
        {"task": "b", "carry": "order"},
        {"task": "c"},
        {"task": "d", "carry": "order"},
    ]

    task = task_of({**EXEC, "dependencies": needs})

    assert (task.dependencies, task.order_only) == (("first", "b", "c", "d"), (1, 3))
