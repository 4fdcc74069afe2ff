"""Actions of chart files: `{assign: …}`, `{raise: …}`, `{if: …, then: …}` and their like."""

import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tipman.statecharts.actions import (
    Action,
    Assign,
    Block,
    Branch,
    Cancel,
    Choose,
    ForEach,
    Raise,
    SendEvent,
    WriteLog,
)
from tipman.statecharts.durations import parse_duration
from tipman.statecharts.errors import suggestion
from tipman.statecharts.expressions import CONSTANTS, Vocabulary
from tipman.statecharts.model import Json
from tipman.statecharts.operators import FUNCTIONS
from tipman.statecharts.reading import Reader, below
from tipman.statecharts.values import Constant, Value

DEPTH_MAX = 16  # loops and choices inside one another
KINDS = ("assign", "raise", "send", "cancel", "log", "foreach", "if")
EVENT_NAME = re.compile(r"[^\s*]{1,200}")
RESERVED_NAMES = frozenset({"event", "In", *CONSTANTS, *FUNCTIONS, *keyword.kwlist})


def is_variable(name: str) -> bool:
    """Whether a chart may call a variable so."""
    return name.isidentifier() and not name.startswith("__") and name not in RESERVED_NAMES


@dataclass(frozen=True, slots=True)
class ActionReader:
    """Reads lists of actions that may use one vocabulary."""

    reader: Reader
    vocabulary: Vocabulary
    depth: int = 0

    def block(self, form: Json, pointer: str) -> Block:
        """Read one action or a list of them."""
        if self.depth > DEPTH_MAX:
            self.reader.fault(pointer, "nested too deeply")
            return ()
        found = [self.action(part, place) for part, place in self.reader.each(form, pointer)]
        return tuple(action for action in found if action is not None)

    def action(self, form: Json, pointer: str) -> Action | None:
        """Read one action: an object with one of `KINDS` among its keys."""
        fields = self.reader.object(form, pointer)
        kinds = [key for key in fields if key in KINDS]
        if len(kinds) != 1:
            near = "".join(suggestion(key, KINDS) for key in fields if key not in KINDS)
            self.reader.fault(
                pointer, f"an action has exactly one of the keys {', '.join(KINDS)}{near}"
            )
            return None
        kind = kinds[0]
        self.reader.object(form, pointer, EXTRA_KEYS.get(kind, (kind,)))
        return READERS[kind](self, fields, pointer)

    def read_assign(self, fields: Mapping[str, Json], pointer: str) -> Action | None:
        """Read `{assign: {NAME: value, …}}`; a name may be a path into an object."""
        place = below(pointer, "assign")
        assigned = self.reader.object(fields["assign"], place)
        actions = []
        for key, form in assigned.items():
            path = tuple(key.split("."))
            known = self.vocabulary.names or frozenset()
            if path[0] not in known:
                near = suggestion(path[0], known)
                self.reader.fault(below(place, key), f"the chart has no data {path[0]!r}{near}")
            value = self.reader.value(form, below(place, key), self.vocabulary)
            actions.append(Assign(path, value, below(place, key)))
        if len(actions) == 1:
            return actions[0]
        return Choose((Branch(None, tuple(actions)),), pointer)

    def read_raise(self, fields: Mapping[str, Json], pointer: str) -> Action | None:
        """Read `{raise: NAME}` or `{raise: {event, data}}`."""
        place = below(pointer, "raise")
        name, form = self._event(fields["raise"], place, ("event", "data"))
        return Raise(name, self._data(form, place), pointer)

    def read_send(self, fields: Mapping[str, Json], pointer: str) -> Action | None:
        """Read `{send: NAME}` or `{send: {event, data, target, delay, …}}`."""
        place = below(pointer, "send")
        name, form = self._event(fields["send"], place, SEND_KEYS)
        return SendEvent(
            event=Constant(name),
            data=self._data(form, place),
            target=self._filled(form, "target", place),
            type=self._filled(form, "type", place),
            delay=self._delay(form, place),
            id=self.reader.text(form["id"], below(place, "id")) if "id" in form else None,
            place=pointer,
        )

    def _event(self, form: Json, place: str, keys: tuple[str, ...]) -> tuple[str, dict[str, Json]]:
        if isinstance(form, str):
            form = {"event": form}
            name_place = place
        else:
            name_place = below(place, "event")
        fields = dict(self.reader.object(form, place, keys))
        name = self.reader.text(fields.get("event"), name_place)
        if name and not EVENT_NAME.fullmatch(name):
            self.reader.fault(name_place, f"{name!r} is no name of an event")
        return name, fields

    def _data(self, form: dict[str, Json], place: str) -> Value | None:
        if "data" not in form:
            return None
        return self.reader.value(form["data"], below(place, "data"), self.vocabulary)

    def _filled(self, form: dict[str, Json], key: str, place: str) -> Value | None:
        if key not in form:
            return None
        text = self.reader.text(form[key], below(place, key))
        return self.reader.filled(text, below(place, key), self.vocabulary)

    def _delay(self, form: dict[str, Json], place: str) -> Value | None:
        if "delay" in form and "delay_s" in form:
            self.reader.fault(below(place, "delay_s"), "delay is given already")
        if "delay_s" in form:
            return self.reader.value(form["delay_s"], below(place, "delay_s"), self.vocabulary)
        if "delay" not in form:
            return None
        return Constant(read_delay(self.reader, form["delay"], below(place, "delay")))

    def read_cancel(self, fields: Mapping[str, Json], pointer: str) -> Action | None:
        """Read `{cancel: ID}`."""
        return Cancel(
            Constant(self.reader.text(fields["cancel"], below(pointer, "cancel"))), pointer
        )

    def read_log(self, fields: Mapping[str, Json], pointer: str) -> Action | None:
        """Read `{log: LABEL}` or `{log: {label, value}}`."""
        form, place = fields["log"], below(pointer, "log")
        if isinstance(form, str):
            return WriteLog(self.reader.text(form, place), place=pointer)
        known = self.reader.object(form, place, ("label", "value"))
        label = (
            self.reader.text(known["label"], below(place, "label")) if "label" in known else None
        )
        value = self.reader.value(known.get("value"), below(place, "value"), self.vocabulary)
        return WriteLog(label, value, pointer)

    def read_foreach(self, fields: Mapping[str, Json], pointer: str) -> Action | None:
        """Read `{foreach: list, item, index, do}`; the body sees both variables."""
        array = self.reader.value(fields["foreach"], below(pointer, "foreach"), self.vocabulary)
        item = self._variable(fields.get("item"), below(pointer, "item"))
        index = (
            self._variable(fields["index"], below(pointer, "index")) if "index" in fields else None
        )
        names = (self.vocabulary.names or frozenset()) | {item, *filter(None, [index])}
        inner = replace(
            self, vocabulary=replace(self.vocabulary, names=names), depth=self.depth + 1
        )
        return ForEach(
            array, item, index, inner.block(fields.get("do"), below(pointer, "do")), pointer
        )

    def _variable(self, form: Json, pointer: str) -> str:
        name = self.reader.text(form, pointer)
        if name and not is_variable(name):
            self.reader.fault(pointer, f"{name!r} can not be the name of a variable")
        return name

    def read_choose(self, fields: Mapping[str, Json], pointer: str) -> Action | None:
        """Read `{if: guard, then, else}`."""
        guard = self.reader.expression(fields["if"], below(pointer, "if"), self.vocabulary)
        inner = replace(self, depth=self.depth + 1)
        branches = [Branch(guard, inner.block(fields.get("then"), below(pointer, "then")))]
        if "else" in fields:
            branches.append(Branch(None, inner.block(fields["else"], below(pointer, "else"))))
        return Choose(tuple(branches), pointer)


def read_delay(reader: Reader, form: Json, pointer: str) -> float:
    """Read a duration; 0 stands in for what is wrong."""
    if not isinstance(form, str):
        reader.fault(pointer, "must be a duration with its unit, as 500ms, 10s, 5m, 2h or 3d")
        return 0.0
    try:
        return parse_duration(form)
    except ValueError as error:
        reader.fault(pointer, str(error))
        return 0.0


SEND_KEYS = ("event", "data", "target", "type", "delay", "delay_s", "id")
EXTRA_KEYS = {
    "foreach": ("foreach", "item", "index", "do"),
    "if": ("if", "then", "else"),
}
READERS: dict[str, Callable[[ActionReader, Mapping[str, Json], str], Action | None]] = {
    "assign": ActionReader.read_assign,
    "raise": ActionReader.read_raise,
    "send": ActionReader.read_send,
    "cancel": ActionReader.read_cancel,
    "log": ActionReader.read_log,
    "foreach": ActionReader.read_foreach,
    "if": ActionReader.read_choose,
}
