"""Zones of the IANA database, as rows of stretches of time with one offset each."""

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from tipman.errors import Fault, InvalidError
from tipman.spelling import hint

DAY_S = 86_400
LAST_S = 253_370_764_800
"""The first second of the year 9999: from here on a local date may not be a date any more."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_SAMPLE_S = 3 * DAY_S
"""No zone has changed its offset twice within a week since 1960, the rules to come included."""
_OVERLAP_S = 2 * DAY_S
_SHARE_BITS = 25
"""A zone is looked at in shares of 2**25 seconds, a little more than a year."""
_SHARES_KEPT = 4096


class Stretch(NamedTuple):
    """Seconds since 1970 UTC from `start` up to `end`, all at `offset` seconds east of UTC.

    `before` is the offset before `start`: smaller where clocks went forward, larger where they
    went back, the same where nothing happened at `start`.
    """

    start: int
    end: int
    offset: int
    before: int

    @property
    def unused(self) -> int:
        """The first local second that no earlier stretch has had."""
        return self.start + max(self.offset, self.before)


class Zone:
    """A time zone by its name in the IANA database; get it from `zone_of`."""

    __slots__ = ("info", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.info = ZoneInfo(name)

    def stretch(self, second: int) -> Stretch:
        """Return a stretch that holds a second of UTC.

        It is the whole stretch, or as much of it as lies near; where the offset changed less than
        two days before *second*, `start` is that change.
        """
        starts, stretches = _share(self.name, second >> _SHARE_BITS)
        return stretches[bisect_right(starts, second) - 1]

    def local(self, instant_us: int) -> datetime:
        """Return the local time of an instant, with its offset."""
        return (_EPOCH + timedelta(microseconds=instant_us)).astimezone(self.info)


def date_of(day: int) -> date:
    """Return the date of a day, counted from 1970-01-01.

    >>> date_of(365)
    datetime.date(1971, 1, 1)
    """
    return date.fromordinal(day + _EPOCH_DAY)


def zone_of(name: str) -> Zone:
    """Return the zone with a name of the IANA database, such as `Europe/Prague`.

    Raises:
        InvalidError: there is none; the message names the one most like it.
    """
    if name not in _names():
        message = f"unknown time zone `{name}`" + _hint(name)
        raise InvalidError(message, (Fault("/timezone", message),))
    return _zone(name)


def _hint(name: str) -> str:
    """Return what may have been meant; a city alone, or in capitals, is found as well."""
    plain, known = name.strip().replace(" ", "_").casefold(), sorted(_names())
    cities = {other.rpartition("/")[2].casefold(): other for other in reversed(known)}
    whole = {other.casefold(): other for other in known}
    meant = {**cities, **whole}.get(plain)
    if meant is not None:
        return f"; did you mean `{meant}`?"
    return hint(name, known) or "; write it as in `Europe/Prague`, or `UTC`"


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones() - {"Factory", "localtime"})


@cache
def _zone(name: str) -> Zone:
    return Zone(name)


@lru_cache(_SHARES_KEPT)
def _share(name: str, number: int) -> tuple[tuple[int, ...], tuple[Stretch, ...]]:
    """Return the stretches of one share of time, and where each starts."""
    info = _zone(name).info
    first, end = (number << _SHARE_BITS) - _OVERLAP_S, (number + 1) << _SHARE_BITS
    offset = before = _offset(info, first)
    start, stretches = first, []
    for sample in range(first, end + _SAMPLE_S, _SAMPLE_S):
        later = _offset(info, min(sample, end - 1))
        if later != offset:
            change = _change(info, max(sample - _SAMPLE_S, first), min(sample, end - 1))
            stretches.append(Stretch(start, change, offset, before))
            start, before, offset = change, offset, later
    stretches.append(Stretch(start, end, offset, before))
    return tuple(stretch.start for stretch in stretches), tuple(stretches)


def _change(info: ZoneInfo, low: int, high: int) -> int:
    """Return the first second after *low* with another offset; *high* has it."""
    offset = _offset(info, low)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(info, middle) == offset:
            low = middle
        else:
            high = middle
    return high


def _offset(info: ZoneInfo, second: int) -> int:
    known = min(second, LAST_S)  # no rule changes in the last year there is
    instant = _EPOCH + timedelta(seconds=known)
    offset = instant.astimezone(info).replace(tzinfo=UTC) - instant
    return offset.days * DAY_S + offset.seconds
