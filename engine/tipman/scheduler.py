"""The scheduler: one alarm, armed for the earliest deadline.

Deadlines are `wake_at` of instances, found in their rows, and `times_out_at` of attempts that run,
which stands in their rows as well but is found in memory, as it dies with the engine. The alarm
never sleeps longer than `ALARM_S_MAX`, so that a wall clock that was moved is noticed; where
nobody has a deadline, none is armed.
"""

import logging
import threading
from collections.abc import Callable, Container, Sequence

from tipman.bus import Bus
from tipman.clock import AGAIN_S, MICROSECONDS, Alarm, Clock
from tipman.database import DRIVER_ERRORS, Database
from tipman.deadlines import Deadlines
from tipman.errors import DatabaseError
from tipman.events import TimersFired
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
_TOGETHER = (
    "SELECT count(*) FROM (SELECT 1 FROM instance WHERE settled_at IS NULL AND wake_at = ?"
    " LIMIT ?) AS due"
)
_DUE_AT = (
    "SELECT id, kind = 'schedule' AND configuration = 'idle' FROM instance"
    " WHERE settled_at IS NULL AND wake_at = ? ORDER BY id LIMIT ?"
)
_log = logging.getLogger(__name__)


class Scheduler:
    """Publishes `TimersFired` with every instance whose instant has come, many at once."""

    def __init__(
        self,
        clock: Clock,
        bus: Bus,
        reader: Callable[[], Database],
        deadlines: Deadlines,
    ) -> None:
        """Take *bus* to publish with, and *reader* to open a database connection with.

        *deadlines* says when attempts are ended, which the bus changes meanwhile, and how long
        before its instant a tick begins.
        """
        self._clock = clock
        self._bus = bus
        self._deadlines = deadlines
        self._open_reader = reader
        self._reader: Database | None = None
        self._lock = threading.Lock()
        self._alarm: Alarm | None = None
        self._armed_for = 0
        self._rings_at: int | None = None
        """When the alarm rings, None for never: at the deadline it is armed for, or before it."""
        self._together = 0
        """How many are known to have that deadline."""
        self._told: list[tuple[Sequence[bytes], Receipt]] = []
        """What was published, with its receipt, as long as the bus may have yet to reach it."""
        self._times = self._read()
        self._closed = False

    def start(self) -> None:
        """Look at what is due and arm the alarm."""
        with self._lock:
            self._reader = self._open_reader()
            self._look()

    def notice(self, wake_at: int, together: int = 1) -> None:
        """Take note of a committed deadline that so many have; re-arms only to ring earlier."""
        if wake_at == self._armed_for:
            # Whether they are others does not matter: who was counted twice is looked at sooner.
            self._together = together = together + self._together
        rings_at = wake_at - self._deadlines.lead.us(together)
        if self._is_soon_enough(rings_at):
            return
        with self._lock:
            if not self._is_soon_enough(rings_at):
                self._arm(wake_at, rings_at, together)

    def close(self) -> None:
        """Call the alarm off."""
        with self._lock:
            self._closed = True
            if self._alarm is not None:
                self._alarm.cancel()
            if self._reader is not None:
                self._reader.close()

    def _ring(self) -> None:
        try:
            while not self._has_looked():
                self._clock.wait(AGAIN_S)
        except DRIVER_ERRORS as error:
            if not self._closed:
                # Without the lock, for which the bus may be waiting.
                failure = DatabaseError(f"the engine stopped, no deadline can be read: {error}")
                failure.__cause__ = error
                self._bus.close(failure)
                self._bus.failed(failure)

    def _has_looked(self) -> bool:
        """Look; return whether the alarm rings again, for which there may be no thread."""
        with self._lock:
            try:
                self._look()
            except RuntimeError as error:
                _log.warning("no alarm can be armed, trying again: %s", error)
                return False
        return True

    def _look(self) -> None:
        reader = self._reader
        if self._closed or reader is None:
            return
        # Whoever commits a deadline from here on must wait for the lock, not trust this alarm.
        self._rings_at = None
        self._compare()
        now = self._clock.wall_us()
        self._told = [each for each in self._told if not each[1].is_decided]
        told = {identifier for instances, _ in self._told for identifier in instances}
        last, after = -1, b""
        while due := reader.fetch(_DUE, (last, after, now, _BATCH)):
            self._tell([bytes(identifier) for identifier, _ in due], told)
            after, last = due[-1]
        # One step as far as other threads can tell; the bus may be changing it.
        limits = list(self._deadlines.limits.items())
        ended = [identifier for identifier, at in limits if at <= now]
        for low in range(0, len(ended), _BATCH):
            self._tell(ended[low : low + _BATCH], told)
        earliest = _first_after(reader, now)
        rings_at = self._begin_of(reader, earliest)
        is_told = bool(last >= 0 or ended)
        if earliest is not None and rings_at <= now:
            is_told = True
            if self._tell_ahead(reader, earliest, told):
                earliest = _first_after(reader, earliest)
            rings_at = earliest or 0
        first_limit = min((at for _, at in limits if at > now), default=None)
        if first_limit is not None and (earliest is None or first_limit < rings_at):
            earliest = rings_at = first_limit
        if earliest is None and is_told:
            # What was just published may be refused by a clock that was set back meanwhile.
            earliest = rings_at = now + round(ALARM_S_MAX * MICROSECONDS)
        if earliest is not None:
            self._arm(earliest, rings_at)

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
            self._bus.publish_nowait(ClockJumped(awake_since, round(set_s, 3), round(slept_s, 3)))

    def _tell(self, due: Sequence[bytes], told: Container[bytes]) -> None:
        """Publish deadlines, unless the bus has yet to reach what was *told* by an earlier look.

        One that it has reached and that is still due was refused, by a clock that was set back
        meanwhile.
        """
        fresh = tuple([identifier for identifier in due if identifier not in told])
        if fresh:
            self._told.append((fresh, self._bus.publish_nowait(TimersFired(fresh[0], fresh))))

    def _begin_of(self, reader: Database, at: int | None) -> int:
        """Return when what is due then begins to be prepared: before it where it is much."""
        if at is None:
            return 0
        ((together,),) = reader.fetch(_TOGETHER, (at, _BATCH))
        return at - self._deadlines.lead.us(together)

    def _tell_ahead(self, reader: Database, at: int, told: Container[bytes]) -> bool:
        """Have schedules decided about that will be due then; tell whether nobody else will be.

        One of which a run is open may see it end before then, so it is left for its time.
        """
        due = reader.fetch(_DUE_AT, (at, _BATCH))
        idle = [bytes(identifier) for identifier, is_idle in due if is_idle]
        fresh = tuple([identifier for identifier in idle if identifier not in told])
        if len(fresh) < self._deadlines.lead.least:
            return False
        self._told.append((fresh, self._bus.ticks.put(TimersFired(fresh[0], fresh), at)))
        return len(fresh) == len(due) < _BATCH

    def _is_soon_enough(self, rings_at: int) -> bool:
        # Read once: the alarm may be ringing.
        armed = self._rings_at
        return armed is not None and armed <= rings_at

    def _arm(self, wake_at: int, rings_at: int, together: int = 1) -> None:
        """Have the alarm ring, for a deadline that so many have."""
        if self._closed:
            return
        delay_s = (rings_at - self._clock.wall_us()) / MICROSECONDS
        alarm = self._clock.call_later(min(max(delay_s, 0.0), ALARM_S_MAX), self._ring)
        if self._alarm is not None:
            self._alarm.cancel()
        self._armed_for, self._rings_at, self._together = wake_at, rings_at, together
        self._alarm = alarm


def _first_after(reader: Database, instant: int) -> int | None:
    ((earliest,),) = reader.fetch(
        "SELECT min(wake_at) FROM instance WHERE settled_at IS NULL AND wake_at > ?", (instant,)
    )
    return None if earliest is None else int(earliest)
