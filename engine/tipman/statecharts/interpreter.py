"""Taking steps (SCXML Appendix D: mainEventLoop), as pure functions over snapshots.

Most charts spend their lives in macrosteps that read no data. Those have one outcome for each
(configuration, history, event), which the chart remembers: then a step is one dictionary lookup.
Where only the guards on the event read data, they are evaluated and what follows is looked up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from tipman.statecharts.actions import run_block
from tipman.statecharts.chart import Chart, Transition, bits
from tipman.statecharts.errors import SnapshotError, UnsettledError, suggestion
from tipman.statecharts.invocation import forward_event, start_invokes
from tipman.statecharts.microstep import declare_data, plan_microstep, plan_start
from tipman.statecharts.model import (
    CancelInvoke,
    Done,
    Event,
    Json,
    Session,
    Snapshot,
    Step,
)
from tipman.statecharts.scope import NOTHING, Scope
from tipman.statecharts.selection import Candidates, Selection, candidates, select
from tipman.statecharts.turn import MICROSTEPS_MAX, Turn
from tipman.statecharts.values import Constant

PROCESSOR = "http://www.w3.org/TR/scxml/#SCXMLEventProcessor"
_START = "start"
_NOWHERE = Snapshot(0)
_STAYS = Step(_NOWHERE, ())  # remembered for an event that no transition answers to

OUTCOMES_MAX = 64


@dataclass(frozen=True, slots=True, eq=False)
class Fork:
    """What an event leads to where guards decide: candidates, and outcomes that are known."""

    found: Candidates
    outcomes: dict[tuple[Transition, ...], Step]


def start(
    chart: Chart, data: Mapping[str, Json] | None = None, session: Session | None = None
) -> Step:
    """Bring an instance to life; *data* replaces first values of the chart's own variables.

    Raises:
        SnapshotError: *data* names a variable that the chart does not have.
        UnsettledError: the first macrostep does not come to rest.
    """
    if not data:
        known = chart.memo.steps.get(_START)
        if known is not None:
            return cast(Step, known)
    turn = _turn(chart, _NOWHERE, None, session)
    _declare(chart, turn, data or {})
    run_block(turn, chart.document.scripts)
    plan_start(chart).run(turn)
    _settle(chart, turn)
    step_taken = _finished(turn)
    if turn.static and not data:
        chart.memo.keep(chart.memo.steps, _START, step_taken)
    return step_taken


def step(
    chart: Chart, snapshot: Snapshot, event: Event | str, session: Session | None = None
) -> Step:
    """Take one macrostep: handle *event* and all that it raises, until nothing is left to do.

    Pure and deterministic: the same arguments give the same snapshot and the same effects. Where
    nothing answers to the event, the very same snapshot object comes back, and no effects.

    Raises:
        UnsettledError: the macrostep does not come to rest; the snapshot given is still good.
    """
    name = event if isinstance(event, str) else event.name
    if snapshot.invokes is None:
        known = chart.memo.steps.get((snapshot.configuration, snapshot.history, name))
        if known is not None:
            if type(known) is Step:
                return _resumed(known, snapshot)
            return _decided(chart, cast(Fork, known), snapshot, event, session)
    if snapshot.done is not None:
        return Step(snapshot, ())
    if isinstance(event, str):
        event = Event(event)
    if snapshot.invokes is not None:
        return _take_with_invokes(chart, snapshot, event, session)
    return _take(chart, snapshot, event, session)


def _resumed(known: Step, snapshot: Snapshot) -> Step:
    """Apply a remembered outcome to an instance with data of its own."""
    if known is _STAYS:
        return Step(snapshot, ())
    after = known.snapshot
    plain = snapshot.data is None and not snapshot.sequence and not snapshot.bound
    if plain and after is not snapshot:  # the same object would say that nothing was enabled
        return known
    changed = Snapshot(
        after.configuration,
        after.history,
        snapshot.data,
        None,
        after.done,
        snapshot.sequence,
        snapshot.bound,
    )
    return Step(changed, known.effects)


def _take(chart: Chart, snapshot: Snapshot, event: Event, session: Session | None) -> Step:
    """Take a step that nothing is remembered of, and remember what can be."""
    found = candidates(chart, snapshot.configuration, event.name)
    if not found.ranks:
        return Step(snapshot, ())
    fork = Fork(found, {})
    taken = _decided(chart, fork, snapshot, event, session)
    answer: object = fork
    if found.static:
        stays = taken.snapshot is snapshot
        answer = _STAYS if stays else next(iter(fork.outcomes.values()), fork)
    key = (snapshot.configuration, snapshot.history, event.name)
    chart.memo.keep(chart.memo.steps, key, answer)
    return taken


def _decided(
    chart: Chart, fork: Fork, snapshot: Snapshot, event: Event | str, session: Session | None
) -> Step:
    """Evaluate the guards on the event; what follows may be known."""
    if isinstance(event, str):
        event = Event(event)
    system = NOTHING if session is None else _system(chart, session)
    scope = Scope(snapshot.data, event, chart.numbers, snapshot.configuration, system)
    selection = select(chart, scope, fork.found, snapshot.history)
    known = fork.outcomes.get(selection.transitions)
    if known is not None and not selection.failures:
        return _resumed(known, snapshot)
    if not selection.transitions and not selection.failures:
        return Step(snapshot, ())
    turn = _turn(chart, snapshot, event, session)
    taken = _macrostep(chart, turn, selection, snapshot)
    if turn.static and len(fork.outcomes) < OUTCOMES_MAX and chart.memo.entries_max:
        after = taken.snapshot
        bare = Snapshot(after.configuration, after.history, None, None, after.done)
        fork.outcomes[selection.transitions] = Step(bare, taken.effects)
    return taken


def _take_with_invokes(
    chart: Chart, snapshot: Snapshot, event: Event, session: Session | None
) -> Step:
    turn = _turn(chart, snapshot, event, session)
    forward_event(chart, turn, event)
    found = candidates(chart, turn.configuration, event.name)
    selection = select(chart, turn, found, turn.history)
    return _macrostep(chart, turn, selection, snapshot)


def _macrostep(chart: Chart, turn: Turn, selection: Selection, before: Snapshot) -> Step:
    _report_failures(turn, selection)
    if selection.transitions:
        plan_microstep(chart, selection.transitions, turn.configuration, turn.history).run(turn)
    _settle(chart, turn)
    if not turn.moved:
        return Step(before, tuple(turn.effects))
    return _finished(turn)


def _settle(chart: Chart, turn: Turn) -> None:
    """Take eventless transitions and internal events until neither is left."""
    recent: list[str] = []
    while turn.done is None:
        transitions = _next_transitions(chart, turn)
        if transitions is None:
            if not turn.waiting:
                return
            start_invokes(chart, turn)
            if not turn.queue:
                return
            continue
        turn.microsteps += 1
        if turn.microsteps > MICROSTEPS_MAX - 10:
            recent.extend(transition.place for transition in transitions)
        if turn.microsteps > MICROSTEPS_MAX:
            place = ", ".join(dict.fromkeys(recent)) or "events without end"
            raise UnsettledError(f"not settled after {MICROSTEPS_MAX} microsteps", place)
        if transitions:
            plan_microstep(chart, transitions, turn.configuration, turn.history).run(turn)
    _end(chart, turn)


def _next_transitions(chart: Chart, turn: Turn) -> tuple[Transition, ...] | None:
    """Choose what to take next; None where the instance is at rest."""
    if turn.configuration & chart.eventless:
        transitions = _select(chart, turn, None)
        if transitions:
            return transitions
    if not turn.queue:
        return None
    turn.event = turn.queue.popleft()
    return _select(chart, turn, turn.event.name)


def _select(chart: Chart, turn: Turn, name: str | None) -> tuple[Transition, ...]:
    found = candidates(chart, turn.configuration, name)
    if not found.ranks:
        return ()
    if not found.static:
        turn.static = False
    selection = select(chart, turn, found, turn.history)
    _report_failures(turn, selection)
    return selection.transitions


def _report_failures(turn: Turn, selection: Selection) -> None:
    # Once for each guard: by the letter, one that fails without an event would go round for ever,
    # since the error it raises makes the interpreter look at it again.
    for transition, error in selection.failures:
        if transition.number not in turn.reported:
            turn.reported.add(transition.number)
            turn.report(error)


def _end(chart: Chart, turn: Turn) -> None:
    """Leave all states, innermost first, and say that it is over (SCXML exitInterpreter)."""
    last = turn.configuration
    for number in reversed(bits(last)):
        for block in chart.nodes[number].exit:
            run_block(turn, block)
        turn.configuration &= ~(1 << number)
    for invoke_id in turn.invokes or {}:
        turn.emit(CancelInvoke(invoke_id))
    turn.invokes = None
    turn.configuration = last  # an instance that has ended still says where
    turn.emit(Done(turn.done[1] if turn.done else None))


def _finished(turn: Turn) -> Step:
    snapshot = Snapshot(
        turn.configuration,
        turn.history,
        turn.data if turn.data is not NOTHING else None,
        turn.invokes,
        turn.done,
        turn.sequence,
        turn.bound,
    )
    return Step(snapshot, tuple(turn.effects))


def _declare(chart: Chart, turn: Turn, data: Mapping[str, Json]) -> None:
    """Set the variables, in document order; late ones get their values on entry."""
    own = {name for name, _ in chart.nodes[0].data}
    for name in data:
        if name not in own:
            raise SnapshotError(f"the chart has no data called {name!r}{suggestion(name, own)}")
    nodes = chart.nodes[:1] if chart.document.late else chart.nodes
    if chart.document.late:
        for name in sorted(chart.data_names):
            turn.declare(name, None)
    for node in nodes:
        declared = [
            (name, Constant(data[name]) if node.number == 0 and name in data else value)
            for name, value in node.data
        ]
        declare_data(turn, declared)


def _turn(chart: Chart, snapshot: Snapshot, event: Event | None, session: Session | None) -> Turn:
    if session is None:
        return Turn(snapshot, event, chart.numbers, NOTHING, None)
    return Turn(snapshot, event, chart.numbers, _system(chart, session), session.reachable)


def _system(chart: Chart, session: Session) -> Mapping[str, Json]:
    address = {"location": session.location}
    return {
        "_sessionid": session.id,
        "_name": chart.name,
        "_ioprocessors": {PROCESSOR: address, "scxml": address},
        "_x": {},
    }


def stop(chart: Chart, snapshot: Snapshot, session: Session | None = None) -> Step:
    """End an instance from outside: leave its states, end what it invoked; no `Done` is said."""
    if snapshot.done is not None:
        return Step(snapshot, ())
    turn = _turn(chart, snapshot, None, session)
    turn.moved = True
    _end(chart, turn)
    turn.effects = [effect for effect in turn.effects if not isinstance(effect, Done)]
    return _finished(turn)
