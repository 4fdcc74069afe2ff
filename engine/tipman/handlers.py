"""Handlers: what each event does to the instance it is for.

A handler computes first and writes last, so one that fails has changed nothing. It weighs by pure
rules, steps the chart with the verdict, and stages rows; what the world must do is returned as
effects, for after the commit.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tipman.charts import INITIAL, UNSUCCESSFUL, Move, Verdict, move
from tipman.clock import MICROSECONDS
from tipman.definitions import Task, fill
from tipman.effects import Effect, StartAttempt, StopAttempt
from tipman.errors import (
    ConflictError,
    Fault,
    InvalidError,
    KeyExistsError,
    TipmanError,
    UnknownDependencyError,
)
from tipman.events import (
    AttemptFailed,
    AttemptInterrupted,
    AttemptLost,
    AttemptReturned,
    AttemptSucceeded,
    AttemptTimedOut,
    CancelRequested,
    DependencyReopened,
    DependencySettled,
    Event,
    FailReported,
    Failure,
    FinishReported,
    Report,
    Requested,
    ResumeRequested,
    RetryRequested,
    StopReason,
    Submission,
    SuspendRequested,
    TasksSubmitted,
    TimerFired,
)
from tipman.frontier import Entry, Frontier, mark_of
from tipman.ids import text_of
from tipman.jsontext import dumps, loads
from tipman.retries import GiveUp, decide, share_of
from tipman.settings import Settings
from tipman.tipman import Instance, TIPMan

Effects = list[Effect]
_NOTHING: Effects = []
_SEES_RESULTS = frozenset({"exec", "eval"})


class Handlers:
    """All handlers of the core, over the rules and the frontier."""

    def __init__(self, settings: Settings, frontier: Frontier) -> None:
        self._settings = settings
        self._frontier = frontier
        self.starting = True
        """Whether queued tasks are started; off once the engine is stopping."""

    def table(self) -> Mapping[type[Event], Callable[[Any, TIPMan], Effects]]:
        """Return the handler of each kind of event."""
        return {
            TasksSubmitted: self.tasks_submitted,
            AttemptSucceeded: self.attempt_succeeded,
            AttemptFailed: self.attempt_failed,
            AttemptTimedOut: self.attempt_timed_out,
            AttemptInterrupted: self.attempt_interrupted,
            AttemptLost: self.attempt_lost,
            AttemptReturned: self.attempt_returned,
            TimerFired: self.timer_fired,
            DependencySettled: self.dependency_settled,
            DependencyReopened: self.dependency_reopened,
            CancelRequested: self.cancel_requested,
            SuspendRequested: self.suspend_requested,
            ResumeRequested: self.resume_requested,
            RetryRequested: self.retry_requested,
            FinishReported: self.outcome_reported,
            FailReported: self.outcome_reported,
        }

    # Submitting.

    def tasks_submitted(self, event: TasksSubmitted, directory: TIPMan) -> Effects:
        """Write down tasks, all or none."""
        drafts: dict[bytes, Instance] = {}
        edges: dict[bytes, list[bytes]] = {}
        for position, submission in enumerate(event.submissions):
            self._refuse_taken_key(submission, directory)
            draft = Instance(submission.instance, submission.task, directory.now, INITIAL)
            edges[draft.id] = _resolve(submission, position, directory)
            drafts[draft.id] = draft
        outside = self._count_dependencies(drafts, edges, directory)
        moves = [self._admit_draft(draft, directory) for draft in drafts.values()]
        for dependency in outside:
            dependency.dependents += 1
            directory.touch(dependency)
        for submission, draft, (step, verdict) in zip(
            event.submissions, drafts.values(), moves, strict=True
        ):
            directory.add(draft, submission.row, edges[draft.id])
            data = f'{{"verdict":"{verdict}"}}'
            if verdict is Verdict.SKIP:
                draft.cause = self._cause(draft, edges[draft.id], directory)
            self._advance(directory, draft, step, "task.submitted", data, event.actor)
        return _NOTHING

    def _refuse_taken_key(self, submission: Submission, directory: TIPMan) -> None:
        task = submission.task
        if task.key is None:
            return
        holder = directory.find_key(task.namespace, task.key)
        if holder is not None:
            uri = f"/api/v1/tasks/{text_of(holder)}"
            raise KeyExistsError(f"the key {task.key!r} belongs to {uri}", uri)

    def _count_dependencies(
        self,
        drafts: Mapping[bytes, Instance],
        edges: Mapping[bytes, list[bytes]],
        directory: TIPMan,
    ) -> list[Instance]:
        """Count what each draft waits for; return the others that are waited for, once an edge."""
        directory.prefetch(d for targets in edges.values() for d in targets if d not in drafts)
        outside = []
        for draft in drafts.values():
            for identifier in edges[draft.id]:
                dependency = drafts.get(identifier)
                if dependency is not None:
                    dependency.dependents += 1
                    draft.dependencies_remaining += 1
                    continue
                dependency = directory.find(identifier)
                if dependency is None:
                    raise UnknownDependencyError(f"unknown dependency {text_of(identifier)}")
                outside.append(dependency)
                draft.dependencies_remaining += not dependency.is_settled
                draft.dependencies_unmet += dependency.state in UNSUCCESSFUL
        return outside

    def _admit_draft(self, draft: Instance, directory: TIPMan) -> tuple[Move, Verdict]:
        verdict = self._admission(draft, directory.now, directory)
        return _must_move(draft, "task.submitted", verdict), verdict

    def _admission(self, instance: Instance, now: int, directory: TIPMan) -> Verdict:
        """Weigh whether a task that may wait for dependencies can go on."""
        if instance.dependencies_remaining:
            return Verdict.WAIT
        if instance.dependencies_unmet:
            return Verdict.SKIP
        task = directory.task_of(instance)
        due_at = task.due_us(now)
        if due_at is not None and due_at > now:
            return Verdict.DELAY
        return _ready(task)

    # Attempts.

    def dispatch(self, directory: TIPMan) -> Effects:
        """Start what is queued while slots are free."""
        effects: Effects = []
        while self.starting and (identifier := self._frontier.pop()) is not None:
            effects += self.attempt_started(directory.load(identifier), directory)
        return effects

    def attempt_started(self, instance: Instance, directory: TIPMan) -> Effects:
        """Give a queued task its slot and its next attempt number."""
        task = directory.task_of(instance)
        step = _must_move(instance, "attempt.started", Verdict.NONE)
        exclusive = mark_of(task.namespace, task.exclusive)
        effect = self._start(instance, task, directory)
        number = instance.attempt + 1
        self._frontier.take(instance.id, number, task.queue, exclusive)
        instance.attempt, instance.epoch = number, directory.epoch
        instance.started_at = directory.now
        timeout = task.timeout_s
        instance.wake_at = None if timeout is None else directory.now + round(timeout * 1e6)
        self._advance(directory, instance, step, "attempt.started", f'{{"attempt":{number}}}')
        if isinstance(effect, StartAttempt):
            return [effect]
        directory.raised.append(AttemptFailed(instance.id, number, directory.epoch, effect))
        return _NOTHING

    def _start(
        self, instance: Instance, task: Task, directory: TIPMan
    ) -> StartAttempt | Failure:
        context: Mapping[str, Any] = {}
        arguments = task.arguments
        if task.has_expressions or task.type in _SEES_RESULTS:
            context = {"context": {}, "results": self._results(instance, directory)}
        if task.has_expressions:
            try:
                arguments = fill(task, context)
            except InvalidError as error:
                return Failure("expression", str(error), matches=("expression",))
        name = task.exclusive
        kept = None if name is None else directory.kept(task.namespace, "class", name)
        return StartAttempt(
            instance.id, instance.attempt + 1, directory.epoch, task.type, instance.name,
            instance.namespace, arguments, task.env, task.timeout_s, context, kept,
        )  # fmt: skip

    def _results(self, instance: Instance, directory: TIPMan) -> dict[str, Any]:
        dependencies = directory.dependencies_of(instance)
        directory.prefetch(dependencies)
        return directory.results_of([directory.load(d) for d in dependencies])

    def attempt_succeeded(self, event: AttemptSucceeded, directory: TIPMan) -> Effects:
        """Settle the task with its result, unless it was cancelled meanwhile."""
        instance = self._owned(event, directory)
        if instance is None:
            return _NOTHING
        task = directory.task_of(instance)
        result = event.result
        if len(result) > self._settings.result_bytes_max:
            limit = self._settings.result_bytes_max
            failure = Failure("too_large", f"the result is larger than {limit} bytes")
            return self._failed(event, instance, failure, None, directory)
        step = _must_move(instance, event.wire, Verdict.NONE)
        self._frontier.release(instance.id, instance.attempt)
        if task.type == "counter":
            result = self._count(task, directory)
        elif event.kept is not None:
            directory.keep(task.namespace, "class", str(task.exclusive), event.kept)
        directory.close_attempt(instance, "succeeded", result, None)
        self._advance(directory, instance, step, event.wire, f'{{"attempt":{event.attempt}}}')
        return _NOTHING

    def _count(self, task: Task, directory: TIPMan) -> str:
        name = task.arguments["name"]
        value = int(directory.kept(task.namespace, "counter", name) or 0)
        value += task.arguments.get("by", 1)
        directory.keep(task.namespace, "counter", name, str(value))
        return f'{{"value":{value}}}'

    def attempt_failed(self, event: AttemptFailed, directory: TIPMan) -> Effects:
        """Try again if the policy says so, else settle."""
        instance = self._owned(event, directory)
        if instance is None:
            return _NOTHING
        return self._failed(event, instance, event.failure, event.result, directory)

    def attempt_timed_out(self, event: AttemptTimedOut, directory: TIPMan) -> Effects:
        """As failed, with the code `timeout`."""
        instance = self._owned(event, directory)
        if instance is None:
            return _NOTHING
        limit = directory.task_of(instance).timeout_s
        failure = Failure("timeout", f"took longer than {limit} s", matches=("timeout",))
        return self._failed(event, instance, failure, event.result, directory)

    def _failed(
        self,
        event: Report,
        instance: Instance,
        failure: Failure,
        result: str | None,
        directory: TIPMan,
    ) -> Effects:
        task = directory.task_of(instance)
        used = instance.attempts_used + 1
        verdict, delay_s = self._weigh(task, instance, used, failure)
        step = _must_move(instance, event.wire, verdict)
        self._release(event)
        instance.attempts_used = used
        outcome = event.wire.removeprefix("attempt.")
        directory.close_attempt(instance, outcome, result, failure)
        self._fail(directory, instance, step, event.wire, verdict, delay_s, failure)
        return _NOTHING

    def _weigh(
        self, task: Task, instance: Instance, used: int, failure: Failure
    ) -> tuple[Verdict, float]:
        share = share_of(instance.id, instance.attempt)
        decision = decide(task.retry, attempts_used=used, failure=failure, share=share)
        if isinstance(decision, GiveUp):
            return Verdict.NONE, 0.0
        again = decision.delay_s <= 0 and task.type != "wait"
        return (Verdict.AGAIN if again else Verdict.RETRY), decision.delay_s

    def _fail(
        self,
        directory: TIPMan,
        instance: Instance,
        step: Move,
        name: str,
        verdict: Verdict,
        delay_s: float,
        failure: Failure,
    ) -> None:
        if verdict is Verdict.RETRY:
            instance.due_at = directory.now + round(delay_s * MICROSECONDS)
        data = {
            "attempt": instance.attempt,
            "verdict": str(verdict),
            "error": {"code": failure.code, "message": failure.message},
        }
        self._advance(directory, instance, step, name, dumps(data))

    def attempt_lost(self, event: AttemptLost, directory: TIPMan) -> Effects:
        """Queue it again, give it up, or fail, as the task says; it counts as no attempt."""
        instance = directory.load(event.instance)
        if not _is_current(instance, event):
            return self._fence(event, instance, directory)
        task = directory.task_of(instance)
        lost = instance.lost + 1
        verdict = Verdict.AGAIN
        if lost >= self._settings.lost_max:
            verdict = Verdict.ABANDON
        elif task.on_lost == "fail":
            verdict = Verdict.NONE
        failure = Failure("lost", "the engine that ran it died", matches=("lost",))
        step = _must_move(instance, event.wire, verdict)
        self._frontier.release(instance.id, instance.attempt)
        instance.lost = lost
        directory.close_attempt(instance, "lost", None, failure)
        self._fail(directory, instance, step, event.wire, verdict, 0.0, failure)
        return _NOTHING

    def attempt_interrupted(self, event: AttemptInterrupted, directory: TIPMan) -> Effects:
        """Queue it again, or settle it as cancelled; it counts as no attempt."""
        instance = self._owned(event, directory)
        if instance is None:
            return _NOTHING
        step = _must_move(instance, event.wire, Verdict.NONE)
        self._release(event)
        failure = Failure("interrupted", f"ended early: {event.reason.value}")
        directory.close_attempt(instance, "interrupted", event.result, failure)
        data = {"attempt": event.attempt, "reason": event.reason.value}
        self._advance(directory, instance, step, event.wire, dumps(data))
        return _NOTHING

    def attempt_returned(self, event: AttemptReturned, directory: TIPMan) -> Effects:
        """Free the slot of code that could not be ended and has come back."""
        instance = directory.load(event.instance)
        return self._fence(event, instance, directory)

    def _owned(self, event: Report, directory: TIPMan) -> Instance | None:
        instance = directory.load(event.instance)
        if _is_current(instance, event) and event.epoch == directory.epoch:
            return instance
        self._fence(event, instance, directory)
        return None

    def _fence(self, event: Report, instance: Instance, directory: TIPMan) -> Effects:
        """Write down that a report came from somebody who owns nothing any more."""
        self._frontier.release(event.instance, event.attempt)
        data = {"attempt": event.attempt, "epoch": event.epoch, "report": event.wire}
        directory.touch(instance)
        directory.log(instance, "attempt.fenced", instance.configuration, dumps(data))
        return _NOTHING

    def _release(self, event: Report) -> None:
        if not getattr(event, "detached", False):
            self._frontier.release(event.instance, event.attempt)

    # Time and dependencies.

    def timer_fired(self, event: TimerFired, directory: TIPMan) -> Effects:
        """Go on when the instant has come; a timer that was overtaken does nothing."""
        instance = directory.find(event.instance)
        if instance is None or instance.wake_at is None or instance.wake_at > directory.now:
            return _NOTHING
        if instance.state == "awaiting":
            return self._awaited_too_long(instance, directory)
        verdict = _ready(directory.task_of(instance))
        step = _must_move(instance, event.wire, verdict)
        instance.wake_at = None
        self._advance(directory, instance, step, event.wire, f'{{"verdict":"{verdict}"}}')
        if instance.state != "running":
            return _NOTHING
        return [self._stop(instance, StopReason.TIMED_OUT)]

    def _awaited_too_long(self, instance: Instance, directory: TIPMan) -> Effects:
        limit = directory.task_of(instance).timeout_s
        failure = Failure("timeout", f"nothing came within {limit} s", matches=("timeout",))
        self._settle_wait(instance, TimerFired.wire, failure, "engine", directory)
        return _NOTHING

    def _settle_wait(
        self, instance: Instance, name: str, failure: Failure, actor: str, directory: TIPMan
    ) -> None:
        task = directory.task_of(instance)
        used = instance.attempts_used + 1
        verdict, delay_s = self._weigh(task, instance, used, failure)
        step = _must_move(instance, name, verdict)
        instance.attempts_used = used
        directory.close_attempt(instance, "failed", None, failure)
        if verdict is Verdict.RETRY:
            instance.due_at = directory.now + round(delay_s * MICROSECONDS)
        data = {"verdict": str(verdict), "error": {"code": failure.code, "message": failure.message}}
        self._advance(directory, instance, step, name, dumps(data), actor)

    def dependency_settled(self, event: DependencySettled, directory: TIPMan) -> Effects:
        """Count it; the last one decides whether the task goes on or is skipped."""
        instance = directory.load(event.instance)
        if instance.state not in {"waiting", "blocked", "suspended"}:
            return _NOTHING
        instance.dependencies_remaining -= 1
        instance.dependencies_unmet += not event.succeeded
        verdict = self._admission(instance, directory.now, directory)
        step = _must_move(instance, event.wire, verdict)
        if step.state == "skipped":
            instance.cause = self._cause(
                instance, directory.dependencies_of(instance), directory
            )
        data = f'{{"verdict":"{verdict}","dependency":"{text_of(event.dependency)}"}}'
        self._advance(directory, instance, step, event.wire, data)
        return _NOTHING

    def _cause(
        self, instance: Instance, dependencies: list[bytes], directory: TIPMan
    ) -> bytes | None:
        directory.prefetch(dependencies)
        for identifier in dependencies:
            if directory.load(identifier).state in UNSUCCESSFUL:
                return identifier
        return None

    def dependency_reopened(self, event: DependencyReopened, directory: TIPMan) -> Effects:
        """Wait for it again; a task that was skipped because of it opens anew."""
        instance = directory.load(event.instance)
        if instance.state in {"waiting", "suspended", "blocked"}:
            step = _must_move(instance, event.wire, Verdict.NONE)
            instance.dependencies_remaining += 1
            instance.dependencies_unmet -= 1
        elif instance.state == "skipped":
            remaining, unmet = self._recount(instance, directory)
            verdict = Verdict.WAIT if not unmet else Verdict.NONE
            step = _must_move(instance, event.wire, verdict)
            instance.dependencies_remaining, instance.dependencies_unmet = remaining, unmet
            instance.cause = self._cause(
                instance, directory.dependencies_of(instance), directory
            )
        else:
            return _NOTHING
        data = f'{{"dependency":"{text_of(event.dependency)}"}}'
        self._advance(directory, instance, step, event.wire, data)
        return _NOTHING

    def _recount(self, instance: Instance, directory: TIPMan) -> tuple[int, int]:
        identifiers = directory.dependencies_of(instance)
        directory.prefetch(identifiers)
        dependencies = [directory.load(i) for i in identifiers]
        remaining = sum(not d.is_settled for d in dependencies)
        return remaining, sum(d.state in UNSUCCESSFUL for d in dependencies)

    # Asked for from outside.

    def cancel_requested(self, event: CancelRequested, directory: TIPMan) -> Effects:
        """End it: at once, or when its attempt has been ended."""
        instance = directory.load(event.instance)
        if instance.configuration in {"cancelled", "cancelling"}:
            return _NOTHING
        was_running = instance.state == "running"
        self._move(event, instance, Verdict.NONE, directory)
        return [self._stop(instance, StopReason.CANCELLED)] if was_running else _NOTHING

    def suspend_requested(self, event: SuspendRequested, directory: TIPMan) -> Effects:
        """Hold it; a running attempt finishes first, or is ended with `in_flight: stop`."""
        instance = directory.load(event.instance)
        in_flight = _in_flight(event)
        verdict = Verdict.STOP if in_flight == "stop" else Verdict.NONE
        self._move(event, instance, verdict, directory)
        if instance.configuration == "parking":
            return [self._stop(instance, StopReason.SUSPENDED)]
        return _NOTHING

    def resume_requested(self, event: ResumeRequested, directory: TIPMan) -> Effects:
        """Go on where it was held, then let what settled meanwhile count."""
        instance = directory.load(event.instance)
        verdict = Verdict.NONE
        back = move(instance.snapshot, event.wire, verdict)
        if back is not None and back.state == "waiting" and not instance.dependencies_remaining:
            verdict = self._admission(instance, directory.now, directory)
        if verdict is Verdict.SKIP:
            instance.cause = self._cause(
                instance, directory.dependencies_of(instance), directory
            )
        self._move(event, instance, verdict, directory)
        return _NOTHING

    def retry_requested(self, event: RetryRequested, directory: TIPMan) -> Effects:
        """Open again what ended badly, and with it what was skipped because of it."""
        instance = directory.load(event.instance)
        if instance.state not in UNSUCCESSFUL:
            raise _conflict(event, instance)
        remaining, unmet = self._recount(instance, directory)
        if unmet:
            cause = self._cause(instance, directory.dependencies_of(instance), directory)
            where = f"/api/v1/tasks/{text_of(cause or b'')}"
            raise ConflictError(f"its dependency {where} ended badly: retry that", instance.state)
        verdict = Verdict.WAIT if remaining else _ready(directory.task_of(instance))
        step = _must_move(instance, event.wire, verdict)
        instance.dependencies_remaining, instance.dependencies_unmet = remaining, 0
        data = {"verdict": str(verdict), "data": event.data}
        self._advance(directory, instance, step, event.wire, dumps(data), event.actor)
        return _NOTHING

    def outcome_reported(self, event: FinishReported | FailReported, directory: TIPMan) -> Effects:
        """Settle a `wait` task from outside, or keep what came early."""
        instance = directory.load(event.instance)
        task = directory.task_of(instance)
        if task.type != "wait" or (instance.early is not None and instance.state != "awaiting"):
            raise _conflict(event, instance)
        if instance.state != "awaiting":
            self._keep_early(event, instance, directory)
        elif isinstance(event, FinishReported):
            step = _must_move(instance, event.wire, Verdict.NONE)
            directory.close_attempt(instance, "succeeded", dumps(event.data), None)
            self._advance(directory, instance, step, event.wire, None, event.actor)
        else:
            reason = event.data if isinstance(event.data, str) else dumps(event.data)
            failure = Failure("reported", reason, matches=("reported",))
            self._settle_wait(instance, event.wire, failure, event.actor, directory)
        return _NOTHING

    def _keep_early(
        self, event: FinishReported | FailReported, instance: Instance, directory: TIPMan
    ) -> None:
        text = dumps({"name": event.wire, "actor": event.actor, "data": event.data})
        self._move(event, instance, Verdict.NONE, directory)
        instance.early = text

    def _move(
        self, event: Requested, instance: Instance, verdict: Verdict, directory: TIPMan
    ) -> None:
        step = move(instance.snapshot, event.wire, verdict)
        if step is None:
            raise _conflict(event, instance)
        data = dumps({"verdict": str(verdict), "data": event.data})
        self._advance(directory, instance, step, event.wire, data, event.actor)

    def _stop(self, instance: Instance, reason: StopReason) -> StopAttempt:
        return StopAttempt(instance.id, instance.attempt, reason, self._settings.grace_s)

    # Writing down a step.

    def _advance(
        self,
        directory: TIPMan,
        instance: Instance,
        step: Move,
        name: str,
        data: str | None,
        actor: str = "engine",
    ) -> None:
        before = instance.configuration if instance.sequence else ""
        was = instance.state
        instance.take(step)
        directory.touch(instance)
        directory.log(instance, name, before, data, actor)
        if was != step.state:
            self._left(was, instance)
            self._entered(was, instance, directory)
        for label in step.announced:
            directory.log(instance, label, instance.configuration, None)

    def _left(self, was: str, instance: Instance) -> None:
        if was == "queued":
            self._frontier.remove(instance.id)
        elif was in UNSUCCESSFUL:
            instance.opening += 1
            instance.attempts_used = instance.lost = 0
            instance.settled_at = instance.cause = None

    def _entered(self, was: str, instance: Instance, directory: TIPMan) -> None:
        state = instance.state
        if state == "running":
            return
        instance.wake_at = None
        if state == "queued":
            instance.queued_at, instance.due_at = directory.now, None
            self._frontier.push(self.entry(instance, directory))
        elif state == "delayed":
            if was != "suspended" or instance.due_at is None:
                instance.due_at = directory.task_of(instance).due_us(directory.now)
            instance.wake_at = instance.due_at
        elif state == "backing_off":
            instance.wake_at = instance.due_at
        elif state == "awaiting":
            self._await(was, instance, directory)
        elif instance.is_settled:
            self._settled(instance, directory)
        if was in UNSUCCESSFUL:
            for dependent in directory.dependents_of(instance):
                directory.raised.append(DependencyReopened(dependent, instance.id))

    def entry(self, instance: Instance, directory: TIPMan) -> Entry:
        """Return a queued task's place in the frontier."""
        task = directory.task_of(instance)
        queued_at = instance.queued_at or 0
        mark = mark_of(task.namespace, task.exclusive)
        return Entry(-task.priority, queued_at, instance.id, task.queue, mark)

    def _await(self, was: str, instance: Instance, directory: TIPMan) -> None:
        if was != "suspended" or instance.started_at is None:
            instance.attempt += 1
            instance.started_at = directory.now
        instance.due_at = None
        timeout_s = directory.task_of(instance).timeout_s
        if timeout_s is not None:
            instance.wake_at = instance.started_at + round(timeout_s * MICROSECONDS)
        if instance.early is not None:
            early: Any = loads(instance.early)
            kind = FinishReported if early["name"] == FinishReported.wire else FailReported
            directory.raised.append(kind(instance.id, early["actor"], early["data"]))
            instance.early = None

    def _settled(self, instance: Instance, directory: TIPMan) -> None:
        instance.settled_at, instance.due_at = directory.now, None
        if instance.dependents:
            succeeded = instance.state == "succeeded"
            for dependent in directory.dependents_of(instance):
                directory.raised.append(DependencySettled(dependent, instance.id, succeeded))


