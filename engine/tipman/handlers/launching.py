"""Handlers of runs that schedules start: each begins at once, or is held until its turn comes.

One that waits for its turn is suspended from its beginning on, so nothing of it starts; that it
waits stands in its own row.
"""

from collections.abc import Callable

from tipman.definitions import Order, Task, ordered
from tipman.effects import Effect
from tipman.errors import InvalidError, NotFoundError, QuotaReachedError, TypeOffError
from tipman.events import (
    CancelRequested,
    ResumeRequested,
    SlotReleased,
    SlotSuperseded,
    SuspendRequested,
)
from tipman.handlers.plans import Plan
from tipman.handlers.run_requests import RunRequests
from tipman.handlers.submitting import Submitting
from tipman.registry import shelf
from tipman.registry.readings import Readings
from tipman.schedules.decisions import Reason
from tipman.schedules.records import OpenRun, Record
from tipman.settings import Settings
from tipman.submission import Beginning, Submitter
from tipman.tipman import TIPMan

_ACTOR = "schedule"


class Launching:
    """Starts runs of workflows for schedules."""

    def __init__(
        self,
        settings: Settings,
        submitting: Submitting,
        requests: RunRequests,
        new_id: Callable[[], bytes],
    ) -> None:
        self._submitting = submitting
        self._requests = requests
        self._readings = Readings(settings)
        self._submitter = Submitter(new_id)
        self._checked: Callable[[Task], Task] = lambda task: task

    def adopt(self, new_id: Callable[[], bytes], checked: Callable[[Task], Task]) -> None:
        """Make ids by *new_id*, and let *checked* say what task is run here."""
        self._submitter, self._checked = Submitter(new_id), checked

    @staticmethod
    def is_orphan(plan: Plan, namespace: str, directory: TIPMan) -> bool:
        """Tell whether its workflow, or the version it names, takes no runs."""
        name, version = plan.task.arguments["name"], plan.task.arguments["version"]
        known = directory.registry.workflows.of(namespace, name)
        return all(each.is_retired or version not in {None, each.number} for each in known)

    def hand_in(
        self, record: Record, plan: Plan, slot: OpenRun, directory: TIPMan
    ) -> tuple[bytes | None, str]:
        """Start a run, or hold one for its turn; return its id, or None and why there is none."""
        arguments, namespace = plan.task.arguments, plan.task.namespace
        place = (slot.due_at, slot.backfill, slot.manual)
        try:
            found = shelf.workflow_version(
                directory.database, namespace, arguments["name"], arguments["version"]
            )
            workflow = ordered(self._readings.of(found), Order(input=arguments["input"]))
            wanted = workflow.changed(lambda task: self._checked(task).beside(slot=place))
        except (NotFoundError, TypeOffError):
            return None, Reason.ORPHANED
        except InvalidError:
            return None, Reason.INVALID_INPUT
        begun = Beginning(
            namespace=namespace, version=found.version, content=found.content,
            schedule=record.id, slot=place,
        )  # fmt: skip
        event = self._submitter.workflow(wanted, actor=_ACTOR, now_us=directory.now, at=begun)
        try:
            self._submitting.tasks_submitted(event, directory)
        except QuotaReachedError:
            return None, Reason.QUOTA
        run: bytes = event.run.row[0]  # type: ignore[union-attr]  # made just now
        record.open[run] = slot
        if slot.held:
            directory.load(run).dependencies_remaining = 1
            self._requests.suspend(SuspendRequested(run, _ACTOR, None), directory)
        return run, ""

    def released(self, event: SlotReleased, directory: TIPMan) -> list[Effect]:
        """Go on: those of its schedule that it waited for have settled."""
        run = directory.load(event.instance)
        if run.is_settled or not run.dependencies_remaining:
            return []
        run.dependencies_remaining = 0
        directory.touch(run)
        if run.state != "suspended":
            # Somebody let it go on before its turn.
            return []
        return self._requests.resume(ResumeRequested(run.id, _ACTOR, None), directory)

    def superseded(self, event: SlotSuperseded, directory: TIPMan) -> list[Effect]:
        """Cancel it: another run of its schedule took its place."""
        run = directory.load(event.instance)
        if run.is_settled or not run.dependencies_remaining:
            return []
        run.dependencies_remaining, run.cause = 0, event.by
        return self._requests.cancel(CancelRequested(run.id, _ACTOR, None), directory)
