"""Time, as something that is handed in: the system's, or one that a test moves."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

MICROSECONDS = 1_000_000
AGAIN_S = 1.0
"""After which whoever was given no thread for an alarm asks again."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)


class Alarm(Protocol):
    """A call that was asked for and can be called off."""

    def cancel(self) -> None:
        """Call it off; nothing happens when it has rung already."""


class Clock(Protocol):
    """The three times of a machine, and a way to be called later."""

    def wall_us(self) -> int:
        """Return microseconds since 1970 UTC; may jump."""

    def monotonic(self) -> float:
        """Return seconds that never go back; stands still while the machine sleeps."""

    def boot(self) -> float:
        """Return seconds that never go back and go on while the machine sleeps."""

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Alarm:
        """Call *call* once after *delay_s* seconds, from a thread of the clock's choosing.

        Raises:
            RuntimeError: the system gives no thread.
        """

    def wait(self, seconds: float) -> None:
        """Return once so many seconds have passed; for an instant that is known and near."""


class SystemClock:
    """The clock of this machine."""

    def wall_us(self) -> int:
        """Return microseconds since 1970 UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Return seconds of the monotonic clock."""
        return time.monotonic()

    def boot(self) -> float:
        """Return seconds since the machine started, its sleep included where it can tell."""
        boot_clock = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic() if boot_clock is None else time.clock_gettime(boot_clock)

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Alarm:
        """Arm one `threading.Timer`."""
        timer = threading.Timer(delay_s, call)
        timer.daemon = True
        timer.start()
        return timer

    def wait(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


class _ManualAlarm:
    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self.due = due
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class ManualClock:
    """A clock that moves only when told; alarms ring inside `advance`, in order."""

    def __init__(self, start_us: int = 1_700_000_000 * MICROSECONDS) -> None:
        self._wall_us = start_us
        self._elapsed_us = self._slept_us = 0
        self._order = itertools.count()
        self._alarms: list[tuple[float, int, _ManualAlarm]] = []

    def wall_us(self) -> int:
        """Return microseconds since 1970 UTC."""
        return self._wall_us

    def monotonic(self) -> float:
        """Return seconds since this clock was made."""
        return self._elapsed_us / MICROSECONDS

    def boot(self) -> float:
        """Return seconds since this clock was made, those asleep included."""
        return (self._elapsed_us + self._slept_us) / MICROSECONDS

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Alarm:
        """Remember *call*; `advance` makes it."""
        alarm = _ManualAlarm(self.monotonic() + max(delay_s, 0.0), call)
        heapq.heappush(self._alarms, (alarm.due, next(self._order), alarm))
        return alarm

    def wait(self, seconds: float) -> None:
        """Move forward: nobody else does while somebody waits."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move forward, ringing every alarm that falls due on the way, each at its time."""
        end_us = self._elapsed_us + round(seconds * MICROSECONDS)
        while self._alarms and self._alarms[0][0] * MICROSECONDS <= end_us:
            due, _, alarm = heapq.heappop(self._alarms)
            self._move_to(max(round(due * MICROSECONDS), self._elapsed_us))
            if alarm.call is not None:
                alarm.call()
        self._move_to(end_us)

    def jump(self, seconds: float) -> None:
        """Step the wall clock only, as an administrator or a time server would."""
        self._wall_us += round(seconds * MICROSECONDS)

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep: no alarm rings meanwhile, nor is one any nearer afterwards."""
        self._wall_us += round(seconds * MICROSECONDS)
        self._slept_us += round(seconds * MICROSECONDS)

    def next_alarm_s(self) -> float | None:
        """Return the seconds until the next alarm rings, None when none is set."""
        waiting = [due for due, _, alarm in self._alarms if alarm.call is not None]
        return max(min(waiting) - self.monotonic(), 0.0) if waiting else None

    def _move_to(self, elapsed_us: int) -> None:
        self._wall_us += elapsed_us - self._elapsed_us
        self._elapsed_us = elapsed_us


def rfc3339(instant_us: int) -> str:
    """Return the instant as text, in UTC with microseconds.

    >>> rfc3339(1_700_000_000_123_456)
    '2023-11-14T22:13:20.123456Z'
    """
    moment = _NAIVE_EPOCH + timedelta(microseconds=instant_us)
    return moment.isoformat(timespec="microseconds") + "Z"


def microseconds_of(moment: datetime) -> int:
    """Return an aware datetime as microseconds since 1970 UTC.

    >>> microseconds_of(datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC))
    1700000000000000
    """
    return (moment - _EPOCH) // timedelta(microseconds=1)
