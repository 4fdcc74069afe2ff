"""The states of a document in document order, each with its place in the tree."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tipman.statecharts.document import Kind, StateSource
from tipman.statecharts.errors import ChartError, Fault

STATES_MAX = 2_000
TRANSITIONS_MAX = 10_000
TRANSITIONS_OF_ONE_MAX = 500
WORDS_MAX = 100  # targets or event descriptors of one transition
DEPTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Placed:
    """A state with its number; `ancestors` go from the parent up, `below` is all under it."""

    source: StateSource
    number: int
    parent: int
    ancestors: tuple[int, ...]
    children: list[int] = field(default_factory=list)
    below: list[int] = field(default_factory=list)


def place_states(root: StateSource) -> list[Placed]:
    """Number the tree in document order.

    Raises:
        ChartError: too many states or transitions, or too deep a tree.
    """
    placed: list[Placed] = []
    pending: list[tuple[StateSource, tuple[int, ...]]] = [(root, ())]
    while pending:
        source, ancestors = pending.pop()
        if len(ancestors) > DEPTH_MAX:
            raise _too_much(source, f"more than {DEPTH_MAX} states inside one another")
        number = len(placed)
        if number > STATES_MAX:
            raise _too_much(source, f"more than {STATES_MAX} states")
        placed.append(Placed(source, number, ancestors[0] if ancestors else -1, ancestors))
        for ancestor in ancestors:
            placed[ancestor].below.append(number)
        if ancestors:
            placed[ancestors[0]].children.append(number)
        pending.extend((child, (number, *ancestors)) for child in reversed(source.children))
    _check_transitions(placed)
    return placed


def _check_transitions(placed: Sequence[Placed]) -> None:
    # Validation compares each with each, so these bounds are what keeps it quick.
    if sum(len(item.source.transitions) for item in placed) > TRANSITIONS_MAX:
        raise _too_much(placed[0].source, f"more than {TRANSITIONS_MAX} transitions")
    for item in placed:
        source = item.source
        if len(source.transitions) > TRANSITIONS_OF_ONE_MAX:
            raise _too_much(source, f"more than {TRANSITIONS_OF_ONE_MAX} transitions")
        words = [source.initial, *(transition.targets for transition in source.transitions)]
        words += [transition.events for transition in source.transitions]
        if any(len(found) > WORDS_MAX for found in words if found is not None):
            raise _too_much(source, f"more than {WORDS_MAX} targets or events in one place")


def _too_much(source: StateSource, detail: str) -> ChartError:
    return ChartError(f"{source.place or 'the chart'}: {detail}", (Fault(source.place, detail),))


def initial_names(placed: Sequence[Placed], item: Placed) -> tuple[str, ...]:
    """Name what entering a compound state, or a history without memory, leads to.

    A compound state without `initial` starts in its first child (SCXML 3.3), a history without
    a default where its parent would start.
    """
    source = item.source
    if source.initial is not None:
        return source.initial
    real = [placed[n].source.name for n in item.children if not placed[n].source.kind.is_history]
    if source.kind is Kind.COMPOUND:
        return tuple(real[:1])
    if not source.kind.is_history:
        return ()
    parent = placed[item.parent]
    if parent.source.kind is not Kind.PARALLEL:
        return initial_names(placed, parent)
    siblings = [placed[number].source for number in parent.children]
    return tuple(sibling.name for sibling in siblings if not sibling.kind.is_history)
