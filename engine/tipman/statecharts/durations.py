"""Spans of time as charts write them: `500ms`, `1.5s`, `10m`, `2h`, `3d`."""

import re

UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
DELAY_S_MAX = 100 * 366 * 86_400.0
_DURATION = re.compile(r"\s*(\d{1,12}|\d{0,12}\.\d{1,9})(ms|s|m|h|d)\s*")


def parse_duration(text: str) -> float:
    """Give the seconds that *text* stands for.

    Raises:
        ValueError: no number followed by a unit, or longer than a hundred years.

    >>> parse_duration("1.5s"), parse_duration("3d")
    (1.5, 259200.0)
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration: write a number and one of ms, s, m, h, d")
    return checked_delay(float(match[1]) * UNITS_S[match[2]])


def checked_delay(delay_s: float) -> float:
    """Return *delay_s* if a timer can be set for it.

    Raises:
        ValueError: negative, or longer than a hundred years.
    """
    if not 0 <= delay_s <= DELAY_S_MAX:
        raise ValueError(f"a delay of {delay_s} s is out of range: 0 to {DELAY_S_MAX:.0f} s")
    return delay_s
