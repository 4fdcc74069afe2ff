"""Handlers of clocks: that one jumped is written down, and schedules know who was there when."""

from tipman.effects import Effect
from tipman.handlers.firing import Firing
from tipman.handlers.presence import Presence
from tipman.jsontext import dumps
from tipman.notices import ClockJumped
from tipman.tipman import TIPMan


class Clocks:
    """Writes down what happens to this engine's clocks."""

    def __init__(self, firing: Firing, presence: Presence) -> None:
        self._firing = firing
        self._presence = presence

    def jumped(self, event: ClockJumped, directory: TIPMan) -> list[Effect]:
        """Write it down; what was due in between was due while nobody was there."""
        self._firing.awake_since = event.awake_since
        data = {"set_s": event.set_s, "slept_s": event.slept_s}
        self._presence.note(event.wire, dumps(data), directory)
        return []
