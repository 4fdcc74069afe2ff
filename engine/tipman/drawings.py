"""Pictures of graphs of tasks: the plain facts as JSON, Mermaid and DOT, with states if there are.

A name is text to all of them, whatever is in it: nothing that a name says reaches the language of
a picture.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from tipman.definitions import Workflow, resolved_tasks
from tipman.jsontext import dumps
from tipman.triggers import rule_of
from tipman.triggers.rules import Ended, nodes_of

INDENT = "    "
SHOWN_MAX = 100
"""Characters of a name that a picture shows."""
FORMATS = ("json", "mermaid", "dot")

_COLOURS: Mapping[str, tuple[str, str]] = {
    "waiting": ("#f1f3f5", "#868e96"),
    "delayed": ("#f1f3f5", "#868e96"),
    "blocked": ("#ffe8cc", "#e8590c"),
    "queued": ("#e7f5ff", "#1c7ed6"),
    "running": ("#d0ebff", "#1864ab"),
    "backing_off": ("#fff3bf", "#e67700"),
    "awaiting": ("#e5dbff", "#5f3dc4"),
    "suspended": ("#dee2e6", "#343a40"),
    "succeeded": ("#d3f9d8", "#2b8a3e"),
    "failed": ("#ffe3e3", "#c92a2a"),
    "skipped": ("#f8f9fa", "#adb5bd"),
    "cancelled": ("#f3d9fa", "#862e9c"),
    "abandoned": ("#ffe3e3", "#862e9c"),
}
"""Filling and line of a state."""
_PLAIN = re.compile(r"[^\w .,:/+=()-]")
_UNSEEN = "\ufffd"
"""What DOT shows for such a character, which it can not write by its number."""
_LIST = re.compile(r"^(\s*[0-9]*)([.)+-])(?=\s)")
"""What would make a list of a label, which Mermaid can not show."""


class Node(Protocol):
    """A task: its *rule* is what its `when` says, its *state* None where nothing runs."""

    @property
    def name(self) -> str:
        """Its name, which no other has."""

    @property
    def type(self) -> str:
        """Its type."""

    @property
    def state(self) -> str | None:
        """Its state."""

    @property
    def rule(self) -> Any:
        """Its rule, None for the default."""


class Edge(Protocol):
    """Who waits for whom, by names; *carry* is `data` or `order`."""

    @property
    def source(self) -> str:
        """Who comes before."""

    @property
    def target(self) -> str:
        """Who waits."""

    @property
    def carry(self) -> str:
        """What comes along."""


class Task(NamedTuple):
    """A task of a workflow that does not run, as a node."""

    name: str
    type: str
    rule: Any
    state: str | None = None


class Dependency(NamedTuple):
    """A dependency of such a task."""

    source: str
    target: str
    carry: str


def graph_of(workflow: Workflow) -> tuple[list[Task], list[Dependency]]:
    """Return the nodes of a workflow and its edges, in the order of the file."""
    tasks = resolved_tasks(workflow)
    edges = [
        Dependency(source, task.name, "order" if at in task.order_only else "data")
        for task in tasks
        for at, source in enumerate(task.dependencies)
    ]
    return [Task(task.name, task.type, task.when) for task in tasks], edges


def draw(format_: str, name: str, nodes: Sequence[Node], edges: Sequence[Edge]) -> str:
    """Return the picture of a graph in one of `FORMATS`, as text."""
    return _DRAWERS[format_](name, nodes, edges)


def draw_json(name: str, nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[str, Any]:
    """Return a graph as a JSON object: `nodes` as they come, `edges` by their names."""
    labels = _labels(nodes)
    return {
        "name": name,
        "nodes": [
            {"name": node.name, "type": node.type, "state": node.state, "when": node.rule}
            for node in nodes
        ],
        "edges": [
            {
                "from": edge.source,
                "to": edge.target,
                "carry": edge.carry,
                "rule": labels[edge.target](edge.source) or None,
            }
            for edge in edges
        ],
    }


def draw_mermaid(name: str, nodes: Sequence[Node], edges: Sequence[Edge]) -> str:
    """Draw as a Mermaid flowchart; a dotted arrow carries order only."""
    return "\n".join(_mermaid_lines(name, nodes, edges)) + "\n"


def draw_dot(name: str, nodes: Sequence[Node], edges: Sequence[Edge]) -> str:
    """Draw as a directed graph of Graphviz; a dashed arrow carries order only."""
    return "\n".join(_dot_lines(name, nodes, edges)) + "\n"


def _mermaid_lines(name: str, nodes: Sequence[Node], edges: Sequence[Edge]) -> Iterator[str]:
    ids, labels = _ids(nodes), _labels(nodes)
    # A flowchart has a title only in its front matter, which is YAML: JSON is, too.
    yield from ("---", f"title: {_yaml_text(name)}", "---", "flowchart LR")
    for node in nodes:
        words = [_mermaid_text(node.name), _mermaid_text(node.type)]
        words += [] if node.state is None else [_mermaid_text(node.state)]
        shade = f":::{node.state}" if node.state in _COLOURS else ""
        yield f'{INDENT}{ids[node.name]}["{"<br/>".join(words)}"]{shade}'
    for edge in edges:
        label = _mermaid_text(labels[edge.target](edge.source))
        arrow = "-.->" if edge.carry == "order" else "-->"
        middle = f'{arrow}|"{label}"|' if label else arrow
        yield f"{INDENT}{ids[edge.source]} {middle} {ids[edge.target]}"
    for state in sorted({node.state for node in nodes if node.state is not None} & {*_COLOURS}):
        fill, stroke = _COLOURS[state]
        yield f"{INDENT}classDef {state} fill:{fill},stroke:{stroke},color:#212529"


def _dot_lines(name: str, nodes: Sequence[Node], edges: Sequence[Edge]) -> Iterator[str]:
    ids, labels = _ids(nodes), _labels(nodes)
    yield f"digraph {_dot_text(name)} {{"
    yield f"{INDENT}rankdir=LR"
    yield f'{INDENT}node [shape=box, style="rounded,filled", fillcolor="#f8f9fa"]'
    for node in nodes:
        words = [node.name, node.type] + ([] if node.state is None else [node.state])
        shade = ""
        if node.state in _COLOURS:
            fill, stroke = _COLOURS[str(node.state)]
            shade = f', fillcolor="{fill}", color="{stroke}"'
        yield f"{INDENT}{ids[node.name]} [label={_dot_text(*words)}{shade}]"
    for edge in edges:
        said = [f"label={_dot_text(label)}"] if (label := labels[edge.target](edge.source)) else []
        said += ["style=dashed"] if edge.carry == "order" else []
        tail = f" [{', '.join(said)}]" if said else ""
        yield f"{INDENT}{ids[edge.source]} -> {ids[edge.target]}{tail}"
    yield "}"


def _ids(nodes: Sequence[Node]) -> Mapping[str, str]:
    return {node.name: f"n{at}" for at, node in enumerate(nodes)}


def _labels(nodes: Sequence[Node]) -> Mapping[str, Callable[[str], str]]:
    """Return for each node what its rule says of a dependency."""
    return {node.name: _label_of(node.rule) for node in nodes}


def _label_of(rule: Any) -> Callable[[str], str]:
    if rule is None:
        return lambda _: ""
    read = rule_of(rule)
    if read.root is None:
        return lambda _: read.word
    asked: dict[str, list[str]] = {}
    for leaf in nodes_of(read.root):
        if isinstance(leaf, Ended):
            asked.setdefault(leaf.task, []).append(leaf.outcome)
    return lambda source: " or ".join(dict.fromkeys(asked.get(source, ())))


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"


def _yaml_text(text: str) -> str:
    """Write a text as JSON, which is YAML but for characters that this takes by number only."""
    return _escaped(dumps(_shown(text)), lambda c: f"\\U{ord(c):08x}")


def _escaped(text: str, write: Callable[[str], str]) -> str:
    """Return a text with what a terminal could obey, or no reader would see, written otherwise."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else write(c) for c in text])


