"""The scheduler: one alarm, armed for the earliest deadline.

Deadlines are `wake_at` of instances, found in their rows, and `times_out_at` of attempts that run,
which stands in their rows as well but is found in memory, as it dies with the engine. The alarm
never sleeps longer than `ALARM_S_MAX`, so that a wall clock that was moved is noticed; where
nobody has a deadline, none is armed.
"""

import threading
from collections.abc import Callable, Container, Mapping, Sequence

from tipman.clock import MICROSECONDS, Alarm, Clock
from tipman.database import Database
from tipman.events import Event, TimersFired
from tipman.notices import ClockJumped
from tipman.receipts import Receipt

ALARM_S_MAX = 30.0
JUMP_S_MIN = 0.5
"""By how much the clocks must disagree between two looks; a time server slews by far less."""
_BATCH = 1_000
"""So many at most one event tells of, which is handled within one drain."""
_DUE = (
    "SELECT id, wake_at FROM instance WHERE settled_at IS NULL AND (wake_at, id) > (?, ?)"
    " AND wake_at <= ? ORDER BY wake_at, id LIMIT ?"
)


class Scheduler:
    """Publishes `TimersFired` with every instance whose instant has come, many at once."""

    def __init__(
        self,
        clock: Clock,
        publish: Callable[[Event], Receipt],
        reader: Callable[[], Database],
        limits: Mapping[bytes, int],
    ) -> None:
        """Take *publish* to publish with, and *reader* to open a database connection with.

        *limits* says when attempts are ended, by their instances; the bus changes it meanwhile.
        """
        self._clock = clock
        self._publish = publish
        self._limits = limits
        self._open_reader = reader
        self._reader: Database | None = None
        self._lock = threading.Lock()
        self._alarm: Alarm | None = None
        self._armed_for: int | None = None
        self._told: list[tuple[Sequence[bytes], Receipt]] = []
        """What was published, with its receipt, as long as the bus may have yet to reach it."""
        self._times = self._read()
        self._closed = False

    def start(self) -> None:
        """Look at what is due and arm the alarm."""
        with self._lock:
            self._reader = self._open_reader()
            self._look()

    def notice(self, wake_at: int) -> None:
        """Take note of a committed deadline; re-arms only for one that is earlier."""
        if self._armed_for is not None and self._armed_for <= wake_at:
            return
        with self._lock:
            if self._armed_for is None or wake_at < self._armed_for:
                self._arm(wake_at)

    def close(self) -> None:
        """Call the alarm off."""
        with self._lock:
            self._closed = True
            if self._alarm is not None:
                self._alarm.cancel()
            if self._reader is not None:
                self._reader.close()

    def _ring(self) -> None:
        with self._lock:
            self._look()

    def _look(self) -> None:
        reader = self._reader
        if self._closed or reader is None:
            return
        # Whoever commits a deadline from here on must wait for the lock, not trust this alarm.
        self._armed_for = None
        self._compare()
        now = self._clock.wall_us()
        self._told = [each for each in self._told if not each[1].is_decided]
        told = {identifier for instances, _ in self._told for identifier in instances}
        last, after = -1, b""
        while due := reader.fetch(_DUE, (last, after, now, _BATCH)):
            self._tell([bytes(identifier) for identifier, _ in due], told)
            after, last = due[-1]
        # One step as far as other threads can tell; the bus may be changing it.
        limits = list(self._limits.items())
        ended = [identifier for identifier, at in limits if at <= now]
        for low in range(0, len(ended), _BATCH):
            self._tell(ended[low : low + _BATCH], told)
        ((earliest,),) = reader.fetch(
            "SELECT min(wake_at) FROM instance WHERE settled_at IS NULL AND wake_at > ?", (now,)
        )
        ahead = [at for _, at in limits if at > now]
        if earliest is not None:
            ahead.append(earliest)
        if ahead:
            self._arm(min(ahead))
        elif last >= 0 or ended:
            # What was just published may be refused by a clock that was set back meanwhile.
            self._arm(now + round(ALARM_S_MAX * MICROSECONDS))

    def _read(self) -> tuple[float, float, float]:
        clock = self._clock
        return clock.wall_us() / MICROSECONDS, clock.boot(), clock.monotonic()

    def _compare(self) -> None:
        """Tell of a wall clock that was set and of a machine that slept, before what is due."""
        before, self._times = self._times, self._read()
        wall, boot, monotonic = (now - then for now, then in zip(self._times, before, strict=True))
        set_s, slept_s = wall - boot, boot - monotonic
        if max(abs(set_s), slept_s) >= JUMP_S_MIN:
            awake_since = self._clock.wall_us() - round(monotonic * MICROSECONDS)
            self._publish(ClockJumped(awake_since, round(set_s, 3), round(slept_s, 3)))

    def _tell(self, due: Sequence[bytes], told: Container[bytes]) -> None:
        """Publish deadlines, unless the bus has yet to reach what was *told* by an earlier look.

        One that it has reached and that is still due was refused, by a clock that was set back
        meanwhile.
        """
        fresh = tuple([identifier for identifier in due if identifier not in told])
        if fresh:
            self._told.append((fresh, self._publish(TimersFired(fresh[0], fresh))))

    def _arm(self, wake_at: int) -> None:
        if self._closed:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._armed_for = wake_at
        delay_s = (wake_at - self._clock.wall_us()) / MICROSECONDS
        self._alarm = self._clock.call_later(min(max(delay_s, 0.0), ALARM_S_MAX), self._ring)
