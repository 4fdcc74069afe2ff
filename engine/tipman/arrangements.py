"""Arrangements: the part of an engine that keeps the schedules which workflows bring along."""

from abc import ABC
from collections.abc import Mapping
from typing import Any

from tipman.definitions import Workflow
from tipman.definitions.schemas import below
from tipman.definitions.tasks import refusal
from tipman.errors import InvalidError, KeyExistsError, NotFoundError
from tipman.events import ScheduleChanged, ScheduleCreated
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

    def arrangement_of(
        self, workflow: Workflow, *, namespace: str = DEFAULT, actor: str = "local"
    ) -> ScheduleCreated | ScheduleChanged | None:
        """Return the event after which the schedule of a workflow is what its block says.

        Its key is the block's, else the workflow's name. None where nothing is said, or all of it
        is so already.

        Raises:
            InvalidError: it can not be so, or is never due; pointers begin at `/schedule`.
            KeyExistsError: the key belongs to a schedule of something else.
        """
        if workflow.schedule is None:
            return None
        wanted = _wanted(workflow, namespace)
        try:
            self._timed(wanted)
            found = self._found(wanted["key"], namespace)
            if found is None:
                return self.schedule_creation(wanted, actor=actor, coming=workflow)
            return self._change(found, wanted, workflow, actor)
        except InvalidError as error:
            raise refusal(below("/schedule", error.faults)) from None

    def _change(
        self, found: Stored, wanted: Mapping[str, Any], workflow: Workflow, actor: str
    ) -> ScheduleChanged | None:
        spec = _spec(found)
        if spec.get("workflow") != workflow.name:
            uri = views.URI + text_of(found.record.id)
            raise KeyExistsError(f"the key {wanted['key']!r} belongs to {uri}", uri)
        said = {n: value for n, value in (workflow.schedule or {}).items() if n not in _FIXED}
        gone = {name: None for name in spec if name not in wanted and name != "paused"}
        if isinstance(catch_up := said.get("catch_up"), Mapping):
            # All of it is said here, and a change would keep what is not.
            said["catch_up"] = {**dict.fromkeys(spec.get("catch_up", ())), **catch_up}
        # What stays as it is is not asked for: an interval would be counted from now again.
        changes = {name: v for name, v in {**gone, **said}.items() if spec.get(name) != v}
        if not changes:
            return None
        return self.schedule_change(found.record.id, changes, actor=actor, coming=workflow)

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
