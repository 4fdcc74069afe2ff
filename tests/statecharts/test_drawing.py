"""Drawings show every state and every arrow, and nothing in them breaks the syntax."""

import json

from tipman.statecharts import compile_chart, draw_dot, draw_json, draw_mermaid, load_scxml

ONWARD = {"GO": "two", "HURRY": {"guard": "n == 1", "target": "two"}}
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
                    "left": {"states": {"one": {"on": ONWARD}, "two": {}}},
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
    assert "s7_rest --> s6_work_back : RESUME" in lines
    assert "s7_rest --> s7_rest : TICK / raise X" in lines
    assert "s8_over --> [*]" in lines
    guarded = next(line for line in lines if line.startswith("s1_work --> s7_rest"))
    assert guarded.endswith(": PAUSE [n #60; 3 and In('work.left')] / log paused#59; n = n + 1")
    # The chart's own STOP goes with the first state; GO is the second way from one to two.
    assert "note right of s1_work : STOP → over<br/>LEFT → two" in lines
    assert "s3_work_left_one --> s4_work_left_two : GO<br/>HURRY [n == 1]" in lines
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


def test_every_action_has_a_few_words():
    chart = load_scxml(
        """<scxml xmlns="http://www.w3.org/2005/07/scxml"><state id="a"><onentry>
             <raise event="r"/><send event="s" delay="1s"/><cancel sendid="c"/>
             <log expr="1 + x"/><log label="text"/><assign location="x.y" expr="[1]"/>
             <script>z = 2</script><foreach array="x" item="i"/>
             <if cond="x  &lt; 3"><log/></if><unknown/>
           </onentry></state></scxml>"""
    )

    assert draw_json(chart)["states"][0]["entry"] == [
        "raise r",
        "send s",
        "cancel c",
        "log 1 + x",
        "log text",
        "x.y = [1]",
        "z = 2",
        "for each i …",
        "if x < 3 …",
        "Fail",
    ]


def test_values_are_shown_short():
    actions = [
        {"assign": {"x": {"b": "x", "c": "1"}}},
        {"assign": {"x": ["x", "2"]}},
        {"assign": {"x": "x + " * 30 + "1"}},
    ]
    chart = compile_chart({"data": {"x": 0}, "states": {"a": {"entry": actions}}})

    labels = draw_json(chart)["states"][0]["entry"]

    assert labels[:2] == ["x = {b, c}", "x = [2 values]"]
    assert labels[2].endswith("…")
