"""Tasks that can never run are named, and never one that could: held against every way to end."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tipman.definitions.reachability import NEVER_SKIPPED, reach_faults
from tipman.triggers import WORDS, rule_of

ENDS = ("succeeded", "failed")


def named(needs, rules):
    """The positions of tasks that are said never to run."""
    names = [f"t{at}" for at in range(len(needs))]
    texts = [[f"t{need}" for need in needed] for needed in needs]
    return {int(f.pointer.split("/")[2]) for f in reach_faults(names, texts, rules)}


def ran(needs, rules, *, stuck_ends="failed"):
    """The positions of tasks that run in some world, each task and each value ending each way.

    A task that does not run is skipped, or is cancelled while it waits, which counts as failed.
    """
    found = set()
    for ends in product(("succeeded", "failed", "cancelled"), repeat=len(needs)):
        for value in (0, 1):
            states = {}
            for at, needed in enumerate(needs):
                outcomes = {f"t{n}": states[f"t{n}"] for n in needed}
                rule = rule_of(rules[at] or "all_succeeded")
                holds = rule.decide(outcomes, lambda value=value: {"v": value}).holds
                if holds:
                    found.add(at)
                    states[f"t{at}"] = "failed" if ends[at] == "cancelled" else ends[at]
                else:
                    states[f"t{at}"] = stuck_ends if ends[at] == "cancelled" else "skipped"
    return found


@st.composite
def graphs(draw, most=4):
    count = draw(st.integers(1, most))
    needs = [
        draw(st.lists(st.integers(0, at - 1), unique=True)) if at else [] for at in range(count)
    ]
    rules = [draw(rule_over([f"t{n}" for n in needed])) for needed in needs]
    return needs, rules


def rule_over(names):
    leaves = st.sampled_from(
        [{"context": {"key": "v", "operator": "equals", "value": n}} for n in (0, 1, 2)]
        + [{end: name} for name in names for end in ("succeeded", "failed", "skipped")]
    )
    trees = st.recursive(
        leaves,
        lambda inner: st.dictionaries(
            st.sampled_from(["all", "any", "none"]), st.lists(inner, min_size=1, max_size=2),
            min_size=1, max_size=1,
        ),
        max_leaves=3,
    )  # fmt: skip
    return st.none() | st.sampled_from([*WORDS]) | trees


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_no_task_that_could_run_is_said_never_to(graph):
    needs, rules = graph

    assert named(needs, rules) & ran(needs, rules) == set()


@settings(max_examples=80, deadline=None)
@given(graphs(most=3))
def test_of_rules_that_are_words_every_task_that_never_runs_is_named(graph):
    needs, rules = graph
    words = [rule if isinstance(rule, str) else None for rule in rules]

    assert named(needs, words) | ran(needs, words) == set(range(len(needs))) or not any(words)


def test_a_task_that_can_only_be_cancelled_still_lets_others_run():
    # A world that forgets that what waits can be cancelled would have the second never run.
    needs, rules = [[], [0]], ["any_failed", {"failed": "t0"}]

    assert ran(needs, rules, stuck_ends="skipped") == set()
    assert ran(needs, rules) == {1}
    assert named(needs, rules) == {0}


@pytest.mark.parametrize("word", sorted(NEVER_SKIPPED))
def test_what_always_runs_is_never_skipped(word):
    assert rule_of(word).decide({"a": "skipped"}, dict).holds
    assert named([[], [0], [1]], [None, word, "all_skipped"]) == {2}


def test_a_graph_without_rules_is_not_looked_at():
    assert named([[], [0]], [None, None]) == set()