def _mermaid_text(text: str) -> str:
    """Write what could mean something to Mermaid by its number, as its manual says.

    >>> _mermaid_text('a"]; b')
    'a#34;#93;#59; b'
    """
    shown = _PLAIN.sub(lambda found: f"#{ord(found[0])};", _shown(text))
    return _LIST.sub(lambda found: f"{found[1]}#{ord(found[2])};", shown)


def _dot_text(*lines: str) -> str:
    r"""Write lines as one text of DOT, in which only quotes and backslashes mean something.

    >>> print(_dot_text('a"b', "c\\N"))
    "a\"b\nc\\N"
    """
    shown = (_shown(" ".join(line.split())) for line in lines)
    shown = (_escaped(line, lambda _: _UNSEEN) for line in shown)
    shown = (line.replace("\\", "\\\\") for line in shown)
    return '"' + "\\n".join(line.replace('"', '\\"') for line in shown) + '"'


def _json_text(name: str, nodes: Sequence[Node], edges: Sequence[Edge]) -> str:
    text = dumps(draw_json(name, nodes, edges))
    return _escaped(text, lambda c: json.dumps(c)[1:-1]) + "\n"


_DRAWERS: Mapping[str, Callable[[str, Sequence[Node], Sequence[Edge]], str]] = {
    "json": _json_text,
    "mermaid": draw_mermaid,
    "dot": draw_dot,
}
