"""Pictures of charts: Mermaid, DOT, and the plain facts as JSON."""

import re
from collections.abc import Iterator

from tipman.statecharts.chart import Chart, State, Transition
from tipman.statecharts.document import Kind
from tipman.statecharts.labels import action_labels, arrow_label, short_name, value_label
from tipman.statecharts.model import Json

INDENT = "    "
MERMAID_BREAK = "<br/>"
HISTORY = {Kind.SHALLOW: "H", Kind.DEEP: "H*"}


def draw_mermaid(chart: Chart) -> str:
    """Draw as a Mermaid `stateDiagram-v2`; arrows between the same two states are drawn as one.

    Mermaid knows no history: such a state is drawn as one called H or H*. It fails on arrows
    from a box to its own inside, so these are notes; those of the chart itself, too.
    """
    lines = ["stateDiagram-v2", *_mermaid_inside(chart, chart.nodes[0], 1)]
    arrows: dict[str, list[str]] = {}
    notes: dict[str, list[str]] = {}
    for transition in _transitions(chart):
        source = chart.nodes[transition.source]
        label = _mermaid_text(arrow_label(transition))
        for target in transition.targets or (transition.source,):
            end = chart.nodes[target]
            if source.children and (source.descendants | 1 << source.number) >> target & 1:
                owner = _mermaid_id(source if source.number else chart.nodes[1])
                where = short_name(chart, end) if target != source.number else "itself"
                notes.setdefault(owner, []).append(f"{label} → {where}")
            else:
                ends = f"{_mermaid_id(source)} --> {_mermaid_id(end)}"
                arrows.setdefault(ends, []).append(label)
    for ends, labels in arrows.items():
        label = MERMAID_BREAK.join(filter(None, labels))
        lines.append(f"{INDENT}{ends} : {label}" if label else INDENT + ends)
    for owner, texts in notes.items():
        lines.append(f"{INDENT}note right of {owner} : {MERMAID_BREAK.join(texts)}")
    return "\n".join(lines) + "\n"


def _mermaid_inside(chart: Chart, owner: State, depth: int) -> Iterator[str]:
    space = INDENT * depth
    for target in owner.initial if owner.kind is Kind.COMPOUND else ():
        yield f"{space}[*] --> {_mermaid_id(chart.nodes[target])}"
    for position, number in enumerate(owner.children):
        state = chart.nodes[number]
        if position and owner.kind is Kind.PARALLEL and not state.kind.is_history:
            yield f"{space}--"
        name = _mermaid_id(state)
        label = HISTORY.get(state.kind) or _mermaid_text(short_name(chart, state))
        yield f'{space}state "{label}" as {name}'
        if state.children:
            yield f"{space}state {name} {{"
            yield from _mermaid_inside(chart, state, depth + 1)
            yield f"{space}}}"
        if state.kind is Kind.FINAL:
            yield f"{space}{name} --> [*]"
        if state.kind.is_history:
            for target in state.initial:
                yield f"{space}{name} --> {_mermaid_id(chart.nodes[target])}"


def _mermaid_id(state: State) -> str:
    # The number keeps `a.b` and `a_b` apart.
    return f"s{state.number}_{re.sub(r'[^A-Za-z0-9]', '_', state.name)}"


def _mermaid_text(text: str) -> str:
    return "".join(f"#{ord(c)};" if c in '#;:"{}<>' else c for c in text)


def draw_dot(chart: Chart) -> str:
    """Draw as a Graphviz digraph: clusters for states with states inside."""
    lines = [
        f"digraph {_dot_text(chart.name)} {{",
        f"{INDENT}compound=true; node [shape=box, style=rounded]; edge [fontsize=10];",
        *_dot_inside(chart, chart.nodes[0], 1),
    ]
    for transition in _transitions(chart):
        label = arrow_label(transition)
        for target in transition.targets or (transition.source,):
            source, end = chart.nodes[transition.source], chart.nodes[target]
            lines.append(INDENT + _dot_edge(chart, source, end, label))
    return "\n".join([*lines, "}"]) + "\n"


def _dot_inside(chart: Chart, owner: State, depth: int) -> Iterator[str]:
    space = INDENT * depth
    if owner.kind is Kind.COMPOUND:
        yield f"{space}start{owner.number} [shape=point];"
        for target in owner.initial:
            end = chart.nodes[target]
            yield f"{space}start{owner.number} -> {_dot_node(chart, end)}{_dot_options(end)};"
    for number in owner.children:
        state = chart.nodes[number]
        label = _dot_text(HISTORY.get(state.kind) or short_name(chart, state))
        if not state.children:
            shape = {Kind.FINAL: ", peripheries=2"}.get(state.kind, "")
            shape = ", shape=circle" if state.kind.is_history else shape
            yield f"{space}s{state.number} [label={label}{shape}];"
            continue
        style = "dashed" if owner.kind is Kind.PARALLEL else "rounded"
        yield f"{space}subgraph cluster{state.number} {{"
        yield f"{space}{INDENT}label={label}; style={style};"
        yield from _dot_inside(chart, state, depth + 1)
        yield f"{space}}}"


def _dot_edge(chart: Chart, source: State, end: State, label: str) -> str:
    tail = f", ltail=cluster{source.number}" if source.children else ""
    head = f", lhead=cluster{end.number}" if end.children else ""
    ends = f"{_dot_node(chart, source)} -> {_dot_node(chart, end)}"
    return f"{ends} [label={_dot_text(label)}{tail}{head}];"


def _dot_options(end: State) -> str:
    return f" [lhead=cluster{end.number}]" if end.children else ""


def _dot_node(chart: Chart, state: State) -> str:
    """Name a node that stands for a state: edges end at nodes, clusters only clip them."""
    while state.children:
        state = chart.nodes[state.children[0]]
    return f"s{state.number}"


def _dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'


def draw_json(chart: Chart) -> dict[str, Json]:
    """Write down states and transitions, by name and in document order."""
    return {
        "name": chart.name,
        "hash": chart.hash,
        "states": [_state_facts(chart, state) for state in chart.nodes[1:]],
        "transitions": [_transition_facts(chart, item) for item in _transitions(chart)],
    }


def _state_facts(chart: Chart, state: State) -> dict[str, Json]:
    return {
        "name": state.name,
        "kind": state.kind.value,
        "parent": chart.nodes[state.parent].name if state.parent > 0 else None,
        "initial": [chart.nodes[number].name for number in state.initial],
        "entry": [label for block in state.entry for label in action_labels(block)],
        "exit": [label for block in state.exit for label in action_labels(block)],
        "invokes": [invoke.id or value_label(invoke.type) for invoke in state.invokes],
    }


def _transition_facts(chart: Chart, transition: Transition) -> dict[str, Json]:
    return {
        "source": chart.nodes[transition.source].name if transition.source else None,
        "events": list(transition.events or ()),
        "guard": transition.guard.source if transition.guard is not None else None,
        "targets": [chart.nodes[number].name for number in transition.targets or ()],
        "actions": action_labels(transition.actions),
    }


def _transitions(chart: Chart) -> Iterator[Transition]:
    for state in chart.nodes:
        yield from state.transitions
