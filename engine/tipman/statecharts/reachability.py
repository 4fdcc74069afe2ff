"""Which states of a chart can ever be entered, guards and data left aside."""

from collections.abc import Iterator, Sequence

from tipman.statecharts.chart import State
from tipman.statecharts.document import Kind

# A state, and whether it is entered for its own sake: then its initial states are entered too.
Entry = tuple[int, bool]


def reachable(nodes: Sequence[State]) -> int:
    """Mask of all states some sequence of events could enter.

    A state entered brings its ancestors, without their initial states, and the other regions of
    parallel ones; every transition of a state reached may be taken.
    """
    reached = 0
    seen: set[Entry] = set()
    pending: list[Entry] = [(0, True)]
    while pending:
        entry = pending.pop()
        if entry in seen:
            continue
        seen.add(entry)
        number, whole = entry
        reached |= 1 << number
        state = nodes[number]
        for transition in state.transitions:
            for target in transition.targets or ():
                pending.extend(_entered(nodes, target, max(transition.domain, 0)))
        if whole:
            below = state.children if state.kind is Kind.PARALLEL else state.initial
            for target in below:
                pending.extend(_entered(nodes, target, number))
    return reached


def _entered(nodes: Sequence[State], target: int, top: int) -> Iterator[Entry]:
    """What entering *target* brings, below the state *top* that is active already."""
    yield target, True
    for ancestor in nodes[target].ancestors:
        if ancestor == top and nodes[top].kind is not Kind.PARALLEL:
            return
        yield ancestor, False
        if nodes[ancestor].kind is Kind.PARALLEL:
            for region in nodes[ancestor].children:
                if not (nodes[region].descendants | 1 << region) >> target & 1:
                    yield region, True
        if ancestor == top:
            return
