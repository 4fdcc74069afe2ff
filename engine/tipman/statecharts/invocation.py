"""What a chart has started and watches over (SCXML 6.4)."""

from tipman.statecharts.actions import run_block
from tipman.statecharts.chart import Chart, State
from tipman.statecharts.document import InvokeSource
from tipman.statecharts.errors import EvaluationError
from tipman.statecharts.expressions import FAILURES
from tipman.statecharts.model import Event, Forward, Invoke
from tipman.statecharts.turn import Turn
from tipman.statecharts.values import Value


def start_invokes(chart: Chart, turn: Turn) -> None:
    """Start what the states entered in this macrostep invoke, in document order."""
    turn.static = False
    waiting, turn.waiting = turn.waiting, []
    for number in waiting:
        state = chart.nodes[number]
        for index, invoke in enumerate(state.invokes):
            try:
                _start(turn, state, index, invoke)
            except FAILURES as error:
                turn.report(error)


def _start(turn: Turn, state: State, index: int, invoke: InvokeSource) -> None:
    kind = _text(turn, invoke.type, "type")
    if invoke.types is not None and kind is not None and kind not in invoke.types:
        raise EvaluationError(f"nothing of the type {kind!r} can be invoked")
    source = _text(turn, invoke.source, "source")
    content = None if invoke.content is None else turn.evaluate(invoke.content)
    arguments = None if invoke.arguments is None else turn.evaluate(invoke.arguments)
    invoke_id = invoke.id or turn.next_id(state.name)
    if invoke.id_location is not None:
        turn.assign(invoke.id_location, invoke_id)
    turn.invokes = {**(turn.invokes or {}), invoke_id: (state.number, index)}
    turn.emit(Invoke(invoke_id, kind, source, content, arguments, state.name))


def _text(turn: Turn, value: Value | None, what: str) -> str | None:
    if value is None:
        return None
    text = turn.evaluate(value)
    if type(text) is not str:
        raise EvaluationError(f"the {what} of an invoke must be a text")
    return text


def forward_event(chart: Chart, turn: Turn, event: Event) -> None:
    """Before an outside event is handled: finalize what sent it, pass it on where asked."""
    for invoke_id, (number, index) in (turn.invokes or {}).items():
        invoke = chart.nodes[number].invokes[index]
        if invoke.finalize and invoke_id == event.invoke_id:
            turn.moved = True
            run_block(turn, invoke.finalize)
        if invoke.autoforward:
            turn.emit(Forward(invoke_id, event))
