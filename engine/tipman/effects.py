"""Effects: what a committed step asks of the world. They are plain values; the runtime acts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tipman.events import StopReason


class StartAttempt(NamedTuple):
    """Begin one attempt; its executor answers with a report that repeats the first three."""

    instance: bytes
    attempt: int
    epoch: int
    type: str
    name: str
    namespace: str
    arguments: Any
    """The JSON value of the task's `arguments`, already validated; this attempt's own."""
    env: Mapping[str, str]
    timeout_s: float | None
    """For information; the engine sends `StopAttempt` when it runs out."""
    context: Mapping[str, Any]
    """What the task sees: `context`, and `results` by the names of its dependencies."""
    kept: str | None
    """JSON text that the last run of a class task left, None at first."""
    traceparent: str | None = None
    """Where its spans belong, as W3C Trace Context writes it; None for nowhere."""


@dataclass(frozen=True, slots=True)
class StopAttempt:
    """End a running attempt and everything that it started."""

    instance: bytes
    attempt: int
    reason: StopReason
    grace_s: float
    """Between the polite signal and the final one, in seconds."""


Effect = StartAttempt | StopAttempt
