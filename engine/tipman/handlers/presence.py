"""Presence: this engine as an instance, of the kind `engine`, with a log of what it noticed."""

from collections.abc import Callable

from tipman.charts import move_engine
from tipman.effects import Effect
from tipman.handlers.chronicle import NOWHERE, write_down
from tipman.instances import bare_instance
from tipman.jsontext import dumps
from tipman.notices import RequestRefused
from tipman.tipman import TIPMan


class Presence:
    """Makes the instance when there is something to say, and keeps its log.

    It is in no namespace: who is bound to one does not see it.
    """

    def __init__(self, new_id: Callable[[], bytes]) -> None:
        self._id = new_id()

    def adopt(self, new_id: Callable[[], bytes]) -> None:
        """Make the instance's id by *new_id*, while there is nothing to say yet."""
        self._id = new_id()

    def request_refused(self, event: RequestRefused, directory: TIPMan) -> list[Effect]:
        """Write down that somebody was not let in."""
        data = {
            "code": event.code,
            "address": event.address,
            "method": event.method,
            "path": event.path,
            "detail": event.detail,
        }
        self.note(event.wire, dumps(data), directory)
        return []

    def note(self, name: str, data: str, directory: TIPMan) -> None:
        """Stage a line of the log; *data* is JSON text."""
        instance = directory.find(self._id)
        if instance is None:
            named = f"engine-{directory.epoch}"
            instance = bare_instance("engine", self._id, NOWHERE, None, named, directory.now)
            instance.settled_at = directory.now
            directory.add_row(instance)
        write_down(instance, move_engine(instance.snapshot, name), name, data, directory)
