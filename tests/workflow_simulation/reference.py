"""The reference: what a run must do, worked out from the facts alone, as plainly as can be.

Nothing is kept and nothing is counted: every answer is worked out anew from the graph as it was
written and from how its tasks stand. A dependency that has not settled stands as None.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Outcome = str | None
Truth = bool | None
"""None: it depends on what has not settled."""
Rule = str | Mapping[str, Any]

FAILED = frozenset({"failed", "cancelled", "abandoned"})
SETTLED = FAILED | {"succeeded", "skipped"}
EARLY = frozenset({"any_succeeded", "any_failed", "any_settled"})
"""The rules that may let a task start before all that it waits for has settled."""
USUAL = "all_succeeded"


# Rules.


def every(truths: Iterable[Truth]) -> Truth:
    """Tell whether all hold, by Kleene's logic.

    >>> every([True, None]), every([None, False])
    (None, False)
    """
    found = [*truths]
    if False in found:
        return False
    return None if None in found else True


def some(truths: Iterable[Truth]) -> Truth:
    """Tell whether one holds, by Kleene's logic."""
    return opposite(every(opposite(truth) for truth in truths))


def opposite(truth: Truth) -> Truth:
    return None if truth is None else not truth


def ended(outcome: Outcome, *states: str) -> Truth:
    """Tell whether a dependency ended in one of these states."""
    return None if outcome is None else outcome in states


def succeeded(outcome: Outcome) -> Truth:
    return ended(outcome, "succeeded")


def failed(outcome: Outcome) -> Truth:
    return ended(outcome, *FAILED)


def skipped(outcome: Outcome) -> Truth:
    return ended(outcome, "skipped")


def settled(outcome: Outcome) -> Truth:
    return True if outcome in SETTLED else None


Outcomes = Mapping[str, Outcome]
WORDS: Mapping[str, Callable[[Sequence[Outcome]], Truth]] = {
    "all_succeeded": lambda of: every(map(succeeded, of)),
    "all_failed": lambda of: every(map(failed, of)),
    "all_settled": lambda of: every(map(settled, of)),
    "all_skipped": lambda of: every(map(skipped, of)),
    "any_succeeded": lambda of: some(map(succeeded, of)),
    "any_failed": lambda of: some(map(failed, of)),
    "any_settled": lambda of: some(map(settled, of)),
    "none_failed": lambda of: opposite(some(map(failed, of))),
    "none_failed_any_succeeded": lambda of: every(
        [opposite(some(map(failed, of))), some(map(succeeded, of))]
    ),
    "none_skipped": lambda of: opposite(some(map(skipped, of))),
    "always": lambda of: every(map(settled, of)),
}
_OUTCOMES = {"succeeded": succeeded, "failed": failed, "skipped": skipped}


def holds(rule: Rule, outcomes: Outcomes, context: Mapping[str, Any]) -> Truth:
    """Tell whether a rule holds; *context* counts once all dependencies have settled."""
    is_open = None in outcomes.values()
    if isinstance(rule, str):
        truth = WORDS[rule]([*outcomes.values()])
        return None if is_open and truth and rule not in EARLY else truth
    truth = _of_tree(rule, outcomes, None if is_open else context)
    return None if is_open and truth else truth


def _of_tree(
    tree: Mapping[str, Any], outcomes: Outcomes, context: Mapping[str, Any] | None
) -> Truth:
    ((word, value),) = tree.items()
    if word in {"all", "any", "none"}:
        truths = [_of_tree(branch, outcomes, context) for branch in value]
        return {"all": every, "any": some, "none": lambda of: opposite(some(of))}[word](truths)
    if word in _OUTCOMES:
        return _OUTCOMES[word](outcomes[value])
    return None if context is None else compares(value, context)


def reads_context(rule: Rule) -> bool:
    """Tell whether a rule looks at a value of the context."""
    return not isinstance(rule, str) and "'context':" in str(rule)


class _Missing:
    """What stands at a path that leads nowhere."""


def at_path(context: Mapping[str, Any], path: str) -> Any:
    """Return what stands at a path such as `results.test.exit_code`."""
    found: Any = context
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return _Missing
        found = found[part]
    return found


def compares(condition: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    """Tell whether a condition on a context value holds."""
    operator = condition["operator"]
    plain = operator.removeprefix("not_")
    found, value = at_path(context, condition["key"]), condition.get("value")
    truth = found is not _Missing and _RELATIONS[plain](found, value)
    return truth == (plain == operator)


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) for value in values)


_RELATIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "exists": lambda _found, _value: True,
    "equals": lambda found, value: found == value,
    "contains": lambda found, value: isinstance(found, list) and value in found,
    "greater_than": lambda found, value: _are_numbers(found, value) and found > value,
    "less_than": lambda found, value: _are_numbers(found, value) and found < value,
}


# Graphs.


class Need(NamedTuple):
    """One dependency; `is_data` is whether it carries more than order."""

    task: str
    is_data: bool


class Node(NamedTuple):
    """A task of a run, as much of it as decides about others."""

    name: str
    needs: tuple[Need, ...]
    when: Rule | None
    on_failure: str
    """What the run says of dependents that have no rule of their own."""

    @property
    def rule(self) -> Rule:
        """The rule that counts."""
        if self.when is not None:
            return self.when
        return "all_settled" if self.on_failure == "continue" else USUAL

    @property
    def is_early(self) -> bool:
        """Whether it may start before all that it waits for has settled."""
        return isinstance(self.rule, str) and self.rule in EARLY

    def blocks(self, outcomes: Iterable[Outcome]) -> bool:
        """Whether it waits for a person: something failed, and that could be tried again."""
        is_usual = self.when is None and self.on_failure == "block"
        return is_usual and not FAILED.isdisjoint(outcomes)


Graph = Mapping[str, Node]


def above(graph: Graph, name: str) -> frozenset[str]:
    """Return the names of all that a task waits for, near and far."""
    found: set[str] = set()
    left = [name]
    while left:
        for need in graph[left.pop()].needs:
            if need.task not in found:
                found.add(need.task)
                left.append(need.task)
    return frozenset(found)


# Context.


class Said(NamedTuple):
    """A value of a context, and what each of those gave who wrote it side by side."""

    value: Any
    parts: tuple[tuple[str, Any], ...]

    @property
    def writers(self) -> tuple[str, ...]:
        """Who wrote it, in the order in which they met."""
        return tuple(writer for writer, _ in self.parts)


def said(value: Any, writer: str) -> Said:
    """Return what one task wrote."""
    return Said(value, ((writer, value),))


Context = Mapping[str, Said]


class Conflict(NamedTuple):
    """Several wrote one key, and nothing says whose value counts."""

    key: str
    writers: tuple[str, ...]
    agreed: Context
    """All the others."""


Above = Callable[[str], frozenset[str]]
"""Whose values may have come to a task."""


def merged(
    parts: Sequence[Context], policies: Mapping[str, str], above: Above
) -> Context | Conflict:
    """Put together what dependencies pass on, in the order in which they are named."""
    found: dict[str, Said] = {}
    against: Conflict | None = None
    for key in {key: None for part in parts for key in part}:
        met = [part[key] for part in parts if key in part]
        policy = policies.get(key, policies.get("*", "error"))
        chosen = _chosen(met, policy, above)
        if chosen is not None:
            found[key] = chosen
        elif against is None:
            against = Conflict(key, _left(met, above).writers, found)
    return against or found


def _left(met: Sequence[Said], above: Above) -> Said:
    """Return what was written side by side; who was downstream of another has overtaken it."""
    wrote = {writer: value for one in met for writer, value in one.parts}
    overtaken = frozenset().union(*map(above, wrote), {""} if len(wrote) > 1 else ())
    return Said(None, tuple(part for part in wrote.items() if part[0] not in overtaken))


def _chosen(met: Sequence[Said], policy: str, above: Above) -> Said | None:
    left = _left(met, above)
    for one in met:
        if one.writers == left.writers:
            return one
    if policy == "error":
        return None
    return left._replace(value=_PUT_TOGETHER[policy]([value for _, value in left.parts]))


def _concatenated(values: Sequence[Any]) -> Any:
    if all(isinstance(value, str) for value in values):
        return "".join(values)
    return [item for value in values for item in (value if isinstance(value, list) else [value])]


def _deepened(values: Sequence[Any]) -> Any:
    found = values[0]
    for value in values[1:]:
        found = _over(found, value)
    return found


def _over(below: Any, on_top: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(on_top, dict)):
        return on_top
    both = {key: _over(below[key], on_top[key]) for key in below if key in on_top}
    return {**below, **on_top, **both}


_PUT_TOGETHER: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "concat": _concatenated,
    "deep": _deepened,
}


# Runs.


def outcome_of(states: Iterable[str], *, was_cancelled: bool) -> str:
    """Return how a run ends whose tasks ended so."""
    found = {*states}
    if found & {"failed", "abandoned"}:
        return "failed"
    return "cancelled" if was_cancelled else "succeeded"
