"""Deadlines: when attempts are ended, the first instant of a commit, how long many take."""

from collections.abc import Iterable

from tipman.clock import MICROSECONDS
from tipman.instances import Instance

TICK_MIN = 50
"""So many schedules due at one instant are worth a tick; fewer are decided in milliseconds."""
LEAD_US_MAX = 250_000
"""No tick begins sooner than that before its instant, in µs."""
_FIRST_US = 50.0
"""What a decision is taken to take before one has shown it, in µs; a slow machine's."""
_WHOLE = 3.0
"""What a tick takes, some to spare, of what its decisions take: it is dispatched and written."""
_SLOWER = 0.25
"""By how much of the difference a lead gets shorter with a quicker tick; longer, by all of it."""


class Lead:
    """How long before its instant a tick has to begin, as earlier ones have shown.

    The bus's thread teaches it, and the scheduler asks it from any.
    """

    def __init__(self, least: int = TICK_MIN) -> None:
        self.least = least
        """Schedules below which there is no tick."""
        self._each_us = _FIRST_US

    def us(self, count: int) -> int:
        """Return it for so many decisions, in µs; 0 where they are too few."""
        if count < self.least:
            return 0
        return min(round(count * self._each_us * _WHOLE), LEAD_US_MAX)

    def took(self, count: int, seconds: float) -> None:
        """Learn that so many decisions took *seconds*, without what comes after them."""
        if count >= self.least:
            each_us = seconds * MICROSECONDS / count
            quicker = self._each_us + (each_us - self._each_us) * _SLOWER
            self._each_us = max(each_us, quicker)


class Deadlines:
    """What the directory knows of deadlines; the scheduler finds those of open rows by itself."""

    def __init__(self) -> None:
        self.limits: dict[bytes, int] = {}
        """When the attempts that run are ended, by their instances; the scheduler reads it too."""
        self.earliest: int | None = None
        """The first deadline among what was last gathered, None for none."""
        self.together = 0
        """How many of those have it."""
        self.lead = Lead()
        self._earliest_limit: int | None = None

    def limit(self, instance: Instance, times_out_at: int | None) -> None:
        """Have the attempt of an instance ended then, or no more; its row is staged by a step."""
        instance.times_out_at = times_out_at
        if times_out_at is None:
            self.limits.pop(instance.id, None)
            return
        self.limits[instance.id] = times_out_at
        if self._earliest_limit is None or times_out_at < self._earliest_limit:
            self._earliest_limit = times_out_at

    def gather(self, staged: Iterable[Instance]) -> None:
        """Look for the first deadline of what is *staged*, and of the limits since last time."""
        earliest, self._earliest_limit = self._earliest_limit, None
        together = 0
        for instance in staged:
            wake_at = instance.wake_at
            if wake_at is None:
                continue
            if earliest is None or wake_at < earliest:
                earliest, together = wake_at, 0
            together += wake_at == earliest
        self.earliest, self.together = earliest, together
