"""Which transitions an event takes (SCXML Appendix D: selectTransitions, removeConflicting)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from tipman.statecharts.chart import Chart, State, Transition, bits
from tipman.statecharts.closures import Evaluate
from tipman.statecharts.document import Kind, Reach
from tipman.statecharts.expressions import FAILURES
from tipman.statecharts.scope import Scope

History = tuple[int, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The transitions taken, and the guards that failed while they were looked for."""

    transitions: tuple[Transition, ...]
    failures: tuple[tuple[Transition, Exception], ...] = ()


NONE_SELECTED = Selection(())


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The transitions an event could take in one configuration.

    `ranks` has one row for each active leaf that has any: its own transitions first, then those
    of its ancestors. `static` if no guard reads anything but the configuration. `single` says
    for each transition of a lone row what its guard is and what is selected if it holds.
    """

    ranks: tuple[tuple[Transition, ...], ...]
    static: bool
    single: tuple[tuple[Evaluate | None, Selection], ...] | None


def candidates(chart: Chart, configuration: int, event: str | None) -> Candidates:
    """List what *event* (None: no event) could take."""
    key = (configuration, event)
    known = chart.memo.candidates.get(key)
    if known is not None:
        return cast(Candidates, known)
    ranks = []
    for number in bits(configuration):
        state = chart.nodes[number]
        if not state.is_leaf:
            continue
        rank = tuple(
            transition
            for owner in (number, *state.ancestors)
            for transition in chart.nodes[owner].transitions
            if transition.answers(event)
        )
        if rank:
            ranks.append(rank)
    static = all(
        transition.guard is None or transition.guard.static
        for rank in ranks
        for transition in rank
    )
    single = _alone(ranks[0]) if len(ranks) == 1 else None
    found = Candidates(tuple(ranks), static, single)
    if ranks or event is None:  # else names that mean nothing would crowd out those that do
        chart.memo.keep(chart.memo.candidates, key, found)
    return found


def _alone(rank: tuple[Transition, ...]) -> tuple[tuple[Evaluate | None, Selection], ...]:
    return tuple(
        (None if item.guard is None else item.guard.compute, Selection((item,))) for item in rank
    )


def select(chart: Chart, scope: Scope, found: Candidates, history: History) -> Selection:
    """Choose for each active leaf the first transition whose guard holds."""
    if found.single is not None:
        try:
            for compute, selection in found.single:
                if compute is None or compute(scope):
                    return selection
        except FAILURES:  # looked at again below, where it is noted which guard it was
            pass
        else:
            return NONE_SELECTED
    return _select_row_by_row(chart, scope, found, history)


def _select_row_by_row(
    chart: Chart, scope: Scope, found: Candidates, history: History
) -> Selection:
    holds: dict[Transition, bool] = {}
    failures: list[tuple[Transition, Exception]] = []
    for rank in found.ranks:
        for transition in rank:
            if transition not in holds:
                try:
                    holds[transition] = _is_open(transition, scope)
                except FAILURES as error:
                    failures.append((transition, error))
                    holds[transition] = False
            if holds[transition]:
                break
    transitions = tuple(transition for transition, held in holds.items() if held)
    if len(transitions) > 1:
        transitions = without_conflicts(chart, transitions, scope.configuration, history)
    return Selection(transitions, tuple(failures))


def _is_open(transition: Transition, scope: Scope) -> bool:
    return transition.guard is None or bool(transition.guard.compute(scope))


def without_conflicts(
    chart: Chart, transitions: Sequence[Transition], configuration: int, history: History
) -> tuple[Transition, ...]:
    """Drop transitions that would leave a state another leaves too: the inner one wins."""
    kept: list[Transition] = []
    for transition in transitions:
        leaves = exit_set(chart, transition, history) & configuration
        rivals = [
            other for other in kept if leaves & exit_set(chart, other, history) & configuration
        ]
        inner = all(
            chart.nodes[rival.source].descendants >> transition.source & 1 for rival in rivals
        )
        if inner:
            kept = [other for other in kept if other not in rivals]
            kept.append(transition)
    return tuple(kept)


def exit_set(chart: Chart, transition: Transition, history: History) -> int:
    """Mask of all states the transition would leave if they were active."""
    if not transition.through_history:
        return transition.exits
    return below(chart, transition_domain(chart, transition, history))


def below(chart: Chart, domain: int) -> int:
    """Mask of the states below *domain*; none for a transition that goes nowhere (-1)."""
    return chart.nodes[domain].descendants if domain >= 0 else 0


def transition_domain(chart: Chart, transition: Transition, history: History) -> int:
    """Give the innermost state that stays active while the transition is taken, or -1."""
    if not transition.through_history:
        return transition.domain
    targets = effective_targets(chart, transition.targets or (), history)
    return find_domain(chart.nodes, transition.source, targets, transition.reach)


def effective_targets(chart: Chart, targets: Sequence[int], history: History) -> tuple[int, ...]:
    """Replace history states by what they stand for."""
    found: dict[int, None] = {}
    for target in targets:
        state = chart.nodes[target]
        if not state.kind.is_history:
            found[target] = None
            continue
        recorded = history[state.slot] if history else 0
        meant = bits(recorded) or effective_targets(chart, state.initial, history)
        found.update(dict.fromkeys(meant))
    return tuple(found)


def find_domain(nodes: Sequence[State], source: int, targets: Sequence[int], reach: Reach) -> int:
    """Find the innermost compound state that holds source and targets (SCXML 3.13)."""
    if not targets:
        return -1
    state = nodes[source]
    inside = state.descendants
    if reach is Reach.INSIDE:
        inside |= 1 << source
    stays = reach is Reach.INSIDE or (reach is Reach.INTERNAL and state.kind is Kind.COMPOUND)
    if stays and all(inside >> target & 1 for target in targets):
        return source
    for ancestor in state.ancestors:
        owner = nodes[ancestor]
        if owner.kind is Kind.COMPOUND and all(owner.descendants >> t & 1 for t in targets):
            return ancestor
    return 0
