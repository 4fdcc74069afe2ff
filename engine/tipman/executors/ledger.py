"""Ledger of open attempts: who may report an end, and what happens to code that will not end."""

import threading
from functools import partial
from typing import Generic, TypeVar

from tipman.clock import Alarm, Clock
from tipman.effects import StartAttempt, StopAttempt
from tipman.events import Report, StopReason
from tipman.executors import Publish, reports

Key = tuple[bytes, int]
_stopping_lock = threading.Lock()


class OpenAttempt:
    """One attempt that was started and has not been reported as ended."""

    __slots__ = ("_stopping", "alarms", "key", "reason", "start")

    def __init__(self, start: StartAttempt) -> None:
        self.start = start
        self.key: Key = (start.instance, start.attempt)
        self.reason: StopReason | None = None
        self.alarms: tuple[Alarm, ...] = ()
        self._stopping: threading.Event | None = None

    @property
    def stopping(self) -> threading.Event:
        """Set as soon as somebody wants this attempt to end; to look at, or to wait on."""
        # Made when first asked for: few attempts look at it, and making one takes a microsecond.
        with _stopping_lock:
            if self._stopping is None:
                self._stopping = threading.Event()
                if self.reason is not None:
                    self._stopping.set()
            return self._stopping

    def ask_to_stop(self, reason: StopReason) -> None:
        """Note why it is to end and tell the code, if it listens; the first reason stays."""
        with _stopping_lock:
            if self.reason is None:
                self.reason = reason
            if self._stopping is not None:
                self._stopping.set()


Open = TypeVar("Open", bound=OpenAttempt)


class Ledger(Generic[Open]):
    """Lets each attempt be reported exactly once, by whoever comes first.

    Two sides race: the code that ends, and the alarm that gives up on it. Taking the attempt out
    of `_open`, one atomic step, decides. An attempt given up on waits in `_detached` until its
    code comes back.
    """

    def __init__(self, publish: Publish, clock: Clock) -> None:
        self._publish = publish
        self._clock = clock
        self._open: dict[Key, Open] = {}
        self._detached: dict[Key, Open] = {}
        self._lock = threading.Lock()

    def open(self, attempt: Open) -> None:
        """Take up an attempt before its code begins."""
        self._open[attempt.key] = attempt

    def settle(self, attempt: Open, report: Report, publish: Publish | None = None) -> None:
        """Tell how its code ended; what was asked to stop counts as stopped, its result kept.

        *publish* takes the report, where it is not to go the usual way; no lock is held then.
        """
        publish = publish or self._publish
        if self._open.pop(attempt.key, None) is None:
            self._come_back(attempt)
        elif attempt.reason is None:
            publish(report)
        else:
            for alarm in attempt.alarms:
                alarm.cancel()
            result = getattr(report, "result", None)
            publish(reports.stopped(attempt.start, attempt.reason, result))

    def stop(self, stop: StopAttempt) -> Open | None:
        """Ask an open attempt to end and give up on it after the grace; None if it is not open.

        A second call leaves the reason as it is, but its grace counts when it is the shorter.
        """
        with self._lock:
            attempt = self._open.get((stop.instance, stop.attempt))
            if attempt is None:
                return None
            attempt.ask_to_stop(stop.reason)
            give_up = partial(self._give_up, attempt)
            attempt.alarms += (self._clock.call_later(stop.grace_s, give_up),)
            return attempt

    def close(self) -> list[Open]:
        """Ask all to end and forget them, so that nothing is reported any more; return them."""
        with self._lock:
            attempts = [*self._open.values(), *self._detached.values()]
            self._open.clear()
            self._detached.clear()
            for attempt in attempts:
                attempt.ask_to_stop(StopReason.INTERRUPTED)
                for alarm in attempt.alarms:
                    alarm.cancel()
        return attempts

    def _give_up(self, attempt: Open) -> None:
        # The lock keeps the two reports in order: the code may come back at this very moment.
        with self._lock:
            if self._open.pop(attempt.key, None) is None or attempt.reason is None:
                return
            self._detached[attempt.key] = attempt
            self._publish(reports.detached(attempt.start, attempt.reason))

    def _come_back(self, attempt: Open) -> None:
        with self._lock:
            if self._detached.pop(attempt.key, None) is not None:
                self._publish(reports.returned(attempt.start))
