"""Cron expressions held against a calendar that knows no zones.

Local times are counted here in seconds since 1970-01-01T00:00:00 of a clock on the wall that never
changes to daylight saving; `tipman.daylight` says when that wall's time is. What the fields mean
is cronsim's to say: it reads them, and decides about days. The search is ours: cronsim's walks
from tick to tick, slowly, and loses its way where clocks change by half an hour.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from cronsim import CronSim, CronSimError

from tipman.cronwords import CronError, Fields, fields_of

SEARCH_DAYS_MAX = 41 * 366
"""The rarest date there is, 29 February on one day of the week, is at most 40 years away."""

_DAY_S = 86_400
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_A_LEAP_YEAR = date(2000, 1, 1).toordinal() - _EPOCH_DAY
_KEPT = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Cron:
    """An expression that holds at some local seconds; get it from `cron_of`.

    `fixed` says that neither minute nor hour starts with `*`: it means times of the day, and
    daylight saving moves them rather than drops or doubles them.
    """

    text: str
    fixed: bool
    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]
    months: frozenset[int]
    days: CronSim

    def first(self, local: int) -> int | None:
        """Return the first local second, from this one on, at which the expression holds."""
        day, time = divmod(local, _DAY_S)
        rank = self._rank(time)
        if rank < self.times_a_day and self._on(day):
            return day * _DAY_S + self._time(rank)
        later = next(self._days_from(day + 1), None)
        return None if later is None else later * _DAY_S + self._time(0)

    def last(self, local: int) -> int | None:
        """Return the last local second, up to this one, at which the expression holds."""
        day, time = divmod(local, _DAY_S)
        rank = self._rank(time + 1)
        if rank > 0 and self._on(day):
            return day * _DAY_S + self._time(rank - 1)
        earlier = self._day_back_from(day - 1)
        return None if earlier is None else earlier * _DAY_S + self._time(self.times_a_day - 1)

    def count(self, start: int, end: int) -> int:
        """Return at how many local seconds from *start* up to *end* the expression holds.

        Takes as long as there are days between them, however many those seconds are.
        """
        if end <= start:
            return 0
        (first, time), (last, end_time) = divmod(start, _DAY_S), divmod(end, _DAY_S)
        whole = sum(1 for _ in self._days_from(first, last)) * self.times_a_day
        head = self._rank(time) if self._on(first) else 0
        tail = self._rank(end_time) if end_time and self._on(last) else 0
        return whole - head + tail

    @property
    def times_a_day(self) -> int:
        """How often it holds on a day on which it does."""
        return len(self.hours) * len(self.minutes) * len(self.seconds)

    @property
    def apart_s(self) -> int:
        """A bound from below of the seconds between two times at which it holds."""
        if len(self.seconds) > 1:
            return _closest(self.seconds, 60)
        if len(self.minutes) > 1:
            return _closest(self.minutes, 60) * 60
        return _closest(self.hours, 24) * 3600

    def _rank(self, time: int) -> int:
        """Return how many of a day's times come before this second of the day."""
        hour, rest = divmod(time, 3600)
        minute, second = divmod(rest, 60)
        rank, width = 0, self.times_a_day
        for values, value in ((self.hours, hour), (self.minutes, minute), (self.seconds, second)):
            place = bisect_left(values, value)
            width //= len(values)
            rank += place * width
            if place == len(values) or values[place] != value:
                break
        return rank

    def _time(self, rank: int) -> int:
        """Return the second of the day that has so many of its times before it."""
        rank, second = divmod(rank, len(self.seconds))
        hour, minute = divmod(rank, len(self.minutes))
        return self.hours[hour] * 3600 + self.minutes[minute] * 60 + self.seconds[second]

    def _on(self, day: int) -> bool:
        """Tell whether it holds on a day, counted from 1970-01-01."""
        on = date.fromordinal(day + _EPOCH_DAY)
        return on.month in self.months and self.days.match_day(on)

    def _days_from(self, day: int, end: int | None = None) -> Iterator[int]:
        """Yield the days from *day* up to *end* on which it holds, none too far away."""
        stop = day + SEARCH_DAYS_MAX if end is None else end
        stop = min(stop, date.max.toordinal() - _EPOCH_DAY)
        while day < stop:
            on = date.fromordinal(day + _EPOCH_DAY)
            if on.month not in self.months:
                day += _days_of_month(on) - on.day
            elif self.days.match_day(on):
                yield day
            day += 1

    def _day_back_from(self, day: int) -> int | None:
        """Return the last day, up to this one, on which it holds, unless too far away."""
        stop = max(day - SEARCH_DAYS_MAX, date.min.toordinal() - _EPOCH_DAY)
        while day > stop:
            on = date.fromordinal(day + _EPOCH_DAY)
            if on.month not in self.months:
                day -= on.day - 1
            elif self.days.match_day(on):
                return day
            day -= 1
        return None


@lru_cache(_KEPT)
def cron_of(text: str) -> Cron:
    """Read an expression of five or six fields, or a name such as `@daily`.

    Raises:
        CronError: it can not be read, or there is no day on which it could hold.

    >>> cron = cron_of("30 2 * * *")
    >>> cron.first(0), cron.last(0), cron.count(0, 7 * 86_400)
    (9000, -77400, 7)
    """
    fields = fields_of(text)
    try:
        days = CronSim(" ".join(fields.canonical), datetime(2000, 1, 1))  # noqa: DTZ001 - no zone
    except CronSimError:
        raise _never(fields) from None
    cron = Cron(
        text=text,
        fixed=not fields.canonical[1].startswith("*") and not fields.canonical[2].startswith("*"),
        hours=tuple(sorted(days.hours)),
        minutes=tuple(sorted(days.minutes)),
        seconds=tuple(sorted(days.seconds)),
        months=frozenset(days.months),
        days=days,
    )
    if cron.first(_A_LEAP_YEAR * _DAY_S) is None:
        raise _never(fields)
    return cron


def _never(fields: Fields) -> CronError:
    """Return what is wrong with 31 February: days, month and days of the week that never meet."""
    day, month, weekday = fields.words[-3:]
    together = [f"month `{month.text}`"] if fields.canonical[4] != "*" else []
    if fields.canonical[5] != "*":
        together.append(f"day of week `{weekday.text}`")
    return fields.error(
        "day of month",
        day,
        f"can never hold: no year has such a day with {' and '.join(together)};"
        " the last day of a month is `L`",
    )


def _days_of_month(on: date) -> int:
    later = on.replace(day=28).toordinal() + 4
    return later - date.fromordinal(later).day - on.toordinal() + on.day


def _closest(values: tuple[int, ...], turn: int) -> int:
    """Return the smallest distance of neighbours on a dial.

    >>> _closest((0, 20, 50), 60)
    10
    """
    following = (*values[1:], values[0] + turn)
    return min(after - value for value, after in zip(values, following, strict=True))
