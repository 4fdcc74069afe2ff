"""No chart can hold a step for ever, or fill the memory."""

import pytest
from tipman.statecharts import ChartError, Event, UnsettledError, compile_chart, start, step
from tipman.statecharts.chart import MEMO_MAX


def test_eventless_transitions_that_go_round_are_stopped_and_named():
    chart = compile_chart(
        {
            "states": {
                "rest": {"on": {"GO": "a"}},
                "a": {"always": "b"},
                "b": {"always": "a"},
            }
        }
    )
    first = start(chart).snapshot

    with pytest.raises(UnsettledError) as caught:
        step(chart, first, "GO")

    assert set(caught.value.place.split(", ")) == {"/states/a/always", "/states/b/always"}
    assert chart.configuration(first) == "rest"


def test_events_that_raise_one_another_are_stopped_and_named():
    again = {"actions": {"raise": "GO"}}
    chart = compile_chart({"states": {"a": {"on": {"GO": again}}}})

    with pytest.raises(UnsettledError, match="not settled after 1000 microsteps: /states/a/on/GO"):
        step(chart, start(chart).snapshot, "GO")


def test_an_error_that_raises_an_error_is_stopped():
    chart = compile_chart(
        {
            "data": {"n": 0},
            "states": {
                "a": {
                    "on": {
                        "GO": {"actions": {"assign": {"n": "missing.x"}}},
                        "error.execution": {"actions": {"assign": {"n": "n.x"}}},
                    }
                }
            },
        }
        | {"data": {"n": 0, "missing": None}}
    )

    with pytest.raises(UnsettledError, match=r"/states/a/on/error\.execution"):
        step(chart, start(chart).snapshot, "GO")


def test_loops_inside_loops_are_stopped_and_named():
    body: dict = {"raise": "X"}
    for name in "abc":
        body = {"foreach": "items", "item": name, "do": body}
    chart = compile_chart(
        {
            "data": {"items": list(range(100))},
            "states": {"s": {"on": {"GO": {"actions": body}}}},
        }
    )

    with pytest.raises(UnsettledError, match="more than 100000 actions in one step: /states/s/on"):
        step(chart, start(chart).snapshot, "GO")


def test_values_worked_out_in_one_step_are_bounded_in_all():
    send = {"send": {"event": "X", "data": "text + str(i)"}}
    chart = compile_chart(
        {
            "data": {"text": "x" * 100_000, "items": list(range(1_000))},
            "states": {
                "s": {"on": {"GO": {"actions": {"foreach": "items", "item": "i", "do": send}}}}
            },
        }
    )

    with pytest.raises(UnsettledError, match="values of more than"):
        step(chart, start(chart).snapshot, "GO")


def test_a_value_that_doubles_ends_in_an_error_not_in_memory():
    double = {"actions": {"assign": {"x": "[x, x]"}}}
    chart = compile_chart(
        {
            "data": {"x": [], "failed": False},
            "states": {
                "a": {
                    "on": {
                        "GO": double,
                        "error.execution": {"actions": {"assign": {"failed": "true"}}},
                    }
                }
            },
        }
    )
    snapshot = start(chart).snapshot

    for _ in range(25):
        snapshot = step(chart, snapshot, "GO").snapshot

    assert snapshot.data["failed"]


def test_what_a_chart_remembers_is_bounded():
    chart = compile_chart(
        {"states": {"a": {"on": {"*": {"actions": {"log": "x"}}}}}}, memo_max=MEMO_MAX
    )
    snapshot = start(chart).snapshot

    for number in range(3 * MEMO_MAX):
        snapshot = step(chart, snapshot, Event(f"event.{number}")).snapshot

    tables = (chart.memo.candidates, chart.memo.plans, chart.memo.steps, chart.memo.configurations)
    assert all(len(table) <= MEMO_MAX for table in tables)


def test_names_that_mean_nothing_are_not_remembered():
    chart = compile_chart({"states": {"a": {"on": {"GO": {"actions": {"log": "x"}}}}}})
    snapshot = start(chart).snapshot

    for number in range(100):
        step(chart, snapshot, f"event.{number}")

    assert len(chart.memo.steps) <= 1
    assert len(chart.memo.candidates) <= 1


def test_one_state_has_a_bounded_number_of_transitions_and_targets():
    arrows = {f"e{number}": {"actions": []} for number in range(600)}
    targets = {"GO": {"target": ["a"] * 200}}

    with pytest.raises(ChartError, match="more than 500 transitions"):
        compile_chart({"states": {"a": {"on": arrows}}})
    with pytest.raises(ChartError, match="more than 100 targets or events"):
        compile_chart({"states": {"a": {"on": targets}}})


def test_a_value_nested_deeper_than_python_can_walk_is_an_error_event():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    again: list = [deep]
    chart = compile_chart(
        {
            "states": {
                "a": {"on": {"GO": {"guard": "event.data.x == event.data.y", "target": "b"}}},
                "b": {},
            }
        }
    )
    snapshot = start(chart).snapshot

    assert step(chart, snapshot, Event("GO", {"x": deep, "y": again})).snapshot is snapshot
