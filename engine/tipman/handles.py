"""Handles: a submitted task as its submitter holds it, and how they wait for its end."""

import threading
from _thread import allocate_lock
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from tipman.charts import SETTLED
from tipman.database import Row
from tipman.errors import TaskFailedError, WaitTimeoutError
from tipman.ids import text_of
from tipman.receipts import Receipt

_INSTANCE, _ANNOUNCED = 0, 8
"""Where a log entry's row has them."""
_ENDS = frozenset({"task.settled", "run.settled"})


class Source(Protocol):
    """What a handle asks of its engine."""

    def outcome(self, identifier: bytes) -> tuple[str, Any, dict[str, Any] | None]:
        """Return state, result and error."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    def wait_settled(self, identifier: bytes, timeout_s: float | None) -> bool:
        """Wait; return whether it has settled."""


class Settlements:
    """Tells those who wait for instances to settle; a wait that nobody has costs nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[bytes, list[Callable[[], None]]] = {}
        self._closed = False

    def announce(self, entries: Sequence[Row]) -> None:
        """Tell who waits for what settled in these committed log entries."""
        if not self._waiting:
            return
        with self._lock:
            for entry in entries:
                if entry[_ANNOUNCED] in _ENDS:
                    for tell in self._waiting.pop(entry[_INSTANCE], ()):
                        tell()

    def wait(
        self, identifier: bytes, timeout_s: float | None, is_settled: Callable[[], bool]
    ) -> bool:
        """Return whether it settles within *timeout_s*; *is_settled* reads committed rows."""
        gate = allocate_lock()
        gate.acquire()
        forget = self.when_settled(identifier, gate.release)
        # Looked at after it was entered above, so that no settling falls between the two.
        if is_settled():
            forget()
            return True
        gate.acquire(timeout=-1 if timeout_s is None else max(timeout_s, 0.0))
        forget()
        return is_settled()

    def when_settled(self, identifier: bytes, tell: Callable[[], None]) -> Callable[[], None]:
        """Call *tell* once when an instance settles, or when nothing will any more.

        It is called on the bus's thread: be quick. What is returned calls that off.
        """
        with self._lock:
            if not self._closed:
                self._waiting.setdefault(identifier, []).append(tell)
                return partial(self._forget, identifier, tell)
        tell()
        return lambda: None

    def close(self) -> None:
        """Tell everybody: nothing will settle any more."""
        with self._lock:
            self._closed = True
            for waiting in self._waiting.values():
                for tell in waiting:
                    tell()
            self._waiting.clear()

    def _forget(self, identifier: bytes, tell: Callable[[], None]) -> None:
        with self._lock:
            waiting = self._waiting.get(identifier)
            if waiting is not None and tell in waiting:
                waiting.remove(tell)
                if not waiting:
                    del self._waiting[identifier]


class Handle:
    """One submitted task."""

    __slots__ = ("_receipt", "_source", "identifier")

    def __init__(self, identifier: bytes, source: Source, receipt: Receipt | None = None) -> None:
        self.identifier = identifier
        self._source = source
        self._receipt = receipt

    def __repr__(self) -> str:
        return f"<Handle {self.uri}>"

    @property
    def id(self) -> str:
        """Its UUID as text."""
        return text_of(self.identifier)

    @property
    def uri(self) -> str:
        """Its address over REST."""
        return f"/api/v1/tasks/{self.id}"

    def acknowledged(self, timeout_s: float | None = None) -> "Handle":
        """Return this handle once the submission is on disk.

        Raises:
            TipmanError: the submission was refused; there is no such task.
            WaitTimeoutError: not decided within *timeout_s*.
        """
        if self._receipt is not None:
            try:
                self._receipt.result(timeout_s)
            except TimeoutError as error:
                raise WaitTimeoutError(f"{self.uri} has not been acknowledged") from error
        return self

    def wait(self, timeout_s: float | None = None) -> "Handle":
        """Return this handle once the task has settled, in whatever state.

        Raises:
            WaitTimeoutError: it had not within *timeout_s*, or the engine stopped before.
        """
        left_s = timeout_s
        if timeout_s is not None:
            deadline = self._source.monotonic() + timeout_s
            self.acknowledged(timeout_s)
            left_s = deadline - self._source.monotonic()
        else:
            self.acknowledged()
        if not self._source.wait_settled(self.identifier, left_s):
            raise WaitTimeoutError(f"{self.uri} has not settled")
        return self

    @property
    def state(self) -> str:
        """Its state on disk, by the names of CONTRACT."""
        self.acknowledged()
        return self._source.outcome(self.identifier)[0]

    @property
    def settled(self) -> bool:
        """Whether it has ended."""
        return self.state in SETTLED

    @property
    def error(self) -> dict[str, Any] | None:
        """`{code, message, traceback?}` of its last attempt, or why it was skipped."""
        return self._source.outcome(self.identifier)[2]

    @property
    def result(self) -> Any:
        """What the task returned, waiting for its end if need be.

        Raises:
            TaskFailedError: it settled otherwise than succeeded.
        """
        self.wait()
        state, result, error = self._source.outcome(self.identifier)
        if state != "succeeded":
            why = "" if error is None else f": {error['message']}"
            raise TaskFailedError(f"{self.uri} is {state}{why}")
        return result
