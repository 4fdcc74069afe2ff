"""Ticks: many schedules that are due at one instant, decided before it and committed on it.

A thousand decisions take as long as some people's patience. What they will be is known before they
are due, so they are made and written ahead, in a transaction that is left open until the instant
has come. Nothing fires early, as nothing of it is there before the commit; and who comes meanwhile
waits no longer than for the same tick had it begun on its instant.
"""

from queue import SimpleQueue
from typing import NamedTuple

from tipman.clock import MICROSECONDS
from tipman.events import Event
from tipman.receipts import Receipt

TICK_MIN = 50
"""So many schedules at one instant are worth it; fewer are decided in some milliseconds."""
LEAD_US_MAX = 250_000
"""No tick begins sooner than that before its instant, in µs."""
_WHOLE = 3.0
"""What a tick takes, some to spare, of what its decisions take: it is dispatched and written."""
_SLOWER = 0.25
"""By how much of the difference a lead gets shorter with a quicker tick; longer, by all of it."""


class Tick(NamedTuple):
    """An event that is handled as of *at* (µs), and committed no sooner."""

    event: Event
    at: int
    receipt: Receipt

    def queued(self) -> SimpleQueue[tuple[Event, Receipt | None]]:
        """Return a queue of this event alone."""
        queue: SimpleQueue[tuple[Event, Receipt | None]] = SimpleQueue()
        queue.put((self.event, self.receipt))
        return queue


class Lead:
    """How long before its instant a tick has to begin, as earlier ones have shown.

    The bus's thread teaches it, and the scheduler asks it from any.
    """

    def __init__(self, least: int = TICK_MIN) -> None:
        self.least = least
        """Schedules below which there is no tick."""
        self._each_us = 0.0

    def us(self, count: int) -> int:
        """Return it for so many decisions, in µs; 0 where they are too few, or the first."""
        if count < self.least:
            return 0
        return min(round(count * self._each_us * _WHOLE), LEAD_US_MAX)

    def took(self, count: int, seconds: float) -> None:
        """Learn that so many decisions took *seconds*, without what comes after them."""
        if count >= self.least:
            each_us = seconds * MICROSECONDS / count
            before = self._each_us or each_us
            self._each_us = max(each_us, before + (each_us - before) * _SLOWER)
