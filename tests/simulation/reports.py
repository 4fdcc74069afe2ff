"""How attempts end: what the executors of the simulation say, drawn from a seed."""

from dataclasses import replace
from random import Random

from simulation.executions import Execution, Executions, Number
from tipman.definitions import Task
from tipman.events import (
    AttemptFailed,
    AttemptInterrupted,
    AttemptReturned,
    AttemptSucceeded,
    AttemptTimedOut,
    Failure,
    Report,
    StopReason,
)

_FAILURE = Failure("exception", "it raised", matches=("exception:ValueError",))


class AttemptEnds:
    """Makes reports, and remembers them so that they can be repeated."""

    def __init__(self):
        self.detached: set[Number] = set()
        """Attempts that were reported as going on unseen."""
        self.made: list[Report] = []

    def end(
        self, executions: Executions, execution: Execution, task: Task, random: Random
    ) -> Report:
        """Take the attempt out of the executor and return what it says of it."""
        report = self._report(execution, task, random)
        if getattr(report, "detached", False):
            execution.is_detached = True
            self.detached.add(execution.number)
        else:
            del executions.open[execution.number]
            self.made.append(report)
        return report

    def orphan(self, executions: Executions) -> None:
        """Keep what attempts would say that outlived their engine, to be said too late."""
        self.made += [
            AttemptSucceeded(*_owner(execution), "null") for execution in executions.attached
        ]

    def succeed(self, executions: Executions, execution: Execution, task: Task) -> Report:
        """Take the attempt out of the executor; it has ended well."""
        del executions.open[execution.number]
        return AttemptSucceeded(*_owner(execution), "null", _kept(execution, task))

    def come_back(self, executions: Executions, execution: Execution) -> Report:
        """Return what is said when a detached attempt has ended after all."""
        del executions.open[execution.number]
        return AttemptReturned(*_owner(execution))

    def _report(self, execution: Execution, task: Task, random: Random) -> Report:
        owner = _owner(execution)
        if execution.stop is None or random.random() < 0.25:
            if random.random() < 0.3:
                return AttemptFailed(*owner, _FAILURE)
            return AttemptSucceeded(*owner, "null", _kept(execution, task))
        is_detached = task.type == "inline" and random.random() < 0.3
        if execution.stop.reason is StopReason.TIMED_OUT:
            return AttemptTimedOut(*owner, detached=is_detached)
        return AttemptInterrupted(*owner, execution.stop.reason, detached=is_detached)


def again(report: Report) -> Report:
    """Return an equal report, as a confused executor would send it a second time."""
    return replace(report)


def _owner(execution: Execution) -> tuple[bytes, int, int]:
    return execution.effect.instance, execution.effect.attempt, execution.effect.epoch


def _kept(execution: Execution, task: Task) -> str | None:
    """Return one more than the last run of a class task left."""
    return None if task.exclusive is None else str(int(execution.effect.kept or 0) + 1)
