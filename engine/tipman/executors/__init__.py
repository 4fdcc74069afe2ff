"""Executors: one module a kind of task; each runs attempts and reports how they ended."""

from collections.abc import Callable
from typing import Protocol

from tipman.effects import StartAttempt, StopAttempt
from tipman.events import Report

Publish = Callable[[Report], None]
"""Puts a report onto the bus; never blocks, may be called from any thread."""


class Executor(Protocol):
    """The port behind which attempts run.

    Calls come from the bus's thread after a commit, so none may block. For every attempt that was
    started exactly one of succeeded, failed, timed out or interrupted is published, whatever
    happens; after one with `detached`, one `AttemptReturned` follows when the code came back.
    """

    def start(self, attempt: StartAttempt) -> None:
        """Begin it."""

    def stop(self, attempt: StopAttempt) -> None:
        """End it: the report says timed out or interrupted. Unknown or ended: do nothing."""

    def close(self) -> None:
        """End all that still runs, without a report; wait for that, for a bounded time."""
