"""The words of a cron expression: what may stand where, and what is wrong when it does not."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, NoReturn

from tipman.errors import Fault, InvalidError
from tipman.spelling import hint

CHARACTERS_MAX = 1000
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
    "@minutely": "* * * * *",
    "@secondly": "* * * * * *",
}
EVERY = "@every"
EVERY_US_MIN = 1_000
EVERY_US_MAX = 100 * 366 * 86_400 * 1_000_000

_SHAPE = (
    "write five fields (minute, hour, day of month, month, day of week),"
    " or six with the second first"
)
_UNITS_US = {
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)", re.ASCII)
_DURATIONS = "write it as in `90s`, `500ms`, `1h30m` or `2d`"
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


class CronError(InvalidError):
    """An expression that can not be read, or can never hold.

    `field` is the name of the field (`minute`, `day of month`, …), None if it is not one field's
    fault; `token` is the faulty text, `position` the place of its first character in the
    expression, counted from 1.
    """

    def __init__(self, message: str, *, field: str | None, token: str, position: int) -> None:
        super().__init__(message, (Fault("/cron", message),))
        self.field = field
        self.token = token
        self.position = position


class Word(NamedTuple):
    """A piece of an expression, and how many characters stand before it."""

    text: str
    start: int

    def parts(self, separator: str) -> "Iterator[Word]":
        """Yield what stands between separators."""
        start = self.start
        for text in self.text.split(separator):
            yield Word(text, start)
            start += len(text) + len(separator)


@dataclass(frozen=True, slots=True)
class Fields:
    """Six fields with the second first: as written, and in the words that cronsim knows."""

    text: str
    words: tuple[Word, ...]
    canonical: tuple[str, ...]

    def error(self, field: str, word: Word, what: str) -> CronError:
        """Return the error that points at a word."""
        return _error(self.text, field, word, what)


class _Field(NamedTuple):
    """What may stand in a field; its names stand for `low` and those after it."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return len(self.names) or self.high - self.low + 1

    @property
    def scope(self) -> str:
        named = f", or a name from {self.names[0]} to {self.names[-1]}" if self.names else ""
        return f"a number from {self.low} to {self.high}{named}"


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_SHORT = 3
"""Characters of a name."""
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_DAY = _Field("day of month", 1, 31)
_WEEKDAY = _Field("day of week", 0, 7, _WEEKDAYS)
_HOUR = _Field("hour", 0, 23)
_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _HOUR,
    _DAY,
    _Field("month", 1, 12, _MONTHS),
    _WEEKDAY,
)


def fields_of(text: str) -> Fields:
    """Check an expression word by word.

    Raises:
        CronError: at the first word that can not stand where it does.

    >>> fields_of("0 9-17/2 ? * mon-sun").canonical
    ('0', '0', '9-17/2', '*', '*', '1-7')
    """
    if len(text) > CHARACTERS_MAX:
        what = f"a cron expression has up to {CHARACTERS_MAX} characters, this one {len(text)}"
        raise CronError(what, field=None, token="", position=1)
    if text.lstrip().startswith("@"):
        return _of_alias(text)
    words = tuple(Word(found[0], found.start()) for found in re.finditer(r"\S+", text))
    _check_number(text, words)
    if len(words) == len(_FIELDS) - 1:
        words = (Word("0", 0), *words)
    pairs = zip(_FIELDS, words, strict=True)
    return Fields(text, words, tuple(_Reader(text, field).read(word) for field, word in pairs))


def interval_of(text: str) -> int | None:
    """Return the microseconds of `@every 1h30m`, None of any other expression.

    Raises:
        CronError: what follows `@every` is no duration, or one too short or too long.

    >>> interval_of("@every 90s")
    90000000
    """
    name, *rest = text.split(maxsplit=1) or [""]
    if name.lower() != EVERY:
        return None
    duration = "".join(rest).rstrip()
    found = _DURATION.findall(duration)
    start = text.index(duration, text.index("@") + len(EVERY)) if duration else len(text)
    if not duration or "".join(number + unit for number, unit in found) != duration:
        meant = f"did you mean `{duration}s`?" if _NUMBER.fullmatch(duration) else _DURATIONS
        raise _error(text, None, Word(duration, start), f"no duration; {meant}")
    every_us = int(sum(Decimal(number) * _UNITS_US[unit] for number, unit in found))
    if not EVERY_US_MIN <= every_us <= EVERY_US_MAX:
        bounds = "an interval is from `1ms` to `36600d` (a hundred years)"
        raise _error(text, None, Word(duration, start), bounds)
    return every_us


def _span(first: int, last: int) -> str:
    return f"{first}-{last}" if first < last else str(first)


def _error(text: str, field: str | None, word: Word, what: str) -> CronError:
    subject = " ".join(filter(None, (field, word.text and f"`{word.text}`")))
    message = f"{subject} at character {word.start + 1} of `{text}`: {what}".lstrip()
    return CronError(message, field=field, token=word.text, position=word.start + 1)


