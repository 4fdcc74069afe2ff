"""Presses of Ctrl-C, and other requests to stop, told from their echo.

Ctrl-C reaches every process at the terminal. A one-file program is two of them, and the outer one
passes on to the inner what it hears: that hears each press twice.
"""

from tipman.bundle import unpacked
from tipman.clock import Clock

ECHO_S = 0.3
"""The same signal within so many seconds is the echo; nobody means two so soon."""


class Presses:
    """Tells presses; *echo_s* is for how long one may echo, 0 where there is no outer process."""

    def __init__(self, clock: Clock, *, echo_s: float) -> None:
        self._clock = clock
        self._echo_s = echo_s
        self._heard_at: dict[int, float] = {}

    def hear(self, number: int) -> bool:
        """Take a signal; tell whether it is a press of its own."""
        now = self._clock.monotonic()
        heard_at = self._heard_at.get(number)
        if heard_at is not None and now - heard_at < self._echo_s:
            return False
        self._heard_at[number] = now
        return True


def echo_here_s() -> float:
    """Return for how long a press may echo in this program."""
    return 0.0 if unpacked() is None else ECHO_S
