"""Context: what tasks add for those after them, merged in the order of `dependencies`.

An entry knows who wrote its value and whose values the writers had seen, so that a writer
downstream of another wins without a look at the graph, and so that the merge is the same in
whatever order tasks ended. Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

from tipman.errors import MergeConflictError
from tipman.jsontext import Json

POLICIES = ("error", "first", "last", "concat", "deep")
ANY_KEY = "*"

Policy: TypeAlias = str | Mapping[str, str]
"""One of `POLICIES` for every key, or by key; `*` stands for the keys that are not named."""


class Part(NamedTuple):
    """A value that one writer gave a key."""

    writer: str
    value: Json


class Entry(NamedTuple):
    """What stands under a key: its value, made of the parts of all that wrote side by side.

    `superseded` are the writers whose values these writers had seen.
    """

    value: Json
    parts: tuple[Part, ...]
    superseded: frozenset[str]

    @property
    def writers(self) -> tuple[str, ...]:
        """Who wrote it, in the order of the dependencies through which they met."""
        return tuple(part.writer for part in self.parts)


Context: TypeAlias = Mapping[str, Entry]
EMPTY: Context = {}


class Resolution(NamedTuple):
    """A conflict that a policy decided: these writers, in the order in which they were met."""

    key: str
    policy: str
    writers: tuple[str, ...]


class Merged(NamedTuple):
    """What several contexts make together, and which conflicts were decided newly."""

    context: Context
    resolved: tuple[Resolution, ...] = ()


def extended(context: Context, writer: str, added: Mapping[str, Json]) -> Context:
    """Return what a writer passes on that has seen *context* and adds these values.

    >>> seen = extended(EMPTY, "a", {"n": 1})
    >>> extended(seen, "b", {"n": 2})["n"].superseded
    frozenset({'a'})
    """
    if not added:
        return context
    entries = dict(context)
    for key, value in added.items():
        before = context.get(key)
        seen = frozenset[str]() if before is None else before.superseded.union(before.writers)
        entries[key] = Entry(value, (Part(writer, value),), seen)
    return entries


def merge(contexts: Sequence[Context], policy: Policy = "error") -> Merged:
    """Merge contexts, which stand in the order of `dependencies`.

    Raises:
        MergeConflictError: two writers gave a key values side by side and its policy is `error`.
    """
    different = _different(contexts)
    if len(different) == 1:
        return Merged(different[0])
    merged, met = _laid_together(different)
    resolved: list[Resolution] = []
    for key, entries in met.items():
        merged[key] = _decided(key, entries, policy_for(key, policy), resolved)
    return Merged(merged, tuple(resolved))


def merge_agreed(contexts: Sequence[Context], policy: Policy = "error") -> Context:
    """Merge contexts as `merge` does, but leave out the keys that it would refuse.

    That is what a task passes on which never came to do anything, because of such a conflict.
    """
    merged, met = _laid_together(_different(contexts))
    for key, entries in met.items():
        try:
            merged[key] = _decided(key, entries, policy_for(key, policy), [])
        except MergeConflictError:
            del merged[key]
    return merged


def _different(contexts: Sequence[Context]) -> list[Context]:
    return [*{id(context): context for context in contexts if context}.values()]


def _laid_together(contexts: Sequence[Context]) -> tuple[dict[str, Entry], dict[str, list[Entry]]]:
    """Return the first entry of every key, and all of those that differ, in their order."""
    first = dict(contexts[0]) if contexts else {}
    met: dict[str, list[Entry]] = {}
    for key, entry in chain.from_iterable(context.items() for context in contexts[1:]):
        known = first.setdefault(key, entry)
        if known is not entry:
            met.setdefault(key, [known]).append(entry)
    return first, met


def policy_for(key: str, policy: Policy) -> str:
    """Return how conflicts of a key are decided.

    >>> policy_for("notes", {"notes": "concat", "*": "last"}), policy_for("n", {"notes": "concat"})
    ('concat', 'error')
    """
    return policy if isinstance(policy, str) else policy.get(key, policy.get(ANY_KEY, "error"))


def values_of(context: Context) -> dict[str, Json]:
    """Return the plain values."""
    return {key: entry.value for key, entry in context.items()}


def _decided(key: str, entries: Sequence[Entry], policy: str, resolved: list[Resolution]) -> Entry:
    superseded = frozenset[str]().union(*(entry.superseded for entry in entries))
    # Who wrote is met on every way on which the value came, and with the same value each time.
    parts = {part.writer: part for entry in entries for part in entry.parts}
    left = tuple(part for writer, part in parts.items() if writer not in superseded)
    writers = tuple(part.writer for part in left)
    known = next((entry for entry in entries if entry.writers == writers), None)
    if known is not None:
        return known._replace(superseded=superseded)
    if policy == "error":
        raise MergeConflictError(key, *writers[:2])
    resolved.append(Resolution(key, policy, writers))
    return Entry(_DECIDE[policy]([part.value for part in left]), left, superseded)


def _concatenated(values: Sequence[Any]) -> Json:
    """Join texts to a text, lists to a list; what is no list counts as a list of one."""
    if all(isinstance(value, str) for value in values):
        return "".join(values)
    return [*chain.from_iterable(v if isinstance(v, list) else [v] for v in values)]


def _deep(values: Sequence[Any]) -> Json:
    """Merge objects key by key; where two values are not both objects the later counts."""
    merged: Json = values[0]
    for value in values[1:]:
        merged = _overlaid(merged, value)
    return merged


def _overlaid(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    shared = {key: _overlaid(below[key], above[key]) for key in below.keys() & above.keys()}
    return {**below, **above, **shared}


_DECIDE: Mapping[str, Callable[[Sequence[Any]], Json]] = {
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "concat": _concatenated,
    "deep": _deep,
}
