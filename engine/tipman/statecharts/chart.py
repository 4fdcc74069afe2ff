"""A compiled chart: states by number in document order, sets of states as masks."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from tipman.statecharts.actions import Block
from tipman.statecharts.document import Document, InvokeSource, Kind, Reach
from tipman.statecharts.errors import Fault
from tipman.statecharts.expressions import Expression
from tipman.statecharts.model import Snapshot
from tipman.statecharts.values import Value

MEMO_MAX = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class Transition:
    """One arrow between numbered states.

    `domain` is the innermost state that stays active, `exits` the mask of all below it; both are
    right only if no target is a history state, for then they depend on the instance.
    """

    number: int
    source: int
    events: tuple[str, ...] | None
    targets: tuple[int, ...] | None
    guard: Expression | None
    actions: Block
    reach: Reach
    place: str
    domain: int = -1
    exits: int = 0
    through_history: bool = False

    def answers(self, event: str | None) -> bool:
        """Whether the event *event* (None: no event at all) may trigger this transition."""
        if event is None or self.events is None:
            return event is None and self.events is None
        return any(matches(descriptor, event) for descriptor in self.events)


def matches(descriptor: str, event: str) -> bool:
    """Whether a descriptor (`*`, `name.*` or an exact name) covers an event name.

    >>> matches("done.*", "done.state.a"), matches("done.*", "done"), matches("a", "a.b")
    (True, True, False)
    """
    if descriptor in ("*", event):
        return True
    return descriptor.endswith(".*") and (event + ".").startswith(descriptor[:-1])


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """One numbered state. `ancestors` go from the parent up; `slot` is a history's own place."""

    number: int
    name: str
    kind: Kind
    parent: int
    children: tuple[int, ...]
    ancestors: tuple[int, ...]
    descendants: int
    initial: tuple[int, ...]
    initial_actions: Block
    entry: tuple[Block, ...]
    exit: tuple[Block, ...]
    transitions: tuple[Transition, ...]
    invokes: tuple[InvokeSource, ...]
    data: tuple[tuple[str, Value], ...]
    output: Value | None
    histories: tuple[int, ...]
    slot: int
    place: str

    @property
    def is_leaf(self) -> bool:
        """Whether nothing is below it that could be active."""
        return self.kind in (Kind.ATOMIC, Kind.FINAL)


class Memo:
    """Answers already worked out, bounded: when one table is full, it starts anew.

    Every answer is a function of its key and the chart, so losing one costs time and nothing
    else, and two threads that race write the same.
    """

    __slots__ = ("candidates", "configurations", "entries_max", "plans", "steps")

    def __init__(self, entries_max: int) -> None:
        self.entries_max = entries_max
        self.candidates: dict[Hashable, object] = {}
        self.configurations: dict[Hashable, object] = {}
        self.plans: dict[Hashable, object] = {}
        self.steps: dict[Hashable, object] = {}

    def keep(self, table: dict[Hashable, object], key: Hashable, answer: object) -> None:
        """Remember *answer* in one of the tables."""
        if len(table) >= self.entries_max:
            table.clear()
        if self.entries_max:
            table[key] = answer


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """An immutable chart, shared by all its instances and by threads; see `compile_chart`.

    `states` are the names of all states in document order, `hash` stands for the content.
    """

    name: str
    hash: str
    states: tuple[str, ...]
    warnings: tuple[Fault, ...]
    document: Document = field(repr=False)
    nodes: tuple[State, ...] = field(repr=False)
    numbers: Mapping[str, int] = field(repr=False)
    histories: tuple[int, ...] = field(repr=False)
    eventless: int = field(repr=False)
    data_names: frozenset[str] = field(repr=False)
    memo: Memo = field(repr=False)

    def configuration(self, snapshot: Snapshot) -> str:
        """Name the active leaf states in document order, joined by one space."""
        known = self.memo.configurations.get(snapshot.configuration)
        if known is None:
            names = (
                self.nodes[number].name
                for number in bits(snapshot.configuration)
                if self.nodes[number].is_leaf
            )
            known = " ".join(names)
            self.memo.keep(self.memo.configurations, snapshot.configuration, known)
        return str(known)

    def is_in(self, snapshot: Snapshot, state_name: str) -> bool:
        """Whether the state of this name is active.

        Raises:
            KeyError: the chart has no such state.
        """
        return bool(snapshot.configuration >> self.numbers[state_name] & 1)

    def enabled_events(self, snapshot: Snapshot) -> tuple[str, ...]:
        """List the event descriptors the active states answer to, guards left aside.

        What only the chart's host may send (`done.*`, `error.*`, `after.*`) is left out.
        """
        if snapshot.done is not None:
            return ()
        found = [
            descriptor
            for number in bits(snapshot.configuration)
            for transition in self.nodes[number].transitions
            for descriptor in transition.events or ()
            if descriptor.split(".", 1)[0] not in RESERVED
        ]
        return tuple(dict.fromkeys(found))


RESERVED = frozenset({"done", "error", "after"})


def bits(mask: int) -> list[int]:
    """Number the states of a mask, in document order.

    >>> bits(0b10110)
    [1, 2, 4]
    """
    found = []
    while mask:
        lowest = mask & -mask
        found.append(lowest.bit_length() - 1)
        mask ^= lowest
    return found
