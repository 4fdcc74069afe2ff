"""What entering, leaving and moving does: actions, sends and invokes."""

from tipman.statecharts import (
    CancelInvoke,
    CancelSend,
    Event,
    Forward,
    Invoke,
    Send,
    Session,
    compile_chart,
    start,
    step,
    stop,
)


def walked(chart, *events):
    """Take all steps; give the last one."""
    taken = start(chart)
    for event in events:
        taken = step(chart, taken.snapshot, event)
    return taken


def test_raised_events_come_before_outer_ones_and_eventless_before_both():
    chart = compile_chart(
        {
            "data": {"n": 0},
            "states": {
                "a": {
                    "on": {
                        "GO": {
                            "actions": [
                                {"raise": {"event": "FIRST", "data": {"by": 2}}},
                                {"assign": {"n": "n + 1"}},
                            ]
                        },
                        "FIRST": {
                            "guard": "event.type == 'internal'",
                            "actions": {"assign": {"n": "n + event.data.by"}},
                        },
                    },
                    "always": {"guard": "n == 3", "target": "b"},
                },
                "b": {"type": "final"},
            },
        }
    )

    assert walked(chart, "GO").snapshot.done == ("b", None)


def test_done_of_a_state_carries_the_output_of_its_final_state():
    chart = compile_chart(
        {
            "data": {"got": None, "n": 20},
            "states": {
                "work": {
                    "states": {
                        "doing": {"on": {"OK": "end"}},
                        "end": {"type": "final", "output": {"n": "n + 1"}},
                    },
                    "onDone": {"target": "over", "actions": {"assign": {"got": "event.data.n"}}},
                },
                "over": {},
            },
        }
    )

    assert walked(chart, "OK").snapshot.data["got"] == 21


def test_foreach_and_if_work_through_a_list():
    body = [
        {
            "if": "item % 2 == 0",
            "then": {"assign": {"even": "even + [item]"}},
            "else": [{"send": {"event": "ODD", "data": {"at": "place"}, "target": "#_parent"}}],
        }
    ]
    chart = compile_chart(
        {
            "data": {"even": [], "items": [1, 2, 3, 4]},
            "states": {
                "a": {"entry": {"foreach": "items", "item": "item", "index": "place", "do": body}}
            },
        }
    )

    taken = start(chart)

    assert taken.snapshot.data["even"] == [2, 4]
    assert taken.effects == (
        Send("ODD", {"at": 0}, "#_parent"),
        Send("ODD", {"at": 2}, "#_parent"),
    )


def test_sends_are_delayed_named_and_cancelled():
    later = {"event": "LATER", "delay": "1.5s", "id": "t", "target": "/api/v1/{where}"}
    computed = {"event": "SOON", "delay_s": "wait * 2"}
    chart = compile_chart(
        {
            "data": {"wait": 3, "where": "x"},
            "states": {"a": {"entry": [{"send": later}, {"send": computed}, {"cancel": "t"}]}},
        }
    )

    assert start(chart).effects == (
        Send("LATER", target="/api/v1/x", delay_s=1.5, id="t"),
        Send("SOON", delay_s=6.0),
        CancelSend("t"),
    )


def test_a_failing_action_ends_its_block_and_raises_an_error():
    chart = compile_chart(
        {
            "data": {"seen": ""},
            "states": {
                "a": {
                    "entry": [{"assign": {"seen": "event.data.x"}}, {"log": "never"}],
                    "on": {
                        "error.execution": {"actions": {"assign": {"seen": "event.data.detail"}}}
                    },
                }
            },
        }
    )

    taken = start(chart)

    assert taken.effects == ()
    assert "there is no event yet" in taken.snapshot.data["seen"]


def test_a_guard_that_fails_does_not_hold_and_is_reported_once():
    chart = compile_chart(
        {
            "data": {"n": 0},
            "states": {
                "a": {
                    "on": {
                        "GO": [{"guard": "event.data.missing", "target": "b"}, {"target": "c"}],
                        "error.execution": {"actions": {"assign": {"n": "n + 1"}}},
                    }
                },
                "b": {},
                "c": {
                    "always": {"guard": "event.data.missing", "target": "b"},
                    "on": {"error.execution": {"actions": {"assign": {"n": "n + 1"}}}},
                },
            },
        }
    )

    taken = walked(chart, Event("GO", {}))

    assert chart.configuration(taken.snapshot) == "c"
    assert taken.snapshot.data["n"] == 2


def test_invokes_are_forwarded_to_and_finalized():
    chart = compile_chart(
        {
            "data": {"last": None},
            "states": {
                "a": {
                    "invoke": {
                        "id": "child",
                        "type": "chart",
                        "source": "other",
                        "autoforward": True,
                        "finalize": {"assign": {"last": "event.data"}},
                    },
                    "on": {"OUT": "b"},
                },
                "b": {},
            },
        }
    )
    first = start(chart)
    assert first.effects == (Invoke("child", "chart", "other", state="a"),)

    event = Event("NEWS", 7, invoke_id="child")
    news = step(chart, first.snapshot, event)
    assert news.effects == (Forward("child", event),)
    assert news.snapshot.data["last"] == 7

    assert CancelInvoke("child") in step(chart, news.snapshot, "OUT").effects
    assert stop(chart, news.snapshot).effects == (CancelInvoke("child"),)


def test_what_is_left_within_a_macrostep_is_not_invoked():
    chart = compile_chart(
        {
            "states": {
                "a": {"invoke": {"type": "exec"}, "entry": {"raise": "ON"}, "on": {"ON": "b"}},
                "b": {"invoke": {"type": "exec", "arguments": "make"}},
            }
        }
    )

    assert start(chart).effects == (Invoke("b", "exec", arguments="make", state="b"),)


def test_a_send_to_what_is_known_to_be_out_of_reach_fails_at_once():
    chart = compile_chart(
        {
            "states": {
                "a": {
                    "entry": {"send": {"event": "X", "target": "#_scxml_gone", "id": "i"}},
                    "on": {"error.communication": {"guard": "event.sendid == 'i'", "target": "b"}},
                },
                "b": {},
            }
        }
    )

    reached = start(chart, session=Session("me", frozenset({"#_scxml_gone"})))
    missed = start(chart, session=Session("me", frozenset()))

    assert len(reached.effects) == 1
    assert missed.effects == ()
    assert chart.configuration(missed.snapshot) == "b"
