"""What a step does, feature by feature, in the chart-file form."""

import pytest
from tipman.statecharts import (
    CancelInvoke,
    CancelSend,
    Done,
    Event,
    Invoke,
    Log,
    Send,
    SnapshotError,
    compile_chart,
    start,
    step,
)


def logs(taken):
    return [effect.label for effect in taken.effects if isinstance(effect, Log)]


def walked(chart, *events, data=None):
    """Take all steps; give the last one."""
    taken = start(chart, data)
    for event in events:
        taken = step(chart, taken.snapshot, event)
    return taken


PURCHASE = {
    "chart": "purchase",
    "data": {"amount": 0, "tries": 0},
    "initial": "draft",
    "states": {
        "draft": {
            "on": {
                "SUBMIT": {
                    "target": "review",
                    "actions": [{"assign": {"amount": "event.data.amount"}}],
                }
            }
        },
        "review": {
            "type": "parallel",
            "on": {"CANCEL": "cancelled"},
            "onDone": "pay",
            "states": {
                "legal": {
                    "initial": "reading",
                    "states": {
                        "reading": {
                            "invoke": {
                                "type": "approval",
                                "arguments": {"assignee": "legal"},
                                "onDone": "agreed",
                            },
                            "after": {"3d": {"actions": [{"raise": "ESCALATE"}]}},
                        },
                        "agreed": {"type": "final"},
                    },
                },
                "finance": {
                    "initial": "checking",
                    "states": {
                        "checking": {
                            "always": {"guard": "amount < 1000", "target": "agreed"},
                            "on": {"OK": "agreed"},
                        },
                        "agreed": {"type": "final"},
                    },
                },
                "back": {"type": "history", "history": "deep"},
            },
        },
        "pay": {
            "invoke": {
                "type": "exec",
                "arguments": {"argv": ["./charge", "{amount}"], "env": {"NOTE": "try {tries}"}},
                "onDone": "paid",
                "onError": [
                    {
                        "guard": "tries < 1",
                        "target": "pay",
                        "reenter": True,
                        "actions": [{"assign": {"tries": "tries + 1"}}],
                    },
                    {"target": "failed"},
                ],
            }
        },
        "paid": {"type": "final", "output": {"amount": "amount"}},
        "failed": {"type": "final"},
        "cancelled": {"type": "final"},
    },
}
READING = "review.legal.reading"
TIMER = f"after.3d.{READING}"


def test_the_chart_of_the_contract_runs():
    chart = compile_chart(PURCHASE)

    submitted = walked(chart, Event("SUBMIT", {"amount": 5}))
    assert chart.configuration(submitted.snapshot) == f"{READING} review.finance.agreed"
    assert submitted.effects == (
        Send(TIMER, delay_s=259_200.0, id=TIMER),
        Invoke(READING, "approval", arguments={"assignee": "legal"}, state=READING),
    )

    agreed = step(chart, submitted.snapshot, Event(f"done.invoke.{READING}", invoke_id=READING))
    arguments = {"argv": ["./charge", 5], "env": {"NOTE": "try 0"}}
    assert agreed.effects == (
        CancelSend(TIMER),
        CancelInvoke(READING),
        Invoke("pay", "exec", arguments=arguments, state="pay"),
    )

    again = step(chart, agreed.snapshot, "error.invoke.pay")
    assert [type(effect) for effect in again.effects] == [CancelInvoke, Invoke]
    assert again.snapshot.data == {"amount": 5, "tries": 1}

    paid = step(chart, again.snapshot, "done.invoke.pay")
    assert paid.effects == (CancelInvoke("pay"), Done({"amount": 5}))
    assert paid.snapshot.done == ("paid", {"amount": 5})
    assert step(chart, paid.snapshot, "CANCEL") == (paid.snapshot, ())


def test_an_event_nothing_answers_to_gives_the_very_same_snapshot():
    chart = compile_chart(PURCHASE)
    first = start(chart).snapshot

    for _ in range(2):  # worked out, and remembered
        taken = step(chart, first, "OK")
        assert taken.snapshot is first
        assert taken.effects == ()


def test_an_event_that_changes_nothing_but_is_answered_gives_another_snapshot():
    chart = compile_chart({"states": {"a": {"on": {"TICK": {"actions": {"log": "tick"}}}}}})
    snapshot = start(chart).snapshot

    for _ in range(4):
        taken = step(chart, snapshot, "TICK")
        assert taken.snapshot == snapshot
        assert taken.snapshot is not snapshot
        assert logs(taken) == ["tick"]
        snapshot = taken.snapshot


def test_enabled_events_leave_out_what_only_the_host_may_send():
    chart = compile_chart(PURCHASE)

    submitted = walked(chart, Event("SUBMIT", {"amount": 5_000}))

    assert chart.enabled_events(submitted.snapshot) == ("CANCEL", "OK")
    assert chart.is_in(submitted.snapshot, "review.finance")
    assert not chart.is_in(submitted.snapshot, "pay")


