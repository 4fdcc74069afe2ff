"""Pictures of graphs: the same facts in three languages, whatever names say."""

import json
import re
from itertools import pairwise
from typing import NamedTuple

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tipman.charts import STATES
from tipman.definitions import workflow_of
from tipman.drawings import draw, draw_dot, draw_json, draw_mermaid, graph_of

EXEC = {"type": "exec", "arguments": "true"}
WORKFLOW = workflow_of(
    {
        "name": "nightly",
        "on_failure": "continue",
        "tasks": [
            {**EXEC, "name": "pull"},
            {**EXEC, "name": "test", "dependencies": ["pull"], "when": "none_failed"},
            {**EXEC, "name": "tell", "dependencies": ["test", {"task": "pull", "carry": "order"}],
             "when": {"any": [{"failed": "test"}, {"skipped": "test"}, {"succeeded": "pull"}]}},
        ],
    },
    default_name="x",
)  # fmt: skip
HOSTILE = [
    'a"b', "a\\", 'a"]; n9["x', "<script>alert(1)</script>", "a#35;", "`code`", "end", "1. one",
    "- one", "a|b", "{x}", "a --> b", "%% x", "é€", "click n0 href", "a\\N\\G", "; shape=box",
    "&lt;", "a: b", "\u2028",
]  # fmt: skip


class Node(NamedTuple):
    name: str
    type: str = "exec"
    state: str | None = None
    rule: str | None = None


class Edge(NamedTuple):
    source: str
    target: str
    carry: str = "data"


def chain(*names, **node):
    nodes = [Node(name, **node) for name in names]
    return nodes, [Edge(a, b) for a, b in pairwise(names)]


def test_json_has_every_node_and_what_its_rule_asks_of_each_dependency():
    drawn = draw_json("nightly", *graph_of(WORKFLOW))

    assert [(n["name"], n["type"], n["state"], n["when"]) for n in drawn["nodes"]] == [
        ("pull", "exec", None, "all_settled"),
        ("test", "exec", None, "none_failed"),
        ("tell", "exec", None, WORKFLOW.tasks[2].when),
    ]
    assert drawn["edges"] == [
        {"from": "pull", "to": "test", "carry": "data", "rule": "none_failed"},
        {"from": "test", "to": "tell", "carry": "data", "rule": "failed or skipped"},
        {"from": "pull", "to": "tell", "carry": "order", "rule": "succeeded"},
    ]


def test_mermaid_shows_rules_on_arrows_and_dots_where_only_order_is_carried():
    assert draw_mermaid("nightly", *graph_of(WORKFLOW)) == (
        '---\ntitle: "nightly"\n---\nflowchart LR\n'
        '    n0["pull<br/>exec"]\n    n1["test<br/>exec"]\n    n2["tell<br/>exec"]\n'
        '    n0 -->|"none_failed"| n1\n    n1 -->|"failed or skipped"| n2\n'
        '    n0 -.->|"succeeded"| n2\n'
    )


def test_dot_shows_rules_on_arrows_and_dashes_where_only_order_is_carried():
    lines = draw_dot("nightly", *graph_of(WORKFLOW)).splitlines()

    assert lines[0] == 'digraph "nightly" {'
    assert lines[3:] == [
        '    n0 [label="pull\\nexec"]',
        '    n1 [label="test\\nexec"]',
        '    n2 [label="tell\\nexec"]',
        '    n0 -> n1 [label="none_failed"]',
        '    n1 -> n2 [label="failed or skipped"]',
        '    n0 -> n2 [label="succeeded", style=dashed]',
        "}",
    ]


@pytest.mark.parametrize("format_", ["json", "mermaid", "dot"])
@pytest.mark.parametrize("state", sorted(STATES))
def test_a_state_is_shown(format_, state):
    assert state in draw(format_, "x", *chain("a", state=state))


def test_a_task_by_the_default_rule_has_arrows_without_words():
    assert "-->|" not in draw_mermaid("x", *chain("a", "b"))
    assert "->" in draw_dot("x", *chain("a", "b"))
    assert draw_json("x", *chain("a", "b"))["edges"][0]["rule"] is None


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
NAMES = st.lists(st.sampled_from(HOSTILE) | WORDS, unique=True, min_size=1)
MERMAID_LINE = re.compile(
    r'    n\d+\["(?:[\w .,:/+=()…-]|#\d+;|<br/>)*"\](?::::?\w+)?|    n\d+ -->(?:\|"[^"]*"\|)? n\d+'
)
DOT_LINE = re.compile(r'    n\d+ \[label="(?:[^"\\\n]|\\[\\"n])*"\]|    n\d+ -> n\d+')


@given(NAMES)
def test_no_name_reaches_the_language_of_a_picture(names):
    graph = chain(*names)

    mermaid = draw_mermaid(names[0], *graph).split("\n")
    dot = draw_dot(names[0], *graph).split("\n")

    assert yaml.safe_load(mermaid[1]) == {"title": names[0]}
    assert [line for line in mermaid[4:-1] if not MERMAID_LINE.fullmatch(line)] == []
    assert re.fullmatch(r'digraph "(?:[^"\\\n]|\\[\\"n])*" \{', dot[0])
    assert [line for line in dot[3:-2] if not DOT_LINE.fullmatch(line)] == []
    assert [n["name"] for n in json.loads(draw("json", "x", *graph))["nodes"]] == names


def test_a_label_does_not_begin_a_list():
    assert '"1#46; one<br/>exec"' in draw_mermaid("x", *chain("1. one"))
    assert '"#45; one<br/>exec"' in draw_mermaid("x", *chain("- one"))


@pytest.mark.parametrize("format_", ["json", "mermaid", "dot"])
def test_a_terminal_obeys_no_name(format_):
    drawn = draw(format_, "x\x9b", *chain("a\x9b31m", "b\u2028", "c\u202e", "d\U000e0001"))

    assert [c for c in drawn if not c.isprintable() and c != "\n"] == []


def test_a_very_long_name_is_cut():
    assert len(draw_dot("x", *chain("a" * 200)).splitlines()[3]) < 150
