"""Arrangements: the part of an engine that keeps the schedules which workflows bring along."""

from abc import ABC
from typing import Any

from tipman.definitions import Workflow
from tipman.errors import NotFoundError
from tipman.jsontext import parsed
from tipman.registry.records import DEFAULT
from tipman.schedules import views
from tipman.timekeeping import Timekeeping

_FIXED = ("key", "name")
"""What a schedule keeps for good."""


class Arrangements(Timekeeping, ABC):
    """The part of an engine that makes the schedule which a workflow's file speaks of."""

    def schedule_workflow(
        self, workflow: Workflow, *, namespace: str = DEFAULT, actor: str = "local"
    ) -> None:
        """See to it that the schedule of a workflow is what its block says; none says nothing.

        Its key is the block's, else the workflow's name.

        Raises:
            InvalidError: it is never due.
            KeyExistsError: the key belongs to a schedule of something else.
        """
        if workflow.schedule is None:
            return
        names = {"key": workflow.name, "workflow": workflow.name, "namespace": namespace}
        wanted: dict[str, Any] = {**names, **workflow.schedule}
        spec = self._spec_of(wanted["key"], namespace)
        if spec.get("workflow") != workflow.name:
            self.create_schedule(wanted, actor=actor)
            return
        gone = {name: None for name in spec if name not in wanted and name != "paused"}
        changes = {
            **gone,
            **{n: value for n, value in workflow.schedule.items() if n not in _FIXED},
        }
        if any(spec.get(name) != value for name, value in changes.items()):
            self.change_schedule(wanted["key"], changes, actor=actor)

    def _spec_of(self, key: str, namespace: str) -> dict[str, Any]:
        """Return what the schedule with a key was asked to be, empty if there is none."""
        try:
            handle = self.find_schedule(key, namespace)
        except NotFoundError:
            return {}
        with self.reading() as database:
            found: dict[str, Any] = parsed(views.stored(database, handle.identifier).record.spec)
        return found
