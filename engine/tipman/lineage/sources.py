"""Sources: where a lineage finds tasks, their edges and the inputs of runs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from tipman.database import Database
from tipman.definitions.stored import options_of
from tipman.edges import Edges
from tipman.instances import Instance
from tipman.runs.ledger import Runs

ADDING = frozenset({"eval", "inline", "map", "python"})
"""The types of tasks that add what they return."""

_NODES = (
    "SELECT i.id, i.name, i.state, i.run, t.type, t.options, a.result, c.text"
    " FROM instance AS i JOIN task AS t ON t.id = i.id"
    " LEFT JOIN attempt AS a ON a.instance = i.id AND a.number = i.attempt"
    " LEFT JOIN context AS c ON c.instance = i.id WHERE i.id IN (??)"
)
_NEEDS = (
    "SELECT dependent, position, dependency FROM dependency WHERE dependent IN (??)"
    " ORDER BY dependent, position"
)
_ABOVE = (
    "WITH RECURSIVE above (id) AS (SELECT dependency FROM dependency WHERE dependent IN (??)"
    " UNION SELECT d.dependency FROM dependency AS d JOIN above ON d.dependent = above.id)"
    " SELECT id FROM above"
)


class Node(NamedTuple):
    """What a task's part in a lineage depends on."""

    name: str
    state: str
    run: bytes | None
    type: str
    options: str
    result: str | None
    """JSON text of what its last attempt returned."""
    kept: str | None
    """JSON text with `added` and `saw`, where there is something of them to keep."""

    @property
    def value(self) -> Any:
        """What its last attempt returned, None where it has not ended."""
        return None if self.result is None else json.loads(self.result)


class Source:
    """Where tasks, their edges and the inputs of runs are found: the committed rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def nodes(self, ids: Sequence[bytes]) -> dict[bytes, Node]:
        """Return those of these tasks that there are."""
        found = {}
        for row in self._database.fetch_in(_NODES, ids):
            identifier, name, state, run, type_, options, result, kept = row
            above = None if run is None else bytes(run)
            texts = (self._whole(result), self._whole(kept))
            found[bytes(identifier)] = Node(name, state, above, type_, options, *texts)
        return found

    def _whole(self, text: str | None) -> str | None:
        return None if text is None else self._database.values.whole(text)

    def needs(self, ids: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """Return what tasks depend on, in the order given, of those that depend on any."""
        found: dict[bytes, list[bytes]] = {}
        for dependent, _, dependency in self._database.fetch_in(_NEEDS, ids):
            found.setdefault(bytes(dependent), []).append(bytes(dependency))
        return found

    def above(self, ids: Sequence[bytes]) -> Iterator[bytes]:
        """Yield all that these tasks depend on, directly or not."""
        return (bytes(row[0]) for row in self._database.fetch_in(_ABOVE, ids))

    def input_of(self, run: bytes) -> Mapping[str, Any]:
        """Return the input of a run."""
        rows = self._database.fetch("SELECT input FROM workflow_run WHERE id = ?", (run,))
        found: dict[str, Any] = json.loads(rows[0][0]) if rows else {}
        return found


class Staging(Protocol):
    """What a drain has changed and not written yet."""

    edges: Edges
    runs: Runs
    returned: dict[tuple[bytes, int], str | None]
    """What attempts returned that ended in this drain, by instance and number."""

    options: dict[bytes, str]
    """The options of tasks on disk that have got others, as JSON text."""

    def cached(self, identifier: bytes) -> Instance | None:
        """Return an instance that is in memory."""


class StagedSource(Source):
    """The committed rows with what a drain has changed laid over them."""

    def __init__(self, database: Database, staging: Staging) -> None:
        super().__init__(database)
        self._staging = staging

    def nodes(self, ids: Sequence[bytes]) -> dict[bytes, Node]:
        """Return those of these tasks that there are, as they are now."""
        found = super().nodes(ids)
        for identifier in ids:
            instance = self._staging.cached(identifier)
            if instance is not None and instance.kind == "task":
                found[identifier] = self._overlaid(instance, found.get(identifier))
        return found

    def needs(self, ids: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """Return what tasks depend on, that were submitted in this drain too."""
        found = super().needs(ids)
        for identifier in ids:
            staged = self._staging.edges.staged_of(identifier)
            if staged:
                found[identifier] = [*found.get(identifier, ()), *staged]
        return found

    def input_of(self, run: bytes) -> Mapping[str, Any]:
        """Return the input of a run, which may have been submitted in this drain."""
        record = self._staging.runs.find(run)
        return {} if record is None else record.given

    def _overlaid(self, instance: Instance, row: Node | None) -> Node:
        result = self._staging.returned.get((instance.id, instance.attempt))
        kept = self._staging.runs.staged_context(instance.id)
        if row is None:
            task = instance.task
            type_, options = ("", "{}") if task is None else (task.type, task.options)
            row = Node(instance.name, "", instance.run, type_, options, None, None)
        return row._replace(
            state=instance.state,
            options=self._staging.options.get(instance.id, row.options),
            result=row.result if result is None else result,
            kept=row.kept if kept is None else kept,
        )


def data_of(dependencies: Sequence[bytes], options: str) -> Sequence[bytes]:
    """Return the dependencies that carry data, and not order only."""
    order_only = options_of(options)["order_only"]
    if not order_only:
        return dependencies
    return [each for at, each in enumerate(dependencies) if at not in order_only]


def added_by(node: Node) -> Mapping[str, Any]:
    """Return what a task added that succeeded: its object, or another value under its name."""
    if node.state != "succeeded":
        return {}
    kept = {} if node.kept is None else json.loads(node.kept)
    value = kept.get("added")
    if value is None and node.type in ADDING and node.result is not None:
        value = json.loads(node.result)
    if value is None:
        return {}
    return value if isinstance(value, dict) else {node.name: value}
