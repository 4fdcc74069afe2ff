"""Stencils: a task that is like the one before it is read as if it stood alone."""

from copy import deepcopy
from itertools import product

import pytest
from tipman.definitions import Stencil
from tipman.definitions.tasks import read_task
from tipman.settings import Settings

DEFAULTS = Settings()
BASES = (
    {"type": "inline", "arguments": {"task": "noop", "args": {"i": 1}}},
    {"type": "exec", "arguments": "true", "queue": "slow", "priority": 1, "retry": {"delay_s": 2}},
    {"type": "sleep", "arguments": {"duration_s": 1}, "after_s": 1.5, "env": {"A": "b"}},
    {"type": "wait", "key": "first", "timeout_s": 5.0, "arguments": {}},
    {"type": "eval", "arguments": "1 + 1", "due_at": "2026-01-01T00:00:00Z", "name": "sum"},
    {"type": "workflow", "arguments": {"name": "other"}},
    {
        "type": "sleep",
        "arguments": {"duration_s": 1},
        "dependencies": ["b"],
        "when": {"succeeded": "b"},
    },
    {"type": "map", "arguments": {"items": [1], "task": {"type": "counter", "arguments": {}}}},
)
ODD = (
    None, True, False, 0, 1, 1.0, -1, 10**30, "", " a", "a ", "a\x00", "é", "\ud800", "a", "batch",
    "b" * 201, "{1 + 1}", "{", [], ["a"], ["a", "a"], ["a", 1], ["é"], [{"task": "a"}], {},
    {"task": "noop", "args": {"i": "{x}"}}, {"task": "noop", "args": {"i": [1, {"j": "a"}]}},
    {"a": 1}, {"delay_s": 2}, {"delay_s": 2.0}, {"A": "b"}, {"duration_s": 3},
    "2026-01-01T00:00:00Z",
)  # fmt: skip
NAMES = (
    *("type", "key", "name", "arguments", "dependencies", "queue", "priority", "retry", "env"),
    *("after_s", "due_at", "timeout_s", "when", "compensate", "exclusive", "unheard_of"),
)


def alike(count):
    """Return tasks that differ only in what is their own."""
    return [
        {
            "type": "inline",
            "key": f"k{i}",
            "arguments": {"task": "noop", "args": {"i": i}},
            "dependencies": [f"k{i - 1}"] if i else [],
            "retry": {"attempts_max": 3},
        }
        for i in range(count)
    ]


def check(*mappings):
    """Read tasks with a stencil and alone; return how many the stencil read."""
    stencil, spared = Stencil(DEFAULTS), 0
    for mapping in mappings:
        alone = read_task(mapping, DEFAULTS)
        found = stencil.read(mapping)
        if found is None:
            stencil.keep(mapping, alone.task)
            continue
        spared += 1
        assert alone.faults == ()
        assert found == alone.task
        assert vars(found).keys() - {"options"} == vars(alone.task).keys() - {"options"}
        assert found.options == alone.task.options
        assert found.arguments_text == alone.task.arguments_text
    return spared


@pytest.mark.parametrize("base", BASES, ids=lambda base: base["type"])
def test_what_a_stencil_reads_is_what_is_read_without(base):
    spared = 0
    for name, odd in product(NAMES, ODD):
        changed = {**base, name: odd}
        less = {key: value for key, value in base.items() if key != name}
        for other in (base, deepcopy(changed), less):
            spared += check(other, changed) + check(changed, other)

    is_plain = base["type"] != "map" and "when" not in base
    assert (spared > 30) == is_plain


def test_tasks_that_are_alike_are_read_by_the_first():
    first, *rest = alike(50)
    stencil = Stencil(DEFAULTS)
    stencil.keep(first, read_task(first, DEFAULTS).task)

    assert [stencil.read(each).key for each in rest] == [each["key"] for each in rest]


@pytest.mark.parametrize(
    ("field", "value"),
    [("priority", True), ("retry", {"attempts_max": 3.0}), ("timeout_s", "1"), ("exclusive", "x")],
)
def test_what_is_shared_must_be_the_very_same(field, value):
    """`1`, `1.0` and `true` are equal in Python, and not for a reader of JSON."""
    first, second = alike(2)
    stencil = Stencil(DEFAULTS)
    first["priority"] = 1
    stencil.keep(first, read_task(first, DEFAULTS).task)

    assert stencil.read({**second, "priority": 1}) is not None
    assert stencil.read({**second, "priority": 1, field: value}) is None


def test_a_task_that_was_refused_is_no_pattern():
    first, second = alike(2)
    broken = {**first, "priority": "high"}
    stencil = Stencil(DEFAULTS)
    stencil.keep(broken, read_task(broken, DEFAULTS).task)

    assert stencil.read({**second, "priority": "high"}) is None
