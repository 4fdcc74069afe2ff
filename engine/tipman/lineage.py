"""Lineage: what tasks pass on, worked out from those before them when somebody looks.

Nothing is copied from task to task: a task keeps what it added itself (mostly its result), and
what it saw only where that can not be worked out again. So a run whose tasks add nothing costs
nothing, and one whose tasks add much costs as much as is looked at.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from tipman.charts import SETTLED
from tipman.context import EMPTY, Context, Entry, Merged, Part, extended, merge, merge_agreed
from tipman.database import Database
from tipman.definitions.stored import options_of
from tipman.edges import Edges
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.jsontext import dumps
from tipman.runs.ledger import Runs
from tipman.runs.writers import Writers

ADDING = frozenset({"eval", "inline", "map", "python"})
"""The types of tasks that add what they return."""
LEVELS_MAX = 32
"""How far a walk goes step by step; what lies beyond is fetched in one go."""
KNOWN_MAX = 1_000_000
"""Keys that remembered contexts may have in all."""

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


class Source:
    """Where tasks, their edges and the inputs of runs are found: the committed rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def nodes(self, ids: Sequence[bytes]) -> dict[bytes, Node]:
        """Return those of these tasks that there are."""
        return {
            bytes(row[0]): Node(
                row[1], row[2], None if row[3] is None else bytes(row[3]), *row[4:8]
            )
            for row in self._database.fetch_in(_NODES, ids)
        }

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
            result=row.result if result is None else result,
            kept=row.kept if kept is None else kept,
        )


class Lineage:
    """The contexts that tasks pass on, remembered while they can not change."""

    def __init__(self, source: Source, database: Database) -> None:
        self._source = source
        self.writers = Writers(database)
        self._known: dict[bytes, Context] = {}
        self._size = 0
        self._bases: dict[bytes, Context] = {}

    def base(self, run: bytes | None) -> Context:
        """Return what a task of a run sees that depends on nothing: the run's input."""
        if run is None:
            return EMPTY
        found = self._bases.get(run)
        if found is None:
            if len(self._bases) >= LEVELS_MAX * LEVELS_MAX:
                self._bases.clear()
            found = extended(EMPTY, text_of(run), self._source.input_of(run))
            self._bases[run] = found
        return found

    def seen(self, needs: Sequence[bytes], run: bytes | None, options: str) -> Merged:
        """Return what a task sees that depends on these, in this order.

        Raises:
            MergeConflictError: two of its writers contradict each other, and no policy decides.
        """
        return merge(self._contexts(needs, run), options_of(options)["merge"])

    def seen_agreed(self, needs: Sequence[bytes], run: bytes | None, options: str) -> Context:
        """Return what a task sees, without the keys that are in conflict."""
        return merge_agreed(self._contexts(needs, run), options_of(options)["merge"])

    def passed_on(self, ids: Iterable[bytes]) -> dict[bytes, Context]:
        """Return what tasks pass on, of those that there are."""
        wanted = list(ids)
        known_ones = {each: self._known[each] for each in wanted if each in self._known}
        missing = [each for each in wanted if each not in known_ones]
        found: dict[bytes, Context] = {}
        if missing:
            nodes, needs = self._gathered(missing)
            for identifier in _in_order(missing, nodes, needs):
                above = needs.get(identifier, ())
                found[identifier] = self._passed(identifier, nodes[identifier], above, found)
            self._remember(found, nodes)
        return {**known_ones, **found}

    def _contexts(self, needs: Sequence[bytes], run: bytes | None) -> list[Context]:
        passed = self.passed_on(needs)
        return [passed[need] for need in needs if need in passed] or [self.base(run)]

    def forget(self) -> None:
        """Forget all contexts: a task that had settled is open again."""
        self._known, self._size = {}, 0

    def _gathered(
        self, ids: Sequence[bytes]
    ) -> tuple[dict[bytes, Node], dict[bytes, Sequence[bytes]]]:
        """Return the tasks above these as far as nothing is known of them, and their edges."""
        nodes: dict[bytes, Node] = {}
        needs: dict[bytes, Sequence[bytes]] = {}
        frontier = list(dict.fromkeys(ids))
        for level in range(LEVELS_MAX):
            self._look_at(frontier, nodes, needs)
            above = (need for each in frontier for need in needs.get(each, ()))
            frontier = [n for n in dict.fromkeys(above) if n not in nodes and n not in self._known]
            if not frontier:
                return nodes, needs
            del level
        far = dict.fromkeys([*frontier, *self._source.above(frontier)])
        self._look_at([n for n in far if n not in nodes and n not in self._known], nodes, needs)
        return nodes, needs

    def _look_at(
        self,
        ids: Sequence[bytes],
        nodes: dict[bytes, Node],
        needs: dict[bytes, Sequence[bytes]],
    ) -> None:
        found = self._source.nodes(ids)
        nodes.update(found)
        asked = [each for each, node in found.items() if saw_of(node.kept) is None]
        for dependent, dependencies in self._source.needs(asked).items():
            needs[dependent] = data_of(dependencies, found[dependent].options)

    def _passed(
        self, identifier: bytes, node: Node, needs: Sequence[bytes], found: Mapping[bytes, Context]
    ) -> Context:
        seen = saw_of(node.kept)
        if seen is None:
            contexts = [found[n] if n in found else self._known.get(n, EMPTY) for n in needs]
            policy = options_of(node.options)["merge"]
            seen = merge_agreed(contexts or [self.base(node.run)], policy)
        if node.state != "succeeded":
            return seen
        return extended(seen, text_of(identifier), added_by(node))

    def _remember(self, found: Mapping[bytes, Context], nodes: Mapping[bytes, Node]) -> None:
        for identifier, context in found.items():
            node = nodes.get(identifier)
            if node is not None and node.state in SETTLED and identifier not in self._known:
                self._known[identifier] = context
                self._size += 1 + len(context)
        while self._size > KNOWN_MAX and self._known:
            oldest = next(iter(self._known))
            self._size -= 1 + len(self._known.pop(oldest))


