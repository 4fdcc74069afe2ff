"""Handlers: what each event does to the instance it is for.

A handler computes first and writes last, so one that fails has changed nothing. It weighs by pure
rules, steps the chart with the verdict, and stages rows; what the world must do is returned as
effects, for after the commit.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tipman.clock import Clock
from tipman.database import DRIVER_ERRORS
from tipman.definitions import Task
from tipman.effects import Effect
from tipman.errors import ConflictError
from tipman.events import (
    ApproveReported,
    AttemptFailed,
    AttemptInterrupted,
    AttemptLost,
    AttemptReturned,
    AttemptSucceeded,
    AttemptTimedOut,
    AwaitingStarted,
    BackfillRequested,
    CancelRequested,
    ChildReopened,
    ChildSettled,
    DependencyReopened,
    DependencySettled,
    Event,
    FailReported,
    FinishReported,
    PauseRequested,
    RejectReported,
    Requested,
    ResumeRequested,
    RetryRequested,
    RunDrained,
    RunReopened,
    RunStarted,
    ScheduleChanged,
    ScheduleCreated,
    ScheduleDeleted,
    SlotReleased,
    SlotReopened,
    SlotSettled,
    SlotSuperseded,
    SuspendRequested,
    TasksSubmitted,
    TimerFired,
    TimersFired,
    TriggerRequested,
)
from tipman.frontier import Frontier
from tipman.handlers.aftermath import Aftermath
from tipman.handlers.attempts import Attempts
from tipman.handlers.awaiting import Awaiting
from tipman.handlers.chronicle import Chronicle
from tipman.handlers.clocks import Clocks
from tipman.handlers.firing import Firing
from tipman.handlers.forking import Forking
from tipman.handlers.growing import Growing
from tipman.handlers.launching import Launching
from tipman.handlers.presence import Presence
from tipman.handlers.registering import Registering
from tipman.handlers.requests import Requests
from tipman.handlers.run_requests import RunRequests
from tipman.handlers.running import Running
from tipman.handlers.scheduling import Scheduling
from tipman.handlers.steps import Steps
from tipman.handlers.submitting import Submitting
from tipman.handlers.waiting import Waiting
from tipman.ids import IdSource, text_of
from tipman.notices import ClockJumped, RequestRefused
from tipman.registrations import (
    AnswerRecorded,
    DefinitionAdded,
    DefinitionRetired,
    NamespaceChanged,
    NamespaceCreated,
    NamespaceDeleted,
    TokenCreated,
    TokenRevoked,
    WorkflowAdded,
    WorkflowRetired,
)
from tipman.run_events import (
    AftermathReopened,
    AftermathSettled,
    DependenciesAdded,
    HoldRequested,
    NodeFailed,
    ReleaseRequested,
    RunForked,
    TasksAdded,
)
from tipman.settings import Settings
from tipman.tipman import TIPMan

Handler = Callable[[Any, TIPMan], list[Effect]]
SLOTS_MAX = 5_000
"""Slots of one event that tells of many deadlines; what else is due waits for the next drain."""


def _as_it_is(task: Task) -> Task:
    return task


class Handlers:
    """All handlers of the core, over the rules and the frontier.

    What was due before they were made, and has no decision, was due while nobody was there.
    """

    def __init__(self, settings: Settings, frontier: Frontier, clock: Clock) -> None:
        steps = Steps(settings, frontier)
        self.attempts = Attempts(steps)
        self.running = Running()
        self.submitting = Submitting(steps, self.running)
        new_id = IdSource(lambda: clock.wall_us() // 1000)
        self.awaiting = Awaiting(steps, self.submitting, new_id)
        self.waiting = Waiting(steps, self.awaiting)
        self.requests = Requests(steps, self.awaiting)
        self.awaiting.let_retry(self.requests.retry)
        self.chronicle = Chronicle(new_id)
        self.run_requests = RunRequests(self.requests)
        self.aftermath = Aftermath(self.submitting, new_id)
        self.growing = Growing(steps, self.submitting)
        self.forking = Forking(steps, self.running, self.submitting, new_id)
        self.launching = Launching(settings, self.submitting, self.run_requests, new_id)
        self.firing = Firing(self.submitting, self.launching, new_id, clock.wall_us())
        self.scheduling = Scheduling(self.firing)
        self.registering = Registering(frontier, self.chronicle, self.scheduling)
        self.presence = Presence(new_id)
        self.clocks = Clocks(self.firing, self.presence)
        self._clock = clock

    def adopt(
        self,
        new_id: Callable[[], bytes],
        has_code: Callable[[Task], bool],
        checked: Callable[[Task], Task] = _as_it_is,
    ) -> None:
        """Make ids by *new_id*, and ask *has_code* whether a task can be run here.

        *checked* makes of a task within another one what this engine runs, or refuses it.
        """
        self.awaiting.adopt(new_id, checked)
        self.firing.adopt(new_id, has_code)
        self.launching.adopt(new_id, checked)
        self.aftermath.new_id = self.forking.new_id = self.chronicle.new_id = new_id
        self.presence.adopt(new_id)

    def dispatch(self, directory: TIPMan) -> list[Effect]:
        """Start what is queued while slots are free."""
        return self.attempts.dispatch(directory)

    def stop_starting(self) -> None:
        """Start nothing more: the engine is stopping."""
        self.attempts.starting = False

    def table(self) -> Mapping[type[Event], Handler]:
        """Return the handler of each kind of event."""
        return {
            **self._of_tasks(),
            **self._of_runs(),
            **self._of_schedules(),
            **self._of_registry(),
        }

    def _of_tasks(self) -> Mapping[type[Event], Handler]:
        return {
            TasksSubmitted: self.submitting.tasks_submitted,
            AttemptSucceeded: self.attempts.succeeded,
            AttemptFailed: self.attempts.failed,
            AttemptTimedOut: self.attempts.timed_out,
            AttemptInterrupted: self.attempts.interrupted,
            AttemptLost: self.attempts.lost,
            AttemptReturned: self.attempts.returned,
            TimerFired: self._timer_fired,
            TimersFired: self._timers_fired,
            DependencySettled: self.waiting.dependency_settled,
            DependencyReopened: self.waiting.dependency_reopened,
            CancelRequested: _by_kind(self.requests.cancel, self.run_requests.cancel),
            SuspendRequested: _by_kind(self.requests.suspend, self.run_requests.suspend),
            ResumeRequested: self._resumed,
            RetryRequested: _by_kind(self.requests.retry, self.run_requests.retry),
            FinishReported: _of_a_task(self.awaiting.reported),
            FailReported: _of_a_task(self.awaiting.reported),
            ApproveReported: _of_a_task(self.awaiting.reported),
            RejectReported: _of_a_task(self.awaiting.reported),
            AwaitingStarted: self.awaiting.started,
        }

    def _of_runs(self) -> Mapping[type[Event], Handler]:
        return {
            RunStarted: self.running.began,
            RunDrained: self.aftermath.drained,
            RunReopened: self.aftermath.reopened,
            AftermathSettled: self.aftermath.settled,
            AftermathReopened: self.aftermath.again,
            NodeFailed: self.run_requests.node_failed,
            TasksAdded: self.growing.tasks_added,
            DependenciesAdded: self.growing.dependencies_added,
            RunForked: self.forking.forked,
            HoldRequested: self.run_requests.hold,
            ReleaseRequested: self.run_requests.release,
            ChildSettled: self.awaiting.child_settled,
            ChildReopened: self.awaiting.child_reopened,
        }

    def _of_schedules(self) -> Mapping[type[Event], Handler]:
        return {
            ScheduleCreated: self.scheduling.created,
            ScheduleChanged: self.scheduling.changed,
            ScheduleDeleted: self.scheduling.deleted,
            PauseRequested: self.scheduling.paused,
            TriggerRequested: self.scheduling.triggered,
            BackfillRequested: self.scheduling.backfilled,
            ClockJumped: self.clocks.jumped,
            SlotSettled: self.firing.slot_settled,
            SlotReopened: self.firing.slot_reopened,
            SlotReleased: _by_kind(self.waiting.slot_released, self.launching.released),
            SlotSuperseded: _by_kind(self.waiting.slot_superseded, self.launching.superseded),
        }

    def _of_registry(self) -> Mapping[type[Event], Handler]:
        return {
            RequestRefused: self.presence.request_refused,
            NamespaceCreated: self.registering.namespace_created,
            NamespaceChanged: self.registering.namespace_changed,
            NamespaceDeleted: self.registering.namespace_deleted,
            DefinitionAdded: self.registering.definition_added,
            DefinitionRetired: self.registering.definition_retired,
            WorkflowAdded: self.registering.workflow_added,
            WorkflowRetired: self.registering.workflow_retired,
            TokenCreated: self.registering.token_created,
            TokenRevoked: self.registering.token_revoked,
            AnswerRecorded: self.registering.answer_recorded,
        }

    def _timers_fired(self, event: TimersFired, directory: TIPMan) -> list[Effect]:
        effects: list[Effect] = []
        began_at = self._clock.monotonic()
        self.firing.load(event.instances, directory)
        for at, identifier in enumerate(event.instances):
            if directory.schedules.rows_staged > SLOTS_MAX:
                # Alone, they are left to the next drain where this one has enough.
                directory.raised += map(TimerFired, event.instances[at:])
                break
            try:
                effects += self._deadline_came(identifier, directory)
            except DRIVER_ERRORS:
                raise
            except Exception:  # noqa: BLE001 - the bus says what it was, when it fails alone
                # It has staged nothing, and takes none of those that come after it with it.
                directory.raised.append(TimerFired(identifier))
        took_s = self._clock.monotonic() - began_at
        directory.deadlines.lead.took(len(event.instances), took_s)
        return effects

    def _timer_fired(self, event: TimerFired, directory: TIPMan) -> list[Effect]:
        return self._deadline_came(event.instance, directory)

    def _deadline_came(self, identifier: bytes, directory: TIPMan) -> list[Effect]:
        instance = directory.find(identifier)
        if instance is not None and instance.kind == "schedule":
            return self.firing.timer_fired(instance, directory)
        if instance is not None and instance.kind == "run":
            return self.run_requests.timer_fired(instance, directory)
        return self.waiting.timer_fired(TimerFired(identifier), directory)

    def _resumed(self, event: ResumeRequested, directory: TIPMan) -> list[Effect]:
        kind = directory.load(event.instance).kind
        if kind == "schedule":
            return self.scheduling.resumed(event, directory)
        if kind == "run":
            return self.run_requests.resume(event, directory)
        return self.requests.resume(event, directory)


def _by_kind(of_task: Handler, of_run: Handler) -> Handler:
    """Return a handler that asks one about tasks and another about runs."""
    asks_task = _of_a_task(of_task)

    def handle(event: Requested, directory: TIPMan) -> list[Effect]:
        kind = directory.load(event.instance).kind
        return (of_run if kind == "run" else asks_task)(event, directory)

    return handle


def _of_a_task(handler: Handler) -> Handler:
    """Return a handler that is only asked about tasks."""

    def handle(event: Requested, directory: TIPMan) -> list[Effect]:
        instance = directory.load(event.instance)
        if instance.kind != "task":
            words = f"{event.wire} changes nothing: {text_of(event.instance)} is a {instance.kind}"
            raise ConflictError(words, instance.state)
        return handler(event, directory)

    return handle
