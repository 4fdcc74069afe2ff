"""The executor of the simulation: keeps what was started until the simulation ends it."""

from dataclasses import dataclass

from simulation.violation import ViolationError
from tipman.effects import StartAttempt, StopAttempt

Number = tuple[bytes, int]
"""Which attempt: the instance and the attempt's number."""


@dataclass(slots=True)
class Execution:
    """One attempt that was started and has not ended for good."""

    effect: StartAttempt
    stop: StopAttempt | None = None
    is_detached: bool = False

    @property
    def number(self) -> Number:
        return self.effect.instance, self.effect.attempt


class Executions:
    """Implements the port of the executors for every type of task."""

    def __init__(self, slots: int, started: set[Number]):
        """Refuse more than *slots* at once; *started* holds every attempt of the whole run."""
        self._slots = slots
        self._started = started
        self.open: dict[Number, Execution] = {}
        self.violation: ViolationError | None = None
        """Kept here, because an executor that raises has only failed to begin."""
        self.refuses_next = False

    @property
    def attached(self) -> list[Execution]:
        """Those that their tasks still wait for, in the order they were started."""
        return [execution for execution in self.open.values() if not execution.is_detached]

    @property
    def detached(self) -> list[Execution]:
        return [execution for execution in self.open.values() if execution.is_detached]

    def start(self, attempt: StartAttempt) -> None:
        execution = Execution(attempt)
        if execution.number in self._started:
            self.violation = ViolationError(f"attempt {attempt.attempt} was started twice")
        if any(other.effect.instance == attempt.instance for other in self.attached):
            self.violation = ViolationError("one task runs in two attempts")
        if len(self.open) >= self._slots:
            self.violation = ViolationError(f"more than {self._slots} attempts are in progress")
        self._started.add(execution.number)
        if self.refuses_next:
            self.refuses_next = False
            raise OSError("no room for another attempt")
        self.open[execution.number] = execution

    def stop(self, attempt: StopAttempt) -> None:
        execution = self.open.get((attempt.instance, attempt.attempt))
        if execution is not None and not execution.is_detached:
            execution.stop = attempt

    def close(self) -> None:
        self.open.clear()
