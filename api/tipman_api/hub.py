"""The hub: everybody who follows something, on the server's event loop.

One tail of the event log serves all of them. Nobody polls: a commit wakes the tail, and the tail
wakes the clients with one call on the loop, however many lines and clients there are.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, TypeVar

from starlette.requests import Request
from tipman import journal
from tipman.database import Database
from tipman.errors import TipmanError, UnavailableError
from tipman.journal import Line, Mark, Wanted
from tipman.settings import Settings
from tipman.tail import Follower, Tail

from tipman_api.bridge import Bridge
from tipman_api.lookout import Lookout

HEARTBEAT_S = 15.0
"""How long a stream says nothing at most, so that either end notices when the other is gone."""
LAST_WORDS_S = 1.0
"""What a client that takes nothing still gets when the server stops."""
_READS_MAX = 2
T = TypeVar("T")


class TooManyStreamsError(TipmanError):
    """As many clients follow as may; others have to wait."""

    code: ClassVar[str] = "too_many_streams"


class Subscriber:
    """One connection that follows something; lives on the loop only."""

    __slots__ = ("_is_due", "_is_refused", "_is_welcome", "_wake", "has_gone", "hub", "sending")

    def __init__(self, hub: "Hub", is_welcome: Callable[[], bool]) -> None:
        self.hub = hub
        self._is_welcome = is_welcome
        self.has_gone = False
        """Whether the connection is known to be lost."""
        self.sending: asyncio.Timeout | None = None
        """Bounds what is being sent to it."""
        self._wake = asyncio.Event()
        self._is_due = self._is_refused = False

    @property
    def is_over(self) -> bool:
        """Whether there is nobody to send to, or nothing any more."""
        return self.has_gone or self._is_refused or self.hub.is_closed

    def wake(self) -> None:
        """Let it look again for what there is."""
        self._wake.set()

    def beat(self) -> None:
        """Let it say that it lives, or end if whoever it is may ask no more."""
        self._is_due, self._is_refused = True, not self._is_welcome()
        self._wake.set()

    def leave(self) -> None:
        """Note that the connection is lost."""
        self.has_gone = True
        self._wake.set()

    async def woken(self) -> bool:
        """Wait for `wake`, a heartbeat or the end; return whether a heartbeat is due.

        A wake that came since the last wait is not overlooked: it ends this one at once.
        """
        await self._wake.wait()
        self._wake.clear()
        is_due, self._is_due = self._is_due, False
        return is_due


class Hub:
    """Bounds, wakes and ends the clients of one server."""

    def __init__(
        self, bridge: Bridge, settings: Settings, *, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        self.frame_bytes = settings.stream_frame_bytes
        self.is_closed = False
        self.lookout = Lookout(bridge)
        self._bridge = bridge
        self._subscribers: set[Subscriber] = set()
        self._most = settings.streams_max
        self._lines_max = settings.stream_lines_max
        self._heartbeat_s = heartbeat_s
        self._heart: asyncio.TimerHandle | None = None
        self._tail: Tail | None = None
        self._opening = asyncio.Lock()
        self._reads = asyncio.Semaphore(_READS_MAX)
        self._has_news = False
        bridge.at_stop.append(self.close)

    @property
    def subscribers(self) -> int:
        """How many follow something now."""
        return len(self._subscribers)

    @contextmanager
    def subscriber(self, is_welcome: Callable[[], bool]) -> Iterator[Subscriber]:
        """Let one more follow, while the block lasts and, at each heartbeat, it is welcome.

        Raises:
            TooManyStreamsError: there are as many as may.
            UnavailableError: the server is stopping.
        """
        if self.is_closed:
            raise UnavailableError("the server is stopping")
        if len(self._subscribers) >= self._most:
            raise TooManyStreamsError(
                f"{self._most} clients follow already, as many as `streams_max` lets"
            )
        subscriber = Subscriber(self, is_welcome)
        self._subscribers.add(subscriber)
        if self._heart is None:
            self._arm()
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)
            if not self._subscribers:
                self._rest()

    def close(self) -> None:
        """End every stream, on the loop: what was sent is whole, and clients may resume."""
        self.is_closed = True
        limit = asyncio.get_running_loop().time() + LAST_WORDS_S
        for subscriber in self._subscribers:
            subscriber.wake()
            if subscriber.sending is not None:
                subscriber.sending.reschedule(limit)
        if self._tail is not None:
            # Waited for, so that nothing reads any more when the engine closes its connections.
            self._tail.close()
        self._rest()

    # Reading.

    async def read(self, query: Callable[[Database], T]) -> T:
        """Return what *query* finds; those who catch up leave threads to other requests."""
        async with self._reads:
            return await self._bridge.read(query)

    async def follow(self, wanted: Wanted, mark: Mark | None) -> Follower:
        """Return what follows the log from a mark on, from its end for None."""
        tail = await self._living_tail()
        if mark is None:
            mark = await self.read(journal.newest)
        return Follower(tail, wanted, mark)

    async def lines(
        self, subscriber: Subscriber, follower: Follower
    ) -> AsyncIterator[Sequence[Line]]:
        """Yield the lines that are wanted, none when a heartbeat is due, until it is over."""
        while not subscriber.is_over and not follower.has_ended:
            recent = follower.recent()
            if recent is None:
                found = await self.read(follower.read)
                if found:
                    yield found
            elif recent:
                yield recent
            elif await subscriber.woken():
                yield ()

    # Inside.

    async def _living_tail(self) -> Tail:
        async with self._opening:
            tail = self._tail
            if tail is None or tail.has_ended:
                tail = self._tail = Tail(
                    self._bridge.engine, self._news, lines_max=self._lines_max
                )
                await self._bridge.call(tail.start)
                if self.is_closed:
                    tail.stop()
            return tail

    def _news(self) -> None:
        # From the tail's thread; one call on the loop stands for all the news until it is made.
        if not self._has_news:
            self._has_news = True
            self._bridge.call_soon(self._spread)

    def _spread(self) -> None:
        self._has_news = False
        for subscriber in self._subscribers:
            subscriber.wake()

    def _arm(self) -> None:
        self._heart = asyncio.get_running_loop().call_later(self._heartbeat_s, self._beat)

    def _beat(self) -> None:
        for subscriber in self._subscribers:
            subscriber.beat()
        self._arm()

    def _rest(self) -> None:
        """Read the log no more when nobody follows it: commits cost nothing then."""
        if self._heart is not None:
            self._heart.cancel()
            self._heart = None
        if self._tail is not None:
            self._tail.stop()
            self._tail = None


def hub_of(request: Request) -> Hub:
    """Return the hub of the application that a request came to."""
    hub: Hub = request.app.state.hub
    return hub
