"""A model of the queue and the slots, as plain as can be, to judge the frontier by."""

from collections import Counter
from typing import NamedTuple

from simulation.executions import Number
from simulation.violation import ViolationError
from tipman.ids import text_of


class Queued(NamedTuple):
    """A queued task, in the order in which tasks start."""

    negated_priority: int
    at: int
    instance: bytes
    queue: str
    exclusive: str | None


class QueueModel:
    """Who is queued and which attempts hold a slot."""

    def __init__(self, slots: int, limits: dict[str, int]):
        self._slots = slots
        self._limits = limits
        self._queued: dict[bytes, Queued] = {}
        self._taken: dict[Number, Queued] = {}

    def add(
        self, instance: bytes, priority: int, at: int, queue: str, exclusive: str | None
    ) -> None:
        self._queued[instance] = Queued(-priority, at, instance, queue, exclusive)

    def remove(self, instance: bytes) -> None:
        del self._queued[instance]

    def start(self, instance: bytes, attempt: int) -> None:
        """Take a slot, if it is this one's turn."""
        if not self.may_start(instance) or not self._is_first(self._queued[instance]):
            raise ViolationError(f"it was not the turn of {text_of(instance)} to start")
        self._taken[instance, attempt] = self._queued.pop(instance)

    def release(self, instance: bytes, attempt: int) -> None:
        self._taken.pop((instance, attempt), None)

    def forget_slots(self) -> None:
        self._taken.clear()

    def may_start(self, instance: bytes) -> bool:
        """Tell whether a slot is free for a queued task."""
        return len(self._taken) < self._slots and self._may_start(self._queued[instance])

    def _is_first(self, queued: Queued) -> bool:
        others = self._queued.values()
        ahead = (other for other in others if self._may_start(other) and other < queued)
        return not any(ahead)

    def _may_start(self, queued: Queued) -> bool:
        used = Counter(taken.queue for taken in self._taken.values())
        if used[queued.queue] >= self._limits.get(queued.queue, self._slots):
            return False
        if queued.exclusive is None:
            return True
        return all(taken.exclusive != queued.exclusive for taken in self._taken.values())
