"""Members: the instances of a simulation as the log makes them, and the runs they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from simulation.timing import Timing
from tipman.charts import initial_of
from tipman.database import Database
from tipman.definitions import Task
from tipman.definitions.stored import task_from_row
from tipman.statecharts import Snapshot
from workflow_simulation.reference import SETTLED, Need, Node

_BORN = (
    "SELECT i.id, i.kind, i.name, i.key, i.namespace, i.run, i.parent, i.opening, t.type,"
    " t.arguments, t.options FROM instance AS i LEFT JOIN task AS t ON t.id = i.id"
    " WHERE i.id IN (??)"
)


class Born(NamedTuple):
    """What never changes of an instance."""

    id: bytes
    kind: str
    name: str
    run: bytes | None
    parent: bytes | None
    task: Task | None


def born(database: Database, identifiers: list[bytes]) -> dict[bytes, Born]:
    """Read what never changes of these instances."""
    found = {}
    for row in database.fetch_in(_BORN, identifiers):
        identifier, kind, name, key, namespace, run, parent, _, type_, arguments, options = row
        task = None
        if type_ is not None:
            task = task_from_row(type_, arguments, options, name, key, namespace)
        found[bytes(identifier)] = Born(
            bytes(identifier), kind, name, _bytes(run), _bytes(parent), task
        )
    return found


def _bytes(value: bytes | None) -> bytes | None:
    return None if value is None else bytes(value)


@dataclass(slots=True)
class Member:
    """One instance as its log lines make it."""

    born: Born
    snapshot: Snapshot
    configuration: str = ""
    state: str = ""
    sequence: int = 0
    settled: int = 0
    reopened: int = 0
    timing: Timing | None = None
    last_end: str | None = None
    """The state in which it settled last, None before."""
    settled_at: int = 0
    """The number of the line of the whole log in which it settled last."""
    told: dict[bytes, str | None] = field(default_factory=dict)
    """How its dependencies ended, as far as it was told; None for what is open."""
    growth: int = 0
    """By which growth of its run it was added."""
    last: int = 0
    """Its last attempt that succeeded."""

    @classmethod
    def new(cls, born: Born) -> "Member":
        return cls(born, initial_of(born.kind).snapshot)

    @property
    def is_node(self) -> bool:
        """Whether it is a task of a run's graph."""
        return self.born.kind == "task" and self.born.run is not None and self.born.parent is None

    @property
    def is_settled(self) -> bool:
        return self.state in SETTLED


@dataclass
class Flow:
    """A run: what was written of it, and its nodes by name."""

    id: bytes
    run: Member
    given: Mapping[str, Any]
    graph: dict[str, Node]
    parent: bytes | None = None
    """The task that it does the work of, None for none and when it was let go."""
    added: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Tasks that somebody asked to be added, by name, in vain or not."""
    growths: int = 0
    """How often it has grown."""
    nodes: dict[str, Member] = field(default_factory=dict)
    was_cancelled: bool = False
    """Whether somebody cancelled it in this opening."""
    was_late: bool = False
    """Whether it ran out of time in this opening."""
    was_failing: bool = False
    """Whether it was stopped in this opening because something of it failed."""
    reopened_at: int = 0
    """The number of the line of the whole log in which something of it was tried again last."""
    ended: list[bytes] = field(default_factory=list)
    """Nodes that settled, in order, each at its last end."""
    hooks: list[Member] = field(default_factory=list)
    """Those of this opening."""
    earlier_hooks: list[Member] = field(default_factory=list)
    undoing: list[Member] = field(default_factory=list)
    """Compensations of all openings, as they began."""

    @property
    def open(self) -> list[str]:
        """The names of the nodes that have not settled."""
        there = (node for node in self.nodes.values() if node.sequence)
        return [node.born.name for node in there if not node.is_settled]

    @property
    def closing(self) -> list[str]:
        """The names of the hooks and compensations that have not settled."""
        after = (*self.hooks, *self.earlier_hooks, *self.undoing)
        return [m.born.name for m in after if not m.is_settled]

    @property
    def policies(self) -> Mapping[str, str]:
        """What becomes of what two tasks wrote."""
        merge = self.given.get("merge", "error")
        return {"*": merge} if isinstance(merge, str) else merge


def graph_of(given: Mapping[str, Any]) -> dict[str, Node]:
    """Return the graph of a workflow as its file says it."""
    return {task["name"]: node_of(task, given) for task in given["tasks"]}


def node_of(task: Mapping[str, Any], given: Mapping[str, Any]) -> Node:
    """Return a node of a workflow as its file says it."""
    needs = tuple(map(_need, task.get("dependencies", ())))
    return Node(task["name"], needs, task.get("when"), given.get("on_failure", "skip"))


def _need(written: str | Mapping[str, str]) -> Need:
    if isinstance(written, str):
        return Need(written, is_data=True)
    return Need(written["task"], is_data=written.get("carry") != "order")
