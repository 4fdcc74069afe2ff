"""Graphs: the nodes of a run as they stand, and the edges between them."""

from typing import Any, NamedTuple

from tipman.database import Database
from tipman.definitions.stored import options_of
from tipman.errors import NotFoundError
from tipman.ids import text_of
from tipman.resources import RUNS_URI
from tipman.resources import URI as TASKS_URI


class Node(NamedTuple):
    """A task of a run; `rule` is what its `when` says, None for the default."""

    id: bytes
    name: str
    type: str
    state: str
    rule: Any

    @property
    def uri(self) -> str:
        """Its address."""
        return TASKS_URI + text_of(self.id)


class Edge(NamedTuple):
    """Who waits for whom, by names; `carry` is `data`, or `order` for what carries no data."""

    source: str
    target: str
    carry: str


class Graph(NamedTuple):
    """Nodes in the order they were submitted, and edges in the order of dependencies."""

    run: bytes
    name: str
    """That of the workflow."""
    nodes: list[Node]
    edges: list[Edge]


def graph_of(database: Database, run: bytes) -> Graph:
    """Return the nodes of a run and the edges between them.

    Raises:
        NotFoundError: it never existed, or was pruned.
    """
    rows = database.fetch("SELECT name FROM workflow_run WHERE id = ?", (run,))
    if not rows:
        raise NotFoundError(f"no run at {RUNS_URI}{text_of(run)}")
    nodes: dict[bytes, Node] = {}
    orderly: dict[bytes, tuple[int, ...]] = {}
    for identifier, name, state, type_, options in database.fetch(
        "SELECT i.id, i.name, i.state, t.type, t.options FROM instance AS i"
        " JOIN task AS t ON t.id = i.id WHERE i.run = ? AND i.parent IS NULL ORDER BY i.id",
        (run,),
    ):
        said = options_of(options)
        node = Node(bytes(identifier), name, type_, state, said["when"])
        nodes[node.id] = node
        if said["order_only"]:
            orderly[node.id] = said["order_only"]
    return Graph(run, rows[0][0], [*nodes.values()], _edges(database, run, nodes, orderly))


def edges_of(database: Database, run: bytes) -> list[tuple[bytes, bytes, int]]:
    """Return dependent, dependency and position of each edge between nodes of a run."""
    rows = database.fetch(
        "SELECT e.dependent, e.dependency, e.position FROM instance AS i"
        " JOIN dependency AS e ON e.dependent = i.id WHERE i.run = ? AND i.parent IS NULL"
        " ORDER BY e.dependent, e.position",
        (run,),
    )
    return [(bytes(dependent), bytes(source), at) for dependent, source, at in rows]


def _edges(
    database: Database,
    run: bytes,
    nodes: dict[bytes, Node],
    orderly: dict[bytes, tuple[int, ...]],
) -> list[Edge]:
    return [
        Edge(
            nodes[source].name,
            nodes[dependent].name,
            "order" if at in orderly.get(dependent, ()) else "data",
        )
        for dependent, source, at in edges_of(database, run)
        if source in nodes
    ]
