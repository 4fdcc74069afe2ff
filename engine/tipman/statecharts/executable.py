"""Executable content of SCXML documents (SCXML 4): elements to actions."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tipman.statecharts.actions import (
    Action,
    Assign,
    Block,
    Branch,
    Cancel,
    Choose,
    Declare,
    Fail,
    ForEach,
    Raise,
    SendEvent,
    WriteLog,
)
from tipman.statecharts.errors import ExpressionError, Fault
from tipman.statecharts.expressions import Expression, Vocabulary, compile_with
from tipman.statecharts.interpreter import PROCESSOR
from tipman.statecharts.payload import Parameters, failing
from tipman.statecharts.values import Constant, Value
from tipman.statecharts.xmltree import Element, write_xml

VOCABULARY = Vocabulary(event="_event")
SEND_TYPES = frozenset({"scxml", PROCESSOR, "http://www.w3.org/TR/scxml"})
_LOCATION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_STATEMENT = re.compile(r"\s*([A-Za-z_]\w*)\s*=(?!=)\s*(.+?)\s*;?\s*")


@dataclass(frozen=True, slots=True)
class ContentReader:
    """Reads executable content; what can not be run is a warning, and fails when reached."""

    warnings: list[Fault] = field(default_factory=list)

    def warn(self, place: str, detail: str) -> None:
        """Note what will fail."""
        self.warnings.append(Fault(place, detail))

    def expression(self, source: str, place: str) -> Expression:
        """Compile an expression; a bad one fails whenever it is evaluated (SCXML 5.9)."""
        try:
            return compile_with(source, VOCABULARY)
        except ExpressionError as error:
            self.warn(place, str(error))
            return failing(source, str(error))

    def attribute(self, element: Element, name: str) -> Expression | None:
        """Compile the attribute *name*, if it is there."""
        source = element.get(name)
        return None if source is None else self.expression(source, f"{element.place}/@{name}")

    def either(self, element: Element, name: str, computed: str | None = None) -> Value | None:
        """Read what is either a plain attribute or an expression in another one."""
        expression = self.attribute(element, computed or f"{name}expr")
        if expression is not None:
            return expression
        plain = element.get(name)
        return None if plain is None else Constant(plain)

    def inner(self, element: Element) -> Constant:
        """Read what an element holds: XML as text, a constant expression, or plain text."""
        if element.children:
            return Constant(write_xml(element.children[0]))
        return plain_value(element.text)

    def content(self, element: Element) -> Value | None:
        """Read a `content` child."""
        content = element.first("content")
        if content is None:
            return None
        return self.attribute(content, "expr") or self.inner(content)

    def parameters(self, element: Element) -> Value | None:
        """Read `namelist` and `param` children."""
        names = (element.get("namelist") or "").split()
        place = f"{element.place}/@namelist"
        variables = tuple((name, self.expression(name, place)) for name in names)
        parameters = []
        for child in element.all("param"):
            name = child.get("name") or ""
            source = self.attribute(child, "expr") or self.attribute(child, "location")
            reason = "a param needs expr or location"
            parameters.append((name, source or failing("", reason)))
        if not variables and not parameters:
            return None
        return Parameters(variables, tuple(parameters))

    def location(self, text: str | None) -> tuple[str, ...] | None:
        """Read a path into the data; None where it is none."""
        text = (text or "").strip()
        return tuple(text.split(".")) if _LOCATION.fullmatch(text) else None

    def blocks(self, element: Element, tag: str) -> tuple[Block, ...]:
        """Read every handler of a state; each is a block of its own."""
        return tuple(self.actions(child.children) for child in element.all(tag))

    def actions(self, elements: Sequence[Element]) -> Block:
        """Read a block."""
        return tuple(self.action(element) for element in elements)

    def action(self, element: Element) -> Action:
        """Read one element of executable content."""
        reader = READERS.get(element.tag)
        if reader is None:
            return self.fail(element, f"<{element.tag}> can not be run")
        return reader(self, element)

    def fail(self, element: Element, reason: str) -> Action:
        """Stand in for content that can not be run."""
        self.warn(element.place, reason)
        return Fail(reason, element.place)

    def read_raise(self, element: Element) -> Action:
        """Read `<raise event>`."""
        event = element.get("event")
        if not event:
            return self.fail(element, "raise needs an event")
        return Raise(event, place=element.place)

    def read_log(self, element: Element) -> Action:
        """Read `<log label expr>`."""
        return WriteLog(element.get("label"), self.attribute(element, "expr"), element.place)

    def read_assign(self, element: Element) -> Action:
        """Read `<assign location expr>`, or with the value inside."""
        path = self.location(element.get("location"))
        if path is None:
            return self.fail(element, f"{element.get('location')!r} is no location")
        return Assign(path, self.attribute(element, "expr") or self.inner(element), element.place)

    def read_script(self, element: Element) -> Action:
        """Read `<script>`: lines of the form `name = expression`."""
        if element.get("src") is not None:
            return self.fail(element, "a script is not fetched: write it into the document")
        actions: list[Action] = []
        for line in filter(str.strip, element.text.split("\n")):
            match = _STATEMENT.fullmatch(line)
            if match is None:
                return self.fail(element, f"a script has lines `name = value` only, not {line!r}")
            value = self.expression(match[2], element.place)
            actions.append(Declare(match[1], value, element.place))
        return Choose((Branch(None, tuple(actions)),), element.place)

    def read_if(self, element: Element) -> Action:
        """Read `<if cond>` with its `<elseif>` and `<else>`."""
        heads: list[Element] = [element]
        bodies: list[list[Element]] = [[]]
        for child in element.children:
            if child.tag in ("elseif", "else"):
                heads.append(child)
                bodies.append([])
            else:
                bodies[-1].append(child)
        branches = [
            Branch(self.attribute(head, "cond"), self.actions(body))
            for head, body in zip(heads, bodies, strict=True)
        ]
        return Choose(tuple(branches), element.place)

    def read_foreach(self, element: Element) -> Action:
        """Read `<foreach array item index>`."""
        array = self.attribute(element, "array")
        item, index = element.get("item") or "", element.get("index")
        for name in filter(None, (item, index)):
            if self.location(name) != (name,):
                return self.fail(element, f"{name!r} can not be the name of a variable")
        if array is None or not item:
            return self.fail(element, "foreach needs array and item")
        return ForEach(array, item, index, self.actions(element.children), element.place)

    def read_cancel(self, element: Element) -> Action:
        """Read `<cancel sendid>`."""
        send_id = self.either(element, "sendid")
        if send_id is None:
            return self.fail(element, "cancel needs sendid or sendidexpr")
        return Cancel(send_id, element.place)

    def read_send(self, element: Element) -> Action:
        """Read `<send>`."""
        return SendEvent(
            event=self.either(element, "event") or Constant(None),
            data=self.content(element) or self.parameters(element),
            target=self.either(element, "target"),
            type=self.either(element, "type"),
            delay=self.either(element, "delay"),
            id=element.get("id"),
            id_location=self.location(element.get("idlocation")),
            types=SEND_TYPES,
            place=element.place,
        )


def plain_value(text: str) -> Constant:
    """Read text as a constant expression, else as text with its white space made even.

    >>> plain_value(" 21 ").value, plain_value("two  words").value
    (21, 'two words')
    """
    even = " ".join(text.split())
    try:
        expression = compile_with(even, VOCABULARY)
    except ExpressionError:
        return Constant(even)
    return Constant(even if expression.reads else expression({}))


READERS: dict[str, Callable[[ContentReader, Element], Action]] = {
    "assign": ContentReader.read_assign,
    "cancel": ContentReader.read_cancel,
    "foreach": ContentReader.read_foreach,
    "if": ContentReader.read_if,
    "log": ContentReader.read_log,
    "raise": ContentReader.read_raise,
    "script": ContentReader.read_script,
    "send": ContentReader.read_send,
}
