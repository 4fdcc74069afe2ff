"""Executable content (SCXML 4): what entering, leaving and moving between states does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tipman.statecharts.durations import checked_delay, parse_duration
from tipman.statecharts.errors import EvaluationError
from tipman.statecharts.expressions import FAILURES, Expression
from tipman.statecharts.model import CancelSend, Event, Json, Log, Send
from tipman.statecharts.turn import Turn
from tipman.statecharts.values import Value

INTERNAL = "#_internal"


class Action(Protocol):
    """One step of executable content. `place` says where in the source it stands."""

    @property
    def place(self) -> str: ...  # noqa: D102 - the class says it

    def run(self, turn: Turn) -> None:
        """Do it.

        Raises:
            EvaluationError: the rest of the block is skipped and the error becomes an event.
        """


Block = tuple[Action, ...]


def run_block(turn: Turn, block: Sequence[Action]) -> None:
    """Run actions in order; the first that fails ends the block with an error event."""
    try:
        run_all(turn, block)
    except FAILURES as error:
        turn.report(error)


def run_all(turn: Turn, actions: Sequence[Action]) -> None:
    """Run actions in order, as a part of a greater block."""
    for action in actions:
        turn.count_action(action.place)
        action.run(turn)


@dataclass(frozen=True, slots=True)
class Raise:
    """Put an event into the internal queue."""

    event: str
    data: Value | None = None
    place: str = field(default="", compare=False)

    def run(self, turn: Turn) -> None:
        """Queue the event."""
        data = None if self.data is None else turn.evaluate(self.data)
        turn.queue.append(Event(self.event, data, "internal"))


@dataclass(frozen=True, slots=True)
class SendEvent:
    """Send an event to this instance or another, now or later.

    `types` are the event processors the dialect knows; None leaves that to the host.
    """

    event: Value
    data: Value | None = None
    target: Value | None = None
    type: Value | None = None
    delay: Value | None = None
    id: str | None = None
    id_location: tuple[str, ...] | None = None
    types: frozenset[str] | None = None
    place: str = field(default="", compare=False)

    def run(self, turn: Turn) -> None:
        """Emit a `Send`, or queue the event where the target is the instance's own queue."""
        send_id = self.id
        if self.id_location is not None:
            send_id = turn.next_id("send")
            turn.assign(self.id_location, send_id)
        try:
            send = self._send(turn, send_id)
        except FAILURES as error:
            raise EvaluationError(str(error), send_id=send_id) from error
        if send.target == INTERNAL:
            turn.queue.append(Event(send.event, send.data, "internal", send_id))
        elif send.target is None or send.delay_s or turn.can_reach(send.target):
            turn.emit(send)
        else:
            reason = f"{send.target!r} can not be reached"
            raise EvaluationError(reason, event="error.communication", send_id=send_id)

    def _send(self, turn: Turn, send_id: str | None) -> Send:
        event = turn.evaluate(self.event)
        if type(event) is not str or not event:
            raise EvaluationError("the name of an event must be a text")
        target = _text(turn, self.target, "target")
        kind = _text(turn, self.type, "type")
        if self.types is not None and kind is not None and kind not in self.types:
            raise EvaluationError(f"nothing sends events of the type {kind!r}")
        if target is not None and not target.startswith(("#_", "/")):
            raise EvaluationError(f"{target!r} is no target")
        delay_s = _seconds(None if self.delay is None else turn.evaluate(self.delay))
        if target == INTERNAL and delay_s:
            raise EvaluationError("the internal queue takes no delayed events")
        data = None if self.data is None else turn.evaluate(self.data)
        return Send(event, data, target, delay_s, send_id, kind)


def _text(turn: Turn, value: Value | None, what: str) -> str | None:
    if value is None:
        return None
    text = turn.evaluate(value)
    if type(text) is not str:
        raise EvaluationError(f"the {what} must be a text")
    return text


def _seconds(delay: Json) -> float:
    """Read a delay: a duration, or a number of seconds."""
    if delay is None:
        return 0.0
    if type(delay) is str:
        return parse_duration(delay)
    if type(delay) in (int, float):
        return checked_delay(float(delay))
    raise EvaluationError("a delay must be a duration or a number of seconds")


@dataclass(frozen=True, slots=True)
class Cancel:
    """Take back a delayed send."""

    id: Value
    place: str = field(default="", compare=False)

    def run(self, turn: Turn) -> None:
        """Emit a `CancelSend`."""
        send_id = turn.evaluate(self.id)
        if type(send_id) is not str:
            raise EvaluationError("the id of a send must be a text")
        turn.emit(CancelSend(send_id))


@dataclass(frozen=True, slots=True)
class Assign:
    """Give a declared variable, or a member inside one, a new value."""

    path: tuple[str, ...]
    value: Value
    place: str = field(default="", compare=False)

    def run(self, turn: Turn) -> None:
        """Change the data."""
        turn.assign(self.path, turn.evaluate(self.value))


@dataclass(frozen=True, slots=True)
class Declare:
    """Give a variable a value whether or not it was declared: a line of an SCXML script."""

    name: str
    value: Value
    place: str = field(default="", compare=False)

    def run(self, turn: Turn) -> None:
        """Change the data."""
        turn.declare(self.name, turn.evaluate(self.value))


@dataclass(frozen=True, slots=True)
class WriteLog:
    """Tell whoever watches."""

    label: str | None
    value: Value | None = None
    place: str = field(default="", compare=False)

    def run(self, turn: Turn) -> None:
        """Emit a `Log`."""
        value = None if self.value is None else turn.evaluate(self.value)
        turn.emit(Log(self.label, value))


@dataclass(frozen=True, slots=True)
class Branch:
    """One arm of a `Choose`; without a guard it is the last resort."""

    guard: Expression | None
    actions: Block


@dataclass(frozen=True, slots=True)
class Choose:
    """Run the first branch whose guard holds; a guard that fails does not hold (SCXML 5.9.1)."""

    branches: tuple[Branch, ...]
    place: str = field(default="", compare=False)

    def run(self, turn: Turn) -> None:
        """Run at most one branch."""
        for branch in self.branches:
            if branch.guard is None or _holds(turn, branch.guard):
                run_all(turn, branch.actions)
                return


def _holds(turn: Turn, guard: Expression) -> bool:
    try:
        return bool(turn.evaluate(guard))
    except FAILURES as error:
        turn.report(error)
        return False


@dataclass(frozen=True, slots=True)
class ForEach:
    """Run the body once for each element of a list, over a copy of it (SCXML 4.6)."""

    array: Value
    item: str
    index: str | None
    body: Block
    place: str = field(default="", compare=False)

    def run(self, turn: Turn) -> None:
        """Bind item and index, and run the body."""
        array = turn.evaluate(self.array)
        if not isinstance(array, list):
            raise EvaluationError("foreach wants a list")
        for name in filter(None, (self.item, self.index)):
            if name not in turn.data:
                turn.declare(name, None)
        for index, value in enumerate(array):
            turn.declare(self.item, value)
            if self.index is not None:
                turn.declare(self.index, index)
            turn.count_action(self.place)
            run_all(turn, self.body)


@dataclass(frozen=True, slots=True)
class Fail:
    """Content that can not be run: SCXML wants it to load, and to fail when it is reached."""

    reason: str
    place: str = field(default="", compare=False)

    def run(self, turn: Turn) -> None:
        """Fail."""
        del turn
        raise EvaluationError(self.reason)
