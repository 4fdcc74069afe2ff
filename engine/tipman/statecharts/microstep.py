"""What one microstep does (SCXML Appendix D: exitStates, enterStates), worked out once.

A plan depends on the configuration, the history and the transitions taken, and on no data, so
the chart keeps it; running it is a walk over a list of operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from tipman.statecharts.actions import Block, run_block
from tipman.statecharts.chart import Chart, State, Transition, bits
from tipman.statecharts.document import Kind
from tipman.statecharts.expressions import FAILURES
from tipman.statecharts.model import CancelInvoke, Event, Json
from tipman.statecharts.selection import (
    History,
    effective_targets,
    exit_set,
    transition_domain,
)
from tipman.statecharts.turn import Turn
from tipman.statecharts.values import Value


class Operation(Protocol):
    """One part of a microstep."""

    def run(self, turn: Turn) -> None:
        """Do it; a failure becomes an event."""


@dataclass(frozen=True, slots=True)
class RunBlock:
    """Run a block of actions."""

    block: Block

    def run(self, turn: Turn) -> None:
        """Run it."""
        run_block(turn, self.block)


@dataclass(frozen=True, slots=True)
class CancelInvokes:
    """End what a state that is left had invoked."""

    state: int

    def run(self, turn: Turn) -> None:
        """Emit a `CancelInvoke` for each that was started."""
        turn.static = False
        ended = [key for key, (state, _) in (turn.invokes or {}).items() if state == self.state]
        if ended:
            running = (turn.invokes or {}).items()
            turn.invokes = {key: owner for key, owner in running if key not in ended} or None
            for invoke_id in ended:
                turn.emit(CancelInvoke(invoke_id))


@dataclass(frozen=True, slots=True)
class DeclareData:
    """Give the variables of a state their first values, on its first entry (late binding)."""

    state: int
    data: tuple[tuple[str, Value], ...]

    def run(self, turn: Turn) -> None:
        """Evaluate and set them."""
        if not turn.bound >> self.state & 1:
            turn.bound |= 1 << self.state
            declare_data(turn, self.data)


@dataclass(frozen=True, slots=True)
class RaiseDone:
    """Queue `done.state.NAME`, with the output of the final state that was entered."""

    state: str
    output: Value | None = None

    def run(self, turn: Turn) -> None:
        """Queue it."""
        data = evaluate_output(turn, self.output)
        turn.queue.append(Event(f"done.state.{self.state}", data, "platform"))


@dataclass(frozen=True, slots=True)
class Finish:
    """Note that the chart has come to its end."""

    state: str
    output: Value | None = None

    def run(self, turn: Turn) -> None:
        """Note it."""
        turn.done = (self.state, evaluate_output(turn, self.output))


def evaluate_output(turn: Turn, output: Value | None) -> Json:
    """Give a final state's output; one that fails gives nothing, and an error event."""
    if output is None:
        return None
    try:
        return turn.evaluate(output)
    except FAILURES as error:
        turn.report(error)
        return None


