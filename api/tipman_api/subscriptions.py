"""Subscriptions: a stream that goes on after a break, each message once."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tipman.clock import Clock, SystemClock

from tipman_api.client import PATIENCE_S, Client, Query
from tipman_api.eventstream import Message
from tipman_api.refusals import NoServerError, RefusedError

_PAUSE_S = 0.1
_PAUSE_S_MAX = 1.0
_UNAVAILABLE = 503


class Subscription:
    """A stream of one server; when it breaks it is opened again where it was left.

    Raises, while it is read:
        RefusedError: the server refused, at the start or when it was back.
        NoServerError: no server was there at the start, or none came back within *patience_s*.
    """

    def __init__(
        self,
        client: Client,
        path: str,
        query: Query = (),
        *,
        patience_s: float = PATIENCE_S,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._path = path
        self._query = list(query)
        self._patience_s = patience_s
        self._clock = clock or SystemClock()
        self._last_id = ""
        self._opened = client.stream(path, self._query)

    def __iter__(self) -> Iterator[Message]:
        """Yield messages, in order and each once, for ever."""
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[Message]]:
        """Yield messages as they arrive together: who is slow gets them in larger batches."""
        batches = self._opened
        while True:
            with suppress(NoServerError):
                for batch in batches:
                    self._last_id = batch[-1].id
                    yield batch
            batches = self._open_again()

    def _open_again(self) -> Iterator[list[Message]]:
        begun, pause_s = self._clock.monotonic(), _PAUSE_S
        while True:
            # Nothing tells that a server starts, so it is looked for; a signal ends the pause.
            threading.Event().wait(pause_s)
            pause_s = min(pause_s * 2, _PAUSE_S_MAX)
            self._client.look_again()
            try:
                return self._client.stream(self._path, self._query, self._last_id)
            except (NoServerError, RefusedError) as error:
                if isinstance(error, RefusedError) and error.status != _UNAVAILABLE:
                    raise
                if self._clock.monotonic() - begun >= self._patience_s:
                    raise NoServerError(f"the server went away: {error}") from None


def data_of(message: Message) -> Any:
    """Return the data of a message, which is JSON.

    Raises:
        NoServerError: it is not, so whoever sent it is none of ours.
    """
    try:
        return json.loads(message.data)
    except ValueError:
        raise NoServerError("the stream is not JSON; is this a Tipman server?") from None
