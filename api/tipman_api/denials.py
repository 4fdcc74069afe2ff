"""Denials: counted all of them, and the first of a kind and address in a minute told."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tipman.clock import Clock

WINDOW_S = 60.0
TOLD_MAX = 10_000
"""Kinds and addresses remembered in a window; past it only counting goes on."""
_SHOWN_MAX = 200

_log = logging.getLogger(__name__)


class Denial(NamedTuple):
    """A request that was not let through; nothing in it is a secret."""

    code: str
    address: str
    """Where it came from: the peer's address without its port."""
    method: str
    path: str
    detail: str


class Denials:
    """Counts every denial by its code; *tell* gets the first of a kind and address in a minute.

    Used from one thread, the server's.
    """

    def __init__(self, clock: Clock, tell: Callable[[Denial], None] | None = None) -> None:
        self._clock = clock
        self._tell = tell or log_denial
        self._counts: Counter[str] = Counter()
        self._told: set[tuple[str, str]] = set()
        self._window_end = 0.0

    @property
    def counts(self) -> Mapping[str, int]:
        """How many there were of each code since the start."""
        return self._counts

    def note(self, denial: Denial) -> None:
        """Count it, and tell of it when it is the first of its kind in a while."""
        self._counts[denial.code] += 1
        now = self._clock.monotonic()
        if now >= self._window_end:
            self._told.clear()
            self._window_end = now + WINDOW_S
        mark = (denial.code, denial.address)
        if mark in self._told or len(self._told) >= TOLD_MAX:
            return
        self._told.add(mark)
        self._tell(denial._replace(path=_shown(denial.path), method=_shown(denial.method)))


def log_denial(denial: Denial) -> None:
    """Write a denial into the log."""
    _log.warning(
        "request.refused %s from %s: %s %s: %s",
        denial.code,
        denial.address,
        denial.method,
        denial.path,
        denial.detail,
    )


def _shown(text: str) -> str:
    r"""Return a text of a client's that can stand in a log line.

    >>> _shown("/a\nb")
    '/a\\nb'
    """
    shown = text if text.isprintable() else text.encode("unicode_escape").decode()
    return shown[:_SHOWN_MAX]
