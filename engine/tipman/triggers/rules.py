"""Rules and what they decide: outcomes and values come in, a decision and its reason go out."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

from tipman.jsontext import Json, dumps

Outcomes: TypeAlias = Mapping[str, str | None]
"""The states of the dependencies, by name; None for one that has not settled."""

FAILED = frozenset({"failed", "cancelled", "abandoned"})
"""What counts as failed."""
_SUCCEEDED, _SKIPPED = frozenset({"succeeded"}), frozenset({"skipped"})
_ANYHOW = _SUCCEEDED | FAILED | _SKIPPED
OUTCOMES: Mapping[str, frozenset[str]] = {
    "succeeded": _SUCCEEDED,
    "failed": FAILED,
    "skipped": _SKIPPED,
}
"""The states that a leaf's word stands for."""


class Demand(NamedTuple):
    """What a word asks: no dependency in one of these states, and one at least in one of those."""

    forbidden: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()


WORDS: Mapping[str, Demand] = {
    "all_succeeded": Demand(forbidden=FAILED | _SKIPPED),
    "all_failed": Demand(forbidden=_SUCCEEDED | _SKIPPED),
    "all_settled": Demand(),
    "all_skipped": Demand(forbidden=_SUCCEEDED | FAILED),
    "any_succeeded": Demand(required=_SUCCEEDED),
    "any_failed": Demand(required=FAILED),
    "any_settled": Demand(required=_ANYHOW),
    "none_failed": Demand(forbidden=FAILED),
    "none_failed_any_succeeded": Demand(forbidden=FAILED, required=_SUCCEEDED),
    "none_skipped": Demand(forbidden=_SKIPPED),
    "always": Demand(),
}
EARLY = frozenset({"any_succeeded", "any_failed", "any_settled"})
"""The words that are answered before every dependency has settled."""

_NAMED_MAX = 5
_SEEN_MAX = 20
_SHOWN_MAX = 80
_KEPT_MAX = 1_000


class _Missing:
    def __repr__(self) -> str:
        return "missing"


MISSING = _Missing()
"""What a key that is not there has instead of a value."""


class Ended(NamedTuple):
    """A leaf: a dependency ended so."""

    task: str
    outcome: str


class Compared(NamedTuple):
    """A leaf: the value of a key of the context stands in this relation to another value."""

    key: str
    operator: str
    value: Json = None

    def holds(self, found: Any) -> bool:
        """Tell whether it holds for what was found; different kinds are never alike nor ordered.

        `not_equals`, `not_contains` and `not_exists` hold exactly where the word without `not_`
        does not, also where the key is missing.

        >>> Compared("n", "less_than", 90).holds(85.5), Compared("n", "less_than", 90).holds("9")
        (True, False)
        """
        operator = self.operator.removeprefix("not_")
        holds = found is not MISSING and _RELATIONS[operator](found, self.value)
        return holds == (operator == self.operator)

    def __str__(self) -> str:
        shown = "" if self.operator.endswith("exists") else f" {_shown(self.value)}"
        return f"`{self.operator}{shown}`"


class Branch(NamedTuple):
    """All, any or none of the parts hold."""

    word: str
    parts: tuple["Node", ...]


Node: TypeAlias = Ended | Compared | Branch


class Decision(NamedTuple):
    """What a rule says: `holds` is None while it can not be told.

    `why` is for people. `seen` keeps what was looked at: `outcomes` counts the dependencies by
    state, `tasks` has the states of some that mattered, `context` the values by their keys.
    """

    holds: bool | None
    why: str
    seen: dict[str, Any]


