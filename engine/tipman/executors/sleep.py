"""Sleep executor: any number of sleepers behind one alarm, without a thread of its own."""

import heapq
import logging
import threading
from functools import partial

from tipman.clock import AGAIN_S, MICROSECONDS, Alarm, Clock
from tipman.effects import StartAttempt, StopAttempt
from tipman.events import Report
from tipman.executors import Publish, reports
from tipman.jsontext import dumps

ALARM_S_MAX = 30
"""An alarm stands still while the machine sleeps: none is set further ahead than this."""

_STALE_MIN = 64
_log = logging.getLogger(__name__)
Key = tuple[bytes, int]


class _Sleeper:
    __slots__ = ("begun_us", "start")

    def __init__(self, start: StartAttempt, begun_us: int) -> None:
        self.start = start
        self.begun_us = begun_us

    def slept(self, now_us: int) -> str:
        return dumps({"slept_s": (now_us - self.begun_us) / MICROSECONDS})


class SleepExecutor:
    """Runs tasks of type `sleep`: `{"duration_s": 2}` ends with `{"slept_s": 2.000105}`.

    The time that the machine itself sleeps counts. A sleeper that is stopped reports how long it
    slept until then.
    """

    def __init__(self, publish: Publish, clock: Clock) -> None:
        self._publish = publish
        self._clock = clock
        self._sleepers: dict[Key, _Sleeper] = {}
        # A heap; an entry whose sleeper is gone stays until it is due or such are too many.
        self._deadlines: list[tuple[int, Key]] = []
        self._alarm: Alarm | None = None
        self._alarm_us = 0
        self._alarms = 0
        self._lock = threading.Lock()

    def start(self, attempt: StartAttempt) -> None:
        """Begin it."""
        with self._lock:
            now_us = self._now_us()
            key = (attempt.instance, attempt.attempt)
            self._sleepers[key] = _Sleeper(attempt, now_us)
            duration_us = round(attempt.arguments["duration_s"] * MICROSECONDS)
            heapq.heappush(self._deadlines, (now_us + duration_us, key))
            self._arm(now_us)

    def stop(self, attempt: StopAttempt) -> None:
        """End it at once."""
        with self._lock:
            sleeper = self._sleepers.pop((attempt.instance, attempt.attempt), None)
            now_us = self._now_us()
            if len(self._deadlines) > _STALE_MIN + 2 * len(self._sleepers):
                self._deadlines = [d for d in self._deadlines if d[1] in self._sleepers]
                heapq.heapify(self._deadlines)
        if sleeper is not None:
            result = sleeper.slept(now_us)
            self._publish(reports.stopped(sleeper.start, attempt.reason, result))

    def close(self) -> None:
        """Forget all sleepers."""
        with self._lock:
            self._sleepers.clear()
            self._deadlines.clear()
            self._alarms += 1
            if self._alarm is not None:
                self._alarm.cancel()

    def _now_us(self) -> int:
        return round(self._clock.boot() * MICROSECONDS)

    def _ring(self, alarm: int) -> None:
        with self._lock:
            if alarm != self._alarms:
                return  # it was cancelled as it rang; another has taken its place
            self._alarm = None
            awake = self._due(self._now_us())
        for report in awake:
            self._publish(report)
        while not self._has_armed():
            self._clock.wait(AGAIN_S)

    def _has_armed(self) -> bool:
        """Arm the next alarm, which takes a thread; return whether there was one."""
        with self._lock:
            try:
                self._arm(self._now_us())
            except RuntimeError as error:
                _log.warning("no sleeper can be woken, trying again: %s", error)
                return False
        return True

    def _due(self, now_us: int) -> list[Report]:
        awake = []
        while self._deadlines and self._deadlines[0][0] <= now_us:
            _, key = heapq.heappop(self._deadlines)
            sleeper = self._sleepers.pop(key, None)
            if sleeper is not None:
                awake.append(reports.succeeded(sleeper.start, sleeper.slept(now_us)))
        return awake

    def _arm(self, now_us: int) -> None:
        if not self._deadlines:
            return
        ring_us = min(self._deadlines[0][0], now_us + ALARM_S_MAX * MICROSECONDS)
        if self._alarm is not None and self._alarm_us <= ring_us:
            return
        delay_s = max(ring_us - now_us, 0) / MICROSECONDS
        alarm = self._clock.call_later(delay_s, partial(self._ring, self._alarms + 1))
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm, self._alarm_us = alarm, ring_us
        self._alarms += 1
