"""The frontier: what is queued, in the order it will start, and the slots that are taken.

Namespaces take turns: the next free slot is for the one that has waited longest since its last
start, and so is the next free slot of a queue that has slots of its own. Within a namespace the
highest priority starts first, then the longest queued, then the oldest. A queue with slots of its
own takes from them and from the total, whoever's it is; a namespace with a quota takes from that
too, and so does each group of tasks that share a limit, as the run of a workflow; an exclusive
task waits while another with its mark runs. A plain data structure: no rows, no
clock; recovery fills it from rows.
"""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from heapq import heappop, heappush
from typing import NamedTuple

_EMPTY_HEAPS_MAX = 16
"""Queues of a namespace that may stand empty before they are forgotten."""


class Group(NamedTuple):
    """Tasks of which a limited number runs at once."""

    id: bytes
    limit: int
    noun: str
    """What they are part of, in words."""


class Entry(NamedTuple):
    """One queued task; entries sort in the order they start."""

    negated_priority: int
    queued_at: int
    instance: bytes
    queue: str
    exclusive: str | None
    namespace: str
    groups: tuple[Group, ...] = ()


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
        self._quotas: dict[str, int] = {}
        self._heaps: OrderedDict[str, dict[str, list[Entry]]] = OrderedDict()
        """By namespace and queue; the namespace that is the longest without a start is first."""
        self._removed: dict[tuple[bytes, int], int] = {}
        self._queued = 0
        self._taken: dict[tuple[bytes, int], Entry] = {}
        self._used: Counter[str] = Counter()
        """Slots in use by queue, of queues that have a limit."""
        self._turns: dict[str, OrderedDict[str, None]] = {queue: OrderedDict() for queue in queues}
        """Of queues that have a limit, the namespaces, the longest without a start there first."""
        self._held: Counter[str] = Counter()
        """Slots in use by namespace, of namespaces that have a quota."""
        self._running_exclusive: dict[str, int] = {}
        self._parked: dict[str, list[Entry]] = {}
        self._in_groups: dict[bytes, int] = {}
        """Slots in use by group, where any are."""
        self._outside: dict[bytes, dict[str, list[Entry]]] = {}
        """By group and queue, heaps of what came up when all slots of the group were taken."""
        self._has_risen = False
        """Whether any of that came up again since somebody looked."""

    def __len__(self) -> int:
        return self._queued

    @property
    def slots_taken(self) -> int:
        """How many slots are in use, those of detached attempts included."""
        return len(self._taken)

    def limit(self, namespace: str, slots: int | None) -> None:
        """Let a namespace have at most so many slots at once; None for as many as there are."""
        if slots is None:
            self._quotas.pop(namespace, None)
            self._held.pop(namespace, None)
            return
        self._quotas[namespace] = slots
        taken = self._taken.values()
        self._held[namespace] = sum(entry.namespace == namespace for entry in taken)

    def push(self, entry: Entry) -> None:
        """Queue a task."""
        self._queued += 1
        self._push(entry)

    def _push(self, entry: Entry) -> None:
        try:
            heap = self._heaps[entry.namespace][entry.queue]
        except KeyError:
            heap = self._heap_of(entry.namespace, entry.queue)
        heappush(heap, entry)

    def remove(self, instance: bytes, queued_at: int) -> None:
        """Forget a task that was queued then and is so no more, without having been popped."""
        # Of its entries of that time, as many as were removed are dropped when they come up.
        self._queued -= 1
        place = (instance, queued_at)
        self._removed[place] = self._removed.get(place, 0) + 1

    def pop(self) -> Entry | None:
        """Return the next task that may start now, None when there is none.

        The caller calls `take` for it.
        """
        if not self._queued or len(self._taken) >= self._slots:
            return None
        if len(self._heaps) == 1:
            (heaps,) = self._heaps.values()
            entry = self._first_of(heaps)
        else:
            entry = self._in_turn()
        if entry is not None:
            self._queued -= 1
        return entry

    def take(self, entry: Entry, attempt: int) -> None:
        """Count one slot as taken by an attempt of what `pop` returned."""
        self._taken[entry.instance, attempt] = entry
        if self._limits and entry.queue in self._limits:
            self._used[entry.queue] += 1
            self._turns[entry.queue].move_to_end(entry.namespace)
        if self._quotas and entry.namespace in self._quotas:
            self._held[entry.namespace] += 1
        mark = entry.exclusive
        if mark is not None:
            self._running_exclusive[mark] = self._running_exclusive.get(mark, 0) + 1
        for group in entry.groups:
            self._in_groups[group.id] = self._in_groups.get(group.id, 0) + 1

    def release(self, instance: bytes, attempt: int) -> None:
        """Give an attempt's slot back; one that holds none is none of ours."""
        entry = self._taken.pop((instance, attempt), None)
        if entry is None:
            return
        if self._limits and entry.queue in self._limits:
            self._used[entry.queue] -= 1
        if self._quotas and entry.namespace in self._quotas:
            self._held[entry.namespace] -= 1
        if entry.exclusive is not None:
            self._release_exclusive(entry.exclusive)
        if entry.groups:
            for group in entry.groups:
                left = self._in_groups.pop(group.id) - 1
                if left:
                    self._in_groups[group.id] = left
            self._let_in(entry.groups)

    def holds(self, instance: bytes, attempt: int) -> bool:
        """Tell whether an attempt's slot is taken, as a detached one's is."""
        return (instance, attempt) in self._taken

    def obstacle(
        self,
        namespace: str,
        queue: str,
        exclusive: str | None,
        groups: tuple[Group, ...] = (),
    ) -> str:
        """Say in words what a queued task waits for; `pop` uses the same rules."""
        if exclusive is not None and exclusive in self._running_exclusive:
            return f"another run of {exclusive}"
        full = self._full_among(groups)
        if full is not None:
            return f"a slot of its {full.noun}, all {full.limit} are taken"
        if self._is_full(queue):
            return f"a slot of queue {queue}, all {self._limits[queue]} are taken"
        if self._is_spent(namespace):
            return f"a slot of namespace {namespace}, all {self._quotas[namespace]} are taken"
        if len(self._taken) >= self._slots:
            return f"a slot, all {self._slots} are taken"
        return "its turn"

    def _heap_of(self, namespace: str, queue: str) -> list[Entry]:
        heaps = self._heaps.get(namespace)
        if heaps is None:
            # It had nothing queued when it was its turn, so nobody has waited longer.
            heaps = self._heaps[namespace] = {}
            self._heaps.move_to_end(namespace, last=False)
        if len(heaps) >= _EMPTY_HEAPS_MAX:
            for name in [name for name, heap in heaps.items() if not heap]:
                del heaps[name]
        turns = self._turns.get(queue)
        if turns is not None and namespace not in turns:
            turns[namespace] = None
            turns.move_to_end(namespace, last=False)
        return heaps.setdefault(queue, [])

    def _release_exclusive(self, mark: str) -> None:
        left = self._running_exclusive[mark] - 1
        if left:
            self._running_exclusive[mark] = left
            return
        del self._running_exclusive[mark]
        for entry in self._parked.pop(mark, ()):
            self._push(entry)

    def _full_among(self, groups: tuple[Group, ...]) -> Group | None:
        for group in groups:
            if self._in_groups.get(group.id, 0) >= group.limit:
                return group
        return None

    def _let_in(self, groups: tuple[Group, ...]) -> None:
        """Let the first of each queue come up again of groups that have a free slot.

        One of them alone may not be able to use it: its queue may be full.
        """
        for group in groups:
            outside = self._outside.get(group.id)
            if not outside or self._in_groups.get(group.id, 0) >= group.limit:
                continue
            self._has_risen = True
            for queue in [*outside]:
                self._push(heappop(outside[queue]))
                if not outside[queue]:
                    del outside[queue]
            if not outside:
                del self._outside[group.id]

    def _is_full(self, queue: str) -> bool:
        limit = self._limits.get(queue)
        return limit is not None and self._used[queue] >= limit

    def _is_spent(self, namespace: str) -> bool:
        quota = self._quotas.get(namespace)
        return quota is not None and self._held[namespace] >= quota

    def _in_turn(self) -> Entry | None:
        """Take what the first namespace starts that can start something; it is the last then."""
        entry, idle = None, []
        for namespace, heaps in self._heaps.items():
            entry = self._first_of(heaps)
            if entry is not None:
                break
            if not any(heaps.values()):
                idle.append(namespace)
        for namespace in idle:
            del self._heaps[namespace]
        if entry is not None:
            self._heaps.move_to_end(entry.namespace)
        return entry

    def _first_of(self, heaps: dict[str, list[Entry]]) -> Entry | None:
        """Take what a namespace starts next, None for nothing that may start now."""
        best = self._best_of(heaps)
        while self._has_risen:
            # What came up meanwhile may be in a queue that was not looked at.
            self._has_risen = False
            best = self._best_of(heaps)
        if best is None or (self._quotas and self._is_spent(best[0].namespace)):
            return None
        return heappop(best)

    def _best_of(self, heaps: dict[str, list[Entry]]) -> list[Entry] | None:
        best: list[Entry] | None = None
        for queue, heap in [*heaps.items()] if self._outside else heaps.items():
            if self._removed or self._running_exclusive or self._in_groups:
                self._tidy(heap)
            if (
                heap
                and (best is None or heap[0] < best[0])
                and not (self._limits and self._is_barred(queue, heap[0].namespace))
            ):
                best = heap
        return best

    def _is_barred(self, queue: str, namespace: str) -> bool:
        """Tell whether a namespace may start nothing of a queue: it is full, or others' turn."""
        if queue not in self._limits:
            return False
        if self._is_full(queue):
            return True
        for name in self._turns[queue]:
            heap = self._heaps.get(name, {}).get(queue, [])
            self._tidy(heap)
            if heap and not self._is_spent(name):
                return name != namespace
        return False

    def _tidy(self, heap: list[Entry]) -> None:
        """Take what may not start from the top of a heap: what was removed, and what must wait."""
        while heap:
            top = heap[0]
            place = (top.instance, top.queued_at)
            if place in self._removed:
                left = self._removed.pop(place) - 1
                if left:
                    self._removed[place] = left
                heappop(heap)
                self._let_in(top.groups)
            elif top.exclusive is not None and top.exclusive in self._running_exclusive:
                heappush(self._parked.setdefault(top.exclusive, []), heappop(heap))
                self._let_in(top.groups)
            elif (full := self._full_among(top.groups)) is not None:
                outside = self._outside.setdefault(full.id, {}).setdefault(top.queue, [])
                heappush(outside, heappop(heap))
                self._let_in(tuple(group for group in top.groups if group != full))
            else:
                return
