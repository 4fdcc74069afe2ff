"""What an expression can see while it is evaluated."""

from collections.abc import Mapping

from tipman.statecharts.model import Event, Json

NOTHING: Mapping[str, Json] = {}


class Scope:
    """Data, the event in hand and the active states; nothing else is within reach.

    `numbers` gives the bit of each state name in `configuration`; `system` holds variables that
    no chart may assign (`_sessionid` and its like).
    """

    __slots__ = ("configuration", "data", "event", "numbers", "system")

    def __init__(
        self,
        data: Mapping[str, Json] | None,
        event: Event | None = None,
        numbers: Mapping[str, int] = NOTHING,
        configuration: int = 0,
        system: Mapping[str, Json] = NOTHING,
    ) -> None:
        self.data = data or NOTHING
        self.event = event
        self.numbers = numbers
        self.configuration = configuration
        self.system = system

    def is_in(self, name: Json) -> bool:
        """Whether the state *name* is active; a name no state has is not."""
        number = self.numbers.get(name) if type(name) is str else None
        return number is not None and bool(self.configuration >> number & 1)
