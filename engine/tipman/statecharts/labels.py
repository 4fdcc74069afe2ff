"""Short texts for what stands in a chart: on arrows of drawings, and in their JSON."""

from collections.abc import Callable, Sequence

from tipman.statecharts.actions import (
    Action,
    Assign,
    Cancel,
    Choose,
    Declare,
    ForEach,
    Raise,
    SendEvent,
    WriteLog,
)
from tipman.statecharts.chart import Chart, State, Transition
from tipman.statecharts.document import form
from tipman.statecharts.expressions import Expression
from tipman.statecharts.values import Constant, ListOf, ObjectOf, Value

SHOWN_MAX = 60


def short_name(chart: Chart, state: State) -> str:
    """Give the last part of a name that starts with its parent's."""
    parent = chart.nodes[state.parent].name if state.parent > 0 else ""
    return state.name.removeprefix(f"{parent}.")


def arrow_label(transition: Transition) -> str:
    """Write `EVENT [guard] / actions`, as UML does."""
    parts = [" or ".join(transition.events or ())]
    if transition.guard is not None:
        parts.append(f"[{shortened(transition.guard.source)}]")
    actions = action_labels(transition.actions)
    if actions:
        parts.append("/ " + "; ".join(actions))
    return " ".join(filter(None, parts))


def action_labels(actions: Sequence[Action]) -> list[str]:
    """Write each action in a few words."""
    return [_action_label(action) for action in actions]


def _action_label(action: Action) -> str:
    return LABELS[type(action)](action) if type(action) in LABELS else type(action).__name__


def _choice_label(action: Choose) -> str:
    first = action.branches[0]
    if first.guard is None:
        return "; ".join(action_labels(first.actions))
    return f"if {shortened(first.guard.source)} …"


def _log_label(action: WriteLog) -> str:
    return f"log {action.label or value_label(action.value)}"


LABELS: dict[type, Callable[..., str]] = {
    Assign: lambda action: f"{'.'.join(action.path)} = {value_label(action.value)}",
    Cancel: lambda action: f"cancel {value_label(action.id)}",
    Choose: _choice_label,
    Declare: lambda action: f"{action.name} = {value_label(action.value)}",
    ForEach: lambda action: f"for each {action.item} …",
    Raise: lambda action: f"raise {action.event}",
    SendEvent: lambda action: f"send {value_label(action.event)}",
    WriteLog: _log_label,
}


def value_label(value: Value | None) -> str:
    """Write a value as its author did, or nearly."""
    if isinstance(value, Constant):
        return shortened(str(value.value))
    if isinstance(value, Expression):
        return shortened(value.source)
    if isinstance(value, ObjectOf):
        return shortened("{" + ", ".join(name for name, _ in value.members) + "}")
    if isinstance(value, ListOf):
        return f"[{len(value.parts)} values]"
    return "" if value is None else shortened(str(form(value)))


def shortened(text: str) -> str:
    """Keep a text to one line of at most `SHOWN_MAX` characters.

    >>> shortened("a  <   b")
    'a < b'
    """
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"
