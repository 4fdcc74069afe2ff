"""Readings: workflows that were read from their kept text stay ready for their next runs."""

from collections import OrderedDict
from threading import Lock

from tipman.definitions import Workflow
from tipman.definitions.contents import workflow_from_source
from tipman.registry.records import WorkflowVersion
from tipman.settings import Settings

TASKS_MAX = 100_000
"""Tasks of workflows that stay ready; the least recently used go first."""


class Readings:
    """Workflows by the versions they are; any thread may ask."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ready: OrderedDict[str, Workflow] = OrderedDict()
        self._tasks = 0
        self._lock = Lock()

    def of(self, version: WorkflowVersion) -> Workflow:
        """Return the workflow of a version."""
        place = f"{version.name} {version.content}"
        with self._lock:
            workflow = self._ready.get(place)
            if workflow is not None:
                self._ready.move_to_end(place)
                return workflow
        workflow = workflow_from_source(version.source, settings=self._settings)
        with self._lock:
            self._keep(place, workflow)
        return workflow

    def _keep(self, place: str, workflow: Workflow) -> None:
        before = self._ready.pop(place, None)
        self._tasks += len(workflow.tasks) - (0 if before is None else len(before.tasks))
        self._ready[place] = workflow
        while self._tasks > TASKS_MAX:
            _, gone = self._ready.popitem(last=False)
            self._tasks -= len(gone.tasks)
