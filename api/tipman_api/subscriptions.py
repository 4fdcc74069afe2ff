"""Subscriptions: following a server across its restarts, each message once."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from tipman.clock import Clock, SystemClock
from tipman.errors import WaitTimeoutError

from tipman_api.client import PATIENCE_S, WAIT_S_MAX, Client, Query, Stream
from tipman_api.eventstream import Message
from tipman_api.refusals import NoServerError, RefusedError

_PAUSE_S = 0.1
_PAUSE_S_MAX = 1.0
_AWAY = frozenset({502, 503, 504})
"""What a server that is stopping answers, and what a proxy does whose server is away."""
T = TypeVar("T")


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
        stream = self._opened
        while True:
            with suppress(NoServerError):
                yield from stream
            self._last_id = stream.last_id or self._last_id
            stream = self._open_again()

    def _open_again(self) -> Stream:
        return patiently(
            self._client,
            lambda: self._client.stream(self._path, self._query, self._last_id),
            patience_s=self._patience_s,
            clock=self._clock,
        )


def patiently(client: Client, ask: Callable[[], T], *, patience_s: float, clock: Clock) -> T:
    """Ask a server that went away, again and again until it is back.

    Raises:
        RefusedError: it is back, and refused.
        NoServerError: it was not back within *patience_s*.
    """
    begun, pause_s = clock.monotonic(), _PAUSE_S
    while True:
        # Nothing tells that a server starts, so it is looked for; a signal ends the pause.
        threading.Event().wait(pause_s)
        pause_s = min(pause_s * 2, _PAUSE_S_MAX)
        client.look_again()
        try:
            return ask()
        except (NoServerError, RefusedError) as error:
            if not _is_away(error):
                raise
            if clock.monotonic() - begun >= patience_s:
                raise NoServerError(f"the server went away: {error}") from None


def lastingly(client: Client, ask: Callable[[], T], *, patience_s: float, clock: Clock) -> T:
    """Ask; and if the server has gone away, `patiently`, with the same errors."""
    try:
        return ask()
    except (NoServerError, RefusedError) as error:
        if not _is_away(error):
            raise
        return patiently(client, ask, patience_s=patience_s, clock=clock)


def _is_away(error: NoServerError | RefusedError) -> bool:
    """Tell whether a server is stopping or gone, as it says itself or a proxy before it."""
    return isinstance(error, NoServerError) or error.status in _AWAY


def settled(
    client: Client,
    uri: str,
    *,
    wait_s: float | None = None,
    patience_s: float = PATIENCE_S,
    clock: Clock | None = None,
) -> dict[str, Any]:
    """Return an instance once it has settled.

    Raises:
        WaitTimeoutError: it had not within *wait_s*.
        NoServerError: the server went away and did not come back within *patience_s*.
    """
    clock = clock or SystemClock()
    deadline = None if wait_s is None else clock.monotonic() + wait_s
    while True:
        left_s = WAIT_S_MAX if deadline is None else max(deadline - clock.monotonic(), 0.0)
        ask = partial(client.get, uri, wait_s=left_s)
        instance = lastingly(client, ask, patience_s=patience_s, clock=clock).json
        if instance["settled"]:
            return dict(instance)
        if deadline is not None and clock.monotonic() >= deadline:
            raise WaitTimeoutError(f"{uri} has not settled within {wait_s:g} s; it goes on")


def data_of(message: Message) -> Any:
    """Return the data of a message, which is JSON.

    Raises:
        NoServerError: it is not, so whoever sent it is none of ours.
    """
    try:
        return json.loads(message.data)
    except ValueError:
        raise NoServerError("the stream is not JSON; is this a Tipman server?") from None
