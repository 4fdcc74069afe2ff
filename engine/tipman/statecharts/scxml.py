"""SCXML 1.0 documents with the Python data model, as https://www.w3.org/TR/scxml/ has them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tipman.statecharts.actions import Block
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
from tipman.statecharts.errors import ChartError, Fault
from tipman.statecharts.executable import ContentReader, plain_value
from tipman.statecharts.outline import ROOT
from tipman.statecharts.payload import TakeBack, failing
from tipman.statecharts.values import Constant, Value
from tipman.statecharts.xmltree import Element, parse_xml

STATE_TAGS = ("state", "parallel", "final", "history")
DATA_MODELS = (None, "python", "null", "ecmascript")

Fetch = Callable[[str], str]


def load_scxml(
    source: str | bytes,
    *,
    name: str | None = None,
    fetch: Fetch | None = None,
    memo_max: int = MEMO_MAX,
) -> Chart:
    """Compile an SCXML document given as text.

    Expressions are the Python subset of this package, whatever the document says of its data
    model. *fetch* gives the text behind the `src` of a data element or script; without it, such
    an element has no value. *name* stands in where the document has none.

    Raises:
        ChartError: not an SCXML document, or no chart: an id twice, an unknown target. What can
            run but will fail, or can never happen, is in `Chart.warnings`.
    """
    root = parse_xml(source)
    if root.tag != "scxml":
        detail = f"the outermost element is <{root.tag}>, not <scxml>"
        raise ChartError(detail, (Fault(root.place, detail),))
    reader = DocumentReader(ContentReader(), fetch)
    return build(reader.document(root, name), lenient=True, memo_max=memo_max)


@dataclass(slots=True)
class DocumentReader:
    """Reads one document."""

    content: ContentReader
    fetch: Fetch | None
    taken: set[str] = field(default_factory=set)
    unnamed: int = 0

    def document(self, root: Element, name: str | None) -> Document:
        """Read the outermost element."""
        self.taken = set(_ids(root))
        if root.get("datamodel") not in DATA_MODELS:
            self.content.warn(root.place, f"unknown data model {root.get('datamodel')!r}")
        return Document(
            name=root.get("name") or name or "scxml",
            root=self.state(root),
            late=root.get("binding") == "late",
            scripts=self.content.actions(root.all("script")),
            warnings=tuple(self.content.warnings),
        )

    def state(self, element: Element) -> StateSource:
        """Read a state and all below it."""
        kind = _kind(element)
        default = self._default(element, kind)
        history = kind.is_history
        return StateSource(
            name=ROOT if element.tag == "scxml" else element.get("id") or self._new_name(),
            kind=kind,
            children=tuple(
                self.state(child) for child in element.children if child.tag in STATE_TAGS
            ),
            initial=default[0],
            initial_actions=default[1],
            entry=self.content.blocks(element, "onentry"),
            exit=self.content.blocks(element, "onexit"),
            transitions=()
            if history
            else tuple(self._transition(child) for child in element.all("transition")),
            invokes=tuple(self._invoke(child) for child in element.all("invoke")),
            data=tuple(self._data(element)),
            output=self._output(element),
            place=element.place,
        )

    def _new_name(self) -> str:
        """Name a state that has no id: by its number among those, whatever ids there are."""
        while True:
            self.unnamed += 1
            name = f"state_{self.unnamed}"
            if name not in self.taken:
                return name

    def _default(self, element: Element, kind: Kind) -> tuple[tuple[str, ...] | None, Block]:
        """Where a state begins, and what is done on the way."""
        owner = element if kind.is_history else element.first("initial")
        transition = owner.first("transition") if owner is not None else None
        if transition is not None:
            targets = tuple((transition.get("target") or "").split())
            return targets, self.content.actions(transition.children)
        initial = element.get("initial")
        return (None if initial is None else tuple(initial.split())), ()

    def _transition(self, element: Element) -> TransitionSource:
        event, target = element.get("event"), element.get("target")
        condition = element.get("cond")
        internal = element.get("type") == "internal"
        return TransitionSource(
            events=None if event is None else tuple(map(_descriptor, event.split())),
            targets=tuple((target or "").split()) or None,
            guard=self.content.attribute(element, "cond") if (condition or "").strip() else None,
            actions=self.content.actions(element.children),
            reach=Reach.INTERNAL if internal else Reach.EXTERNAL,
            place=element.place,
        )

    def _data(self, element: Element) -> Iterator[tuple[str, Value]]:
        for model in element.all("datamodel"):
            for item in model.all("data"):
                yield item.get("id") or "", self._first_value(item)

    def _first_value(self, item: Element) -> Value:
        expression = self.content.attribute(item, "expr")
        if expression is not None:
            return expression
        source = item.get("src")
        if source is None:
            empty = not item.children and not item.text.strip()
            return Constant(None) if empty else self.content.inner(item)
        if self.fetch is None:
            self.content.warn(item.place, f"{source!r} can not be fetched here")
            return failing(source, f"{source!r} can not be fetched here")
        return plain_value(self.fetch(source))

    def _output(self, element: Element) -> Value | None:
        done = element.first("donedata")
        if done is None:
            return None
        return self.content.content(done) or self.content.parameters(done)

    def _invoke(self, element: Element) -> InvokeSource:
        return InvokeSource(
            id=element.get("id"),
            id_location=self.content.location(element.get("idlocation")),
            type=self.content.either(element, "type"),
            source=self.content.either(element, "src"),
            content=self.content.content(element),
            arguments=self.content.parameters(element),
            autoforward=element.get("autoforward") == "true",
            finalize=self._finalize(element),
            place=element.place,
        )

    def _finalize(self, element: Element) -> Block:
        finalize = element.first("finalize")
        if finalize is None:
            return ()
        if finalize.children:
            return self.content.actions(finalize.children)
        named = [(name, name) for name in (element.get("namelist") or "").split()]
        named += [
            (item.get("name") or "", item.get("location") or "") for item in element.all("param")
        ]
        located = [(name, self.content.location(location)) for name, location in named]
        pairs = tuple((name, path) for name, path in located if path is not None)
        return (TakeBack(pairs, finalize.place),)


def _kind(element: Element) -> Kind:
    if element.tag == "history":
        return Kind.DEEP if element.get("type") == "deep" else Kind.SHALLOW
    if element.tag in ("parallel", "final"):
        return Kind(element.tag)
    inside = any(child.tag in STATE_TAGS for child in element.children)
    return Kind.COMPOUND if inside or element.tag == "scxml" else Kind.ATOMIC


def _descriptor(text: str) -> str:
    """Say in our own words what an SCXML descriptor covers: itself and all below it.

    >>> [_descriptor(text) for text in ("*", "error", "error.*", "error.")]
    ['*', 'error.*', 'error.*', 'error.*']
    """
    if text == "*":
        return text
    return text.removesuffix(".*").rstrip(".") + ".*"


def _ids(element: Element) -> Iterator[str]:
    if element.tag in STATE_TAGS and element.get("id"):
        yield element.get("id") or ""
    for child in element.children:
        yield from _ids(child)
