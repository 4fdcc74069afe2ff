"""What can be wrong with a chart although every part of it reads well."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from tipman.statecharts.chart import State, Transition, matches
from tipman.statecharts.document import Kind
from tipman.statecharts.errors import Fault, suggestion
from tipman.statecharts.expressions import Expression
from tipman.statecharts.placement import Placed
from tipman.statecharts.reachability import reachable


def hard_faults(placed: Sequence[Placed]) -> Iterator[Fault]:
    """Find what no interpreter could run."""
    numbers: dict[str, int] = {}
    for item in placed:
        first = numbers.setdefault(item.source.name, item.number)
        if first != item.number:
            earlier = placed[first].source.place or "the chart itself"
            yield Fault(
                item.source.place, f"the id {item.source.name!r} is taken already, by {earlier}"
            )
    for item in placed:
        yield from _shape_faults(item, placed)
        yield from _initial_faults(item, placed, numbers)
        for transition in item.source.transitions:
            yield from _target_faults(transition.place, transition.targets, placed, numbers)


def _shape_faults(item: Placed, placed: Sequence[Placed]) -> Iterator[Fault]:
    source = item.source
    if source.kind is Kind.COMPOUND or source.kind is Kind.PARALLEL:
        if all(placed[child].source.kind.is_history for child in item.children):
            yield Fault(source.place, "there is no state inside")
    elif item.children:
        yield Fault(source.place, f"{_noun(source.kind)} has no states inside")
    if source.kind is Kind.FINAL or source.kind.is_history:
        if source.transitions:
            yield Fault(source.place, f"{_noun(source.kind)} has no transitions")
        if source.invokes:
            yield Fault(source.place, f"{_noun(source.kind)} invokes nothing")
    if item.number == 0 and source.kind is not Kind.COMPOUND:
        yield Fault(source.place, "the chart itself must have states, one after the other")


def _noun(kind: Kind) -> str:
    if kind.is_history:
        return "a history"
    return "an atomic state" if kind is Kind.ATOMIC else f"a {kind.value} state"


def _initial_faults(
    item: Placed, placed: Sequence[Placed], numbers: Mapping[str, int]
) -> Iterator[Fault]:
    source = item.source
    if source.initial is None:
        return
    if source.kind is not Kind.COMPOUND and not source.kind.is_history:
        yield Fault(source.place, f"{_noun(source.kind)} has no initial state")
        return
    owner = placed[item.parent] if source.kind.is_history else item
    yield from _target_faults(source.place, source.initial, placed, numbers)
    for name in source.initial:
        number = numbers.get(name)
        if number is not None and number not in owner.below:
            within = [placed[below].source.name for below in owner.below]
            yield Fault(
                source.place,
                f"the initial state {name!r} does not lie inside{suggestion(name, within)}",
            )
    if not source.initial:
        yield Fault(source.place, "there is no initial state")


def _target_faults(
    place: str,
    targets: tuple[str, ...] | None,
    placed: Sequence[Placed],
    numbers: Mapping[str, int],
) -> Iterator[Fault]:
    for name in targets or ():
        if name not in numbers:
            yield Fault(place, f"no state is called {name!r}{suggestion(name, numbers)}")
    known = [placed[numbers[name]] for name in targets or () if name in numbers]
    for one, other in combinations(known, 2):
        if not _go_together(one, other, placed):
            yield Fault(
                place,
                f"{one.source.name!r} and {other.source.name!r} can not be active together",
            )


def _go_together(one: Placed, other: Placed, placed: Sequence[Placed]) -> bool:
    """Whether the innermost state around both is a parallel one, and neither is in the other."""
    if (
        one.number == other.number
        or one.number in other.ancestors
        or other.number in one.ancestors
    ):
        return False
    common = next(number for number in one.ancestors if number in other.ancestors)
    return placed[common].source.kind is Kind.PARALLEL


def soft_faults(nodes: Sequence[State]) -> Iterator[Fault]:
    """Find what runs, but can not be meant: states never entered, transitions never taken."""
    reached = reachable(nodes)
    for node in nodes:
        if not reached >> node.number & 1 and not node.kind.is_history:
            yield Fault(node.place, f"the state {node.name!r} can never be reached")
        yield from _idle_faults(node)
        for position, transition in enumerate(node.transitions):
            winner = _winner(node.transitions, position)
            if winner is not None:
                yield Fault(transition.place, f"never taken: {winner.place} always precedes it")


def _winner(transitions: Sequence[Transition], position: int) -> Transition | None:
    """Find the transition of the same state that is always taken instead of one."""
    later = transitions[position]
    for place, earlier in enumerate(transitions):
        if place == position:
            continue
        if earlier.events is None and later.events is not None:
            # Taken as soon as the state is entered, before any event is looked at.
            if earlier.targets is not None and _always_open(earlier):
                return earlier
        elif place < position and _precedes(earlier, later):
            return earlier
    return None


def _always_open(transition: Transition) -> bool:
    return transition.guard is None or _always_holds(transition.guard)


def _idle_faults(node: State) -> Iterator[Fault]:
    for transition in node.transitions:
        nowhere = transition.events is None and transition.targets is None
        if nowhere and _always_open(transition):
            yield Fault(
                transition.place,
                "never settles: it waits for no event, has no guard and goes nowhere",
            )


def _precedes(earlier: Transition, later: Transition) -> bool:
    """Whether whatever could trigger *later* triggers *earlier*, which stands before it."""
    if (earlier.events is None) != (later.events is None):
        return False
    if not _always_open(earlier):
        sources = [item.guard.source.strip() for item in (earlier, later) if item.guard]
        if len(sources) == 1 or sources[0] != sources[1]:
            return False
    mine, others = earlier.events or (), later.events or ()
    return all(any(_covers(wide, narrow) for wide in mine) for narrow in others)


def _always_holds(guard: Expression) -> bool:
    return not guard.reads and bool(guard({}))


def _covers(wide: str, narrow: str) -> bool:
    """Whether every event name the descriptor *narrow* covers is covered by *wide* as well."""
    if narrow == "*":
        return wide == "*"
    return matches(wide, narrow.removesuffix(".*")) and (
        not narrow.endswith(".*") or wide == "*" or wide.endswith(".*")
    )
