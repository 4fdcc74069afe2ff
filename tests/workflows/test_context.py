"""Context: the merge of what tasks add, whatever way and in whatever order it comes together."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tipman.context import (
    EMPTY,
    Context,
    Policy,
    Resolution,
    extended,
    merge,
    merge_agreed,
    policy_for,
    values_of,
)
from tipman.errors import MergeConflictError

BASE = extended(EMPTY, "", {"day": "today"})


def adds(context: Context, writer: str, **added: Any) -> Context:
    return extended(context, writer, added)


def merged(policy: Policy, *contexts: Context) -> dict[str, Any]:
    return values_of(merge(contexts, policy).context)


def test_a_task_passes_on_what_it_saw_and_what_it_added():
    passed_on = adds(adds(BASE, "a", n=1), "b", m=2)

    assert values_of(passed_on) == {"day": "today", "n": 1, "m": 2}


def test_what_is_added_leaves_what_was_seen_as_it_was():
    seen = adds(EMPTY, "a", n=1)

    adds(seen, "b", n=2)

    assert values_of(seen) == {"n": 1}


def test_a_context_to_which_nothing_is_added_is_the_same():
    assert extended(BASE, "a", {}) is BASE
    assert merge([BASE, BASE, EMPTY]).context is BASE
    assert merge([]).context == {}


def test_the_same_writer_on_two_ways_is_no_conflict():
    root = adds(BASE, "root", n=1)

    assert merged("error", adds(root, "a", a=1), adds(root, "b", b=2)) == {
        "day": "today", "n": 1, "a": 1, "b": 2,
    }  # fmt: skip


def test_a_writer_downstream_of_the_other_wins_from_either_side():
    root = adds(BASE, "root", n=1)
    later = adds(adds(root, "a", x=0), "b", n=2)

    assert merged("error", root, later)["n"] == 2
    assert merged("error", later, root)["n"] == 2


def test_whoever_writes_a_key_of_the_input_wins_over_it():
    assert merged("error", BASE, adds(BASE, "a", day="tomorrow"))["day"] == "tomorrow"


def test_a_conflict_names_the_key_and_the_two_tasks():
    left, right = adds(BASE, "a", n=1), adds(BASE, "b", n=2)

    with pytest.raises(MergeConflictError) as error:
        merge([left, BASE, right])

    assert (error.value.key, error.value.first, error.value.second) == ("n", "a", "b")
    assert error.value.code == "merge_conflict"


def test_a_conflict_does_not_depend_on_what_the_values_happen_to_be():
    with pytest.raises(MergeConflictError):
        merge([adds(EMPTY, "a", ok=True), adds(EMPTY, "b", ok=True)])


def test_a_conflict_names_the_first_two_of_many():
    contexts = [adds(EMPTY, writer, n=n) for writer, n in (("a", 1), ("b", 1), ("c", 2))]

    with pytest.raises(MergeConflictError) as error:
        merge(contexts)

    assert (error.value.first, error.value.second) == ("a", "b")


@pytest.mark.parametrize(
    ("policy", "left", "right", "value"),
    [
        ("first", 1, 2, 1),
        ("last", 1, 2, 2),
        ("concat", [1], [2, 3], [1, 2, 3]),
        ("concat", "ab", "c", "abc"),
        ("concat", [1], 2, [1, 2]),
        ("concat", {"a": 1}, {"b": 2}, [{"a": 1}, {"b": 2}]),
        (
            "deep",
            {"a": {"x": 1}, "n": 1},
            {"a": {"y": 2}, "n": 2},
            {"a": {"x": 1, "y": 2}, "n": 2},
        ),
        ("deep", [1], [2], [2]),
        ({"n": "last", "*": "error"}, 1, 2, 2),
        ({"m": "error", "*": "first"}, 1, 2, 1),
    ],
)
def test_a_policy_decides_in_the_order_of_the_dependencies(policy, left, right, value):
    result = merge([adds(EMPTY, "a", n=left), adds(EMPTY, "b", n=right)], policy)

    assert values_of(result.context) == {"n": value}
    (resolution,) = result.resolved
    assert resolution == Resolution("n", policy_for("n", policy), ("a", "b"))


def test_the_policy_of_a_key_goes_before_that_of_all():
    assert policy_for("n", {"*": "last", "n": "deep"}) == "deep"
    assert policy_for("m", {"*": "last", "n": "deep"}) == "last"
    assert policy_for("m", {"n": "deep"}) == "error"


def test_a_conflict_that_was_decided_is_none_when_it_is_met_again():
    left, right = adds(EMPTY, "a", log=["a"]), adds(EMPTY, "b", log=["b"])
    joined = merge([left, right], "concat").context

    again = merge([joined, left, right, adds(joined, "c", m=1)], "concat")

    assert values_of(again.context) == {"log": ["a", "b"], "m": 1}
    assert again.resolved == ()


def test_what_came_together_in_pieces_stands_there_once():
    a, b, c = (adds(EMPTY, writer, log=[writer]) for writer in "abc")
    pieces = [merge(pair, "concat").context for pair in ((a, b), (b, c), (c, a))]

    assert merged("concat", *pieces) == {"log": ["a", "b", "c"]}


def test_who_saw_a_decided_conflict_supersedes_all_of_its_writers():
    a, b = adds(EMPTY, "a", n=1), adds(EMPTY, "b", n=2)
    joined = merge([a, b], "last").context
    later = adds(joined, "c", n=3)

    assert merged("error", later, a, b, joined) == {"n": 3}


def test_who_saw_one_of_two_supersedes_only_that_one():
    a, b = adds(EMPTY, "a", n=1), adds(EMPTY, "b", n=2)
    after_a = adds(a, "c", n=3)

    assert merge([after_a, a], "error").context["n"].writers == ("c",)
    assert merge([a, b, after_a], "last").context["n"].writers == ("b", "c")


def test_what_is_agreed_on_goes_past_a_conflict():
    left, right = adds(BASE, "a", n=1, x=1), adds(BASE, "b", n=2, y=2)

    assert values_of(merge_agreed([left, right])) == {"day": "today", "x": 1, "y": 2}
    assert values_of(merge_agreed([left, right], {"n": "last"}))["n"] == 2


# Random graphs: each task depends on some before it, and writes some of a few keys.
tasks = st.lists(
    st.tuples(st.lists(st.integers(0, 8), max_size=3), st.sets(st.sampled_from("xyz"))),
    min_size=1,
    max_size=9,
)
policies = st.sampled_from(["first", "last", "concat", {"x": "concat", "*": "last"}])


def run(graph: list[tuple[list[int], set[str]]], policy: Policy, order: list[int]) -> Any:
    """Return what every task passes on, the tasks taken in an order that their edges allow."""
    passed: dict[int, Context] = {}
    for at in order:
        needs, keys = graph[at]
        seen = merge([passed[d] for d in _needed(at, needs)], policy).context
        passed[at] = adds(seen, f"t{at}", **{key: [f"{at}{key}"] for key in sorted(keys)})
    return passed


def _needed(at: int, needs: list[int]) -> list[int]:
    return [*dict.fromkeys(d for d in needs if d < at)]


def _ancestors(graph: list[tuple[list[int], set[str]]], at: int) -> set[int]:
    needed = _needed(at, graph[at][0])
    return set(needed).union(*(_ancestors(graph, d) for d in needed))


@given(tasks, policies, st.randoms(use_true_random=False))
def test_the_merge_is_the_same_in_whatever_order_tasks_end(graph, policy, random):
    order: list[int] = []
    left = set(range(len(graph)))
    while left:
        able = sorted(at for at in left if set(_needed(at, graph[at][0])) <= set(order))
        order.append(random.choice(able))
        left.discard(order[-1])

    assert run(graph, policy, order) == run(graph, policy, [*range(len(graph))])


@given(tasks)
def test_what_is_left_of_the_writers_are_those_with_no_writer_after_them(graph):
    passed = run(graph, "concat", [*range(len(graph))])

    for at, key in itertools.product(range(len(graph)), "xyz"):
        above = {at} | _ancestors(graph, at)
        writers = {d for d in above if key in graph[d][1]}
        last = {d for d in writers if not any(d in _ancestors(graph, o) for o in writers)}
        found = passed[at][key].writers if key in passed[at] else ()
        assert {int(name[1:]) for name in found} == last
