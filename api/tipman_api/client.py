"""The client: one server over HTTP, as the commands see it.

Light on purpose: a command starts in the time that this takes to import.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

from tipman.version import VERSION

from tipman_api.conversation import Conversation, MalformedError, Reply
from tipman_api.destinations import Destination
from tipman_api.eventstream import Message, Parser
from tipman_api.refusals import ForeignAnswerError, NoServerError, RefusedError

PREFIX = "/api/v1"
ANSWER_S = 60.0
"""How long an answer may take unless told otherwise."""
WAIT_S_MAX = 30.0
"""How long one answer may wait for what it is about, well below that."""
SILENCE_S = 60.0
"""How long a stream may say nothing at all; a living server says something more often."""
PATIENCE_S = 30.0
"""How long a server that went away is looked for unless told otherwise."""
_STATUS_ERROR = 400
_STATUS_OK = 200
_DROPPED = ConnectionError
"""A connection that the server had closed, as it may at any time between two requests."""
Query = Iterable[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered; a refusal is raised and never one of these."""

    status: int
    headers: Mapping[str, str]
    """By names in small letters."""
    content: bytes

    @property
    def json(self) -> Any:
        """What the body says.

        Raises:
            NoServerError: it is not JSON, so whoever answered is none of ours.
        """
        try:
            return json.loads(self.content)
        except ValueError:
            raise NoServerError("the answer is not JSON; is this a Tipman server?") from None


class Client:
    """Asks one server; use it from one thread, as a context manager.

    *find* says which; it is asked again when a server that went away is looked for. *answer_s* is
    how long an answer may take.
    """

    def __init__(self, find: Callable[[], Destination], *, answer_s: float = ANSWER_S) -> None:
        self._find = find
        self._answer_s = answer_s
        self._destination: Destination | None = None
        self._conversation: Conversation | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._conversation is not None:
            self._conversation.close()
            self._conversation = None

    def look_again(self) -> None:
        """Forget where the server was: one that was started again may be elsewhere."""
        self.close()
        self._destination = None

    def get(
        self,
        path: str,
        query: Query = (),
        *,
        accept: str = "application/json",
        wait_s: float | None = None,
    ) -> Answer:
        """Read what is at a path; with *wait_s* once it has settled, or so many seconds later.

        Raises:
            RefusedError: the server refused.
            NoServerError: it did not answer.
        """
        headers = {"Accept": accept}
        if wait_s is not None:
            headers["Prefer"] = f"wait={min(wait_s, WAIT_S_MAX):.3f}"
        return self._twice("GET", _target(path, query), None, headers)

    def post(self, path: str, body: Any, query: Query = ()) -> Answer:
        """Ask for a change; errors as for `get`."""
        return self._write("POST", _target(path, query), body)

    def patch(self, path: str, body: Any, query: Query = ()) -> Answer:
        """Change a resource; errors as for `get`."""
        return self._write("PATCH", _target(path, query), body)

    def delete(self, path: str, query: Query = ()) -> Answer:
        """Delete a resource; errors as for `get`."""
        return self._write("DELETE", _target(path, query), None)

    def stream(self, path: str, query: Query = (), last_id: str = "") -> "Stream":
        """Open a stream, from after the message with this id.

        Raises:
            RefusedError: the server refused.
            NoServerError: it did not answer.
        """
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        conversation = self._open(SILENCE_S)
        try:
            reply = self._ask(conversation, "GET", _target(path, query), None, headers)
            if reply.status != _STATUS_OK:
                _checked(reply, reply.read())
        except (OSError, MalformedError) as error:
            conversation.close()
            raise self._gone(error) from None
        except BaseException:
            conversation.close()
            raise
        return Stream(conversation, reply, self._gone)

    def _write(self, method: str, target: str, body: Any) -> Answer:
        headers = {"Accept": "application/json", "Idempotency-Key": os.urandom(16).hex()}
        if body is None:
            return self._twice(method, target, None, headers)
        headers["Content-Type"] = "application/json"
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        # A lone surrogate goes as it came: that the server refuses it says more than we could.
        return self._twice(method, target, text.encode("utf-8", "surrogatepass"), headers)

    def _twice(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Ask; and once more when the connection was dropped, which the key makes safe."""
        try:
            return self._once(method, target, body, headers)
        except _DROPPED:
            self.close()
        try:
            return self._once(method, target, body, headers)
        except _DROPPED as error:
            raise self._gone(error) from None

    def _once(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        conversation = self._conversation = self._conversation or self._open(self._answer_s)
        try:
            reply = self._ask(conversation, method, target, body, headers)
            content = reply.read()
        except _DROPPED:
            raise
        except (OSError, MalformedError) as error:
            raise self._gone(error) from None
        if reply.is_last:
            self.close()
        return _checked(reply, content)

    def _ask(
        self,
        conversation: Conversation,
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> Reply:
        destination = self._here()
        sent = {"User-Agent": f"tipman/{VERSION}", **headers}
        if destination.token is not None:
            sent["Authorization"] = f"Bearer {destination.token}"
        return conversation.ask(method, destination.address.prefix + target, sent, body)

    def _open(self, timeout_s: float) -> Conversation:
        address = self._here().address
        try:
            return Conversation(address, timeout_s)
        except OSError as error:
            reason = error.strerror or str(error)
            raise NoServerError(f"no server answers at {address}: {reason}") from None

    def _here(self) -> Destination:
        if self._destination is None:
            self._destination = self._find()
        return self._destination

    def _gone(self, error: Exception) -> NoServerError:
        self.close()
        address = self._here().address
        if isinstance(error, TimeoutError):
            return NoServerError(f"the server at {address} did not answer in time")
        if isinstance(error, OSError):
            return NoServerError(f"the server at {address} went away before it answered")
        return NoServerError(f"what answers at {address} is no Tipman server")


class Stream:
    """A stream of messages that is open; iterate it once."""

    def __init__(
        self,
        conversation: Conversation,
        reply: Reply,
        gone: Callable[[Exception], NoServerError],
    ) -> None:
        self._conversation = conversation
        self._reply = reply
        self._gone = gone
        self._parser = Parser()

    @property
    def last_id(self) -> str:
        """Where to go on after what was read, empty while the server has not said."""
        return self._parser.last_id

    def __iter__(self) -> Iterator[list[Message]]:
        """Yield messages in the batches in which they arrive, until the server ends the stream.

        Raises:
            NoServerError: it broke.
        """
        try:
            while data := self._reply.some():
                if batch := [*self._parser.feed(data)]:
                    yield batch
        except (OSError, MalformedError) as error:
            raise self._gone(error) from None
        finally:
            self._conversation.close()


def _target(path: str, query: Query) -> str:
    """Return path and query as they are sent; what is None is left out."""
    pairs = [(name, value) for name, value in query if value is not None]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def _checked(reply: Reply, content: bytes) -> Answer:
    if reply.status < _STATUS_ERROR:
        return Answer(reply.status, reply.headers, content)
    members: Any = None
    with suppress(ValueError):
        members = json.loads(content)
    if not isinstance(members, dict) or "code" not in members:
        raise ForeignAnswerError(reply.status, reply.reason)
    raise RefusedError(reply.status, members)
