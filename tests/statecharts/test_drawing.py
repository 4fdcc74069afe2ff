"""Drawings show every state and every arrow, and nothing in them breaks the syntax."""

import json

from tipman.statecharts import compile_chart, draw_dot, draw_json, draw_mermaid

CHART = compile_chart(
    {
        "chart": 'odd "name"',
        "data": {"n": 0},
        "on": {"STOP": "over"},
        "states": {
            "work": {
                "type": "parallel",
                "on": {
                    "PAUSE": {
                        "target": "rest",
                        "guard": "n < 3 and In('work.left')",
                        "actions": [{"log": "paused"}, {"assign": {"n": "n + 1"}}],
                    },
                    "LEFT": ".left.two",
                },
                "states": {
                    "left": {"states": {"one": {"on": {"GO": "two"}}, "two": {}}},
                    "right": {"invoke": {"id": "job", "type": "exec"}},
                    "back": {"type": "history", "history": "deep"},
                },
            },
            "rest": {"on": {"RESUME": "work.back", "TICK": {"actions": {"raise": "X"}}}},
            "over": {"type": "final"},
        },
    }
)


def test_mermaid_shows_states_and_arrows():
    lines = [line.strip() for line in draw_mermaid(CHART).splitlines()]

    assert lines[0] == "stateDiagram-v2"
    assert "[*] --> s1_work" in lines
    assert 'state "left" as s2_work_left' in lines
    assert lines.count("--") == 1
    assert "s6_work_back --> s2_work_left" in lines
    assert 'state "H*" as s6_work_back' in lines
    assert "s3_work_left_one --> s4_work_left_two : GO" in lines
    assert "s7_rest --> s6_work_back : RESUME" in lines
    assert "s7_rest --> s7_rest : TICK / raise X" in lines
    assert "s8_over --> [*]" in lines
    guarded = next(line for line in lines if line.startswith("s1_work --> s7_rest"))
    assert guarded.endswith(": PAUSE [n #60; 3 and In('work.left')] / log paused#59; n = n + 1")
    assert "note right of s1_work : LEFT → two" in lines
    assert lines.count("}") == sum(line.endswith("{") for line in lines)


def test_dot_shows_states_and_arrows():
    text = draw_dot(CHART)

    assert text.startswith('digraph "odd \\"name\\"" {')
    assert "subgraph cluster1 {" in text
    assert 's6 [label="H*", shape=circle];' in text
    assert 's8 [label="over", peripheries=2];' in text
    assert 's3 -> s4 [label="GO"];' in text
    assert 's7 -> s6 [label="RESUME"];' in text
    assert text.count("{") == text.count("}")


def test_json_states_the_facts():
    facts = draw_json(CHART)

    assert json.loads(json.dumps(facts)) == facts
    assert [state["name"] for state in facts["states"]] == [
        "work",
        "work.left",
        "work.left.one",
        "work.left.two",
        "work.right",
        "work.back",
        "rest",
        "over",
    ]
    assert facts["states"][4] == {
        "name": "work.right",
        "kind": "atomic",
        "parent": "work",
        "initial": [],
        "entry": [],
        "exit": [],
        "invokes": ["job"],
    }
    assert facts["transitions"][0] == {
        "source": None,
        "events": ["STOP"],
        "guard": None,
        "targets": ["over"],
        "actions": [],
    }
