"""Views: what a task sees, worked out by a walk to those above it, as far as nothing is known."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, NamedTuple

from tipman.context import EMPTY, Context, Entry, Resolution, extended, merge, merge_agreed
from tipman.database import Database
from tipman.definitions.stored import options_of
from tipman.ids import text_of
from tipman.lineage.kept import saw_of
from tipman.lineage.sources import Node, Source, added_by, data_of
from tipman.runs.writers import Writers

LEVELS_MAX = 32
"""How far a walk goes step by step; what lies beyond is fetched in one go."""
KNOWN_MAX = 1_000_000
"""Keys and writers that remembered contexts may have in all."""
BASES_MAX = 1_000
"""Inputs of runs that are remembered."""


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
