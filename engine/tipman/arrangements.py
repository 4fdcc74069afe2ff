"""Arrangements: the part of an engine that keeps the schedules which workflows bring along."""

from abc import ABC
from typing import Any

from tipman.definitions import Workflow
from tipman.definitions.schemas import below
from tipman.definitions.tasks import refusal
from tipman.errors import InvalidError, KeyExistsError, NotFoundError
from tipman.ids import text_of
from tipman.jsontext import parsed
from tipman.registry.records import DEFAULT
from tipman.schedules import views
from tipman.schedules.views import Stored
from tipman.timekeeping import Timekeeping

_FIXED = ("key", "name")
"""What a schedule keeps for good."""


class Arrangements(Timekeeping, ABC):
    """The part of an engine that makes the schedule which a workflow's file speaks of."""

    def judge_schedule(self, workflow: Workflow, *, namespace: str = DEFAULT) -> None:
        """See whether the schedule of a workflow can be what its block says, before anything is.

        Raises:
            InvalidError: it can not, or is never due; pointers begin at `/schedule`.
            KeyExistsError: the key belongs to a schedule of something else.
        """
        if workflow.schedule is None:
            return
        wanted = _wanted(workflow, namespace)
        try:
            self._timed(wanted)
        except InvalidError as error:
            raise refusal(below("/schedule", error.faults)) from None
        found = self._found(wanted["key"], namespace)
        if found is not None and _spec(found).get("workflow") != workflow.name:
            uri = views.URI + text_of(found.record.id)
            raise KeyExistsError(f"the key {wanted['key']!r} belongs to {uri}", uri)

    def schedule_workflow(
        self, workflow: Workflow, *, namespace: str = DEFAULT, actor: str = "local"
    ) -> None:
        """See to it that the schedule of a workflow is what its block says; none says nothing.

        Its key is the block's, else the workflow's name. What `judge_schedule` took is taken here,
        unless somebody was faster.

        Raises:
            TipmanError: as `judge_schedule`.
        """
        if workflow.schedule is None:
            return
        wanted = _wanted(workflow, namespace)
        found = self._found(wanted["key"], namespace)
        if found is None:
            self.create_schedule(wanted, actor=actor)
            return
        spec = _spec(found)
        said = {n: value for n, value in workflow.schedule.items() if n not in _FIXED}
        gone = {name: None for name in spec if name not in wanted and name != "paused"}
        changes = {**gone, **said}
        if any(spec.get(name) != value for name, value in changes.items()):
            self.change_schedule(found.record.id, changes, actor=actor)

    def _found(self, key: str, namespace: str) -> Stored | None:
        """Return the schedule with a key, None if there is none."""
        try:
            handle = self.find_schedule(key, namespace)
        except NotFoundError:
            return None
        with self.reading() as database:
            return views.stored(database, handle.identifier)


def _wanted(workflow: Workflow, namespace: str) -> dict[str, Any]:
    """Return the schedule that a workflow brings along, as it is asked for."""
    block = workflow.schedule or {}
    names = {"key": block.get("key") or workflow.name, "workflow": workflow.name}
    return {**block, **names, "namespace": namespace}


def _spec(found: Stored) -> dict[str, Any]:
    spec: dict[str, Any] = parsed(found.record.spec)
    return spec
