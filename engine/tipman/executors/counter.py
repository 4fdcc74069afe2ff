"""Counters: tasks whose work is done by the transaction that settles them."""

from tipman.effects import StartAttempt, StopAttempt
from tipman.events import AttemptSucceeded
from tipman.executors import Publish


class CounterExecutor:
    """Reports success at once; the handler that settles the task adds and gives the value."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish

    def start(self, attempt: StartAttempt) -> None:
        """Nothing has to run."""
        self._publish(AttemptSucceeded(attempt.instance, attempt.attempt, attempt.epoch, "null"))

    def stop(self, attempt: StopAttempt) -> None:
        """It has reported already."""

    def close(self) -> None:
        """Nothing is held."""
