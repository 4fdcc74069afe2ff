"""The scratch pad of one macrostep: what actions may do while it is taken."""

from collections import deque
from collections.abc import Mapping

from tipman.statecharts.errors import EvaluationError, UnsettledError
from tipman.statecharts.model import Effect, Event, Json, Snapshot
from tipman.statecharts.operators import measured, size_of
from tipman.statecharts.scope import Scope
from tipman.statecharts.values import Value

MICROSTEPS_MAX = 1_000
ACTIONS_MAX = 100_000
SIZE_MAX = 16 * 1_048_576  # characters and values that one macrostep may work out


class Turn(Scope):
    """Everything that changes during a macrostep, and the rules for changing it.

    `static` stays true as long as nothing has been read but the configuration: then the outcome
    is the same for every instance, and may be remembered.
    """

    __slots__ = (
        "actions",
        "bound",
        "done",
        "effects",
        "history",
        "invokes",
        "microsteps",
        "moved",
        "own",
        "queue",
        "reachable",
        "reported",
        "sequence",
        "size",
        "static",
        "waiting",
    )

    def __init__(
        self,
        snapshot: Snapshot,
        event: Event | None,
        numbers: Mapping[str, int],
        system: Mapping[str, Json],
        reachable: frozenset[str] | None,
    ) -> None:
        super().__init__(snapshot.data, event, numbers, snapshot.configuration, system)
        self.reachable = reachable
        self.history = snapshot.history
        self.invokes = snapshot.invokes
        self.sequence = snapshot.sequence
        self.bound = snapshot.bound
        self.done: tuple[str, Json] | None = None
        self.effects: list[Effect] = []
        self.queue: deque[Event] = deque()
        self.waiting: list[int] = []  # states entered whose invokes are still to be started
        self.reported: set[int] = set()  # transitions whose guard has failed in this macrostep
        self.static = True
        self.own = False  # whether `data` is a copy that this turn made
        self.moved = False
        self.microsteps = 0
        self.actions = 0
        self.size = 0

    def evaluate(self, value: Value) -> Json:
        """Give a value, noting whether it depends on the instance.

        Raises:
            UnsettledError: this macrostep has worked out more than `SIZE_MAX` in all.
        """
        if value.static:
            return value.evaluate(self)
        self.static = False
        result = value.evaluate(self)
        if isinstance(result, str | list | dict):
            self.size += size_of(result)
            if self.size > SIZE_MAX:
                raise UnsettledError(f"values of more than {SIZE_MAX} in one step", str(value))
        return result

    def emit(self, effect: Effect) -> None:
        """Add an effect, to be performed once the step is saved."""
        self.effects.append(effect)

    def can_reach(self, target: str) -> bool:
        """Whether the host, or something invoked, is known to take events for *target*."""
        if self.reachable is None or target.startswith("/"):
            return True
        self.static = False
        return target in self.reachable or target.removeprefix("#_") in (self.invokes or ())

    def report(self, error: Exception) -> None:
        """Put a failure into the internal queue (SCXML 3.12.2)."""
        self.static = False
        if isinstance(error, EvaluationError):
            name, send_id = error.event, error.send_id
        else:
            name, send_id = "error.execution", None
        self.queue.append(Event(name, {"detail": str(error)}, "platform", send_id))

    def count_action(self, place: str) -> None:
        """Account for one action.

        Raises:
            UnsettledError: this macrostep has run more than `ACTIONS_MAX` of them.
        """
        self.actions += 1
        if self.actions > ACTIONS_MAX:
            raise UnsettledError(f"more than {ACTIONS_MAX} actions in one step", place)

    def next_id(self, prefix: str) -> str:
        """Make an id that no earlier step of this instance has used."""
        self.static = False
        self.sequence += 1
        return f"{prefix}.{self.sequence}"

    def declare(self, name: str, value: Json) -> None:
        """Set a variable, whether or not the chart has declared it."""
        self._writable()[name] = value

    def assign(self, path: tuple[str, ...], value: Json) -> None:
        """Set a declared variable, or a member inside one; what is shared is copied first.

        Raises:
            EvaluationError: the variable is unknown, or the path leads through no object.
        """
        if path[0] not in self.data:
            raise EvaluationError(f"the name {path[0]!r} has no value to assign to")
        owner = self._writable()
        for name in path[:-1]:
            part = owner.get(name)
            if not isinstance(part, dict):
                raise EvaluationError(f"{'.'.join(path)!r} leads through what is no object")
            copy = dict(part)
            owner[name] = copy
            owner = copy
        owner[path[-1]] = value
        if len(path) > 1:
            measured(self.data[path[0]])

    def _writable(self) -> dict[str, Json]:
        self.static = False
        if not self.own or not isinstance(self.data, dict):
            self.data = dict(self.data)
            self.own = True
        return self.data