def data_of(dependencies: Sequence[bytes], options: str) -> Sequence[bytes]:
    """Return the dependencies that carry data, and not order only."""
    order_only = options_of(options)["order_only"]
    if not order_only:
        return dependencies
    return [each for at, each in enumerate(dependencies) if at not in order_only]


def added_by(node: Node) -> Mapping[str, Any]:
    """Return what a task that succeeded added: its object, or another value under its name."""
    kept = {} if node.kept is None else json.loads(node.kept)
    value = kept.get("added")
    if value is None and node.type in ADDING and node.result is not None:
        value = json.loads(node.result)
    if value is None:
        return {}
    return value if isinstance(value, dict) else {node.name: value}


def kept_text(added: Any, saw: Context | None) -> str:
    """Return what is kept of a task's part, as JSON text: what it added, and what it saw."""
    kept: dict[str, Any] = {} if added is None else {"added": added}
    if saw is not None:
        kept["saw"] = {
            key: [entry.value, [list(part) for part in entry.parts], sorted(entry.superseded)]
            for key, entry in saw.items()
        }
    return dumps(kept)


def saw_of(kept: str | None) -> Context | None:
    """Return what a task saw, where that is kept."""
    if kept is None or '"saw"' not in kept:
        return None
    saw = json.loads(kept).get("saw")
    if saw is None:
        return None
    return {
        key: Entry(value, tuple(Part(*part) for part in parts), frozenset(superseded))
        for key, (value, parts, superseded) in saw.items()
    }


def _in_order(
    ids: Sequence[bytes],
    nodes: Mapping[bytes, Node],
    needs: Mapping[bytes, Sequence[bytes]],
) -> Iterator[bytes]:
    """Yield the tasks that there are so that each comes after all that it depends on."""
    done: set[bytes] = set()
    pending = [(identifier, False) for identifier in reversed(ids)]
    while pending:
        identifier, is_ready = pending.pop()
        if identifier in done or identifier not in nodes:
            continue
        if is_ready:
            done.add(identifier)
            yield identifier
            continue
        pending.append((identifier, True))
        pending.extend((need, False) for need in needs.get(identifier, ()) if need not in done)
