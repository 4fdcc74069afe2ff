"""Handlers of tasks that people and other systems settle: `wait` and `approval`.

What is reported is judged when it comes, also where it comes early: by the form it must fit, and
by who may say it. The first report counts.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tipman.charts import SETTLED, move
from tipman.clock import rfc3339
from tipman.definitions import Task, fill
from tipman.definitions.expressions import is_templated
from tipman.definitions.schemas import below, faults_by
from tipman.effects import Effect
from tipman.errors import ConflictError, ForbiddenError, InvalidError
from tipman.events import (
    ApproveReported,
    FailReported,
    Failure,
    FinishReported,
    RejectReported,
    Requested,
    TimerFired,
)
from tipman.handlers.attempts import sight_of
from tipman.handlers.contexts import seen_by
from tipman.handlers.outcomes import Outcomes, timeout_failure
from tipman.handlers.steps import conflict
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.jsontext import dumps, parsed
from tipman.outlines import Verdict
from tipman.tipman import TIPMan

_ANSWERS: Mapping[str, tuple[str, str]] = {
    "wait": (FinishReported.wire, FailReported.wire),
    "approval": (ApproveReported.wire, RejectReported.wire),
}
"""What settles a task of a type: well, and badly."""


class _Report(NamedTuple):
    """What was reported, by whom and when; nobody where nobody answered in time."""

    name: str
    actor: str | None
    data: Any
    at: str


class Approving:
    """Settles tasks by what is reported, and by time where nobody has answered."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes

    def reported(self, event: Requested, directory: TIPMan) -> list[Effect]:
        """Settle a task from outside, or keep what came early.

        Raises:
            ConflictError: it is no task that this settles, or something was reported already.
            ForbiddenError: it is for somebody else to say.
            InvalidError: it does not fit the task's form; `faults` names every place.
        """
        instance = directory.load(event.instance)
        task = directory.task_of(instance)
        _refuse_other_type(event, instance, task.type)
        if instance.state in SETTLED or move(instance.snapshot, event.wire, Verdict.NONE) is None:
            raise conflict(event, instance)
        if instance.early is not None:
            raise ConflictError("an outcome was reported already", instance.state)
        is_early = instance.state != "awaiting"
        asked = _asked_early(instance, task) if is_early else _asked(instance, task, directory)
        _judge(event, instance, asked)
        report = _Report(event.wire, event.actor, event.data, rfc3339(directory.now))
        if is_early:
            self._outcomes.steps.ask(event, instance, Verdict.NONE, directory)
            instance.early = dumps(report._asdict())
        else:
            self._settle(instance, task, report, directory)
        return []

    def look(self, instance: Instance, task: Task, directory: TIPMan) -> None:
        """Ask, now that it is its turn; settle it at once if the answer came early."""
        _, _, failure = sight_of(instance, task, directory)
        if failure is not None:
            self._outcomes.fail(instance, "attempt.failed", failure, directory)
        elif instance.early is not None:
            report = _Report(**parsed(instance.early))
            instance.early = None
            self._settle(instance, task, report, directory)

    def timed_out(self, instance: Instance, task: Task, directory: TIPMan) -> None:
        """Settle it as its `default` says, else as failed."""
        default = task.arguments.get("default")
        if default is None:
            self._outcomes.fail(instance, TimerFired.wire, timeout_failure(task), directory)
            return
        name = ApproveReported.wire if default["approve"] else RejectReported.wire
        report = _Report(name, None, default.get("data"), rfc3339(directory.now))
        self._settle(instance, task, report, directory, TimerFired.wire)

    def _settle(
        self,
        instance: Instance,
        task: Task,
        report: _Report,
        directory: TIPMan,
        name: str | None = None,
    ) -> None:
        """Settle it by a report; *name* is that of the event, where it is another."""
        event, actor = name or report.name, report.actor or "engine"
        answer = {"data": report.data, "by": report.actor, "at": report.at}
        if report.name in {FinishReported.wire, ApproveReported.wire}:
            result = report.data if task.type == "wait" else {"approved": True, **answer}
            self._outcomes.succeed(instance, event, dumps(result), directory, actor=actor)
            return
        reason = report.data if isinstance(report.data, str) else dumps(report.data)
        if task.type == "wait":
            failure, said = Failure("reported", reason, matches=("reported",)), None
        else:
            failure = Failure("rejected", _rejection(report, reason), matches=("rejected",))
            said = dumps({"approved": False, **answer})
        self._outcomes.fail(instance, event, failure, directory, actor=actor, result=said)


def _rejection(report: _Report, reason: str) -> str:
    who = "nobody answered in time" if report.actor is None else f"rejected by {report.actor}"
    return who if report.data is None else f"{who}: {reason}"


def _refuse_other_type(event: Requested, instance: Instance, type_: str) -> None:
    answers = _ANSWERS.get(type_, ())
    if event.wire in answers:
        return
    taken = f", which {' and '.join(answers)} settle" if answers else ""
    raise ConflictError(
        f"{event.wire} changes nothing: the task {text_of(instance.id)} is of type"
        f" `{type_}`{taken}",
        instance.state,
    )


def _asked(instance: Instance, task: Task, directory: TIPMan) -> Mapping[str, Any]:
    """Return the arguments of a task whose turn it is, filled in.

    Raises:
        InvalidError: an expression can not be computed.
    """
    if not task.has_expressions:
        given: Mapping[str, Any] = task.arguments
        return given
    filled: Any = fill(task, seen_by(instance, directory))
    return {name: value for name, value in filled.items() if value is not None}


def _asked_early(instance: Instance, task: Task) -> Mapping[str, Any]:
    """Return the arguments of a task whose turn has not come.

    Raises:
        ConflictError: nobody can tell yet who may answer.
    """
    arguments: Mapping[str, Any] = task.arguments
    if task.has_expressions and is_templated(arguments.get("assignee")):
        words = "who may answer is known only when it is its turn: it can not be answered early"
        raise ConflictError(words, instance.state)
    return arguments


def _judge(event: Requested, instance: Instance, asked: Mapping[str, Any]) -> None:
    assignee = asked.get("assignee")
    if assignee is not None and event.actor != assignee:
        raise ForbiddenError(
            f"the task {text_of(instance.id)} is for {assignee!r} to answer, not for"
            f" {event.actor!r}"
        )
    form = asked.get("form")
    if form is not None and event.wire in {FinishReported.wire, ApproveReported.wire}:
        faults = tuple(below("/data", faults_by(form, event.data)))
        if faults:
            words = "; ".join(f"{pointer}: {detail}" for pointer, detail in faults)
            raise InvalidError(f"it does not fit the form: {words}", faults)
