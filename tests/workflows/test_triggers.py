"""Trigger rules: what they mean, how they are written, and which can never hold."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tipman.errors import InvalidError
from tipman.triggers import OPERATORS, WORDS, can_hold, look_up, rule_faults, rule_of, same

STATES = ("succeeded", "failed", "cancelled", "abandoned", "skipped")
FAILED = {"failed", "cancelled", "abandoned"}


def context(key: str, operator: str, *value: Any) -> dict[str, Any]:
    leaf = {"key": key, "operator": operator}
    return {"context": {**leaf, "value": value[0]} if value else leaf}


def holds(source: Any, values: dict[str, Any] | None = None, **states: str | None) -> bool | None:
    return rule_of(source).decide(states, lambda: values or {}).holds


# What each word says of the outcomes, written a second time and in another way.
MEANING = {
    "all_succeeded": lambda s: set(s) <= {"succeeded"},
    "all_failed": lambda s: set(s) <= FAILED,
    "all_settled": lambda _: True,
    "always": lambda _: True,
    "all_skipped": lambda s: set(s) <= {"skipped"},
    "any_succeeded": lambda s: "succeeded" in s,
    "any_failed": lambda s: bool(FAILED & set(s)),
    "any_settled": bool,
    "none_failed": lambda s: not FAILED & set(s),
    "none_failed_any_succeeded": lambda s: not FAILED & set(s) and "succeeded" in s,
    "none_skipped": lambda s: "skipped" not in s,
}


def test_there_are_eleven_words_and_eight_operators():
    assert set(WORDS) == set(MEANING)
    assert len(WORDS) == 11
    assert len(OPERATORS) == 8


@pytest.mark.parametrize("word", sorted(WORDS))
def test_a_word_means_the_same_for_every_combination_of_outcomes(word):
    for size in range(4):
        for states in itertools.product(STATES, repeat=size):
            named = {f"t{at}": state for at, state in enumerate(states)}
            assert holds(word, **named) is MEANING[word](states), states


@pytest.mark.parametrize("word", sorted(WORDS))
def test_only_the_bare_any_words_are_answered_before_all_have_settled(word):
    early = word in {"any_succeeded", "any_failed", "any_settled"}

    answers = {holds(word, a=state, b=None) for state in STATES}

    assert answers == ({None} if not early else {True} if word == "any_settled" else {None, True})
    assert rule_of(word).is_early is early


def test_an_early_word_is_false_only_when_the_last_dependency_has_settled():
    assert holds("any_succeeded", a="failed", b=None) is None
    assert holds("any_succeeded", a="failed", b="skipped") is False


@pytest.mark.parametrize("word", ["any_succeeded", "any_failed", "any_settled", "all_settled"])
@pytest.mark.parametrize("state", STATES)
def test_one_outcome_answers_an_early_word_as_the_whole_rule_does(word, state):
    rule = rule_of(word)

    assert rule.is_answered_by(state) is (rule.decide({"a": state, "b": None}, dict).holds is True)


def test_a_tree_waits_for_every_dependency_even_where_it_could_be_told():
    tree = {"any": [{"failed": "a"}, {"failed": "b"}]}

    decision = rule_of(tree).decide({"a": "failed", "b": None}, dict)

    assert decision.holds is None
    assert decision.why == "waits for `b`"


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"all": [{"succeeded": "a"}, {"failed": "b"}]}, True),
        ({"all": [{"succeeded": "a"}, {"failed": "c"}]}, False),
        ({"any": [{"failed": "a"}, {"skipped": "c"}]}, True),
        ({"none": [{"failed": "a"}, {"skipped": "a"}]}, True),
        ({"none": [{"failed": "a"}, {"failed": "b"}]}, False),
        ({"none": [{"all": [{"failed": "b"}, {"succeeded": "c"}]}]}, True),
        ({"failed": "b"}, True),
    ],
)
def test_trees_nest_and_failed_means_cancelled_too(tree, expected):
    assert holds(tree, a="succeeded", b="cancelled", c="skipped") is expected


@pytest.mark.parametrize(
    ("operator", "value", "found", "expected"),
    [
        ("equals", 1, 1.0, True),
        ("equals", 1, True, False),
        ("equals", 0, False, False),
        ("equals", None, None, True),
        ("equals", {"a": [1]}, {"a": [1.0]}, True),
        ("equals", {"a": [1]}, {"a": [True]}, False),
        ("not_equals", "1", 1, True),
        ("greater_than", 3, 3.5, True),
        ("greater_than", 3, 3, False),
        ("greater_than", 0, True, False),
        ("greater_than", "b", "c", True),
        ("greater_than", "1", 2, False),
        ("less_than", 90, 85, True),
        ("less_than", 90, "85", False),
        ("less_than", 90, None, False),
        ("contains", "b", "abc", True),
        ("contains", 1, [1.0, 2], True),
        ("contains", True, [1, 2], False),
        ("contains", "k", {"k": None}, True),
        ("contains", 1, "1", False),
        ("contains", 1, 11, False),
        ("not_contains", "z", "abc", True),
        ("not_contains", 1, 11, True),
    ],
)
def test_values_are_compared_by_kind_and_different_kinds_are_no_error(
    operator, value, found, expected
):
    assert holds(context("k", operator, value), {"k": found}) is expected


def test_a_key_that_is_missing_meets_only_what_denies():
    met = [
        operator
        for operator in OPERATORS
        if holds(context("k", operator, *([] if "exists" in operator else [1])))
    ]

    assert met == ["not_equals", "not_contains", "not_exists"]


def test_null_exists():
    assert holds(context("k", "exists"), {"k": None}) is True
    assert holds(context("k", "not_exists"), {"k": None}) is False


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("results.test.exit_code", 2),
        ("results.a.b.ok", True),
        ("a.b", "as it is"),
        ("days.1", "tue"),
        ("days.9", None),
        ("days.-1", None),
        ("results.test", {"exit_code": 2}),
        ("results.test.exit_code.x", None),
        ("nothing", None),
    ],
)
def test_a_key_may_be_a_path_and_dots_in_a_key_are_found_first(path, found):
    values = {
        "results": {"test": {"exit_code": 2}, "a.b": {"ok": True}},
        "a.b": "as it is",
        "a": {"b": "deep"},
        "days": ["mon", "tue"],
    }

    assert holds(context(path, "equals", found), values) is (found is not None)


def test_a_longer_key_that_leads_nowhere_does_not_hide_a_shorter_one():
    assert look_up({"a.b": {"x": 1}, "a": {"b": {"y": 2}}}, "a.b.y") == 2


def test_the_reason_names_what_decided_and_what_was_seen():
    tree = {"any": [{"failed": "test"}, context("coverage", "less_than", 90)]}

    decision = rule_of(tree).decide({"test": "succeeded"}, lambda: {"coverage": 95})

    assert decision.holds is False
    assert decision.why == "`test` succeeded; `coverage` is 95, against `less_than 90`"
    assert decision.seen == {
        "outcomes": {"succeeded": 1},
        "tasks": {"test": "succeeded"},
        "context": {"coverage": 95},
    }


def test_the_reason_of_a_word_names_the_culprits():
    decision = rule_of("all_succeeded").decide({"a": "succeeded", "b": "cancelled"}, dict)

    assert decision.why == "all_succeeded: `b` was cancelled"
    assert decision.seen["tasks"] == {"b": "cancelled"}
    assert rule_of("any_failed").decide({"a": "succeeded"}, dict).why == (
        "any_failed: no dependency failed"
    )


def test_what_is_kept_of_a_decision_is_bounded():
    states = {f"t{at}": "failed" for at in range(1_000)}
    tree = {"all": [context("text", "equals", "x"), {"succeeded": "t1"}]}

    word = rule_of("none_failed").decide(states, dict)
    large = rule_of(tree).decide(states, lambda: {"text": "y" * 1_000_000})

    assert word.why.endswith("and 995 more")
    assert len(word.seen["tasks"]) == 20
    assert len(str(large)) < 2_000


def test_the_context_is_not_asked_for_by_rules_over_outcomes():
    asked: list[int] = []

    def values() -> dict[str, Any]:
        asked.append(1)
        return {}

    for source in (*WORDS, {"any": [{"failed": "a"}]}):
        rule_of(source).decide({"a": "failed"}, values)

    assert not asked


@pytest.mark.parametrize(
    ("source", "pointer", "words"),
    [
        ("all_suceeded", "", "did you mean `all_succeeded`"),
        (3, "", "must be the name of a rule"),
        ({}, "", "exactly one"),
        ({"all": [], "any": []}, "", "exactly one"),
        ({"alll": []}, "", "did you mean `all`"),
        ({"all": []}, "/all", "must not be empty"),
        ({"all": {"failed": "a"}}, "/all", "must be a list"),
        ({"all": ["a"]}, "/all/0", "must be an object"),
        ({"any": [{"none": [{"failed": 3}]}]}, "/any/0/none/0/failed", "name of a dependency"),
        ({"failed": "tset"}, "/failed", "did you mean `test`"),
        ({"failed": "far"}, "/failed", "no direct dependency"),
        ({"context": "k"}, "/context", "must be an object"),
        ({"context": {"operator": "exists"}}, "/context/key", "is missing"),
        ({"context": {"key": "", "operator": "exists"}}, "/context/key", "must be a key"),
        ({"context": {"key": "k"}}, "/context/operator", "is missing"),
        (context("k", "les_than", 3), "/context/operator", "did you mean `less_than`"),
        (context("k", "less_than"), "/context/value", "is missing"),
        (context("k", "exists", 1), "/context/value", "takes no value"),
        ({"context": {"key": "k", "operator": "exists", "vale": 1}}, "/context/vale", "unknown"),
    ],
)
def test_a_fault_has_its_pointer_and_says_what_was_meant(source, pointer, words):
    (fault,) = rule_faults(source, ["test"], "/tasks/3/when")

    assert fault.pointer == f"/tasks/3/when{pointer}"
    assert words in fault.detail


def test_every_fault_of_a_rule_is_named_at_once():
    source = {"all": [{"failed": "x"}, context("k", "equal", 1), {"skipped": "y"}]}

    assert [fault.pointer for fault in rule_faults(source, ["a"])] == [
        "/all/0/failed",
        "/all/1/context/operator",
        "/all/2/skipped",
    ]


def test_depth_and_size_are_bounded():
    deep: dict[str, Any] = {"failed": "a"}
    for _ in range(17):
        deep = {"all": [deep]}
    wide = {"any": [{"failed": "a"}] * 1_000}

    (too_deep,) = rule_faults(deep, ["a"])
    (too_wide,) = rule_faults(wide, ["a"])

    assert "nested more than 16" in too_deep.detail
    assert "more than 1,000 parts" in too_wide.detail
    assert rule_faults(deep["all"][0], ["a"]) == []


def test_values_that_are_no_json_are_refused():
    (fault,) = rule_faults(context("k", "equals", float("nan")))

    assert fault.pointer == "/context/value"


def test_a_rule_with_faults_is_not_read():
    with pytest.raises(InvalidError) as error:
        rule_of({"all": []})

    assert error.value.faults[0].pointer == "/all"


def test_a_word_is_read_once():
    assert rule_of("always") is rule_of("always")


SUCCEEDED_A, FAILED_A, SKIPPED_A = ({kind: "a"} for kind in ("succeeded", "failed", "skipped"))


@pytest.mark.parametrize(
    "source",
    [
        {"all": [SUCCEEDED_A, FAILED_A]},
        {"none": [SUCCEEDED_A, FAILED_A, SKIPPED_A]},
        {"all": [SUCCEEDED_A, {"none": [{"any": [SUCCEEDED_A, {"failed": "b"}]}]}]},
        {"succeeded": "stranger"},
        {"all": [context("k", "exists"), context("k", "not_exists")]},
        {"all": [context("k", "equals", 1), context("k", "not_equals", 1)]},
        {"all": [context("k", "equals", 1), context("k", "equals", 2)]},
        {"all": [context("k", "equals", 1), context("k", "greater_than", 3)]},
        {"all": [context("k", "not_exists"), context("k", "less_than", 3)]},
        {"all": [context("k", "greater_than", 5), context("k", "less_than", 5)]},
        {"all": [context("k", "greater_than", 5), context("k", "less_than", "x")]},
        {"all": [context("k", "contains", 1), context("k", "not_contains", 1)]},
    ],
)
def test_a_rule_that_contradicts_itself_can_never_hold(source):
    assert not can_hold(rule_of(source), ["a", "b"])


@pytest.mark.parametrize(
    "source",
    [
        {"any": [SUCCEEDED_A, FAILED_A]},
        {"all": [SUCCEEDED_A, {"failed": "b"}]},
        {"none": [{"succeeded": "stranger"}]},
        {"all": [context("k", "greater_than", 5), context("k", "less_than", 6)]},
        {"all": [context("k", "not_equals", 1), context("k", "not_exists")]},
        {"all": [context("k", "contains", 1), context("k", "contains", 2)]},
        {"all": [context("j", "exists"), context("k", "not_exists")]},
    ],
)
def test_a_rule_that_some_world_meets_can_hold(source):
    assert can_hold(rule_of(source), ["a", "b"])


def test_only_the_words_that_ask_for_one_can_not_hold_without_dependencies():
    never = {word for word in WORDS if not can_hold(rule_of(word), [])}

    assert never == {"any_succeeded", "any_failed", "any_settled", "none_failed_any_succeeded"}
    assert all(can_hold(rule_of(word), ["a"]) for word in WORDS)


def test_a_search_that_takes_too_long_counts_as_possible():
    # Each of thirty choices fails only with the last part.
    choice = {"any": [context("k", "equals", n) for n in range(30)]}
    parts = [{"any": [{"failed": f"t{n}"}, {"skipped": f"t{n}"}]} for n in range(20)]
    hard = {"all": [*parts, choice, context("k", "equals", "none")]}

    assert can_hold(rule_of(hard), [f"t{n}" for n in range(20)])


names = st.sampled_from(["a", "b", "c"])
numbers = st.integers(0, 3)
leaves = st.one_of(
    st.builds(lambda kind, name: {kind: name}, st.sampled_from(["succeeded", "failed"]), names),
    names.map(lambda name: {"skipped": name}),
    st.builds(
        lambda operator, n: context("n", operator, *([] if "exists" in operator else [n])),
        st.sampled_from(OPERATORS),
        numbers,
    ),
)
trees = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda word, parts: {word: parts},
        st.sampled_from(["all", "any", "none"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)


def meaning(tree: Any, states: dict[str, str], values: dict[str, Any]) -> bool:
    """Say what a tree means, by its letter."""
    ((kind, inner),) = tree.items()
    if kind in {"all", "any", "none"}:
        held = [meaning(part, states, values) for part in inner]
        return {"all": all, "any": any, "none": lambda h: not any(h)}[kind](held)
    if kind == "context":
        return compare(inner["operator"], values.get("n"), inner.get("value"))
    return states[inner] == kind


def compare(operator: str, n: Any, value: Any) -> bool:
    if operator.startswith("not_"):
        return not compare(operator[4:], n, value)
    if n is None or operator == "exists":
        return n is not None
    if operator == "contains":
        return False
    return {"equals": n == value, "greater_than": n > value, "less_than": n < value}[operator]


WORLDS = [
    (dict(zip("abc", states, strict=True)), {} if n is None else {"n": n})
    for states in itertools.product(["succeeded", "failed", "skipped"], repeat=3)
    for n in (None, -1, 0, 0.5, 1, 1.5, 2, 2.5, 3, 4)
]


@given(trees)
def test_a_tree_decides_as_its_letter_says_and_is_impossible_only_if_no_world_meets_it(tree):
    rule = rule_of(tree)
    met = False

    for states, values in WORLDS:
        expected = meaning(tree, states, values)
        assert rule.decide(states, lambda values=values: values).holds is expected
        met = met or expected

    if met:
        assert can_hold(rule, ["a", "b", "c"])


@given(st.recursive(st.none() | st.booleans() | numbers | st.text(max_size=2), st.lists))
def test_every_value_is_the_same_as_itself(value):
    assert same(value, value)
