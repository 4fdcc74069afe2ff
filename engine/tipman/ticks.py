"""Ticks: many schedules that are due at one instant, decided before it and committed on it.

A thousand decisions take as long as some people's patience. What they will be is known before they
are due, so they are made and written ahead, in a transaction that is left open until the instant
has come. Nothing fires early, as nothing of it is there before the commit; and who comes meanwhile
waits no longer than for the same tick had it begun on its instant.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import NamedTuple

from tipman.clock import MICROSECONDS, Clock
from tipman.deadlines import LEAD_US_MAX
from tipman.errors import TipmanError
from tipman.events import Event
from tipman.receipts import Receipt

Published = tuple[Event, Receipt | None]


class Tick(NamedTuple):
    """An event that is handled as of *at* (µs), and committed no sooner."""

    event: Event
    at: int
    receipt: Receipt

    def queued(self) -> SimpleQueue[Published]:
        """Return a queue of this event alone."""
        queue: SimpleQueue[Published] = SimpleQueue()
        queue.put((self.event, self.receipt))
        return queue


class Ticks:
    """Events that wait to be prepared; `put` may come from any thread."""

    def __init__(self, clock: Clock, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._waiting: deque[Tick] = deque()
        self._closed: TipmanError | None = None

    def put(self, event: Event, at: int) -> Receipt:
        """Have an event handled as of *at* (µs), shortly before, and committed when that comes."""
        receipt = Receipt()
        self._waiting.append(Tick(event, at, receipt))
        if self._closed is not None:
            self.close(self._closed)
        self._wake()
        return receipt

    @property
    def is_waited_for(self) -> bool:
        """Whether one waits for its turn."""
        return bool(self._waiting)

    def take(self) -> Tick | None:
        """Return the next, None for none; whoever has the bus's turn calls this."""
        if not self._waiting or self._closed is not None:
            return None
        tick = self._waiting.popleft()
        early_us = tick.at - self._clock.wall_us()
        # After a clock that was set back, nothing of it will be found due.
        return tick if 0 < early_us <= LEAD_US_MAX else tick._replace(at=0)

    def await_instant(self, tick: Tick) -> None:
        """Return when it has come; a clock that is set back now is set back after it."""
        left_us = tick.at - self._clock.wall_us()
        if 0 < left_us <= LEAD_US_MAX:
            self._clock.wait(left_us / MICROSECONDS)

    def close(self, error: TipmanError) -> None:
        """Take no more; tell those who wait."""
        self._closed = error
        while self._waiting:
            with suppress(IndexError):
                self._waiting.popleft().receipt.settle(error)