def declare_data(turn: Turn, data: Sequence[tuple[str, Value]]) -> None:
    """Give variables their first values; one that fails has none (SCXML 5.3.3)."""
    for name, value in data:
        try:
            first = turn.evaluate(value)
        except FAILURES as error:
            turn.report(error)
            first = None
        turn.declare(name, first)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One microstep: operations, each with the configuration it sees, and where it all ends."""

    operations: tuple[tuple[int, Operation], ...]
    configuration: int
    history: History
    invoking: tuple[int, ...]

    def run(self, turn: Turn) -> None:
        """Take the microstep."""
        for configuration, operation in self.operations:
            turn.configuration = configuration
            operation.run(turn)
        turn.configuration = self.configuration
        turn.history = self.history
        if turn.waiting or self.invoking:
            still = [state for state in turn.waiting if self.configuration >> state & 1]
            turn.waiting = sorted({*still, *self.invoking})
        turn.moved = True


def plan_microstep(
    chart: Chart, transitions: tuple[Transition, ...], configuration: int, history: History
) -> Plan:
    """Work out what taking *transitions* does."""
    key = (transitions, configuration, history)
    known = chart.memo.plans.get(key)
    if known is not None:
        return cast(Plan, known)
    draft = _Draft(chart, configuration, history)
    draft.leave(transitions)
    for transition in transitions:
        draft.add(RunBlock(transition.actions), when=transition.actions)
    draft.enter_targets(transitions, history)
    plan = draft.finished()
    chart.memo.keep(chart.memo.plans, key, plan)
    return plan


def plan_start(chart: Chart) -> Plan:
    """Work out how an instance comes to its first configuration."""
    draft = _Draft(chart, 0, (0,) * len(chart.histories) or None)
    draft.entry.add(0)
    draft.enter_initial(0)
    draft.enter()
    return draft.finished()


@dataclass(slots=True)
class _Draft:
    """A plan in the making."""

    chart: Chart
    configuration: int
    history: History
    operations: list[tuple[int, Operation]] = field(default_factory=list)
    invoking: list[int] = field(default_factory=list)
    entry: set[int] = field(default_factory=set)
    by_default: set[int] = field(default_factory=set)
    history_actions: dict[int, Block] = field(default_factory=dict)

    def finished(self) -> Plan:
        return Plan(tuple(self.operations), self.configuration, self.history, tuple(self.invoking))

    def add(self, operation: Operation, *, when: object = True) -> None:
        if when:
            self.operations.append((self.configuration, operation))

    def leave(self, transitions: Sequence[Transition]) -> None:
        mask = 0
        for transition in transitions:
            mask |= exit_set(self.chart, transition, self.history)
        leaving = [self.chart.nodes[number] for number in bits(mask & self.configuration)]
        self._record_history(leaving)
        for state in reversed(leaving):
            for block in state.exit:
                self.add(RunBlock(block))
            self.add(CancelInvokes(state.number), when=state.invokes)
            self.configuration &= ~(1 << state.number)

    def _record_history(self, leaving: Sequence[State]) -> None:
        recorded = list(self.history or ())
        for state in leaving:
            for number in state.histories:
                node = self.chart.nodes[number]
                recorded[node.slot] = self._remembered(state, deep=node.kind is Kind.DEEP)
        self.history = tuple(recorded) or None

    def _remembered(self, state: State, *, deep: bool) -> int:
        active = bits(self.configuration & state.descendants)
        nodes = self.chart.nodes
        kept = [
            n for n in active if (nodes[n].is_leaf if deep else nodes[n].parent == state.number)
        ]
        return sum(1 << number for number in kept)

    def enter_targets(self, transitions: Sequence[Transition], before: History) -> None:
        # Domains follow from the history as it was, targets from what has just been recorded.
        for transition in transitions:
            if transition.targets is None:
                continue
            domain = transition_domain(self.chart, transition, before)
            for target in transition.targets:
                self._add_descendants(target)
            for target in effective_targets(self.chart, transition.targets, self.history):
                self._add_ancestors(target, domain)
            if domain >= 0 and self.chart.nodes[domain].kind is Kind.PARALLEL:
                # Only `Reach.INSIDE` stays in one: all its regions were left, so all come back.
                self._add_regions(self.chart.nodes[domain])
        self.enter()

    def enter(self) -> None:
        for number in sorted(self.entry):
            if self.configuration >> number & 1:
                continue
            state = self.chart.nodes[number]
            self.configuration |= 1 << number
            if state.invokes:
                self.invoking.append(number)
            late = self.chart.document.late and number > 0
            self.add(DeclareData(number, state.data), when=late and state.data)
            for block in state.entry:
                self.add(RunBlock(block))
            if number in self.by_default:
                self.add(RunBlock(state.initial_actions), when=state.initial_actions)
            actions = self.history_actions.get(number, ())
            self.add(RunBlock(actions), when=actions)
            if state.kind is Kind.FINAL:
                self._enter_final(state)

    def _enter_final(self, state: State) -> None:
        if state.parent == 0:
            self.add(Finish(state.name, state.output))
            return
        parent = self.chart.nodes[state.parent]
        self.add(RaiseDone(parent.name, state.output))
        owner = self.chart.nodes[parent.parent] if parent.parent >= 0 else None
        if owner is not None and owner.kind is Kind.PARALLEL and self._is_finished(owner):
            self.add(RaiseDone(owner.name))

    def _is_finished(self, state: State) -> bool:
        nodes = [self.chart.nodes[number] for number in state.children]
        if state.kind is Kind.COMPOUND:
            return any(
                node.kind is Kind.FINAL and self.configuration >> node.number & 1 for node in nodes
            )
        regions = [node for node in nodes if not node.kind.is_history]
        return state.kind is Kind.PARALLEL and all(map(self._is_finished, regions))

    def enter_initial(self, number: int) -> None:
        state = self.chart.nodes[number]
        self.by_default.add(number)
        for target in state.initial:
            self._add_descendants(target)
        for target in effective_targets(self.chart, state.initial, self.history):
            self._add_ancestors(target, number)

    def _add_descendants(self, number: int) -> None:
        state = self.chart.nodes[number]
        if state.kind.is_history:
            self._add_remembered(state)
            return
        self.entry.add(number)
        if state.kind is Kind.COMPOUND:
            self.enter_initial(number)
        elif state.kind is Kind.PARALLEL:
            self._add_regions(state)

    def _add_remembered(self, history: State) -> None:
        recorded = bits(self.history[history.slot]) if self.history else []
        if not recorded:
            self.history_actions[history.parent] = history.initial_actions
        targets = recorded or history.initial
        for target in targets:
            self._add_descendants(target)
        for target in effective_targets(self.chart, targets, self.history):
            self._add_ancestors(target, history.parent)

    def _add_ancestors(self, number: int, top: int) -> None:
        for ancestor in self.chart.nodes[number].ancestors:
            if ancestor == top:
                return
            self.entry.add(ancestor)
            state = self.chart.nodes[ancestor]
            if state.kind is Kind.PARALLEL:
                self._add_regions(state)

    def _add_regions(self, parallel: State) -> None:
        for number in parallel.children:
            region = self.chart.nodes[number]
            within = region.descendants | 1 << number
            taken = any(within >> entered & 1 for entered in self.entry)
            if not region.kind.is_history and not taken:
                self._add_descendants(number)