def _of_alias(text: str) -> Fields:
    word = Word(text.strip(), len(text) - len(text.lstrip()))
    name = word.text.lower()
    if name in ALIASES:
        fields = fields_of(ALIASES[name])
        return Fields(text, fields.words, fields.canonical)
    if name == "@reboot":
        raise _error(text, None, word, "the start of a machine is not a time of the calendar")
    known = hint(name, [*ALIASES, EVERY]) or f"; known are {', '.join(ALIASES)} and {EVERY} 90s"
    raise _error(text, None, word, "unknown name" + known)


def _check_number(text: str, words: tuple[Word, ...]) -> None:
    if not words:
        what = f"the cron expression is empty; {_SHAPE}"
        raise CronError(what, field=None, token="", position=1)
    if len(words) < len(_FIELDS) - 1:
        end = Word("", words[-1].start + len(words[-1].text))
        raise _error(text, None, end, f"ends with {len(words)} of its fields; {_SHAPE}")
    if len(words) > len(_FIELDS):
        extra = words[len(_FIELDS)]
        what = f"{len(words)} fields are too many; {_SHAPE}; no year, no command"
        raise _error(text, None, extra, what)


class _Reader(NamedTuple):
    """Reads one field of an expression."""

    text: str
    field: _Field

    def read(self, word: Word) -> str:
        return ",".join(self._element(part) for part in word.parts(","))

    def _element(self, word: Word) -> str:
        text = word.text.upper()
        if text == "?":
            return self._any(word)
        if self.field is _DAY and text in ("L", "LW"):
            return text
        if self.field is _WEEKDAY and "#" in text:
            return self._nth(word)
        if self.field is _WEEKDAY and text.endswith("L"):
            return self._last(word)
        return self._stepped(word)

    def _any(self, word: Word) -> str:
        if self.field not in (_DAY, _WEEKDAY):
            self._fail(word, "stands for any day, not here; write `*`")
        return "*"

    def _nth(self, word: Word) -> str:
        day, number, *more = word.parts("#")
        if more or number.text not in ("1", "2", "3", "4", "5"):
            self._fail(number, f"which {day.text} of the month? 1 to 5, as in `MON#2`")
        return f"{self._value(day)}#{number.text}"

    def _last(self, word: Word) -> str:
        day = Word(word.text[:-1], word.start)
        if not day.text:
            self._fail(word, "the last of which day? write `FRIL` or `5L`, or `6` for Saturday")
        return f"{self._value(day)}L"

    def _stepped(self, word: Word) -> str:
        base, *steps = word.parts("/")
        span = "*" if base.text == "*" else self._span(base)
        if not steps:
            return span
        if len(steps) > 1:
            self._fail(word, "has more than one step")
        step = self._step(steps[0], word)
        # cronsim takes `5-5/2` for `5/2`, which goes on to the end of the field.
        return span if "-" in base.text and "-" not in span else f"{span}/{step}"

    def _span(self, word: Word) -> str:
        low, *highs = word.parts("-")
        if not highs:
            return str(self._value(word))
        if len(highs) > 1:
            self._fail(word, "is not a range; write it as in `1-5`")
        if not low.text or not highs[0].text:
            self._fail(word, "is half a range; write it as in `1-5`")
        first, last = self._value(low), self._value(highs[0])
        if self.field is _WEEKDAY and last == 0 < first:
            last = self.field.high
        if last < first:
            top = self.field.low + self.field.size - 1
            turned = f"{_span(first, top)},{_span(self.field.low, last)}"
            self._fail(word, f"a range runs upwards; did you mean `{turned}`?")
        return _span(first, last)

    def _step(self, word: Word, whole: Word) -> int:
        number = int(word.text) if _NUMBER.fullmatch(word.text) else 0
        if not 1 <= number <= self.field.size:
            what = f"a step is a number from 1 to {self.field.size}"
            self._fail(word if word.text else whole, what)
        return number

    def _value(self, word: Word) -> int:
        text = word.text.upper()
        if text in self.field.names:
            return self.field.names.index(text) + self.field.low
        if not _NUMBER.fullmatch(text) or not self.field.low <= int(text) <= self.field.high:
            self._fail(word, self._expected(text))
        return int(text)

    def _expected(self, text: str) -> str:
        """Return what is wrong with a text that is none of the field's values."""
        if not text:
            return f"a value is missing; there must be {self.field.scope}"
        scope = f"there must be {self.field.scope}"
        if self.field is _DAY and not {"L", "W"}.isdisjoint(text):
            return f"{scope}; of `L` and `W` only `L` and `LW` are known, the last (working) day"
        if text in (*_MONTHS, *_WEEKDAYS):
            return f"{scope}; are the fields in order?"
        if self.field is _HOUR and text == "24":
            return f"{scope}; did you mean `0`?"
        if text[:_SHORT] in self.field.names:
            return f"{scope}; did you mean `{text[:_SHORT]}`?"
        return scope + hint(text, self.field.names)

    def _fail(self, word: Word, what: str) -> NoReturn:
        raise _error(self.text, self.field.name, word, what)
