"""The model of the queue, with runs that have slots of their own."""

from simulation.queue_model import Queued, QueueModel


class Queue(QueueModel):
    """Who is queued and which attempts hold a slot, of the engine and of their run."""

    def __init__(self, slots: int, limits: dict[str, int]):
        super().__init__(slots, limits)
        self._groups: dict[bytes, bytes] = {}
        self._group_slots: dict[bytes, int] = {}

    def limit_group(self, group: bytes, slots: int | None) -> None:
        """Let no more than *slots* of a run's tasks run at once; None for no limit."""
        if slots is not None:
            self._group_slots[group] = slots

    def join(self, instance: bytes, group: bytes | None) -> None:
        """Count a task to a run."""
        if group in self._group_slots:
            self._groups[instance] = group

    def _may_start(self, queued: Queued) -> bool:
        group = self._groups.get(queued.instance)
        if group is not None:
            used = sum(self._groups.get(taken.instance) == group for taken in self._taken.values())
            if used >= self._group_slots[group]:
                return False
        return super()._may_start(queued)


class Unwatched(Queue):
    """Watches nothing: whoever died may have left anything in its slots."""

    def __init__(self):
        super().__init__(0, {})

    def add(self, *_args, **_more) -> None:
        """Take no note."""

    remove = start = release = add
