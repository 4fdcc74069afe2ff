"""Deadlines: when the attempts that run are ended, and the first instant that a commit brought."""

from collections.abc import Iterable

from tipman.instances import Instance


class Deadlines:
    """What the directory knows of deadlines; the scheduler finds those of open rows by itself."""

    def __init__(self) -> None:
        self.limits: dict[bytes, int] = {}
        """When the attempts that run are ended, by their instances; the scheduler reads it too."""
        self.earliest: int | None = None
        """The first deadline among what was last gathered, None for none."""
        self.together = 0
        """How many of those have it."""
        self._earliest_limit: int | None = None

    def limit(self, instance: Instance, times_out_at: int | None) -> None:
        """Have the attempt of an instance ended then, or no more; its row is staged by a step."""
        instance.times_out_at = times_out_at
        if times_out_at is None:
            self.limits.pop(instance.id, None)
            return
        self.limits[instance.id] = times_out_at
        if self._earliest_limit is None or times_out_at < self._earliest_limit:
            self._earliest_limit = times_out_at

    def gather(self, staged: Iterable[Instance]) -> None:
        """Look for the first deadline of what is *staged*, and of the limits since last time."""
        earliest, self._earliest_limit = self._earliest_limit, None
        together = 0
        for instance in staged:
            wake_at = instance.wake_at
            if wake_at is None:
                continue
            if earliest is None or wake_at < earliest:
                earliest, together = wake_at, 0
            together += wake_at == earliest
        self.earliest, self.together = earliest, together
