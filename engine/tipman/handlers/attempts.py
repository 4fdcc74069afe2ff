"""Handlers of attempts: started when a slot is free, ended by what their owner reports."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from tipman.clock import MICROSECONDS, rfc3339
from tipman.definitions import Task, fill
from tipman.effects import Effect, StartAttempt
from tipman.errors import DatabaseError, InvalidError, MergeConflictError
from tipman.events import (
    AttemptFailed,
    AttemptInterrupted,
    AttemptLost,
    AttemptReturned,
    AttemptSucceeded,
    AttemptTimedOut,
    Failure,
    Report,
)
from tipman.frontier import Entry
from tipman.handlers.contexts import (
    Sight,
    conflict_failure,
    is_to_look,
    look,
    note_added,
    resolutions_text,
)
from tipman.handlers.running import begin_run, held_back
from tipman.handlers.steps import Steps, must_move
from tipman.instances import Instance
from tipman.jsontext import dumps, parsed
from tipman.lineage import ADDING
from tipman.outlines import Verdict
from tipman.retries import GiveUp, decide, share_of
from tipman.tipman import TIPMan

_SEES_RESULTS = frozenset({"exec", "eval"})
_NOTHING = Sight({})

_HELD_MAX = 2_000
"""Queued tasks of runs that were suspended or stopped, at which one look ends: more drains follow,
as each of them is to hear of it."""


class Attempts:
    """Starts attempts and closes them; what is not the current attempt's is fenced."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._frontier = steps.frontier
        self.starting = True
        """Whether queued tasks are started; off once the engine is stopping."""

    def dispatch(self, directory: TIPMan) -> list[Effect]:
        """Start what is queued while slots are free."""
        effects: list[Effect] = []
        pop, held = self._frontier.pop, 0
        while self.starting and held < _HELD_MAX and (entry := pop()) is not None:
            instance = directory.load(entry.instance)
            if instance.run is not None and (asked := held_back(instance, directory)) is not None:
                # Queued again, as it is what is queued that is taken from there.
                self._frontier.push(entry)
                self._steps.hold_back(instance, asked, directory)
                held += 1
                continue
            effect = self._start(entry, instance, directory)
            if effect is not None:
                effects.append(effect)
        return effects

    def _start(self, entry: Entry, instance: Instance, directory: TIPMan) -> StartAttempt | None:
        task = directory.task_of(instance)
        step = must_move(instance, "attempt.started")
        number, epoch = instance.attempt + 1, directory.epoch
        sight, arguments, failure = sight_of(instance, task, directory)
        name, namespace, timeout_s = task.exclusive, task.namespace, task.timeout_s
        slot = instance.slot or task.slot
        kept = None if name is None else directory.kept(namespace, "class", name)
        self._frontier.take(entry, number)
        instance.attempt, instance.epoch, instance.started_at = number, epoch, directory.now
        data = f'{{"attempt":{number}}}'
        if sight.resolved:
            merged = resolutions_text(sight.resolved, directory)
            data = f'{{"attempt":{number},"merged":{merged}}}'
        self._steps.advance(directory, instance, step, "attempt.started", data)
        if timeout_s is not None:
            directory.deadlines.limit(instance, directory.now + round(timeout_s * MICROSECONDS))
        if instance.run is not None:
            begin_run(instance.run, directory)
        if failure is not None:
            # It never begins; what is wrong with it is told like any other failure.
            directory.raised.append(AttemptFailed(instance.id, number, epoch, failure))
            return None
        return StartAttempt(
            instance.id, number, epoch, task.type, instance.name, namespace, arguments,
            task.env if slot is None else _slot_env(task, slot), timeout_s,
            sight.names, kept, task.traceparent,
        )  # fmt: skip

    def succeeded(self, event: AttemptSucceeded, directory: TIPMan) -> list[Effect]:
        """Settle the task with its result, unless it was cancelled meanwhile."""
        instance = self._owned(event, directory)
        if instance is None:
            return []
        limit = self._steps.settings.result_bytes_max
        if len(event.result) > limit:
            failure = Failure("too_large", f"the result is larger than {limit} bytes")
            return self._failed(event, instance, failure, None, directory)
        task, result = directory.task_of(instance), event.result
        step = must_move(instance, event.wire)
        if task.type == "counter":
            result = _count(instance, directory)
        elif event.kept is not None:
            directory.keep(task.namespace, "class", str(task.exclusive), event.kept)
        self._frontier.release(instance.id, event.attempt)
        if task.type in ADDING:
            note_added(instance, task, result, directory)
        elif event.added is not None:
            note_added(instance, task, event.added, directory)
        directory.close_attempt(instance, "succeeded", result, None)
        data = f'{{"attempt":{event.attempt}}}'
        self._steps.advance(directory, instance, step, event.wire, data)
        return []

    def failed(self, event: AttemptFailed, directory: TIPMan) -> list[Effect]:
        """Try again if the policy says so, else settle."""
        instance = self._owned(event, directory)
        if instance is None:
            return []
        return self._failed(event, instance, event.failure, event.result, directory)

    def timed_out(self, event: AttemptTimedOut, directory: TIPMan) -> list[Effect]:
        """As failed, with the code `timeout`."""
        instance = self._owned(event, directory)
        if instance is None:
            return []
        limit = directory.task_of(instance).timeout_s
        failure = Failure("timeout", f"took longer than {limit} s", matches=("timeout",))
        return self._failed(event, instance, failure, event.result, directory)

    def lost(self, event: AttemptLost, directory: TIPMan) -> list[Effect]:
        """Queue it again, give it up, or fail, as the task says; it counts as no attempt."""
        instance = directory.load(event.instance)
        if not _is_current(instance, event):
            return self._fence(event, instance, directory)
        lost, verdict = instance.lost + 1, Verdict.AGAIN
        if lost >= self._steps.settings.lost_max:
            verdict = Verdict.ABANDON
        elif directory.task_of(instance).on_lost == "fail":
            verdict = Verdict.NONE
        failure = Failure("lost", "the engine that ran it died", matches=("lost",))
        step = must_move(instance, event.wire, verdict)
        self._frontier.release(instance.id, event.attempt)
        instance.lost = lost
        directory.close_attempt(instance, "lost", None, failure)
        data = failing_data(event.attempt, verdict, failure)
        self._steps.advance(directory, instance, step, event.wire, data)
        return []

    def interrupted(self, event: AttemptInterrupted, directory: TIPMan) -> list[Effect]:
        """Queue it again, or settle it as cancelled; it counts as no attempt."""
        instance = self._owned(event, directory)
        if instance is None:
            return []
        step = must_move(instance, event.wire)
        self._release(event)
        failure = Failure("interrupted", f"ended early: {event.reason.value}")
        directory.close_attempt(instance, "interrupted", event.result, failure)
        data = f'{{"attempt":{event.attempt},"reason":"{event.reason.value}"}}'
        self._steps.advance(directory, instance, step, event.wire, data)
        return []

    def returned(self, event: AttemptReturned, directory: TIPMan) -> list[Effect]:
        """Free the slot of code that could not be ended and has come back."""
        return self._fence(event, directory.load(event.instance), directory)

    def _failed(
        self,
        event: Report,
        instance: Instance,
        failure: Failure,
        result: str | None,
        directory: TIPMan,
    ) -> list[Effect]:
        used = instance.attempts_used + 1
        verdict, delay_s = weighed(directory.task_of(instance), instance, used, failure)
        # A result that is too large was a success by name, but fails the attempt.
        name = AttemptFailed.wire if isinstance(event, AttemptSucceeded) else event.wire
        step = must_move(instance, name, verdict)
        data = failing_data(event.attempt, verdict, failure)
        self._release(event)
        instance.attempts_used = used
        directory.close_attempt(instance, name.removeprefix("attempt."), result, failure)
        if verdict is Verdict.RETRY:
            instance.due_at = directory.now + round(delay_s * MICROSECONDS)
        self._steps.advance(directory, instance, step, name, data)
        return []

    def _owned(self, event: Report, directory: TIPMan) -> Instance | None:
        instance = directory.load(event.instance)
        if _is_current(instance, event) and event.epoch == directory.epoch:
            return instance
        self._fence(event, instance, directory)
        return None

    def _fence(self, event: Report, instance: Instance, directory: TIPMan) -> list[Effect]:
        """Write down that a report came from somebody who owns nothing any more."""
        if isinstance(event, AttemptReturned) and event.epoch == directory.epoch:
            self._frontier.release(event.instance, event.attempt)
        data = {"attempt": event.attempt, "epoch": event.epoch, "report": event.wire}
        directory.touch(instance)
        directory.log(instance, "attempt.fenced", instance.configuration, dumps(data))
        return []

    def _release(self, event: Report) -> None:
        if not getattr(event, "detached", False):
            self._frontier.release(event.instance, event.attempt)


