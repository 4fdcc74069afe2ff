"""Requests: what may be asked of an instance from outside, as an engine publishes it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tipman import queries
from tipman.errors import Fault, InvalidError, NotFoundError
from tipman.events import (
    ApproveReported,
    CancelRequested,
    Event,
    FailReported,
    FinishReported,
    PauseRequested,
    RejectReported,
    Requested,
    ResumeRequested,
    RetryRequested,
    SuspendRequested,
    TriggerRequested,
)
from tipman.handles import Handle
from tipman.runs.handles import RunHandle
from tipman.runs.views import find as find_run
from tipman.schedules.views import find as find_schedule
from tipman.spelling import hint
from tipman.views import Views

REQUESTS: Mapping[str, type[Requested]] = {
    kind.wire: kind
    for kind in (
        CancelRequested,
        SuspendRequested,
        ResumeRequested,
        RetryRequested,
        FinishReported,
        FailReported,
        ApproveReported,
        RejectReported,
        PauseRequested,
        TriggerRequested,
    )
}
"""What may be asked for from outside, by wire name."""


def kind_of_request(name: str) -> type[Requested]:
    """Return the kind of event that is asked for by this name.

    Raises:
        InvalidError: there is no such event; names the nearest.
    """
    kind = REQUESTS.get(name)
    if kind is None:
        known = ", ".join(sorted(REQUESTS))
        detail = f"no event {name!r}; there are {known}{hint(name, REQUESTS)}"
        raise InvalidError(detail, (Fault("/name", detail),))
    return kind


Target = str | Handle | RunHandle
"""What can be asked for something: a handle, or a UUID, a key or a URI."""


class Requests(Views, ABC):
    """The part of an engine that asks its instances for something; `Engine` adds its life."""

    @abstractmethod
    def _publish(self, event: Event) -> None:
        """Put an event onto the bus and return when it is on disk."""

    def send(
        self, reference: Target, name: str, data: Any = None, *, actor: str = "local"
    ) -> Handle:
        """Publish an event for an instance from outside; return once it is on disk.

        A key is looked for among tasks, runs and schedules, in this order.

        Raises:
            InvalidError: there is no such event.
            NotFoundError: there is no such task, no such run, nor such a schedule.
            ConflictError: it changes nothing in the state that is in.
        """
        kind = kind_of_request(name)
        handle = self._target(reference)
        self._publish(kind(handle.identifier, actor, data))
        return handle

    def _target(self, reference: Target) -> Handle:
        if isinstance(reference, Handle):
            return reference
        if isinstance(reference, RunHandle):
            return Handle(reference.identifier, self)
        with self.reading() as database:
            for find in (queries.find, find_run):
                with suppress(NotFoundError):
                    return Handle(find(database, reference), self)
            return Handle(find_schedule(database, reference), self)

    def cancel(self, reference: Target) -> Handle:
        """End a task, and all that its attempt started; or a run, and all that is open of it."""
        return self.send(reference, CancelRequested.wire)

    def suspend(self, reference: Target, *, in_flight: str = "finish") -> Handle:
        """Hold a task; a running attempt finishes first, or ends now with `in_flight="stop"`."""
        return self.send(reference, SuspendRequested.wire, {"in_flight": in_flight})

    def resume(self, reference: Target) -> Handle:
        """Let a suspended task go on."""
        return self.send(reference, ResumeRequested.wire)

    def retry(self, reference: Target) -> Handle:
        """Open a task again that ended badly, and what was skipped because of it."""
        return self.send(reference, RetryRequested.wire)
