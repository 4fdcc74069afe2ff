"""Cron expressions in a zone: what happens to them where clocks change.

Times of the day (neither minute nor hour starts with `*`) are moved: one that does not exist is
due at the first instant after the gap, one that exists twice is due the first time. Other
expressions follow elapsed time: they are due at each instant whose local time fits.
"""

from dataclasses import dataclass

from tipman.cron import Cron
from tipman.zones import DAY_S, LAST_S, Stretch, Zone

FIRST_S = 0


@dataclass(frozen=True, slots=True)
class CronInZone:
    """An expression and the zone whose clocks it is held against; seconds since 1970 UTC."""

    cron: Cron
    zone: Zone

    def first(self, second: int) -> int | None:
        """Return the first due second from this one on, None if there is none before 9999."""
        second = max(second, FIRST_S)
        while second < LAST_S:
            stretch = self.zone.stretch(second)
            if second == stretch.start and self._skipped(stretch):
                return second
            local = self._local(stretch, second)
            found = self.cron.first(local)
            if found is None:
                return None
            if found < stretch.end + stretch.offset:
                return _within(found - stretch.offset)
            second = stretch.end
            if local + 2 * DAY_S < stretch.end + stretch.offset:
                second = max(second, found - 2 * DAY_S)
        return None

    def last(self, second: int) -> int | None:
        """Return the last due second up to this one, None if there is none since 1970."""
        second = min(second, LAST_S - 1)
        while second >= FIRST_S:
            stretch = self.zone.stretch(second)
            local = second + stretch.offset
            found = self.cron.last(local)
            if found is not None and found >= self._local(stretch, stretch.start):
                return _within(found - stretch.offset)
            if self._skipped(stretch):
                return _within(stretch.start)
            if found is None:
                return None
            second = stretch.start - 1
            if local - 2 * DAY_S > stretch.start + stretch.offset:
                second = min(second, found + 2 * DAY_S)
        return None

    def count(self, start: int, end: int) -> int:
        """Return how many seconds from *start* up to *end* are due."""
        start, end, found = max(start, FIRST_S), min(end, LAST_S), 0
        while start < end:
            stretch = self.zone.stretch(start)
            stop = min(stretch.end, end)
            found += self.cron.count(self._local(stretch, start), stop + stretch.offset)
            if start == stretch.start and self._skipped(stretch):
                found += 1 - self.cron.count(start + stretch.offset, start + stretch.offset + 1)
            start = stop
        return found

    def note(self, second: int) -> str | None:
        """Return `gap` where a time that does not exist was moved to, `fold` at a doubled one."""
        stretch, later = self.zone.stretch(second), self.zone.stretch(second + DAY_S)
        if second == stretch.start and self._skipped(stretch):
            return "gap"
        again = stretch.start <= second < stretch.start + stretch.before - stretch.offset
        soon = later.start + later.offset - later.before <= second < later.start
        return "fold" if again or soon else None

    def _local(self, stretch: Stretch, second: int) -> int:
        """Return the local time of a second, or the next that is not a repetition."""
        local = second + stretch.offset
        return max(local, stretch.unused) if self.cron.fixed else local

    def _skipped(self, stretch: Stretch) -> bool:
        """Tell whether a time of the day fell into the gap that the stretch starts with."""
        gap = stretch.start + stretch.before, stretch.start + stretch.offset
        return self.cron.fixed and gap[0] < gap[1] and self.cron.count(*gap) > 0


def _within(second: int) -> int | None:
    return second if FIRST_S <= second < LAST_S else None
