"""The wire: HTTP/1.1 as uvicorn reads it, with an end to what never ends.

uvicorn waits for ever for the rest of a head, keeps all of it in memory, and logs every line that
is not HTTP; an answer that is not taken it keeps for ever, too. Here a head has a time and a size,
a body that nobody wants is not read for long, what is no HTTP is answered and counted as every
other refusal, and a client that takes nothing of its answer is cut off.
"""

from asyncio import TimerHandle, Transport
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade
from tipman.settings import Settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tipman_api.answers import DATA_HEADERS
from tipman_api.denials import Denial, Denials
from tipman_api.joining import joining
from tipman_api.problems import KINDS, MEDIA_TYPE, problem

ABORT = "tipman.abort"
"""Among the extensions of a scope: its `call` ends the connection, unsent bytes being lost."""
STALL_S = 60.0
"""How long a client may take nothing of what it asked for before it counts as gone."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection.

    The guard answers what has a head; this answers, or closes, what does not come so far.
    """

    def __init__(
        self, *args: Any, settings: Settings, denials: Denials, stall_s: float, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._stall_s = stall_s
        self._stall: TimerHandle | None = None
        self._settings = settings
        self._denials = denials
        self._head_bytes_max = settings.header_bytes_max + settings.query_bytes_max
        self._head_bytes = 0
        self._is_in_head = False
        self._is_in_message = False
        self._timer: TimerHandle | None = None
        self._fault = ("malformed", "this is not HTTP/1.1")

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as theirs
        """Take a connection, unless there are too many."""
        super().connection_made(joining(transport, self.loop))
        if len(self.connections) > self._settings.connections_max:
            self._fault = ("too_many", f"more than {self._settings.connections_max} connections")
            self._refuse()
            return
        self._is_in_head = True
        self._arm(self._end_head)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the timers."""
        self._disarm()
        self._unwatch()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to watch whether the client takes what is there for it."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """It has."""
        self._unwatch()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Read on; what is still a head afterwards is timed and measured."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade:
            # We know no other protocol; the request is answered in this one.
            return
        except HttpParserError:
            self._refuse()
            return
        if not self._is_in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > self._head_bytes_max:
            self._fault = ("headers_too_large", f"more than {self._head_bytes_max:,} bytes")
            self._refuse()
        elif self._timer is None:
            self._arm(self._end_head)

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._is_in_head = self._is_in_message = True
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"call": self.transport.abort}}

    def on_headers_complete(self) -> None:
        """End a head, unless its target is none of a path here."""
        self._is_in_head = False
        self._head_bytes = 0
        self._disarm()
        if not self.url.startswith(b"/"):
            self._fault = ("bad_path", "the target must be a path, not an address")
            raise ValueError(self._fault[1])
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request."""
        self._is_in_message = False
        self._disarm()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request; a body that is still coming may do so for a while only."""
        super().on_response_complete()
        if self._is_in_message and not self.transport.is_closing():
            self._arm(self.transport.close)

    def _end_head(self) -> None:
        self._timer = None
        if self._is_in_message:
            self._fault = (
                "timeout",
                f"the head did not arrive within {self._settings.read_timeout_s:g} s",
            )
            self._refuse()
        else:
            # Nothing was asked, so nothing is answered.
            self.transport.close()

    def _refuse(self) -> None:
        code, detail = self._fault
        self._is_in_head = False
        self._note(code, detail)
        if self.transport.is_closing():
            return
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
            # Its body is what can not be read: this is the answer, and whoever reads may stop.
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.write(_answer(code, detail))
        self.transport.close()

    def _note(self, code: str, detail: str) -> None:
        address = self.client[0] if self.client else ""
        self._denials.note(Denial(code, address, "-", "-", detail))

    def _watch(self) -> None:
        left = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(self._stall_s, self._end_stall, left)

    def _end_stall(self, before: int) -> None:
        """Cut the client off, unless it has taken something; it may be slow."""
        if self.transport.get_write_buffer_size() < before:
            self._watch()
        else:
            self.transport.abort()

    def _unwatch(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _arm(self, call: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self.loop.call_later(self._settings.read_timeout_s, call)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def protocol(
    settings: Settings, denials: Denials, *, stall_s: float = STALL_S
) -> type[GuardedProtocol]:
    """Return what uvicorn's `http` option takes: the protocol with its limits."""
    made = partial(GuardedProtocol, settings=settings, denials=denials, stall_s=stall_s)
    return cast("type[GuardedProtocol]", made)


def _answer(code: str, detail: str) -> bytes:
    body = problem(code, detail)
    status, title = KINDS[code]
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        *DATA_HEADERS,
    ]
    lines = [b"%s: %s" % pair for pair in headers]
    return b"\r\n".join([b"HTTP/1.1 %d %s" % (status, title.encode()), *lines, b"", body])
