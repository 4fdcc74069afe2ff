"""Whether a trigger rule can ever hold, whatever its dependencies do and the context says.

A search over the ways in which the parts of a tree may hold, bounded: what is not shown within
the bound counts as possible, so that no sound rule is ever refused.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from tipman.triggers.rules import (
    OUTCOMES,
    WORDS,
    Branch,
    Compared,
    Demand,
    Ended,
    Node,
    Rule,
    same,
)

STEPS_MAX = 10_000
"""Parts looked at before the search gives up."""

Ends: TypeAlias = Mapping[str, frozenset[str]]
"""The outcomes that dependencies may have, by name; those that are not named may have any."""
ANY_END = frozenset(OUTCOMES)
_ANYHOW: Ends = {}
_Wanted: TypeAlias = tuple[Node, bool]


class _World(NamedTuple):
    """What must be so: outcomes left to each task, and comparisons that must hold or must not."""

    tasks: Mapping[str, frozenset[str]]
    compared: tuple[tuple[Compared, bool], ...]


class _SpentError(Exception):
    """The search has taken too long to be worth it."""


def can_hold(rule: Rule, dependencies: Collection[str], ends: Ends = _ANYHOW) -> bool:
    """Tell whether the rule may hold for a task with these dependencies, which may end so.

    A leaf over a task that is none of them never holds.
    """
    if rule.root is None:
        return _word_can_hold(WORDS[rule.word], dependencies, ends)
    search = _Search(frozenset(dependencies), ends)
    try:
        return any(True for _ in search.worlds([(rule.root, True)], _World({}, ())))
    except _SpentError:
        return True


def _word_can_hold(demand: Demand, dependencies: Collection[str], ends: Ends) -> bool:
    is_met = not demand.required
    for name in dependencies:
        allowed = [
            OUTCOMES[end]
            for end in ends.get(name, ANY_END)
            if not OUTCOMES[end] <= demand.forbidden
        ]
        if not allowed:
            return False
        is_met = is_met or any(states & demand.required for states in allowed)
    return is_met


class _Search:
    def __init__(self, dependencies: frozenset[str], ends: Ends) -> None:
        self._dependencies = dependencies
        self._ends = ends
        self._left = STEPS_MAX

    def worlds(self, wanted: list[_Wanted], world: _World) -> Iterator[_World]:
        """Yield worlds in which all that is wanted is so."""
        self._left -= 1
        if self._left < 0:
            raise _SpentError
        if not wanted:
            yield world
            return
        (node, holds), rest = wanted[-1], wanted[:-1]
        if isinstance(node, Branch):
            yield from self._branch(node, rest, world, holds=holds)
            return
        narrowed = (
            self._ended(node, world, holds=holds)
            if isinstance(node, Ended)
            else _compared(node, world, holds=holds)
        )
        if narrowed is not None:
            yield from self.worlds(rest, narrowed)

    def _branch(
        self, node: Branch, rest: list[_Wanted], world: _World, *, holds: bool
    ) -> Iterator[_World]:
        each = holds if node.word != "none" else not holds
        are_alike = holds if node.word != "any" else not holds
        if are_alike:
            parts = [(part, each) for part in reversed(node.parts)]
            yield from self.worlds([*rest, *parts], world)
            return
        for part in node.parts:
            yield from self.worlds([*rest, (part, each)], world)

    def _ended(self, node: Ended, world: _World, *, holds: bool) -> _World | None:
        if node.task not in self._dependencies:
            return None if holds else world
        possible = world.tasks.get(node.task) or self._ends.get(node.task, ANY_END)
        meant = frozenset({node.outcome})
        possible = possible & meant if holds else possible - meant
        if not possible:
            return None
        return world._replace(tasks={**world.tasks, node.task: possible})


def _compared(node: Compared, world: _World, *, holds: bool) -> _World | None:
    plain = Compared(node.key, node.operator.removeprefix("not_"), node.value)
    fact = (plain, holds == (plain.operator == node.operator))
    facts = (*(f for f in world.compared if f[0].key == node.key), fact)
    if _contradict(facts):
        return None
    return world._replace(compared=(*world.compared, fact))


def _contradict(facts: tuple[tuple[Compared, bool], ...]) -> bool:
    """Tell whether comparisons of one key can be shown not to be true together."""
    values = [fact.value for fact, holds in facts if holds and fact.operator == "equals"]
    if values:
        # Whatever is said of the key is said of this value.
        return any(fact.holds(values[0]) != holds for fact, holds in facts)
    true = [fact for fact, holds in facts if holds]
    false = [fact for fact, holds in facts if not holds]
    if true and any(fact.operator == "exists" for fact in false):
        return True
    if any(_alike(one, other) for one in true for other in false):
        return True
    above = [fact for fact in true if fact.operator == "greater_than"]
    below = [fact for fact in true if fact.operator == "less_than"]
    # Nothing lies strictly between a value and one that is not greater, nor between two kinds.
    return any(
        not Compared("", "greater_than", a.value).holds(b.value) for a in above for b in below
    )


def _alike(one: Compared, other: Compared) -> bool:
    return one.operator == other.operator and same(one.value, other.value)
