"""Handlers: what each event does to the instance it is for.

A handler computes first and writes last, so one that fails has changed nothing. It weighs by pure
rules, steps the chart with the verdict, and stages rows; what the world must do is returned as
effects, for after the commit.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tipman.effects import Effect
from tipman.events import (
    AnswerRecorded,
    AttemptFailed,
    AttemptInterrupted,
    AttemptLost,
    AttemptReturned,
    AttemptSucceeded,
    AttemptTimedOut,
    CancelRequested,
    DefinitionAdded,
    DefinitionRetired,
    DependencyReopened,
    DependencySettled,
    Event,
    FailReported,
    FinishReported,
    NamespaceChanged,
    NamespaceCreated,
    NamespaceDeleted,
    ResumeRequested,
    RetryRequested,
    SuspendRequested,
    TasksSubmitted,
    TimerFired,
    TokenCreated,
    TokenRevoked,
)
from tipman.frontier import Frontier
from tipman.handlers.attempts import Attempts
from tipman.handlers.registering import Registering
from tipman.handlers.requests import Requests
from tipman.handlers.steps import Steps
from tipman.handlers.submitting import Submitting
from tipman.handlers.waiting import Waiting
from tipman.settings import Settings
from tipman.tipman import TIPMan

Handler = Callable[[Any, TIPMan], list[Effect]]


class Handlers:
    """All handlers of the core, over the rules and the frontier."""

    def __init__(self, settings: Settings, frontier: Frontier) -> None:
        steps = Steps(settings, frontier)
        self.attempts = Attempts(steps)
        self.submitting = Submitting(steps)
        self.waiting = Waiting(steps, self.attempts)
        self.requests = Requests(steps, self.attempts)
        self.registering = Registering(frontier)

    def dispatch(self, directory: TIPMan) -> list[Effect]:
        """Start what is queued while slots are free."""
        return self.attempts.dispatch(directory)

    def stop_starting(self) -> None:
        """Start nothing more: the engine is stopping."""
        self.attempts.starting = False

    def table(self) -> Mapping[type[Event], Handler]:
        """Return the handler of each kind of event."""
        return {
            TasksSubmitted: self.submitting.tasks_submitted,
            AttemptSucceeded: self.attempts.succeeded,
            AttemptFailed: self.attempts.failed,
            AttemptTimedOut: self.attempts.timed_out,
            AttemptInterrupted: self.attempts.interrupted,
            AttemptLost: self.attempts.lost,
            AttemptReturned: self.attempts.returned,
            TimerFired: self.waiting.timer_fired,
            DependencySettled: self.waiting.dependency_settled,
            DependencyReopened: self.waiting.dependency_reopened,
            CancelRequested: self.requests.cancel,
            SuspendRequested: self.requests.suspend,
            ResumeRequested: self.requests.resume,
            RetryRequested: self.requests.retry,
            FinishReported: self.requests.outcome,
            FailReported: self.requests.outcome,
            NamespaceCreated: self.registering.namespace_created,
            NamespaceChanged: self.registering.namespace_changed,
            NamespaceDeleted: self.registering.namespace_deleted,
            DefinitionAdded: self.registering.definition_added,
            DefinitionRetired: self.registering.definition_retired,
            TokenCreated: self.registering.token_created,
            TokenRevoked: self.registering.token_revoked,
            AnswerRecorded: self.registering.answer_recorded,
        }
