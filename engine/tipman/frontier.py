"""The frontier: what is queued, in the order it will start, and the slots that are taken.

Highest priority first, then the longest queued, then the oldest. A queue with slots of its own
takes from them and from the total; an exclusive task waits while another with its mark runs.
A plain data structure: no rows, no clock; recovery fills it from rows.
"""

import heapq
from collections.abc import Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """One queued task; entries sort in the order they start."""

    negated_priority: int
    queued_at: int
    instance: bytes
    queue: str
    exclusive: str | None


def mark_of(namespace: str, name: str | None) -> str | None:
    """Return the mark of a task of which one attempt runs at a time in its namespace.

    >>> mark_of("default", "Counter"), mark_of("default", None)
    ('default/Counter', None)
    """
    return None if name is None else f"{namespace}/{name}"


class Frontier:
    """Queued tasks and free slots."""

    def __init__(self, slots: int, queues: Mapping[str, int]) -> None:
        self._slots = slots
        self._limits = dict(queues)
        self._heaps: dict[str, list[Entry]] = {}
        self._removed: dict[tuple[bytes, int], int] = {}
        self._queued = 0
        self._used: dict[str, int] = {}
        self._taken: dict[tuple[bytes, int], tuple[str, str | None]] = {}
        self._running_exclusive: dict[str, int] = {}
        self._parked: dict[str, list[Entry]] = {}

    def __len__(self) -> int:
        return self._queued

    @property
    def slots_taken(self) -> int:
        """How many slots are in use, those of detached attempts included."""
        return len(self._taken)

    def push(self, entry: Entry) -> None:
        """Queue a task."""
        self._queued += 1
        heap = self._heaps.get(entry.queue)
        if heap is None:
            heap = self._heaps[entry.queue] = []
        heapq.heappush(heap, entry)

    def remove(self, instance: bytes, queued_at: int) -> None:
        """Forget a task that was queued then and is so no more, without having been popped."""
        # Of its entries of that time, as many as were removed are dropped when they come up.
        self._queued -= 1
        place = (instance, queued_at)
        self._removed[place] = self._removed.get(place, 0) + 1

    def pop(self) -> bytes | None:
        """Return the next task that may start now, None when there is none.

        The caller calls `take` for it.
        """
        while len(self._taken) < self._slots:
            entry = self._best()
            if entry is None:
                return None
            if entry.exclusive is not None and entry.exclusive in self._running_exclusive:
                heapq.heappush(self._parked.setdefault(entry.exclusive, []), entry)
                continue
            self._queued -= 1
            return entry.instance
        return None

    def take(self, instance: bytes, attempt: int, queue: str, exclusive: str | None) -> None:
        """Count one slot as taken by an attempt."""
        self._taken[instance, attempt] = (queue, exclusive)
        self._used[queue] = self._used.get(queue, 0) + 1
        if exclusive is not None:
            self._running_exclusive[exclusive] = self._running_exclusive.get(exclusive, 0) + 1

    def release(self, instance: bytes, attempt: int) -> None:
        """Give an attempt's slot back; one that holds none is none of ours."""
        taken = self._taken.pop((instance, attempt), None)
        if taken is None:
            return
        queue, exclusive = taken
        self._used[queue] -= 1
        if exclusive is not None:
            self._release_exclusive(exclusive)

    def holds(self, instance: bytes, attempt: int) -> bool:
        """Tell whether an attempt's slot is taken, as a detached one's is."""
        return (instance, attempt) in self._taken

    def obstacle(self, queue: str, exclusive: str | None) -> str:
        """Say in words what a queued task of *queue* waits for; `pop` uses the same rules."""
        if exclusive is not None and exclusive in self._running_exclusive:
            return f"another run of {exclusive}"
        if self._full(queue):
            return f"a slot of queue {queue}, all {self._limits[queue]} are taken"
        if len(self._taken) >= self._slots:
            return f"a slot, all {self._slots} are taken"
        return "its turn"

    def _release_exclusive(self, mark: str) -> None:
        left = self._running_exclusive[mark] - 1
        if left:
            self._running_exclusive[mark] = left
            return
        del self._running_exclusive[mark]
        for entry in self._parked.pop(mark, ()):
            heapq.heappush(self._heaps[entry.queue], entry)

    def _drop(self, entry: Entry) -> None:
        place = _place(entry)
        left = self._removed.pop(place) - 1
        if left:
            self._removed[place] = left

    def _full(self, queue: str) -> bool:
        limit = self._limits.get(queue)
        return limit is not None and self._used.get(queue, 0) >= limit

    def _best(self) -> Entry | None:
        best: list[Entry] | None = None
        for queue, heap in self._heaps.items():
            while self._removed and heap and _place(heap[0]) in self._removed:
                self._drop(heapq.heappop(heap))
            if heap and not self._full(queue) and (best is None or heap[0] < best[0]):
                best = heap
        return None if best is None else heapq.heappop(best)


def _place(entry: Entry) -> tuple[bytes, int]:
    return (entry.instance, entry.queued_at)
