"""What goes into a step and what comes out: events, snapshots, sessions and effects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

# None, bool, int, float, str, or a list or dict of these. Hosts check it at their edge.
Json = Any


class Event(NamedTuple):
    """Something that happened, as a chart sees it (SCXML 5.10.1).

    `type` is `external`, `internal` or `platform`. `send_id` is the id of the send an error
    event is about; `origin` and `origin_type` say where to answer; `invoke_id` is set on what an
    invoked child sends to its parent.
    """

    name: str
    data: Json = None
    type: str = "external"
    send_id: str | None = None
    origin: str | None = None
    origin_type: str | None = None
    invoke_id: str | None = None


class Snapshot(NamedTuple):
    """One instance between two steps: plain values, owned by nobody, never changed in place.

    `configuration` and `history` are masks over the states of one compiled chart and mean
    nothing without it: store what `encode` gives, which speaks of states by name. `invokes` says
    for each id which invoke of which state it is; `done` is the name of the top-level final state
    and its output, once there is one; `sequence` counts the ids made so far; `bound` are the
    states whose late data has been set.
    """

    configuration: int
    history: tuple[int, ...] | None = None
    data: Mapping[str, Json] | None = None
    invokes: Mapping[str, tuple[int, int]] | None = None
    done: tuple[str, Json] | None = None
    sequence: int = 0
    bound: int = 0


class Session(NamedTuple):
    """Who an instance is to the outside; SCXML documents see it as `_sessionid`.

    `reachable` are the targets (`#_parent`, `#_scxml_SESSION`) the host can deliver to. A send to
    another one fails at once with `error.communication`. None: the host tells afterwards.
    """

    id: str
    reachable: frozenset[str] | None = None

    @property
    def location(self) -> str:
        """The target by which other sessions reach this one."""
        return f"#_scxml_{self.id}"


@dataclass(frozen=True, slots=True)
class Send:
    """Deliver an event, at once or `delay_s` later.

    `target` is None for the instance itself, `#_parent`, `#_INVOKEID`, `#_scxml_SESSION`, or a
    path starting with `/`. A host that can not reach it steps the sender with an
    `error.communication` event that carries `id` as its `send_id`.
    """

    event: str
    data: Json = None
    target: str | None = None
    delay_s: float = 0.0
    id: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class CancelSend:
    """Forget every delayed send of this instance with this id; none is no error."""

    id: str


@dataclass(frozen=True, slots=True)
class Invoke:
    """Start something that lives as long as the state `state` is active.

    What it is stands in `type`, and in one of `source` (an address), `content` (a document) or
    `arguments`. Its end comes back as `done.invoke.ID` or `error.invoke.ID`.
    """

    id: str
    type: str | None = None
    source: str | None = None
    content: Json = None
    arguments: Json = None
    state: str = ""


@dataclass(frozen=True, slots=True)
class CancelInvoke:
    """End what was invoked under this id; a late outcome of it must not be delivered."""

    id: str


@dataclass(frozen=True, slots=True)
class Forward:
    """Hand an event on, unchanged, to what was invoked under this id."""

    invoke_id: str
    event: Event


@dataclass(frozen=True, slots=True)
class Log:
    """Something the chart's author wants to see."""

    label: str | None
    value: Json = None


@dataclass(frozen=True, slots=True)
class Done:
    """The chart has reached a top-level final state; always the last effect of its life."""

    data: Json = None


Effect = Send | CancelSend | Invoke | CancelInvoke | Forward | Log | Done


class Step(NamedTuple):
    """The outcome of `start` and `step`."""

    snapshot: Snapshot
    effects: tuple[Effect, ...]
