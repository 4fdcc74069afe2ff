"""Interludes: what is done on the one writing connection between two drains of the bus.

Each is a transaction of its own, and at most one follows a drain, so that events wait for no more
than that. Nothing is staged meanwhile: an interlude sees rows as they are on disk.
"""

from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any

from tipman.database import Database
from tipman.errors import TipmanError

Step = Callable[[Database], Any]


class Interludes:
    """Steps that wait for the end of a drain; `put` may come from any thread."""

    def __init__(self, database: Database, wake: Callable[[], None]) -> None:
        self._database = database
        self._wake = wake
        self._waiting: SimpleQueue[tuple[Step, Future[Any]]] = SimpleQueue()
        self._closed: TipmanError | None = None

    def put(self, step: Step) -> "Future[Any]":
        """Let *step* have its turn; the future has what it returned, once that is on disk."""
        future: Future[Any] = Future()
        self._waiting.put((step, future))
        if self._closed is not None:
            self.close(self._closed)
        self._wake()
        return future

    @property
    def is_waited_for(self) -> bool:
        """Whether a step waits for its turn."""
        return not self._waiting.empty()

    def take(self) -> bool:
        """Do the next step, if there is one; whoever has the bus's turn calls this."""
        try:
            step, future = self._waiting.get_nowait()
        except Empty:
            return False
        try:
            with self._database.transaction():
                outcome = step(self._database)
        except Exception as error:  # noqa: BLE001 - whoever asked for it is told, events go on
            future.set_exception(error)
        else:
            future.set_result(outcome)
        return True

    def close(self, error: TipmanError) -> None:
        """Take no more steps; tell those who wait."""
        self._closed = error
        while True:
            try:
                _, future = self._waiting.get_nowait()
            except Empty:
                return
            future.set_exception(error)
