"""Charges: what a task has begun in its attempt that others do for it, as its row keeps it."""

from dataclasses import dataclass
from typing import Any

from tipman.events import Failure
from tipman.instances import Instance
from tipman.jsontext import dumps, parsed

NEVER = -1
"""The attempt of what was said of a task before its first."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What a task waits for, and how it will fail where that is known before all of it has ended.

    It stands where other tasks keep what was reported early. That of a map says that its items
    were seen to in this attempt, and how many of them may run at once.
    """

    attempt: int
    child: bytes | None = None
    parallel_max: int | None = None
    failed_before: int = 0
    """How many items of a map had ended without success when one was opened again by itself."""
    again_from: int | None = None
    """The place in a map from which on items are still to be opened again, None for nowhere."""
    failure: Failure | None = None
    origin: bytes | None = None
    """The map in another run whose items are taken over, None for none."""

    @property
    def text(self) -> str:
        """It as JSON text."""
        said: dict[str, Any] = {"attempt": self.attempt}
        if self.child is not None:
            said["child"] = self.child.hex()
        if self.parallel_max is not None:
            said["parallel_max"] = self.parallel_max
        if self.failed_before:
            said["failed_before"] = self.failed_before
        if self.again_from is not None:
            said["again_from"] = self.again_from
        if self.origin is not None:
            said["origin"] = self.origin.hex()
        if self.failure is not None:
            failure = self.failure
            said["failure"] = [failure.code, failure.message, [*failure.matches]]
        return dumps(said)


def charge_of(instance: Instance) -> Charge | None:
    """Return what a task has begun in the attempt in hand, None when nothing."""
    charge = last_charge_of(instance)
    return None if charge is None or charge.attempt != instance.attempt else charge


def last_charge_of(instance: Instance) -> Charge | None:
    """Return what a task had begun last, in whichever attempt."""
    if instance.early is None:
        return None
    said: dict[str, Any] = parsed(instance.early)
    child = bytes.fromhex(said["child"]) if "child" in said else None
    failure = None
    if "failure" in said:
        code, message, matches = said["failure"]
        failure = Failure(code, message, matches=tuple(matches))
    before, again = said.get("failed_before", 0), said.get("again_from")
    origin = bytes.fromhex(said["origin"]) if "origin" in said else None
    most = said.get("parallel_max")
    return Charge(said["attempt"], child, most, before, again, failure, origin)