def sight_of(
    instance: Instance, task: Task, directory: TIPMan
) -> tuple[Sight, Any, Failure | None]:
    """Return what a task sees and its arguments filled in, or else why it can not begin."""
    arguments = parsed(instance.arguments)
    try:
        if not (
            task.has_expressions or task.type in _SEES_RESULTS or is_to_look(instance, directory)
        ):
            return _NOTHING, arguments, None
        sight = look(instance, directory)
        if task.has_expressions:
            arguments = fill(task, sight.names)
    except MergeConflictError as error:
        return _NOTHING, arguments, conflict_failure(error, directory)
    except (InvalidError, DatabaseError) as error:
        return _NOTHING, arguments, unseen(error)
    return sight, arguments, None


def unseen(error: InvalidError | DatabaseError) -> Failure:
    """Return how a task fails whose expressions can not be computed, or whose values are lost."""
    # One large value that is gone takes down those who read it, not the engine with all others.
    code = "value" if isinstance(error, DatabaseError) else "expression"
    return Failure(code, str(error), matches=(code,))


def _slot_env(task: Task, slot: Sequence[int]) -> Mapping[str, str]:
    """Return what a run of a schedule finds in its environment: when it was due, too."""
    return {**task.env, "TIPMAN_DUE_AT": _due_text(slot[0])}


