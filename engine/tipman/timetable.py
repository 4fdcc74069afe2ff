"""Timetables: when a schedule is due, from plain values and nothing else.

Instants are microseconds since 1970 UTC and lie before the year 9999.
"""

import hashlib
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from tipman.cron import cron_of
from tipman.cronwords import EVERY_US_MAX, EVERY_US_MIN, interval_of
from tipman.daylight import CronInZone
from tipman.errors import Fault, InvalidError
from tipman.zones import DAY_S, LAST_S, Zone, date_of, zone_of

SECOND_US = 1_000_000
LAST_US = LAST_S * SECOND_US
"""The first instant of the year 9999, which no timetable reaches."""
EXCLUDED_MAX = 1_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_AHEAD_US_MAX = 16 * 3_600 * SECOND_US
"""No clock was ever so far ahead of UTC."""


class Rule(Protocol):
    """What makes instants due, whatever the window."""

    def next_after(self, instant_us: int) -> int | None:
        """Return the first due instant strictly after."""

    def previous_before(self, instant_us: int) -> int | None:
        """Return the last due instant strictly before."""

    def count(self, after_us: int, until_us: int) -> int:
        """Return how many are due strictly after the one and not after the other."""

    def note(self, due_us: int) -> str | None:
        """Return `gap`, `fold` or None."""

    def apart_us(self) -> int | None:
        """Return what two due instants are at least apart, None if there is only one."""


