"""Event streams: bytes in, messages out.

Source: WHATWG HTML, "Server-sent events", 9.2.5 and 9.2.6.
"""

import codecs
from collections.abc import Iterator
from typing import NamedTuple


class Message(NamedTuple):
    """One message; to go on after it, `id` is sent. It is empty when the stream has said none."""

    name: str
    data: str
    id: str


class Parser:
    r"""Turns the bytes of a stream, in whatever pieces they come, into messages.

    >>> parser = Parser()
    >>> list(parser.feed(b"id: 7\ndata: a\nda")), list(parser.feed(b"ta: b\n\n"))
    ([], [Message(name='message', data='a\nb', id='7')])
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
        self._rest = ""
        self._name = ""
        self._data: list[str] = []
        self._id = ""
        self.last_id = ""
        """Where to go on: what the last whole message or mere `id` said."""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that these bytes complete."""
        text = self._rest + self._decode(data)
        # A carriage return at the end may be the first half of a line's end.
        held = text.endswith("\r")
        body = text[:-1] if held else text
        *lines, rest = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = rest + "\r" * held
        for line in lines:
            message = self._take(line)
            if message is not None:
                yield message

    def _take(self, line: str) -> Message | None:
        if not line:
            return self._message()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "data":
                self._data.append(value)
            case "event":
                self._name = value
            case "id" if "\0" not in value:
                self._id = value
            case _:
                # A comment, or what another version of the recommendation may bring.
                pass
        return None

    def _message(self) -> Message | None:
        name, data = self._name or "message", self._data
        self._name, self._data, self.last_id = "", [], self._id
        return Message(name, "\n".join(data), self._id) if data else None
