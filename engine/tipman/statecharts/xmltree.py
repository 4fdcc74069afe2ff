"""Reading and writing small XML documents, with lines and without entities.

Document type declarations are refused: they serve entity bombs and reads of foreign files, and
no chart needs one.
"""

from collections import Counter
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from tipman.statecharts.errors import ChartError, Fault

SOURCE_BYTES_MAX = 4 * 1024 * 1024
ELEMENTS_MAX = 100_000
DEPTH_MAX = 100
SCXML_NAMESPACE = "http://www.w3.org/2005/07/scxml"


@dataclass(slots=True)
class Element:
    """One element. `tag` is the bare name in SCXML's namespace or none, else `uri name`."""

    tag: str
    attributes: dict[str, str]
    place: str
    children: list["Element"] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text right inside, without what stands inside children."""
        return "".join(self.parts)

    def get(self, name: str) -> str | None:
        """Give an attribute."""
        return self.attributes.get(name)

    def all(self, tag: str) -> list["Element"]:
        """List the children of one tag."""
        return [child for child in self.children if child.tag == tag]

    def first(self, tag: str) -> "Element | None":
        """Give the first child of one tag."""
        return next(iter(self.all(tag)), None)


def parse_xml(source: str | bytes) -> Element:
    """Read a document.

    Raises:
        ChartError: not well-formed, too large or deep, or with a document type declaration.
    """
    data = source.encode() if isinstance(source, str) else source
    if len(data) > SOURCE_BYTES_MAX:
        raise _refusal("", f"the document is larger than {SOURCE_BYTES_MAX} bytes")
    # A text is UTF-8 by now, whatever it says of itself.
    parser = expat.ParserCreate("UTF-8" if isinstance(source, str) else None, " ")
    builder = _Builder(parser)
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    parser.StartDoctypeDeclHandler = builder.refuse_doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        place = f"line {error.lineno} column {error.offset + 1}"
        raise _refusal(place, f"not well-formed: {expat.ErrorString(error.code)}") from None
    except (LookupError, ValueError) as error:  # an encoding Python does not know
        raise _refusal("", f"not readable: {error}") from None
    return builder.root


def _refusal(place: str, detail: str) -> ChartError:
    return ChartError(f"{place}: {detail}" if place else detail, (Fault(place, detail),))


class _Builder:
    """Collects what the parser tells into elements."""

    def __init__(self, parser: expat.XMLParserType) -> None:
        self.parser = parser
        self.document = Element("", {}, "")
        self.open = [self.document]
        self.numbers: list[Counter[str]] = [Counter()]  # of the tags inside each open element
        self.count = 0

    @property
    def root(self) -> Element:
        return self.document.children[0]

    def where(self) -> str:
        return f"line {self.parser.CurrentLineNumber}"

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if self.count > ELEMENTS_MAX:
            raise _refusal(self.where(), f"more than {ELEMENTS_MAX} elements")
        if len(self.open) > DEPTH_MAX:
            raise _refusal(self.where(), f"more than {DEPTH_MAX} elements inside one another")
        tag = tag.removeprefix(SCXML_NAMESPACE + " ")
        owner = self.open[-1]
        self.numbers[-1][tag] += 1
        number = self.numbers[-1][tag]
        path = owner.place.partition(": ")[2] if owner.place else ""
        element = Element(tag, attributes, f"{self.where()}: {path}/{tag}[{number}]")
        owner.children.append(element)
        self.open.append(element)
        self.numbers.append(Counter())

    def end(self, _tag: str) -> None:
        self.open.pop()
        self.numbers.pop()

    def characters(self, text: str) -> None:
        self.open[-1].parts.append(text)

    def refuse_doctype(self, *_: object) -> None:
        raise _refusal(self.where(), "a document type declaration is not allowed")


def write_xml(element: Element, around: str = "") -> str:
    """Write an element as a document of its own; text between its children comes first."""
    uri, _, name = element.tag.rpartition(" ")
    uri = uri or SCXML_NAMESPACE
    parts = [] if uri == around else [f" xmlns={quoteattr(uri)}"]
    for index, (key, value) in enumerate(element.attributes.items()):
        space, _, bare = key.rpartition(" ")
        if space:
            parts.append(f" xmlns:n{index}={quoteattr(space)}")
            bare = f"n{index}:{bare}"
        parts.append(f" {bare}={quoteattr(value)}")
    inner = escape(element.text) + "".join(write_xml(child, uri) for child in element.children)
    head = f"{name}{''.join(parts)}"
    return f"<{head}>{inner}</{name}>" if inner else f"<{head}/>"
