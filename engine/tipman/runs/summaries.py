"""Summaries: where the time of a run went, by its tasks and by the chain that decided its length.

The critical path is walked back from the node that settled last, each time to the dependency that
settled last before: nothing else could have let it start earlier, except more slots.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tipman.clock import MICROSECONDS
from tipman.database import Database
from tipman.errors import NotFoundError
from tipman.ids import text_of
from tipman.resources import RUNS_URI
from tipman.resources import URI as TASKS_URI
from tipman.runs.graphs import edges_of
from tipman.runs.views import instant

LIMIT = 1_000
"""Tasks whose times are told at most, the longest first."""


class Spent(NamedTuple):
    """The times of one node, in µs; `worked` is that of all its attempts together."""

    id: bytes
    name: str
    state: str
    attempts: int
    submitted_at: int
    queued_at: int | None
    started_at: int | None
    settled_at: int | None
    worked: int

    @property
    def queued(self) -> int | None:
        """How long it was ready and no slot was free, before its last attempt."""
        if self.queued_at is None or self.started_at is None:
            return None
        return max(self.started_at - self.queued_at, 0)

    def shown(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "name": self.name,
            "uri": TASKS_URI + text_of(self.id),
            "state": self.state,
            "attempts": self.attempts,
            "queue_s": _seconds(self.queued),
            "run_s": _seconds(self.worked if self.attempts else None),
            "started_at": instant(self.started_at),
            "settled_at": instant(self.settled_at),
        }


def summary(database: Database, run: bytes, *, limit: int = LIMIT) -> dict[str, Any]:
    """Return where the time of a run went, so far if it is open.

    Raises:
        NotFoundError: it never existed, or was pruned.
    """
    rows = database.fetch(
        "SELECT state, submitted_at, started_at, settled_at FROM instance WHERE id = ?", (run,)
    )
    if not rows:
        raise NotFoundError(f"no run at {RUNS_URI}{text_of(run)}")
    state, submitted_at, started_at, settled_at = rows[0]
    nodes = {node.id: node for node in _nodes(database, run)}
    path = _critical_path(database, run, nodes)
    longest = sorted(nodes.values(), key=lambda node: (-node.worked, node.id))[:limit]
    ends = [node.settled_at for node in path if node.settled_at is not None]
    return {
        "run": RUNS_URI + text_of(run),
        "state": state,
        "submitted_at": instant(submitted_at),
        "started_at": instant(started_at),
        "settled_at": instant(settled_at),
        "elapsed_s": _seconds(None if settled_at is None else settled_at - submitted_at),
        "queue_s": _seconds(sum(node.queued or 0 for node in nodes.values())),
        "run_s": _seconds(sum(node.worked for node in nodes.values())),
        "critical_path": [node.shown() for node in path],
        "critical_path_s": _seconds(ends[-1] - submitted_at if ends else None),
        "tasks": [node.shown() for node in longest],
        "left_out": len(nodes) - len(longest),
    }


def _nodes(database: Database, run: bytes) -> Iterator[Spent]:
    worked = {
        bytes(identifier): int(spent)
        for identifier, spent in database.fetch(
            "SELECT a.instance, sum(a.ended_at - a.started_at) FROM instance AS i"
            " JOIN attempt AS a ON a.instance = i.id WHERE i.run = ? AND i.parent IS NULL"
            " GROUP BY a.instance",
            (run,),
        )
    }
    for row in database.fetch(
        "SELECT id, name, state, attempt, submitted_at, queued_at, started_at, settled_at"
        " FROM instance WHERE run = ? AND parent IS NULL ORDER BY id",
        (run,),
    ):
        identifier = bytes(row[0])
        yield Spent._make((identifier, *row[1:], worked.get(identifier, 0)))


def _critical_path(database: Database, run: bytes, nodes: Mapping[bytes, Spent]) -> list[Spent]:
    settled = [node for node in nodes.values() if node.settled_at is not None and node.attempts]
    if not settled:
        return []
    sources: dict[bytes, list[bytes]] = {}
    for dependent, source, _ in edges_of(database, run):
        sources.setdefault(dependent, []).append(source)
    path = [max(settled, key=_end)]
    while True:
        before = [
            nodes[source]
            for source in sources.get(path[-1].id, ())
            # One that settled after its dependent began did not hold it up.
            if source in nodes and 0 < _end(nodes[source])[0] <= (path[-1].started_at or 0)
        ]
        if not before:
            return path[::-1]
        path.append(max(before, key=_end))


def _end(node: Spent) -> tuple[int, bytes]:
    return node.settled_at or 0, node.id


def _seconds(spent_us: int | None) -> float | None:
    return None if spent_us is None else round(spent_us / MICROSECONDS, 6)
