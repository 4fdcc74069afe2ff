"""Whatever the chart and the events: steps are deterministic, and survive being written down."""

import json
import os

from hypothesis import given, settings
from hypothesis import strategies as st
from tipman.statecharts import (
    ChartError,
    Event,
    UnsettledError,
    compile_chart,
    decode,
    encode,
    start,
    step,
)

NAMES = ("a", "b", "c")
EVENTS = ("E1", "E2", "E3")
PATHS = [*NAMES, *(f"{x}.{y}" for x in NAMES for y in NAMES), "a.h", "b.h", "c.h"]
GUARDS = (None, "n > 1", "n % 2 == 0", "event.data.k == 1", "In('a')", "In('b') or n < 3")
CALM = (
    {"log": "seen"},
    {"assign": {"n": "n + 1"}},
    {"if": "n > 2", "then": [{"assign": {"n": "0"}}], "else": [{"log": "low"}]},
)
ACTIONS = (
    *CALM,
    {"raise": "E2"},
    {"raise": {"event": "E3", "data": {"k": "n"}}},
    {"assign": {"n": "event.data.k"}},
    {"send": {"event": "OUT", "data": "n", "delay_s": "n"}},
)


@st.composite
def transitions(draw):
    form = {}
    if draw(st.booleans()):
        form["target"] = draw(st.sampled_from(PATHS))
    guard = draw(st.sampled_from(GUARDS))
    if guard is not None:
        form["guard"] = guard
    form["actions"] = [draw(st.sampled_from(ACTIONS))] if draw(st.booleans()) else []
    form["reenter"] = draw(st.booleans())
    return form


@st.composite
def states(draw, depth=0):
    form: dict = {
        "on": {event: draw(transitions()) for event in draw(st.sets(st.sampled_from(EVENTS)))},
        "entry": [draw(st.sampled_from(CALM))] if draw(st.booleans()) else [],
        "exit": [{"log": "left"}] if draw(st.booleans()) else [],
    }
    if draw(st.integers(0, 5)) == 0:
        form["always"] = draw(transitions()) | {"guard": "n == 2"}
    if draw(st.integers(0, 4)) == 0:
        form["invoke"] = {"type": "exec", "arguments": {"n": "{n}"}, "onDone": {"actions": []}}
    if depth < 2 and draw(st.integers(0, 2 + 2 * depth)) < 2:
        form["states"] = {name: draw(states(depth + 1)) for name in NAMES[: 3 - depth]}
        if draw(st.booleans()):
            form["type"] = "parallel"
        form["states"]["h"] = {
            "type": "history",
            "history": draw(st.sampled_from(("deep", "shallow"))),
        }
    return form


@st.composite
def charts(draw):
    """A chart in the chart-file form; some are refused."""
    form = {name: draw(states()) for name in NAMES}
    known = set(names(form))
    for transition in targeted(form):
        if transition["target"] not in known:
            transition["target"] = transition["target"].split(".")[0]
    return {"data": {"n": 0}, "states": form}


def names(forms, above=""):
    for name, form in forms.items():
        yield above + name
        yield from names(form.get("states", {}), f"{above}{name}.")


def targeted(form):
    for part in form.values():
        if isinstance(part, dict):
            if isinstance(part.get("target"), str):
                yield part
            yield from targeted(part)


events = st.lists(
    st.builds(
        Event,
        st.sampled_from([*EVENTS, "done.invoke.a", "done.invoke.a.b", "nothing"]),
        st.sampled_from([None, {"k": 1}, {"k": 2}, {}]),
    ),
    max_size=8,
)


def accepted(form):
    """Give the form with every state made reachable, for else it is refused."""
    try:
        compile_chart(form)
    except ChartError as error:
        on = {f"REACH.{fault.pointer}": named(fault.pointer) for fault in error.faults}
        return form | {"on": on}
    return form


def named(pointer):
    return "#" + ".".join(pointer.split("/")[2::2])


def run(chart, happening, boundary=lambda chart, snapshot: (chart, snapshot)):
    """Take all steps; give all that was seen."""
    try:
        taken = start(chart)
    except UnsettledError as error:
        return [str(error)]
    seen: list = [(encode(chart, taken.snapshot), taken.effects)]
    snapshot = taken.snapshot
    for event in happening:
        chart, snapshot = boundary(chart, snapshot)
        try:
            taken = step(chart, snapshot, event)
        except UnsettledError as error:
            seen.append(str(error))
            continue
        same = taken.snapshot is snapshot
        seen.append((encode(chart, taken.snapshot), taken.effects, same))
        snapshot = taken.snapshot
    return seen


@settings(max_examples=int(os.environ.get("TIPMAN_EXAMPLES", "50")), deadline=None)
@given(charts(), events)
def test_steps_are_deterministic_and_survive_being_written_down(form, happening):
    form = accepted(form)
    chart = compile_chart(form)

    def rebuilt(before, snapshot):
        text = json.dumps(encode(before, snapshot))
        after = compile_chart(form)
        restored = decode(after, json.loads(text))
        assert restored == snapshot
        return after, restored

    straight = run(chart, happening)
    assert run(chart, happening) == straight  # with everything remembered
    assert run(compile_chart(form, memo_max=0), happening) == straight  # with nothing remembered
    assert run(chart, happening, rebuilt) == straight


def test_enough_charts_of_the_property_are_lively_ones():
    steps = []

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(charts(), events)
    def look(form, happening):
        seen = run(compile_chart(accepted(form)), happening)
        steps.append(sum(len(part) == STEP_PARTS and not part[2] for part in seen))

    look()

    assert sum(count > 0 for count in steps) >= LIVELY_MIN


STEP_PARTS = 3
LIVELY_MIN = 5
