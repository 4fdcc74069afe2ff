"""Every fault of a chart file is found, at its place, and none is found in a good one."""

import pytest
from tipman.statecharts import ChartError, compile_chart

GO = {"on": {"GO": "b"}}


def states(**forms):
    return {"states": {"a": {"on": {"GO": "b"}}, "b": {}} | forms}


FAULTS = {
    "unknown target": (
        states(a={"on": {"GO": "bb"}}),
        "/states/a/on/GO",
        "no state is called 'bb'",
    ),
    "nearest target": (
        {"states": {"draft": {"on": {"GO": "reveiw", "OK": "review"}}, "review": {}}},
        "/states/draft/on/GO",
        'did you mean "review"?',
    ),
    "unreachable state": (states(c={}), "/states/c", "the state 'c' can never be reached"),
    "unreachable inside": (
        states(b={"initial": "x", "states": {"x": {}, "y": {}}}),
        "/states/b/states/y",
        "the state 'b.y' can never be reached",
    ),
    "preceded": (
        states(a={"on": {"GO": ["b", {"target": "b", "guard": "event.data"}]}}),
        "/states/a/on/GO/1",
        "never taken: /states/a/on/GO/0 always precedes it",
    ),
    "preceded by a wider descriptor": (
        states(a={"on": {"order.*": "b", "order.paid": "b"}}),
        "/states/a/on/order.paid",
        "never taken: /states/a/on/order.* always precedes it",
    ),
    "preceded by anything": (
        states(a={"on": {"*": "b", "GO": "b"}}),
        "/states/a/on/GO",
        "always precedes it",
    ),
    "preceded by the same guard": (
        states(
            a={
                "on": {
                    "GO": [
                        {"target": "b", "guard": "event.data"},
                        {"guard": "event.data", "actions": {"log": "x"}},
                        "b",
                    ]
                }
            }
        ),
        "/states/a/on/GO/1",
        "never taken: /states/a/on/GO/0 always precedes it",
    ),
    "preceded by an eventless one": (
        states(a={"always": "b", "on": {"GO": "b"}}),
        "/states/a/on/GO",
        "never taken: /states/a/always always precedes it",
    ),
    "preceded by a guard that always holds": (
        states(a={"on": {"GO": [{"guard": "1 < 2", "target": "b"}, "b"]}}),
        "/states/a/on/GO/1",
        "always precedes it",
    ),
    "never settles": (
        states(a={"always": {"actions": {"log": "x"}}, "on": {"GO": "b"}}),
        "/states/a/always",
        "never settles",
    ),
    "bad initial": (
        {"initial": "aa", **states()},
        "",
        "no state is called 'aa'; did you mean \"a\"?",
    ),
    "initial elsewhere": (
        states(b={"initial": "a", "states": {"x": {}}}),
        "/states/b",
        "the initial state 'a' does not lie inside",
    ),
    "initial of an atomic state": (
        states(b={"initial": "a"}),
        "/states/b",
        "an atomic state has no initial state",
    ),
    "initial of a parallel state": (
        states(b={"type": "parallel", "initial": "x", "states": {"x": {}, "y": {}}}),
        "/states/b",
        "a parallel state has no initial state",
    ),
    "duplicate id": (
        states(b={"id": "a"}),
        "/states/b",
        "the id 'a' is taken already, by /states/a",
    ),
    "states that exclude one another": (
        states(a={"on": {"GO": {"target": ["b", "c"]}, "C": "c"}}, c={}),
        "/states/a/on/GO",
        "'b' and 'c' can not be active together",
    ),
    "a state and its own part": (
        states(a={"on": {"GO": {"target": ["b", "b.x"]}}}, b={"states": {"x": {}}}),
        "/states/a/on/GO",
        "can not be active together",
    ),
    "states in a final one": (
        states(b={"type": "final", "states": {"x": {}}}),
        "/states/b",
        "a final state has no states inside",
    ),
    "transitions of a final state": (
        states(b={"type": "final", "on": {"GO": "a"}}),
        "/states/b",
        "a final state has no transitions",
    ),
    "invoke of a final state": (
        states(b={"type": "final", "invoke": {"type": "exec"}}),
        "/states/b",
        "a final state invokes nothing",
    ),
    "compound without states": (
        states(b={"type": "compound"}),
        "/states/b",
        "there is no state inside",
    ),
    "parallel without states": (
        states(b={"type": "parallel"}),
        "/states/b",
        "there is no state inside",
    ),
    "no states at all": ({"chart": "x"}, "", "there is no state inside"),
    "history default outside": (
        states(
            b={"states": {"x": {}, "h": {"type": "history", "target": "a"}}},
        ),
        "/states/b/states/h",
        "the initial state 'a' does not lie inside",
    ),
    "unknown key": (states(b={"entyr": []}), "/states/b/entyr", 'did you mean "entry"?'),
    "unknown key of the chart": ({"stats": {}, **states()}, "/stats", 'did you mean "states"?'),
    "unknown key of a transition": (
        states(a={"on": {"GO": {"target": "b", "gard": "true"}}}),
        "/states/a/on/GO/gard",
        'did you mean "guard"?',
    ),
    "key that is no text": (
        {"states": {"a": {True: {}}}},
        "/states/a",
        "the key True must be a text",
    ),
    "state that is no object": (states(b=3), "/states/b", "must be an object, not a number"),
    "state with a bad key": ({"states": {"a b": {}}}, "/states/a b", "letters, digits, _ and -"),
    "bad id": (states(b={"id": "b c"}), "/states/b/id", "an id has letters"),
    "bad type": (states(b={"type": "paralel"}), "/states/b/type", 'did you mean "parallel"?'),
    "bad history": (
        states(b={"states": {"x": {}, "h": {"type": "history", "history": "dep"}}}),
        "/states/b/states/h/history",
        'must be one of shallow, deep; did you mean "deep"?',
    ),
    "history on a state": (
        states(b={"history": "deep"}),
        "/states/b/history",
        "only a state of type history",
    ),
    "output on a state": (
        states(b={"output": "1"}),
        "/states/b/output",
        "only a state of type",
    ),
    "bad event": (states(a={"on": {"GO NOW": "b"}}), "/states/a/on/GO NOW", "without spaces"),
    "star inside an event": (states(a={"on": {"G*O": "b"}}), "/states/a/on/G*O", "name.* or *"),
    "bad guard": (
        states(a={"on": {"GO": {"target": "b", "guard": "amount <"}}}),
        "/states/a/on/GO/guard",
        "not an expression",
    ),
    "unknown name": (
        {"data": {"amount": 0}, **states(a={"on": {"GO": {"target": "b", "guard": "amout < 1"}}})},
        "/states/a/on/GO/guard",
        'did you mean "amount"?',
    ),
    "unknown state in In()": (
        states(a={"on": {"GO": {"target": "b", "guard": "In('c')"}}}),
        "/states/a/on/GO/guard",
        "no state is called 'c'",
    ),
    "guard that is no text": (
        states(a={"on": {"GO": {"target": "b", "guard": True}}}),
        "/states/a/on/GO/guard",
        "must be an expression, written as a text, not a truth value",
    ),
    "reenter that is no truth": (
        states(a={"on": {"GO": {"target": "b", "reenter": "yes"}}}),
        "/states/a/on/GO/reenter",
        "must be true or false",
    ),
    "assignment to what is not there": (
        {"data": {"amount": 0}, **states(b={"entry": {"assign": {"amout": "1"}}})},
        "/states/b/entry/assign/amout",
        "the chart has no data 'amout'; did you mean \"amount\"?",
    ),
    "data with a bad name": (
        {"data": {"event": 0}, **states()},
        "/data/event",
        "name of a variable",
    ),
    "data that is no JSON": (
        {"data": {"x": {1, 2}}, **states()},
        "/data/x",
        "must be a JSON value",
    ),
    "data that is not finite": (
        {"data": {"x": [float("nan")]}, **states()},
        "/data/x",
        "must be a JSON value",
    ),
    "unknown action": (
        states(b={"entry": {"rais": "X"}}),
        "/states/b/entry",
        'did you mean "raise"?',
    ),
    "two actions in one": (
        states(b={"entry": [{"raise": "X", "log": "y"}]}),
        "/states/b/entry/0",
        "exactly one of the keys",
    ),
    "unknown key of an action": (
        states(b={"entry": {"if": "1", "then": [], "els": []}}),
        "/states/b/entry/els",
        'did you mean "else"?',
    ),
    "send without a name": (
        states(b={"entry": {"send": {"delay": "1s"}}}),
        "/states/b/entry/send/event",
        "must be a text, not null",
    ),
    "raise with a bad name": (
        states(b={"entry": {"raise": "A B"}}),
        "/states/b/entry/raise",
        "is no name of an event",
    ),
    "bad delay": (
        states(b={"entry": {"send": {"event": "X", "delay": "1 week"}}}),
        "/states/b/entry/send/delay",
        "is no duration",
    ),
    "delay without unit": (
        states(b={"entry": {"send": {"event": "X", "delay": 5}}}),
        "/states/b/entry/send/delay",
        "with its unit",
    ),
    "two delays": (
        states(b={"entry": {"send": {"event": "X", "delay": "1s", "delay_s": 1}}}),
        "/states/b/entry/send/delay_s",
        "given already",
    ),
    "delay too long": (
        states(a={"after": {"99999d": "b"}, **GO}),
        "/states/a/after/99999d",
        "range",
    ),
    "bad after": (states(a={"after": {"soon": "b"}, **GO}), "/states/a/after/soon", "no duration"),
    "bad item": (
        states(b={"entry": {"foreach": "[1]", "item": "for", "do": []}}),
        "/states/b/entry/item",
        "can not be the name of a variable",
    ),
    "invoke without type": (
        states(b={"invoke": {"arguments": {}}}),
        "/states/b/invoke/type",
        "must be a text, not null",
    ),
    "bad template": (
        states(b={"invoke": {"type": "exec", "arguments": {"argv": ["{amout}"]}}}),
        "/states/b/invoke/arguments/argv/0",
        "the name 'amout' is unknown",
    ),
    "constant that fails": (
        states(b={"entry": {"log": {"label": "x", "value": "1/0"}}}),
        "/states/b/entry/log/value",
        "division by zero",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_named_with_its_place(case):
    form, pointer, detail = FAULTS[case]

    with pytest.raises(ChartError) as caught:
        compile_chart(form)

    found = {fault.pointer: fault.detail for fault in reversed(caught.value.faults)}
    assert pointer in found, found
    assert detail in found[pointer]


def test_all_faults_are_told_at_once():
    with pytest.raises(ChartError) as caught:
        compile_chart(states(a={"on": {"GO": "bb"}, "entyr": []}, c={"entry": {"raise": 3}}))

    assert {fault.pointer for fault in caught.value.faults} >= {
        "/states/a/entyr",
        "/states/c/entry/raise/event",
        "/states/a/on/GO",
    }
    assert "(and " in str(caught.value)


def test_deep_nesting_is_a_fault_not_a_crash():
    form: dict = {}
    for _ in range(2_000):
        form = {"states": {"a": form}}

    with pytest.raises(ChartError, match="more than 64 states inside one another"):
        compile_chart(form)


def test_deeply_nested_actions_are_a_fault_not_a_crash():
    action: dict = {"log": "x"}
    value: object = "1"
    for _ in range(500):
        action = {"if": "true", "then": [action]}
        value = [value]

    with pytest.raises(ChartError, match="nested too deeply"):
        compile_chart(states(b={"entry": action}))
    with pytest.raises(ChartError, match="nested too deeply"):
        compile_chart(states(b={"entry": {"raise": {"event": "X", "data": value}}}))


def test_too_many_states_are_a_fault():
    many = {f"s{number}": {} for number in range(3_000)}

    with pytest.raises(ChartError, match="more than 2000 states"):
        compile_chart({"states": many})


def test_what_is_reached_in_roundabout_ways_is_no_fault():
    compile_chart(
        {
            "states": {
                "a": {"on": {"IN": "p.left.two"}},
                "p": {
                    "type": "parallel",
                    "states": {
                        "left": {"initial": "one", "states": {"one": GO_TWO, "two": GO_ONE}},
                        "right": {"states": {"only": {}}},
                        "back": {"type": "history", "history": "deep"},
                    },
                },
            }
        }
    )


GO_ONE = {"on": {"X": "one"}}
GO_TWO = {"on": {"X": "two"}}


def test_a_region_whose_initial_state_is_skipped_is_a_fault():
    with pytest.raises(ChartError, match=r"the state 'p.left.one' can never be reached"):
        compile_chart(
            {
                "states": {
                    "a": {"on": {"IN": "p.left.two"}},
                    "p": {
                        "type": "parallel",
                        "states": {
                            "left": {"states": {"one": {}, "two": {}}},
                            "right": {"states": {"only": {}}},
                        },
                    },
                }
            }
        )
