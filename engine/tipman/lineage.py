"""Lineage: what tasks pass on, worked out from those before them when somebody looks.

Nothing is copied from task to task: a task keeps what it added itself (mostly its result), and
what it saw only where that can not be worked out again. So a run whose tasks add nothing costs
nothing, and one whose tasks add much costs as much as is looked at.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from tipman.context import (
    EMPTY,
    Context,
    Entry,
    Part,
    Resolution,
    extended,
    merge,
    merge_agreed,
)
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
"""Keys and writers that remembered contexts may have in all."""
BASES_MAX = 1_000
"""Inputs of runs that are remembered."""

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


class View(NamedTuple):
    """What a task sees: the context, the results of its dependencies, and what was decided."""

    context: Context
    results: Mapping[str, Any] = MappingProxyType({})
    resolved: Sequence[Resolution] = ()


class Ancestry(NamedTuple):
    """The tasks above some others, as far as it is not known what they saw."""

    nodes: dict[bytes, Node]
    needs: dict[bytes, Sequence[bytes]]
    """By task, what carries data to it."""
    saw: dict[bytes, Context]
    """By task, what it saw, where that is known; what lies above is not looked at."""


class Lineage:
    """What tasks see, and what of it is remembered of those that looked."""

    def __init__(self, source: Source, database: Database) -> None:
        self._source = source
        self.writers = Writers(database)
        self._saw: dict[bytes, Context] = {}
        self._size = 0
        self._bases: dict[bytes, Context] = {}

    def base(self, run: bytes | None) -> Context:
        """Return what a task of a run sees that depends on nothing: the run's input."""
        if run is None:
            return EMPTY
        found = self._bases.get(run)
        if found is None:
            if len(self._bases) >= BASES_MAX:
                self._bases.clear()
            found = extended(EMPTY, text_of(run), self._source.input_of(run))
            self._bases[run] = found
        return found

    def seen(self, needs: Sequence[bytes], run: bytes | None, options: str) -> View:
        """Return what a task sees that depends on these, in this order.

        Raises:
            MergeConflictError: two tasks gave a key a value, and no policy decides.
        """
        if not needs:
            return View(self.base(run))
        ancestry = self._ancestry(needs)
        plain, contested = self._sorted_out(ancestry, run)
        nodes = (ancestry.nodes[need] for need in needs if need in ancestry.nodes)
        results = {node.name: node.value for node in nodes}
        if not contested:
            return View(plain, results)
        met = self._met(needs, ancestry, contested)
        merged = merge(met, options_of(options)["merge"])
        return View({**plain, **merged.context}, results, merged.resolved)

    def seen_agreed(self, needs: Sequence[bytes], run: bytes | None, options: str) -> Context:
        """Return what a task sees, without the keys that are in conflict."""
        ancestry = self._ancestry(needs)
        plain, contested = self._sorted_out(ancestry, run)
        met = self._met(needs, ancestry, contested)
        return {**plain, **merge_agreed(met, options_of(options)["merge"])}

    def passed_on(self, identifier: bytes) -> Context:
        """Return what a task passes on, or sees while it is open."""
        found = self._source.nodes((identifier,))
        if identifier not in found:
            return EMPTY
        node = found[identifier]
        seen = saw_of(node.kept)
        if seen is None:
            needs = self._source.needs((identifier,)).get(identifier, ())
            seen = self.seen_agreed(data_of(needs, node.options), node.run, node.options)
        return extended(seen, text_of(identifier), added_by(node))

    def remember(self, identifier: bytes, seen: Context) -> None:
        """Remember what a task saw that has looked; those after it need look no further."""
        self._size -= _size_of(self._saw.pop(identifier, EMPTY))
        self._saw[identifier] = seen
        self._size += _size_of(seen)
        while self._size > KNOWN_MAX and self._saw:
            self._size -= _size_of(self._saw.pop(next(iter(self._saw))))

    def forget(self) -> None:
        """Forget what tasks saw: one that had settled is open again."""
        self._saw, self._size = {}, 0

    def _ancestry(self, ids: Sequence[bytes]) -> Ancestry:
        found = Ancestry({}, {}, {})
        frontier = list(dict.fromkeys(ids))
        for _ in range(LEVELS_MAX):
            frontier = self._above(frontier, found)
            if not frontier:
                return found
        far = dict.fromkeys([*frontier, *self._source.above(frontier)])
        self._above([each for each in far if each not in found.nodes], found)
        return found

    def _above(self, ids: Sequence[bytes], found: Ancestry) -> list[bytes]:
        """Look at tasks; return those above them that were not looked at."""
        nodes = self._source.nodes(ids)
        found.nodes.update(nodes)
        for identifier, node in nodes.items():
            kept = saw_of(node.kept)
            saw = self._saw.get(identifier) if kept is None else kept
            if saw is not None:
                found.saw[identifier] = saw
        asked = [each for each in nodes if each not in found.saw]
        for dependent, dependencies in self._source.needs(asked).items():
            found.needs[dependent] = data_of(dependencies, nodes[dependent].options)
        above = (need for each in asked for need in found.needs.get(each, ()))
        return [need for need in dict.fromkeys(above) if need not in found.nodes]

    def _sorted_out(
        self, ancestry: Ancestry, run: bytes | None
    ) -> tuple[dict[str, Entry], frozenset[str]]:
        """Return the entries of keys that are the same on every way, and the other keys."""
        base = self.base(run)
        entries = dict(base)
        contested: set[str] = set()
        for identifier, node in ancestry.nodes.items():
            saw = ancestry.saw.get(identifier, EMPTY)
            written = extended(EMPTY, text_of(identifier), added_by(node))
            for key, entry in chain(saw.items(), written.items()):
                known = entries.get(key)
                if known is None:
                    entries[key] = entry
                elif known.writers == entry.writers:
                    continue
                elif known is base.get(key):
                    entries[key] = _over(known, entry)
                else:
                    contested.add(key)
        for key in contested:
            del entries[key]
        return entries, frozenset(contested)

    def _met(
        self, needs: Sequence[bytes], ancestry: Ancestry, contested: frozenset[str]
    ) -> list[Context]:
        """Return of what each of *needs* passes on the keys that are contested."""
        if not contested:
            return []
        passed: dict[bytes, Context] = {}
        for identifier in _in_order(needs, ancestry):
            node = ancestry.nodes[identifier]
            seen = ancestry.saw.get(identifier)
            if seen is None:
                above = ancestry.needs.get(identifier, ())
                met = [passed[need] for need in above if need in passed]
                base = {k: e for k, e in self.base(node.run).items() if k in contested}
                seen = merge_agreed(met or [base], options_of(node.options)["merge"])
            else:
                seen = {key: entry for key, entry in seen.items() if key in contested}
            added = {k: v for k, v in added_by(node).items() if k in contested}
            passed[identifier] = extended(seen, text_of(identifier), added)
        return [passed[need] for need in needs if need in passed]


def _over(below: Entry, entry: Entry) -> Entry:
    """Return an entry as one whose writers saw what stands below."""
    return entry._replace(superseded=entry.superseded.union(below.writers, below.superseded))


def _size_of(context: Context) -> int:
    """Return how many keys and writers a context holds, about."""
    return sum(1 + len(entry.superseded) for entry in context.values())


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


def _in_order(ids: Sequence[bytes], ancestry: Ancestry) -> Iterator[bytes]:
    """Yield the tasks that there are so that each comes after all that it depends on."""
    done: set[bytes] = set()
    pending = [(identifier, False) for identifier in reversed(ids)]
    while pending:
        identifier, is_ready = pending.pop()
        if identifier in done or identifier not in ancestry.nodes:
            continue
        if is_ready:
            done.add(identifier)
            yield identifier
            continue
        pending.append((identifier, True))
        above = ancestry.needs.get(identifier, ())
        pending.extend((need, False) for need in above if need not in done)