class Rule:
    """A rule that was read; `source` is how it was written."""

    __slots__ = ("is_early", "names", "reads_context", "root", "source", "word")

    def __init__(self, source: str | Mapping[str, Any], root: Node | None) -> None:
        self.source = source
        self.root = root
        """The tree, None for a word."""
        self.word = source if isinstance(source, str) else ""
        nodes = [] if root is None else [*nodes_of(root)]
        self.names = frozenset(node.task for node in nodes if isinstance(node, Ended))
        """The tasks that leaves name; a word names none, it looks at all."""
        self.reads_context = any(isinstance(node, Compared) for node in nodes)
        self.is_early = self.word in EARLY

    def __repr__(self) -> str:
        return f"Rule({self.source!r})"

    def __str__(self) -> str:
        return self.word or _shown(self.source)

    def decide(self, outcomes: Outcomes, context: Callable[[], Mapping[str, Any]]) -> Decision:
        """Decide from what the dependencies ended as; *context* is called only if it is read.

        All but the early words wait until every dependency has settled.
        """
        if self.root is None:
            return _by_word(self.word, outcomes)
        waiting = [name for name, state in outcomes.items() if state is None]
        if waiting:
            return Decision(None, f"waits for {_named(waiting)}", _seen(outcomes, waiting))
        values = context() if self.reads_context else {}
        compared = [node for node in nodes_of(self.root) if isinstance(node, Compared)]
        found = {node.key: _kept(look_up(values, node.key)) for node in compared}
        holds = _holds(self.root, outcomes, values)
        seen = _seen(outcomes, sorted(self.names))
        if found:
            seen["context"] = {key: v for key, v in found.items() if v is not MISSING}
        return Decision(holds, _why(self.root, outcomes, values), seen)

    def is_answered_by(self, state: str) -> bool:
        """Tell whether one dependency that ended in this state is enough for it to hold."""
        return self.is_early and state in WORDS[self.word].required