@lru_cache(maxsize=64)
def _due_text(due_at: int) -> str:
    """Return an instant as text; many runs were due at the same one."""
    return rfc3339(due_at)


def _is_current(instance: Instance, event: Report) -> bool:
    return (
        instance.state == "running"
        and instance.attempt == event.attempt
        and instance.epoch == event.epoch
    )


def weighed(task: Task, instance: Instance, used: int, failure: Failure) -> tuple[Verdict, float]:
    """Weigh what follows a failed attempt, and after how many seconds."""
    share = share_of(instance.id, instance.attempt)
    decision = decide(task.retry, attempts_used=used, failure=failure, share=share)
    if isinstance(decision, GiveUp):
        return Verdict.NONE, 0.0
    return (Verdict.RETRY if decision.delay_s > 0 else Verdict.AGAIN), decision.delay_s


def failing_data(attempt: int, verdict: Verdict, failure: Failure) -> str:
    """Return what the log says of a failed attempt, as JSON text."""
    error = {"code": failure.code, "message": failure.message}
    return dumps({"attempt": attempt, "verdict": str(verdict), "error": error})


def _count(instance: Instance, directory: TIPMan) -> str:
    arguments = parsed(instance.arguments)
    name = arguments["name"]
    value = int(directory.kept(instance.namespace, "counter", name) or 0)
    value += arguments.get("by", 1)
    directory.keep(instance.namespace, "counter", name, str(value))
    return f'{{"value":{value}}}'
