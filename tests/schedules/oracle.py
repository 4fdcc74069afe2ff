"""A brute-force oracle of cron: looks at a wall clock, tick by tick, and compares.

It shares nothing with the code it judges. A window is a stretch of real time; for each tick of it
(a minute, or a second) the zone is asked what its wall clocks show: the one question about zones
that has a single answer. Expressions of elapsed time are due at each tick whose shown time fits.
Times of the day are due when the clocks show them, or something later, for the first time; so each
shown time counts once, and what a jump forward passes over counts where it lands.
"""

import calendar
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def numbers(field, low, high, names=()):
    """Return the plain numbers that a field names; items with L, W or # are left out."""
    found = set()
    for item in field.upper().replace("?", "*").split(","):
        if "#" in item or item in ("L", "LW") or (names is WEEKDAYS and item.endswith("L")):
            continue
        span, _, step = item.partition("/")
        for place, name in enumerate(names):
            span = span.replace(name, str(place + low))
        if span == "*":
            first, last = low, high
        elif "-" in span:
            first, last = (int(part) for part in span.split("-"))
            last = 7 if names is WEEKDAYS and last == 0 < first else last
        else:
            first, last = int(span), high if step else int(span)
        found |= set(range(first, last + 1, int(step or 1)))
    return found


class Expression:
    """What the fields of an expression say, taken literally."""

    def __init__(self, text):
        *seconds, minute, hour, self.day, month, self.weekday = text.upper().split()
        self.elapsed = minute.startswith("*") or hour.startswith("*")
        self.seconds = numbers(seconds[0] if seconds else "0", 0, 59)
        self.minutes = numbers(minute, 0, 59)
        self.hours = numbers(hour, 0, 23)
        self.months = numbers(month, 1, 12, MONTHS)
        self.days = numbers(self.day, 1, 31)
        self.weekdays = {number % 7 for number in numbers(self.weekday, 0, 7, WEEKDAYS)}
        self.both = any(field[0] in "*?" for field in (self.day, self.weekday))

    def holds_on(self, day):
        if day.month not in self.months:
            return False
        fits = (self.fits_day(day), self.fits_weekday(day))
        return all(fits) if self.both else any(fits)

    def fits_day(self, day):
        last = calendar.monthrange(day.year, day.month)[1]
        items = self.day.split(",")
        if day.day in self.days or ("L" in items and day.day == last):
            return True
        working = [n for n in range(last - 6, last + 1) if day.replace(day=n).weekday() < 5]
        return "LW" in items and day.day == working[-1]

    def fits_weekday(self, day):
        weekday = day.isoweekday() % 7
        if weekday in self.weekdays:
            return True
        last = calendar.monthrange(day.year, day.month)[1]
        for item in self.weekday.split(","):
            name, sharp, nth = item.partition("#")
            if sharp and weekday_of(name) == weekday and (day.day - 1) // 7 + 1 == int(nth):
                return True
            if name.endswith("L") and weekday_of(name[:-1]) == weekday and day.day > last - 7:
                return True
        return False


def weekday_of(name):
    return WEEKDAYS.index(name) if name in WEEKDAYS else int(name) % 7


class Ticks:
    """Ticks of real time and what a clock shows then; by date and hour, to look at fewer."""

    def __init__(self):
        self.of = defaultdict(list)

    def add(self, local, tick):
        self.of[local.date(), local.hour].append((local.minute, local.second, tick))

    def fitting(self, expression):
        """Return the ticks that show a time of an expression."""
        days = {day for day in {day for day, _ in self.of} if expression.holds_on(day)}
        minutes, seconds = expression.minutes, expression.seconds
        return {
            tick
            for day in days
            for hour in expression.hours
            for minute, second, tick in self.of.get((day, hour), ())
            if minute in minutes and second in seconds
        }


@dataclass(frozen=True)
class Window:
    """What the clocks of a zone show, tick by tick, from `start` up to `end` (seconds of UTC).

    `shown` has each tick with the time shown; `new` has each time that is shown, or passed over,
    for the first time, with the tick at which it is; `passed` those passed over alone. `twice` are
    the ticks whose time is shown at another one too.
    """

    zone: str
    start: int
    end: int
    shown: Ticks
    new: Ticks
    passed: Ticks
    twice: frozenset

    def due(self, expression):
        """Return the ticks at which an expression is due, in order."""
        ticks = self.shown if expression.elapsed else self.new
        return sorted(ticks.fitting(expression))

    def moved(self, expression):
        """Return the ticks at which a time that was passed over is due."""
        return set() if expression.elapsed else self.passed.fitting(expression)


def window_of(zone, start, end, step):
    """Watch a zone's clocks from *start* up to *end*, every *step* seconds.

    They must not have gone back within a day before the start, nor do so within one after the end.
    """
    info, tick_of = ZoneInfo(zone), timedelta(seconds=step)
    shown, new, passed, ticks_at = Ticks(), Ticks(), Ticks(), defaultdict(list)
    latest = local_time(info, start) - tick_of
    for tick in range(start, end, step):
        local = local_time(info, tick)
        shown.add(local, tick)
        ticks_at[local].append(tick)
        while latest < local:
            latest += tick_of
            new.add(latest, tick)
            if latest < local:
                passed.add(latest, tick)
    twice = frozenset(tick for ticks in ticks_at.values() if len(ticks) > 1 for tick in ticks)
    return Window(zone, start, end, shown, new, passed, twice)


def local_time(info, second):
    return (EPOCH + timedelta(seconds=second)).astimezone(info).replace(tzinfo=None)


def changes_of(zone, year):
    """Return the seconds of UTC in a year at which a zone's clocks change; looks at each hour."""
    info, found = ZoneInfo(zone), []
    start = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    end = int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp())
    offset = offset_of(info, start)
    for hour in range(start, end, 3600):
        if offset_of(info, hour + 3600) != offset:
            ticks = range(hour, hour + 3601, 60)
            found.append(next(tick for tick in ticks if offset_of(info, tick) != offset))
            offset = offset_of(info, hour + 3600)
    return found


def offset_of(info, second):
    return (EPOCH + timedelta(seconds=second)).astimezone(info).utcoffset()


def date_after(expression, day, days_max):
    """Return the first date from this one on at which an expression holds, day by day."""
    for days in range(days_max):
        candidate = day + timedelta(days=days)
        if expression.holds_on(candidate):
            return candidate
    return None


def date_before(expression, day, days_max):
    """Return the last date up to this one at which an expression holds, day by day."""
    for days in range(days_max):
        candidate = day - timedelta(days=days)
        if expression.holds_on(candidate):
            return candidate
    return None


def holds_ever(expression):
    """Tell whether there is a date for it; 28 years without a century have all kinds of years."""
    return date_after(expression, date(2000, 1, 1), 28 * 366) is not None