def nodes_of(root: Node) -> Iterator[Node]:
    """Yield the nodes of a tree, the root first."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, Branch):
            pending.extend(reversed(node.parts))


def look_up(values: Any, path: str) -> Any:
    """Return the value at a path of keys and indices, `MISSING` if there is none.

    A key that itself contains dots is found first as it is.

    >>> look_up({"results": {"test": {"exit_code": 2}}, "a.b": [7]}, "a.b.0")
    7
    """
    if isinstance(values, Mapping) and path in values:
        return values[path]
    at = len(path)
    while (at := path.rfind(".", 0, at)) >= 0:
        inner = _part(values, path[:at])
        if inner is not MISSING:
            found = look_up(inner, path[at + 1 :])
            if found is not MISSING:
                return found
    return _part(values, path)


def _part(values: Any, key: str) -> Any:
    if isinstance(values, Mapping):
        return values.get(key, MISSING)
    if isinstance(values, list) and key.isascii() and key.isdigit() and int(key) < len(values):
        return values[int(key)]
    return MISSING


def same(one: Json, other: Json) -> bool:
    """Tell whether two JSON values are equal: 1 equals 1.0, and true does not.

    >>> same({"n": 1}, {"n": 1.0}), same(1, True)
    (True, False)
    """
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def _are_ordered(one: Json, other: Json) -> bool:
    """Tell whether one of the two can be greater: both are numbers, or both are texts."""
    if isinstance(one, bool) or isinstance(other, bool):
        return False
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return numbers or (isinstance(one, str) and isinstance(other, str))


def _greater(one: Any, other: Any) -> bool:
    return _are_ordered(one, other) and bool(one > other)


def _contains(whole: Json, part: Json) -> bool:
    if isinstance(whole, list):
        return any(same(item, part) for item in whole)
    return isinstance(whole, str | dict) and isinstance(part, str) and part in whole


_RELATIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": same,
    "greater_than": _greater,
    "less_than": lambda one, other: _greater(other, one),
    "contains": _contains,
    "exists": lambda _found, _value: True,
}
OPERATORS = (
    "equals", "not_equals", "greater_than", "less_than", "contains", "not_contains", "exists",
    "not_exists",
)  # fmt: skip


def _by_word(word: str, outcomes: Outcomes) -> Decision:
    forbidden, required = WORDS[word]
    waiting = [name for name, state in outcomes.items() if state is None]
    reasons = [name for name, state in outcomes.items() if state in required]
    if waiting and not (word in EARLY and reasons):
        return Decision(None, f"{word} waits for {_named(waiting)}", _seen(outcomes, waiting))
    against = [name for name, state in outcomes.items() if state in forbidden]
    if against:
        why = f"{word}: {_ended(against, outcomes)}"
        return Decision(False, why, _seen(outcomes, against))
    if required and not reasons:
        sought = "settled" if required == _ANYHOW else next(iter(_words_for(required)))
        return Decision(False, f"{word}: no dependency {sought}", _seen(outcomes, outcomes))
    why = f"{word}: {_ended(reasons, outcomes)}" if reasons else f"{word} holds"
    return Decision(True, why, _seen(outcomes, reasons))


def _words_for(states: frozenset[str]) -> Iterator[str]:
    return (word for word, meant in OUTCOMES.items() if meant == states)


def _holds(node: Node, outcomes: Outcomes, values: Mapping[str, Any]) -> bool:
    if isinstance(node, Ended):
        return outcomes.get(node.task) in OUTCOMES[node.outcome]
    if isinstance(node, Compared):
        return node.holds(look_up(values, node.key))
    held = (_holds(part, outcomes, values) for part in node.parts)
    return all(held) if node.word == "all" else any(held) == (node.word == "any")


def _why(node: Node, outcomes: Outcomes, values: Mapping[str, Any]) -> str:
    """Say what made a node hold or not: of its parts only those that did."""
    if isinstance(node, Ended):
        return _ended([node.task], outcomes)
    if isinstance(node, Compared):
        found = look_up(values, node.key)
        found_words = "missing" if found is MISSING else _shown(found)
        return f"`{node.key}` is {found_words}{'' if node.holds(found) else f', against {node}'}"
    held = [_holds(part, outcomes, values) for part in node.parts]
    # What decides are the parts that differ from the rest, if there are any: one that fails an
    # `all`, one that holds in an `any` or `none`; else all of them.
    odd = node.word != "all"
    decisive = [part for part, holds in zip(node.parts, held, strict=True) if holds == odd]
    parts = decisive or [*node.parts]
    said = [_why(part, outcomes, values) for part in parts[:_NAMED_MAX]]
    left = len(parts) - len(said)
    return "; ".join([*said, *([f"and {left} more"] if left else [])])


def _ended(names: list[str], outcomes: Outcomes) -> str:
    said = [_state_words(name, outcomes.get(name)) for name in names[:_NAMED_MAX]]
    left = len(names) - len(said)
    return ", ".join([*said, *([f"and {left} more"] if left else [])])


def _state_words(name: str, state: str | None) -> str:
    was = "was " if state in {"skipped", "cancelled", "abandoned"} else ""
    return f"`{name}` {was}{state or 'is open'}"


def _named(names: list[str]) -> str:
    left = len(names) - _NAMED_MAX
    shown = ", ".join(f"`{name}`" for name in names[:_NAMED_MAX])
    return shown if left <= 0 else f"{shown} and {left} more"


def _seen(outcomes: Outcomes, names: Iterable[str]) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for state in outcomes.values():
        counts[state or "open"] = counts.get(state or "open", 0) + 1
    tasks = {name: outcomes.get(name) for name in islice(names, _SEEN_MAX)}
    return {"outcomes": counts, "tasks": tasks}


def _kept(value: Any) -> Any:
    """Return a value as it is kept for who asks why: a large one as the beginning of its text."""
    if value is MISSING:
        return value
    text = dumps(value)
    return value if len(text) <= _KEPT_MAX else text[:_KEPT_MAX] + "…"


def _shown(value: Any) -> str:
    text = dumps(value)
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…"