@dataclass(frozen=True, slots=True)
class Every:
    """Every so often, counted from an anchor; first one interval after it."""

    every_us: int
    anchor_us: int

    def next_after(self, instant_us: int) -> int | None:  # noqa: D102 - see Rule
        turn = max((instant_us - self.anchor_us) // self.every_us, 0) + 1
        due_us = self.anchor_us + turn * self.every_us
        return due_us if due_us < LAST_US else None

    def previous_before(self, instant_us: int) -> int | None:  # noqa: D102 - see Rule
        turn = (min(instant_us, LAST_US) - 1 - self.anchor_us) // self.every_us
        return self.anchor_us + turn * self.every_us if turn > 0 else None

    def count(self, after_us: int, until_us: int) -> int:  # noqa: D102 - see Rule
        until_us = min(until_us, LAST_US - 1)
        turns = [max((us - self.anchor_us) // self.every_us, 0) for us in (after_us, until_us)]
        return max(turns[1] - turns[0], 0)

    def note(self, due_us: int) -> str | None:  # noqa: ARG002, D102 - see Rule; it knows no zone
        return None

    def apart_us(self) -> int | None:  # noqa: D102 - see Rule
        return self.every_us


@dataclass(frozen=True, slots=True)
class Once:
    """At one instant."""

    at_us: int

    def next_after(self, instant_us: int) -> int | None:  # noqa: D102 - see Rule
        return self.at_us if self.at_us > instant_us else None

    def previous_before(self, instant_us: int) -> int | None:  # noqa: D102 - see Rule
        return self.at_us if self.at_us < instant_us else None

    def count(self, after_us: int, until_us: int) -> int:  # noqa: D102 - see Rule
        return int(after_us < self.at_us <= until_us)

    def note(self, due_us: int) -> str | None:  # noqa: ARG002, D102 - see Rule; it knows no zone
        return None

    def apart_us(self) -> int | None:  # noqa: D102 - see Rule
        return None


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a cron expression holds in a zone."""

    seconds: CronInZone

    def next_after(self, instant_us: int) -> int | None:  # noqa: D102 - see Rule
        return _us(self.seconds.first(instant_us // SECOND_US + 1))

    def previous_before(self, instant_us: int) -> int | None:  # noqa: D102 - see Rule
        return _us(self.seconds.last((instant_us - 1) // SECOND_US))

    def count(self, after_us: int, until_us: int) -> int:  # noqa: D102 - see Rule
        return self.seconds.count(after_us // SECOND_US + 1, until_us // SECOND_US + 1)

    def note(self, due_us: int) -> str | None:  # noqa: D102 - see Rule
        return self.seconds.note(due_us // SECOND_US)

    def apart_us(self) -> int | None:  # noqa: D102 - see Rule
        return self.seconds.cron.apart_s * SECOND_US


@dataclass(frozen=True, slots=True)
class Timetable:
    """When a schedule is due: a rule within a window, [starts_at_us, ends_at_us).

    What is due on excluded dates is due as well, so that somebody can be told that it was left
    out; `open_after` and `open_before` pass it over. A date is excluded from midnight to midnight
    by the zone's clocks, whatever they do.
    """

    rule: Rule
    zone: Zone
    starts_at_us: int
    ends_at_us: int
    excluded: frozenset[date]

    def next_after(self, instant_us: int) -> int | None:
        """Return the first due instant strictly after; None: none is left."""
        due_us = self.rule.next_after(max(instant_us, self.starts_at_us - 1))
        return due_us if due_us is not None and due_us < self.ends_at_us else None

    def previous_before(self, instant_us: int) -> int | None:
        """Return the last due instant strictly before; None: there was none."""
        due_us = self.rule.previous_before(min(instant_us, self.ends_at_us))
        return due_us if due_us is not None and due_us >= self.starts_at_us else None

    def between(self, after_us: int, until_us: int) -> Iterator[int]:
        """Yield the instants due strictly after the one and not after the other, in order."""
        due_us = self.next_after(after_us)
        while due_us is not None and due_us <= until_us:
            yield due_us
            due_us = self.next_after(due_us)

    def count_between(self, after_us: int, until_us: int) -> int:
        """Return how many `between` would yield, without going through them.

        Takes a microsecond or so a day for a cron expression, and no time for an interval.
        """
        after_us = max(after_us, self.starts_at_us - 1)
        until_us = min(until_us, self.ends_at_us - 1)
        return self.rule.count(after_us, until_us) if after_us < until_us else 0

    def open_after(self, instant_us: int) -> int | None:
        """Return the first due instant strictly after that is not excluded."""
        due_us = self.next_after(instant_us)
        while due_us is not None and (open_us := self.excluded_until(due_us)) is not None:
            due_us = self.next_after(open_us - 1)
        return due_us

    def open_before(self, instant_us: int) -> int | None:
        """Return the last due instant strictly before that is not excluded."""
        due_us = self.previous_before(instant_us)
        while due_us is not None and (span := self._excluded(due_us)) is not None:
            due_us = self.previous_before(span[0])
        return due_us

    def excluded_until(self, instant_us: int) -> int | None:
        """Return the first instant after this one that is not excluded; None: this one is not."""
        open_us = instant_us
        while (span := self._excluded(open_us)) is not None:
            open_us = span[1]
        return None if open_us == instant_us else open_us

    def open_until(self, instant_us: int) -> int:
        """Return an instant up to which, from this one on, nothing is excluded for sure.

        It may be this one; it is a day or so early rather than a second late.
        """
        second = instant_us // SECOND_US
        # A clock that is set back may come to yesterday once more.
        yesterday = date_of((second + self.zone.stretch(second).offset) // DAY_S - 1)
        coming = [day for day in self.excluded if day >= yesterday]
        if not coming:
            return LAST_US - 1
        begins_us = (min(coming).toordinal() - _EPOCH_DAY) * DAY_S * SECOND_US - _AHEAD_US_MAX
        return max(begins_us - 1, instant_us)

    def note(self, due_us: int) -> str | None:
        """Return `gap` if a local time that does not exist was moved here, `fold` if twice."""
        return self.rule.note(due_us)

    def local(self, due_us: int) -> str:
        """Return the local time in RFC 3339, with the zone's offset at that instant."""
        return self.zone.local(due_us).isoformat()

    def apart_us(self) -> int | None:
        """Return what two due instants are at least apart, a changing clock left out; None: one.

        Jitter has to be less than this.
        """
        return self.rule.apart_us()

    def _excluded(self, instant_us: int) -> tuple[int, int] | None:
        """Return a span of excluded time around an instant, first to first after; None: open."""
        if not self.excluded:
            return None
        second = instant_us // SECOND_US
        stretch = self.zone.stretch(second)
        day, passed = divmod(second + stretch.offset, DAY_S)
        if date_of(day) not in self.excluded:
            return None
        midnight = second - passed
        span = max(midnight, stretch.start), min(midnight + DAY_S, stretch.end)
        return span[0] * SECOND_US, span[1] * SECOND_US


def timetable_of(  # noqa: PLR0913 - a schedule says as much about its time, each by its name
    *,
    cron: str | None = None,
    every_s: float | None = None,
    at_us: int | None = None,
    timezone: str = "UTC",
    starts_at_us: int | None = None,
    ends_at_us: int | None = None,
    anchor_us: int,
    excluded: Collection[date] = (),
) -> Timetable:
    """Return the timetable of a schedule.

    One of *cron*, *every_s* and *at_us* is given. *anchor_us* is what *every_s* and `@every`
    count from: `starts_at`, or else when the schedule was made or its interval changed. *excluded*
    has dates of the zone.

    Raises:
        InvalidError: a value makes no sense; its fault points at `/cron`, `/timezone`, ….
    """
    _check_instants(at=at_us, starts_at=starts_at_us, ends_at=ends_at_us)
    if starts_at_us is not None and ends_at_us is not None and ends_at_us <= starts_at_us:
        raise _invalid("/ends_at", "`ends_at` must be later than `starts_at`")
    if len(excluded) > EXCLUDED_MAX:
        raise _invalid("/exclude", f"`exclude` has up to {EXCLUDED_MAX:,} dates")
    zone = zone_of(timezone)
    rule: Rule
    match cron, every_s, at_us:
        case str(), None, None:
            rule = _rule_of_cron(cron, zone, anchor_us)
        case None, int() | float(), None:
            rule = Every(every_us_of(every_s), anchor_us)
        case None, None, int():
            rule = Once(at_us)
        case _:
            raise _invalid("", "a schedule has one of `cron`, `every_s` and `at`")
    return Timetable(
        rule=rule,
        zone=zone,
        starts_at_us=0 if starts_at_us is None else starts_at_us,
        ends_at_us=LAST_US if ends_at_us is None else ends_at_us,
        excluded=frozenset(excluded),
    )


def every_us_of(every_s: float) -> int:
    """Return an interval in microseconds.

    Raises:
        InvalidError: it is not from a thousandth of a second to a hundred years.
    """
    if not math.isfinite(every_s):
        raise _invalid("/every_s", "`every_s` must be a finite number of seconds")
    every_us = round(every_s * SECOND_US)
    if not EVERY_US_MIN <= every_us <= EVERY_US_MAX:
        raise _invalid(
            "/every_s",
            f"an interval is from {EVERY_US_MIN / SECOND_US} s to"
            f" {EVERY_US_MAX // SECOND_US:,} s (a hundred years)",
        )
    return every_us


def jitter_us(identifier: bytes, due_us: int, *, jitter_s: float) -> int:
    """Return how long after its due instant a slot is decided, from 0 up to *jitter_s*.

    It depends on nothing but the schedule's id and the instant, so that a restart changes nothing.

    >>> jitter_us(bytes(16), 0, jitter_s=60.0)
    19292582
    """
    salt = due_us.to_bytes(16, "big", signed=True)
    digest = hashlib.blake2b(identifier, digest_size=8, salt=salt).digest()
    return int.from_bytes(digest, "big") * round(jitter_s * SECOND_US) >> 64


def _rule_of_cron(text: str, zone: Zone, anchor_us: int) -> Rule:
    every_us = interval_of(text)
    if every_us is not None:
        return Every(every_us, anchor_us)
    return Calendar(CronInZone(cron_of(text), zone))


def _check_instants(**instants: int | None) -> None:
    for name, us in instants.items():
        if us is not None and not 0 <= us < LAST_US:
            raise _invalid(f"/{name}", f"`{name}` must lie in the years 1970 to 9998")


def _invalid(pointer: str, message: str) -> InvalidError:
    return InvalidError(message, (Fault(pointer, message),))


def _us(second: int | None) -> int | None:
    return None if second is None else second * SECOND_US
