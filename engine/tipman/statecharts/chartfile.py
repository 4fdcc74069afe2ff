"""Charts as mappings: the form of YAML and JSON chart files, with XState's keys."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tipman.statecharts.actionforms import EVENT_NAME, ActionReader, is_variable, read_delay
from tipman.statecharts.actions import Block, Cancel, SendEvent
from tipman.statecharts.chart import MEMO_MAX, Chart
from tipman.statecharts.compiler import build
from tipman.statecharts.document import (
    Document,
    InvokeSource,
    Kind,
    Reach,
    StateSource,
    TransitionSource,
)
from tipman.statecharts.errors import ChartError
from tipman.statecharts.expressions import Vocabulary
from tipman.statecharts.model import Json
from tipman.statecharts.outline import ROOT, Outline, read_outline
from tipman.statecharts.reading import Reader, below
from tipman.statecharts.values import Constant, Value

STATE_KEYS = (
    "initial",
    "states",
    "on",
    "always",
    "after",
    "entry",
    "exit",
    "invoke",
    "description",
)
CHART_KEYS = ("chart", "data", *STATE_KEYS)
CHILD_KEYS = ("id", "type", "history", "target", "onDone", "output", *STATE_KEYS)
TRANSITION_KEYS = ("target", "guard", "actions", "reenter", "description")
INVOKE_KEYS = (
    "id",
    "type",
    "source",
    "arguments",
    "autoforward",
    "finalize",
    "onDone",
    "onError",
)
TYPES = ("atomic", "compound", "parallel", "final", "history")


def compile_chart(
    source: Mapping[str, Json], *, name: str | None = None, memo_max: int = MEMO_MAX
) -> Chart:
    """Compile a chart file's content.

    A state is known by its `id`, else by its keys from the top, joined by dots. *name* stands in
    where the file has no `chart`; *memo_max* bounds each table of remembered answers, 0 for none.

    Raises:
        ChartError: with every fault found, each at its JSON pointer.
    """
    reader = Reader()
    form = reader.object(source, "", CHART_KEYS)
    title = reader.text(form["chart"], "/chart") if "chart" in form else name or "chart"
    outline = read_outline(reader, form)
    data = _read_data(reader, form)
    names = {item.name: item.name for item in outline.all()}
    vocabulary = Vocabulary(frozenset(key for key, _ in data), "event", frozenset(names) - {ROOT})
    root = StateReader(reader, names, vocabulary, data).state(outline)
    document = Document(title, root)
    if reader.faults:
        raise _refusal(document, reader)
    return build(document, memo_max=memo_max)


def _refusal(document: Document, reader: Reader) -> ChartError:
    """Tell all faults at once: those of the parts, and those of the whole where it stands."""
    faults = list(reader.faults)
    try:
        build(document)
    except ChartError as error:
        seen = {fault.pointer for fault in faults}
        faults.extend(fault for fault in error.faults if fault.pointer not in seen)
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    place = first.pointer or "the chart"
    return ChartError(f"chart {document.name!r}: {place}: {first.detail}{more}", faults)


def _read_data(reader: Reader, form: Mapping[str, Json]) -> tuple[tuple[str, Value], ...]:
    found = []
    for key, part in reader.object(form.get("data", {}), "/data").items():
        if not is_variable(key):
            reader.fault(below("/data", key), f"{key!r} can not be the name of a variable")
        found.append((key, reader.constant(part, below("/data", key))))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class StateReader:
    """Reads the states of one chart."""

    reader: Reader
    names: Mapping[str, str]
    vocabulary: Vocabulary
    data: tuple[tuple[str, Value], ...]

    @property
    def actions(self) -> ActionReader:
        """What reads this chart's actions."""
        return ActionReader(self.reader, self.vocabulary)

    def state(self, item: Outline) -> StateSource:
        """Read a state and all below it."""
        self.reader.object(item.form, item.pointer, CHILD_KEYS if item.parent else CHART_KEYS)
        kind = self._kind(item)
        timers = tuple(self._timers(item))
        entry, leave = self._block(item, "entry"), self._block(item, "exit")
        return StateSource(
            name=item.name,
            kind=kind,
            children=tuple(self.state(child) for child in item.children.values()),
            initial=self._initial(item, kind),
            entry=tuple(block for block in (*(start for start, _ in timers), entry) if block),
            exit=tuple(block for block in (*(end for _, end in timers), leave) if block),
            transitions=tuple(self._transitions(item)),
            invokes=tuple(self._invokes(item)),
            data=self.data if item.parent is None else (),
            output=self._output(item, kind),
            place=item.pointer,
        )

    def _kind(self, item: Outline) -> Kind:
        form, pointer = item.form, item.pointer
        natural = "compound" if item.children or item.parent is None else "atomic"
        written = natural
        if item.parent is not None and "type" in form:
            written = self.reader.one_of(form["type"], below(pointer, "type"), TYPES)
        if written != "history":
            for key in ("history", "target"):
                if key in form and item.parent is not None:
                    self.reader.fault(below(pointer, key), "only a state of type history has this")
            return Kind(written)
        depth = form.get("history", "shallow")
        return Kind(self.reader.one_of(depth, below(pointer, "history"), ("shallow", "deep")))

    def _initial(self, item: Outline, kind: Kind) -> tuple[str, ...] | None:
        if kind.is_history:
            if "target" not in item.form:
                return None
            return self._targets(item, item.form["target"], below(item.pointer, "target"))
        if "initial" not in item.form:
            return None
        found = []
        for part, place in self.reader.each(item.form["initial"], below(item.pointer, "initial")):
            path = self.reader.text(part, place).removeprefix(".")
            inner = item.find(path)
            found.append(inner.name if inner is not None else self.names.get(path, path))
        return tuple(found)

    def _targets(self, item: Outline, form: Json, pointer: str) -> tuple[str, ...]:
        return tuple(
            item.resolve(self.reader.text(part, place), self.names)
            for part, place in self.reader.each(form, pointer)
        )

    def _block(self, item: Outline, key: str) -> Block:
        return self.actions.block(item.form.get(key), below(item.pointer, key))

    def _output(self, item: Outline, kind: Kind) -> Value | None:
        if item.parent is None or "output" not in item.form:
            return None
        pointer = below(item.pointer, "output")
        if kind is not Kind.FINAL:
            self.reader.fault(pointer, "only a state of type final has an output")
        return self.reader.value(item.form["output"], pointer, self.vocabulary)

    def _timers(self, item: Outline) -> Iterator[tuple[Block, Block]]:
        """What starts and ends the timer of each `after`."""
        for key, pointer, event in self._delays(item):
            delay_s = read_delay(self.reader, key, pointer)
            start = SendEvent(Constant(event), delay=Constant(delay_s), id=event, place=pointer)
            yield (start,), (Cancel(Constant(event), pointer),)

    def _delays(self, item: Outline) -> Iterator[tuple[str, str, str]]:
        pointer = below(item.pointer, "after")
        for key in self.reader.object(item.form.get("after", {}), pointer):
            yield key, below(pointer, key), f"after.{key}.{item.name}"

    def _transitions(self, item: Outline) -> Iterator[TransitionSource]:
        form, pointer = item.form, item.pointer
        on = below(pointer, "on")
        for event, part in self.reader.object(form.get("on", {}), on).items():
            self._check_descriptor(event, below(on, event))
            yield from self._arrows(item, part, below(on, event), event)
        for key, place, event in self._delays(item):
            yield from self._arrows(item, form["after"][key], place, event)
        if item.parent is not None and "onDone" in form:
            done = f"done.state.{item.name}"
            yield from self._arrows(item, form["onDone"], below(pointer, "onDone"), done)
        for invoke_id, part, place in self._invoke_forms(item):
            for key, event in (("onDone", "done"), ("onError", "error")):
                if key in part:
                    name = f"{event}.invoke.{invoke_id}"
                    yield from self._arrows(item, part[key], below(place, key), name)
        yield from self._arrows(item, form.get("always"), below(pointer, "always"), None)

    def _check_descriptor(self, event: str, pointer: str) -> None:
        if event != "*" and not EVENT_NAME.fullmatch(event.removesuffix(".*")):
            self.reader.fault(pointer, "an event is a name, name.* or *, without spaces")

    def _arrows(
        self, item: Outline, form: Json, pointer: str, event: str | None
    ) -> Iterator[TransitionSource]:
        for part, place in self.reader.each(form, pointer):
            fields = {"target": part} if isinstance(part, str) else part
            known = self.reader.object(fields, place, TRANSITION_KEYS)
            targets = guard = None
            if known.get("target") is not None:
                targets = self._targets(item, known["target"], below(place, "target"))
            if "guard" in known:
                guard = self.reader.expression(
                    known["guard"], below(place, "guard"), self.vocabulary
                )
            reenter = self.reader.truth(known.get("reenter", False), below(place, "reenter"))
            yield TransitionSource(
                events=None if event is None else (event,),
                targets=targets or None,
                guard=guard,
                actions=self.actions.block(known.get("actions"), below(place, "actions")),
                reach=Reach.EXTERNAL if reenter else Reach.INSIDE,
                place=place,
            )

    def _invoke_forms(self, item: Outline) -> Iterator[tuple[str, Mapping[str, Json], str]]:
        parts = self.reader.each(item.form.get("invoke"), below(item.pointer, "invoke"))
        for number, (part, place) in enumerate(parts, 1):
            form = self.reader.object(part, place, INVOKE_KEYS)
            own = item.name if number == 1 else f"{item.name}-{number}"
            name = self.reader.text(form["id"], below(place, "id")) if "id" in form else own
            yield name, form, place

    def _invokes(self, item: Outline) -> Iterator[InvokeSource]:
        for invoke_id, form, place in self._invoke_forms(item):
            arguments = form.get("arguments")
            kind = self.reader.text(form.get("type"), below(place, "type"))
            source = below(place, "source")
            forward = form.get("autoforward", False)
            yield InvokeSource(
                id=invoke_id,
                type=Constant(kind),
                source=self.reader.filled(
                    self.reader.text(form["source"], source), source, self.vocabulary
                )
                if "source" in form
                else None,
                arguments=self._arguments(arguments, below(place, "arguments")),
                autoforward=self.reader.truth(forward, below(place, "autoforward")),
                finalize=self.actions.block(form.get("finalize"), below(place, "finalize")),
                place=place,
            )

    def _arguments(self, form: Json, pointer: str) -> Value | None:
        # A bare text is a shell line or code: braces mean something else there.
        if form is None or isinstance(form, str):
            return None if form is None else Constant(form)
        return self.reader.filled(form, pointer, self.vocabulary)
