"""Threads that are started when there is work for them, and kept for the next."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

from tipman.clock import Clock

CLOSE_WAIT_S = 2.0
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Threads(Generic[Item, Outcome]):
    """A pool that never has more threads than were busy at once.

    Each item goes through `work`, which must not raise, in one of the threads; then, when that
    thread already counts as free, its outcome goes through `deliver`. So what a delivery sets
    off finds this thread, rather than starting another.
    """

    def __init__(
        self,
        work: Callable[[Item], Outcome],
        deliver: Callable[[Item, Outcome], None],
        *,
        name: str,
        threads_max: int,
    ) -> None:
        self._work = work
        self._deliver = deliver
        self._name = name
        self._threads_max = threads_max
        self._threads: list[threading.Thread] = []
        self._queue: SimpleQueue[Item | None] = SimpleQueue()
        self._busy = 0
        self._lock = threading.Lock()

    def put(self, item: Item) -> None:
        """Have *item* worked on; one caller at a time. None is not an item.

        Raises:
            RuntimeError: the system gives no thread and there is none yet; nothing was queued.
        """
        with self._lock:
            self._busy += 1
            short = self._threads_max > len(self._threads) < self._busy
        if short:
            self._grow()
        self._queue.put(item)

    def close(self, clock: Clock) -> None:
        """Let every thread end after its item, and wait for them for a bounded time.

        One that is stuck in its work is left behind; as a daemon it keeps no process alive.
        """
        for _ in self._threads:
            self._queue.put(None)
        deadline = clock.monotonic() + CLOSE_WAIT_S
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - clock.monotonic()))

    def _grow(self) -> None:
        thread = threading.Thread(
            target=self._serve, name=f"{self._name}-{len(self._threads)}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            # With a thread at work the item waits for it; without any, the caller must know.
            if not self._threads:
                with self._lock:
                    self._busy -= 1
                raise
            return
        self._threads.append(thread)

    def _serve(self) -> None:
        get, work, deliver, lock = self._queue.get, self._work, self._deliver, self._lock
        while (item := get()) is not None:
            outcome = work(item)
            with lock:
                self._busy -= 1
            deliver(item, outcome)
            del item, outcome