def _ready(task: Task) -> Verdict:
    return Verdict.AWAIT if task.type == "wait" else Verdict.QUEUE


def _is_current(instance: Instance, event: Report) -> bool:
    return (
        instance.state == "running"
        and instance.attempt == event.attempt
        and instance.epoch == event.epoch
    )


def _must_move(instance: Instance, name: str, verdict: Verdict) -> Move:
    step = move(instance.snapshot, name, verdict)
    if step is None:
        raise TipmanError(f"{name} does not move a task that is {instance.configuration}")
    return step


def _conflict(event: Requested, instance: Instance) -> ConflictError:
    return ConflictError(
        f"{event.wire} changes nothing: the task {text_of(instance.id)} is {instance.state}",
        instance.state,
    )


def _in_flight(event: Requested) -> str:
    data = event.data or {}
    in_flight = data.get("in_flight", "finish") if isinstance(data, dict) else None
    if in_flight not in {"finish", "stop"}:
        fault = Fault("/data/in_flight", "must be finish or stop")
        raise InvalidError("suspend.requested: data.in_flight must be finish or stop", (fault,))
    return str(in_flight)


def _resolve(submission: Submission, position: int, directory: TIPMan) -> list[bytes]:
    found = []
    for index, reference in enumerate(submission.dependencies):
        if isinstance(reference, bytes):
            identifier: bytes | None = reference
        else:
            identifier = directory.find_key(submission.task.namespace, reference)
        if identifier is None:
            detail = f"unknown dependency {reference!r}"
            pointer = f"/tasks/{position}/dependencies/{index}"
            raise UnknownDependencyError(detail, (Fault(pointer, detail),))
        found.append(identifier)
    return found
