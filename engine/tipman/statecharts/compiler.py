"""From a document to a chart: numbers, masks, and the faults found on the way."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count

from tipman.statecharts.chart import MEMO_MAX, Chart, Memo, State, Transition
from tipman.statecharts.document import Document, TransitionSource, content_hash
from tipman.statecharts.errors import ChartError, Fault
from tipman.statecharts.placement import Placed, initial_names, place_states
from tipman.statecharts.selection import find_domain
from tipman.statecharts.validation import hard_faults, soft_faults


def build(document: Document, *, lenient: bool = False, memo_max: int = MEMO_MAX) -> Chart:
    """Compile *document*.

    Some faults make a chart that can not run (unknown target, duplicate id, bad initial); others
    one that can not be meant (unreachable state, a transition never taken): *lenient* makes
    warnings of these.

    Raises:
        ChartError: with all faults and their places.
    """
    placed = place_states(document.root)
    _check(document, hard_faults(placed))
    numbers = {item.source.name: item.number for item in placed}
    nodes = _with_transitions(placed, _states(placed, numbers), numbers)
    found = tuple(soft_faults(nodes))
    if not lenient:
        _check(document, found)
    histories = tuple(node.number for node in nodes if node.kind.is_history)
    return Chart(
        name=document.name,
        hash=content_hash(document),
        states=tuple(node.name for node in nodes[1:] if not node.kind.is_history),
        warnings=document.warnings + found,
        document=document,
        nodes=nodes,
        numbers=numbers,
        histories=histories,
        eventless=sum(
            1 << node.number
            for node in nodes
            if any(transition.events is None for transition in node.transitions)
        ),
        data_names=frozenset(name for node in nodes for name, _ in node.data),
        memo=Memo(memo_max),
    )


def _check(document: Document, faults: Iterable[Fault]) -> None:
    found = tuple(faults)
    if found:
        raise ChartError(_summary(document.name, found), found)


def _summary(name: str, faults: tuple[Fault, ...]) -> str:
    first = f"chart {name!r}: {faults[0].pointer or 'the chart'}: {faults[0].detail}"
    return first if len(faults) == 1 else f"{first} (and {len(faults) - 1} more)"


def _states(placed: Sequence[Placed], numbers: Mapping[str, int]) -> tuple[State, ...]:
    slots = {
        item.number: slot
        for slot, item in enumerate(item for item in placed if item.source.kind.is_history)
    }
    return tuple(
        State(
            number=item.number,
            name=item.source.name,
            kind=item.source.kind,
            parent=item.parent,
            children=tuple(item.children),
            ancestors=item.ancestors,
            descendants=sum(1 << number for number in item.below),
            initial=tuple(numbers[name] for name in initial_names(placed, item)),
            initial_actions=item.source.initial_actions,
            entry=item.source.entry,
            exit=item.source.exit,
            transitions=(),
            invokes=item.source.invokes,
            data=item.source.data,
            output=item.source.output,
            histories=tuple(n for n in item.children if placed[n].source.kind.is_history),
            slot=slots.get(item.number, -1),
            place=item.source.place,
        )
        for item in placed
    )


def _with_transitions(
    placed: Sequence[Placed], nodes: tuple[State, ...], numbers: Mapping[str, int]
) -> tuple[State, ...]:
    counter = count()
    return tuple(
        replace(
            node,
            transitions=tuple(
                _transition(next(counter), node.number, source, nodes, numbers)
                for source in placed[node.number].source.transitions
            ),
        )
        for node in nodes
    )


def _transition(
    number: int,
    owner: int,
    source: TransitionSource,
    nodes: tuple[State, ...],
    numbers: Mapping[str, int],
) -> Transition:
    targets = None if source.targets is None else tuple(numbers[n] for n in source.targets)
    through_history = any(nodes[target].kind.is_history for target in targets or ())
    domain = -1
    if targets and not through_history:
        domain = find_domain(nodes, owner, targets, source.reach)
    return Transition(
        number=number,
        source=owner,
        events=source.events,
        targets=targets,
        guard=source.guard,
        actions=source.actions,
        reach=source.reach,
        place=source.place,
        domain=domain,
        exits=nodes[domain].descendants if domain >= 0 else 0,
        through_history=through_history,
    )