def test_shallow_history_remembers_one_level_and_deep_history_all():
    inner = {"states": {"one": {"on": {"NEXT": "two"}}, "two": {}}}
    chart = compile_chart(
        {
            "states": {
                "work": {
                    "on": {"PAUSE": "paused"},
                    "states": {
                        "first": {"on": {"GO": "second"}},
                        "second": inner,
                        "shallow": {"type": "history"},
                        "deep": {"type": "history", "history": "deep"},
                    },
                },
                "paused": {"on": {"SHALLOW": "work.shallow", "DEEP": "work.deep"}},
            }
        }
    )

    deep = walked(chart, "GO", "NEXT", "PAUSE", "DEEP").snapshot
    shallow = walked(chart, "GO", "NEXT", "PAUSE", "SHALLOW").snapshot

    assert chart.configuration(deep) == "work.second.two"
    assert chart.configuration(shallow) == "work.second.one"


def test_history_without_memory_takes_its_default_or_the_parents():
    chart = compile_chart(
        {
            "states": {
                "out": {"on": {"A": "in.given", "B": "in.free"}},
                "in": {
                    "initial": "x",
                    "states": {
                        "x": {},
                        "y": {},
                        "given": {"type": "history", "target": "y"},
                        "free": {"type": "history"},
                    },
                },
            }
        }
    )

    assert chart.configuration(walked(chart, "A").snapshot) == "in.y"
    assert chart.configuration(walked(chart, "B").snapshot) == "in.x"


BOX = {
    "entry": {"log": "in box"},
    "exit": {"log": "out box"},
    "states": {
        "x": {"entry": {"log": "in x"}, "exit": {"log": "out x"}},
        "y": {"entry": {"log": "in y"}, "exit": {"log": "out y"}},
    },
}


@pytest.mark.parametrize(
    ("transition", "expected"),
    [
        ({"target": ".y"}, ["out x", "in y"]),
        ({"target": ".y", "reenter": True}, ["out x", "out box", "in box", "in y"]),
        ({"target": "box"}, ["out x", "in x"]),
        ({"target": "box", "reenter": True}, ["out x", "out box", "in box", "in x"]),
        ({"actions": {"log": "here"}}, ["here"]),
    ],
)
def test_transitions_leave_their_source_only_when_asked_to(transition, expected):
    chart = compile_chart({"states": {"box": BOX | {"on": {"GO": transition, "Y": ".y"}}}})

    assert logs(walked(chart, "GO")) == expected


def test_moving_inside_a_parallel_state_brings_every_region_back():
    chart = compile_chart(
        {
            "states": {
                "both": {
                    "type": "parallel",
                    "on": {"AGAIN": ".left.two"},
                    "states": {
                        "left": {"states": {"one": {}, "two": {}}},
                        "right": {"states": {"one": {"on": {"GO": "two"}}, "two": {}}},
                    },
                }
            }
        }
    )

    moved = walked(chart, "GO", "AGAIN").snapshot

    assert chart.configuration(moved) == "both.left.two both.right.one"


def test_the_inner_transition_wins_and_regions_move_together():
    def region(target):
        return {"states": {"a": {"on": {"GO": "b"}}, "b": {"on": {"OUT": target}}}}

    chart = compile_chart(
        {
            "states": {
                "both": {
                    "type": "parallel",
                    "on": {"GO": "outside"},
                    "states": {"left": region("outside"), "right": region("elsewhere")},
                },
                "outside": {},
                "elsewhere": {},
            }
        }
    )

    moved = walked(chart, "GO").snapshot
    assert chart.configuration(moved) == "both.left.b both.right.b"
    # Both want out: the first in document order does.
    assert chart.configuration(step(chart, moved, "OUT").snapshot) == "outside"
    # Where nobody inside answers, the outer one does.
    assert chart.configuration(step(chart, moved, "GO").snapshot) == "outside"


def test_data_given_at_the_start_replaces_first_values():
    chart = compile_chart(PURCHASE)

    assert start(chart, {"amount": 9}).snapshot.data == {"amount": 9, "tries": 0}
    with pytest.raises(SnapshotError, match="no data called 'amout'; did you mean \"amount\""):
        start(chart, {"amout": 9})


def test_targets_mean_the_nearest_state_of_that_name():
    chart = compile_chart(
        {
            "states": {
                "a": {
                    "states": {
                        "x": {
                            "states": {
                                "p": {
                                    "on": {
                                        "SIBLING": "q",
                                        "AROUND": "y",
                                        "TOP": "b",
                                        "PATH": "b.z",
                                        "ID": "#far",
                                    }
                                },
                                "q": {},
                            }
                        },
                        "y": {},
                    }
                },
                "b": {"states": {"w": {}, "z": {}, "v": {"id": "far"}}},
            }
        }
    )

    found = [
        chart.configuration(walked(chart, event).snapshot)
        for event in ("SIBLING", "AROUND", "TOP", "PATH", "ID")
    ]
    assert found == ["a.x.q", "a.y", "b.w", "b.z", "far"]


def test_the_hash_stands_for_the_content():
    same = compile_chart(dict(PURCHASE))
    described = compile_chart(PURCHASE | {"description": "nothing new"})
    other = compile_chart(PURCHASE | {"data": {"amount": 1, "tries": 0}})

    assert compile_chart(PURCHASE).hash == same.hash == described.hash
    assert other.hash != same.hash
    assert len(same.hash) == 64


def test_a_chart_can_not_be_changed():
    chart = compile_chart(PURCHASE)

    with pytest.raises(AttributeError):
        chart.name = "other"
