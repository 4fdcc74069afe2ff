"""Notices: events of an engine itself, which go into the log of its presence."""

from dataclasses import dataclass, field
from typing import ClassVar

from tipman.events import Event


@dataclass(frozen=True, slots=True)
class ClockJumped(Event):
    """The wall clock was set or the machine slept; *awake_since*, in µs, somebody is there."""

    wire: ClassVar[str] = "clock.jumped"
    instance: bytes = field(default=bytes(16), init=False)
    awake_since: int
    set_s: float
    slept_s: float


@dataclass(frozen=True, slots=True)
class RequestRefused(Event):
    """Somebody was not let in; nothing in it is a secret."""

    wire: ClassVar[str] = "request.refused"
    instance: bytes = field(default=bytes(16), init=False)
    code: str
    address: str
    method: str
    path: str
    detail: str
