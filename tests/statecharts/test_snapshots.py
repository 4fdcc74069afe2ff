"""Snapshots are JSON by name; what does not fit is refused with a clear word."""

import json

import pytest
from tipman.statecharts import Event, SnapshotError, compile_chart, decode, encode, start, step

FORM = {
    "data": {"n": 0},
    "states": {
        "work": {
            "on": {"PAUSE": "paused", "END": "over"},
            "states": {
                "one": {"on": {"NEXT": "two"}},
                "two": {"invoke": {"id": "job", "type": "exec"}},
                "back": {"type": "history", "history": "deep"},
            },
        },
        "paused": {"on": {"RESUME": "work.back"}},
        "both": {"type": "parallel", "states": {"left": {}, "right": {}}},
        "start": {"on": {"BOTH": "both", "WORK": "work"}},
        "over": {"type": "final", "output": {"n": "n"}},
    },
    "initial": "start",
}


def after(chart, *events):
    snapshot = start(chart).snapshot
    for event in events:
        snapshot = step(chart, snapshot, event).snapshot
    return snapshot


@pytest.mark.parametrize(
    "events",
    [
        (),
        ("WORK",),
        ("WORK", "NEXT"),
        ("WORK", "NEXT", "PAUSE"),
        ("WORK", "NEXT", "PAUSE", "RESUME"),
        ("BOTH",),
        ("WORK", "END"),
    ],
)
def test_a_snapshot_comes_back_from_json_the_same(events):
    chart, later = compile_chart(FORM), compile_chart(FORM)
    snapshot = after(chart, *events)

    text = json.dumps(encode(chart, snapshot))

    assert decode(later, json.loads(text)) == snapshot


def test_the_layout_is_by_name():
    chart = compile_chart(FORM)

    assert encode(chart, after(chart, "WORK", "NEXT", "PAUSE")) == {
        "layout": 1,
        "configuration": "paused",
        "history": {"work.back": ["work.two"]},
        "data": {"n": 0},
    }
    assert encode(chart, after(chart, "WORK", "NEXT"))["invokes"] == {"job": ["work.two", 0]}


def test_a_snapshot_outlives_a_change_of_the_chart():
    chart = compile_chart(FORM)
    written = encode(chart, after(chart, "WORK", "NEXT", "PAUSE"))
    states = {"new": {"on": {"GO": "start"}}} | FORM["states"]

    later = compile_chart(FORM | {"states": states, "initial": "new"})
    resumed = step(later, decode(later, written), "RESUME").snapshot

    assert later.configuration(resumed) == "work.two"


def test_losing_the_history_is_seen():
    chart = compile_chart(FORM)
    written = encode(chart, after(chart, "WORK", "NEXT", "PAUSE"))
    del written["history"]

    resumed = step(chart, decode(chart, written), "RESUME").snapshot

    assert chart.configuration(resumed) == "work.one"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"layout": 2}, "the snapshot has layout 2; this version reads 1"),
        ({"layout": None}, "the snapshot has layout None"),
        (
            {"configuraton": "start"},
            "'configuraton'; did you mean \"configuration\"?",
        ),
        ({"configuration": "strat"}, "has no state 'strat'; did you mean \"start\"?"),
        ({"configuration": ["start"]}, "must be a text"),
        ({"configuration": ""}, "the chart must have one active state, not 0"),
        ({"configuration": "start paused"}, "the chart must have one active state, not 2"),
        ({"configuration": "work"}, "the state 'work' must have one active state, not 0"),
        ({"configuration": "both.left"}, "every region of the state 'both' must be active"),
        ({"configuration": "work.one work.back"}, "is a history and can not be active"),
        ({"history": {"work": []}}, "the state 'work' is no history"),
        ({"history": {"work.back": ["paused"]}}, "can not hold"),
        ({"history": {"work.back": "work.one"}}, "must be a list"),
        ({"history": []}, "the history must be an object"),
        ({"data": [1]}, "data must be an object"),
        ({"invokes": {"job": ["work.one", 0]}}, "the state 'work.one' has no invoke number 0"),
        ({"invokes": {"job": "work.two"}}, "must be a list of two"),
        ({"sequence": -1}, "whole number"),
        ({"done": "over"}, "done must be a list of two"),
    ],
)
def test_what_does_not_fit_the_chart_is_refused(change, reason):
    chart = compile_chart(FORM)
    written = encode(chart, start(chart).snapshot) | change

    with pytest.raises(SnapshotError) as caught:
        decode(chart, written)

    assert reason in str(caught.value)


def test_a_step_leaves_the_snapshot_before_it_alone():
    chart = compile_chart(
        {
            "data": {"deep": {"list": [1], "n": 0}},
            "states": {
                "a": {
                    "on": {
                        "GO": {
                            "actions": {"assign": {"deep.n": "1", "deep.list": "deep.list + [2]"}}
                        }
                    }
                }
            },
        }
    )
    first = start(chart).snapshot

    second = step(chart, first, Event("GO")).snapshot

    assert first.data == {"deep": {"list": [1], "n": 0}}
    assert second.data == {"deep": {"list": [1, 2], "n": 1}}
    assert start(chart).snapshot == first
