"""A chart as its author wrote it, the same whatever it was written in; `compiler` takes it on."""

import json
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from hashlib import sha256

from tipman.statecharts.actions import Block
from tipman.statecharts.errors import ChartError, Fault
from tipman.statecharts.expressions import Expression
from tipman.statecharts.model import Json
from tipman.statecharts.values import Value


class Kind(Enum):
    """What a state is."""

    ATOMIC = "atomic"
    COMPOUND = "compound"
    PARALLEL = "parallel"
    FINAL = "final"
    SHALLOW = "shallow"
    DEEP = "deep"

    @property
    def is_history(self) -> bool:
        """Whether it is a pseudo-state that stands for what was active before."""
        return self in (Kind.SHALLOW, Kind.DEEP)


class Reach(Enum):
    """How far a transition leaves its source.

    `EXTERNAL` leaves it always. `INTERNAL` stays inside if the source is compound and every
    target lies below it (SCXML 3.13). `INSIDE` does so too if the target is the source itself,
    and if the source is parallel (XState's default, without `reenter`).
    """

    EXTERNAL = "external"
    INTERNAL = "internal"
    INSIDE = "inside"


@dataclass(frozen=True, slots=True)
class TransitionSource:
    """One arrow. No `events`: taken as soon as its guard holds. `targets` None: goes nowhere.

    Descriptors are `*`, `name.*` (the name and all below it), or an exact name.
    """

    events: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    guard: Expression | None = None
    actions: Block = ()
    reach: Reach = Reach.EXTERNAL
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class InvokeSource:
    """Something to start once its state is settled in, and to end when the state is left.

    Without `id` each start makes one. `types` are the kinds the dialect knows; None leaves that
    to the host. `finalize` runs on each event the invoked sends, before it is handled.
    """

    id: str | None = None
    id_location: tuple[str, ...] | None = None
    type: Value | None = None
    types: frozenset[str] | None = None
    source: Value | None = None
    content: Value | None = None
    arguments: Value | None = None
    autoforward: bool = False
    finalize: Block = ()
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class StateSource:
    """A state and all below it. `data` are the variables it declares, with their first values."""

    name: str
    kind: Kind
    children: tuple["StateSource", ...] = ()
    initial: tuple[str, ...] | None = None
    initial_actions: Block = ()
    entry: tuple[Block, ...] = ()
    exit: tuple[Block, ...] = ()
    transitions: tuple[TransitionSource, ...] = ()
    invokes: tuple[InvokeSource, ...] = ()
    data: tuple[tuple[str, Value], ...] = ()
    output: Value | None = None
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Document:
    """A whole chart. `late` binds the data of a state when it is first entered (SCXML 5.3.3)."""

    name: str
    root: StateSource
    late: bool = False
    scripts: Block = ()
    warnings: tuple[Fault, ...] = field(default=(), compare=False)


def form(part: object) -> Json:
    """Write a part of a document as JSON: all that changes its meaning, and no places.

    An expression is its source; a mapping keeps its order, for the order of states counts.
    """
    if isinstance(part, Expression):
        return {"expression": part.source}
    if isinstance(part, Enum):
        return part.value
    if is_dataclass(part) and not isinstance(part, type):
        written = {item.name: getattr(part, item.name) for item in fields(part) if item.compare}
        return {"is": type(part).__name__} | {name: form(value) for name, value in written.items()}
    if isinstance(part, frozenset):
        return sorted(part)
    if isinstance(part, tuple | list):
        return [form(item) for item in part]
    return part


def content_hash(document: Document) -> str:
    """Hash what a document means, in hex; layout, comments and places do not count.

    Raises:
        ChartError: so much inside one another that Python can not walk it.
    """
    try:
        written = form(document)
    except RecursionError:
        raise ChartError(f"chart {document.name!r}: nested too deeply") from None
    text = json.dumps(written, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256(text.encode()).hexdigest()
