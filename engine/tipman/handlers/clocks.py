"""Handlers of clocks: that one jumped is written down, and schedules know who was there when."""

from collections.abc import Callable

from tipman.charts import INITIAL_SCHEDULE, Verdict, move_schedule
from tipman.effects import Effect
from tipman.events import ClockJumped
from tipman.handlers.firing import Firing
from tipman.instances import Instance, bare_instance
from tipman.jsontext import dumps
from tipman.tipman import TIPMan


class Clocks:
    """Keeps a log of this engine's clocks: an instance of kind `engine`, once there is a line."""

    def __init__(self, firing: Firing, new_id: Callable[[], bytes]) -> None:
        self._firing = firing
        self._id = new_id()

    def jumped(self, event: ClockJumped, directory: TIPMan) -> list[Effect]:
        """Write it down; what was due in between was due while nobody was there."""
        instance = directory.find(self._id)
        is_new = instance is None
        if instance is None:
            instance = self._begun(directory)
        self._firing.awake_since = event.awake_since
        before = "" if is_new else instance.configuration
        if is_new:
            directory.add_row(instance)
        else:
            directory.touch(instance)
        data = {"set_s": event.set_s, "slept_s": event.slept_s}
        directory.log(instance, event.wire, before, dumps(data))
        return []

    def _begun(self, directory: TIPMan) -> Instance:
        ended = move_schedule(INITIAL_SCHEDULE.snapshot, "schedule.deleted", Verdict.NONE)
        instance = bare_instance(
            "engine", self._id, "default", None, f"engine-{directory.epoch}", directory.now
        )
        instance.take(ended or INITIAL_SCHEDULE)
        instance.settled_at = directory.now
        return instance
