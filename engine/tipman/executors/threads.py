"""Threads that are started when there is work for them, and kept for the next."""

import threading
from _thread import LockType, allocate_lock
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from tipman.clock import Clock

CLOSE_WAIT_S = 2.0
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Threads(Generic[Item, Outcome]):
    """A pool that never has more threads than were busy at once.

    Each item goes through `work`, which must not raise, in one of the threads; then, when that
    thread already counts as coming back, its outcome goes through `deliver`. So what a delivery
    sets off finds this thread, rather than starting another.

    At most one thread is being woken at a time; it wakes the next when it finds more to do. So a
    row of quick items costs one change of thread, not one each: whoever has the interpreter takes
    items for as long as nobody else comes for them.
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
        self._items: deque[Item] = deque()
        self._lock = allocate_lock()
        self._idle: list[LockType] = []
        """The gates of the threads that wait, the last to come first to go."""
        self._coming: list[None] = []
        """One for each thread that will look at `_items` before it waits: woken, new, delivering.

        Adding and taking one is atomic and needs no lock, which would cost more than the rest:
        who puts an item looks here afterwards, and who takes one from here looks at `_items`
        afterwards, so no item is left alone. A caller who does not see one yet calls a thread too
        many, as one does who came a moment before.
        """
        self._closed = False

    def put(self, item: Item) -> None:
        """Have *item* worked on; one caller at a time.

        Raises:
            RuntimeError: the system gives no thread and there is none yet; nothing was queued.
        """
        self._items.append(item)
        if not self._coming:
            self._call()

    def close(self, clock: Clock) -> None:
        """Let every thread end when nothing is queued, and wait for them for a bounded time.

        One that is stuck in its work is left behind; as a daemon it keeps no process alive.
        """
        with self._lock:
            self._closed = True
            gates, self._idle = self._idle, []
            self._coming += [None] * len(gates)
        for gate in gates:
            gate.release()
        deadline = clock.monotonic() + CLOSE_WAIT_S
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - clock.monotonic()))

    def _call(self) -> None:
        """Have one more thread come, unless one does anyway or there is none to be had."""
        gate = None
        with self._lock:
            if self._coming or not self._items:
                return
            if self._idle:
                self._coming.append(None)
                gate = self._idle.pop()
            elif len(self._threads) < self._threads_max:
                self._grow()
        if gate is not None:
            gate.release()

    def _grow(self) -> None:
        thread = threading.Thread(
            target=self._serve, name=f"{self._name}-{len(self._threads)}", daemon=True
        )
        self._coming.append(None)
        self._threads.append(thread)
        try:
            thread.start()
        except RuntimeError:
            self._coming.pop()
            self._threads.pop()
            # With a thread at work the item waits for it; without any, the caller must know.
            if not self._threads:
                self._items.pop()
                raise

    def _serve(self) -> None:
        items, coming = self._items, self._coming
        work, deliver = self._work, self._deliver
        gate = allocate_lock()
        gate.acquire()
        # A new thread stands at the lock there until who started it goes on. Let through, it
        # would start the next at once, and a row of quick items would have a thread each.
        while self._rest(gate):
            while items:
                try:
                    item = items.popleft()
                except IndexError:
                    # Another thread had the last.
                    break
                coming.pop()
                if items and not coming:
                    self._call()
                outcome = work(item)
                coming.append(None)
                deliver(item, outcome)
                del item, outcome

    def _rest(self, gate: LockType) -> bool:
        """Wait for work behind *gate*; return whether to look for it, False at the end."""
        with self._lock:
            self._coming.pop()
            if self._items:
                # It was put by one who still saw this thread come.
                self._coming.append(None)
                return True
            if self._closed:
                return False
            self._idle.append(gate)
        gate.acquire()
        return True
