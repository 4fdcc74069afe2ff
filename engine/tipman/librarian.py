"""The librarian: the part of an engine that keeps workflows under names, in versions.

Every method that writes returns once it is on disk. With a *memo* the write is made once for all
its repeats, and *actor* is who asks.
"""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from tipman.definitions import Workflow, workflow_of
from tipman.definitions.contents import kept, unscheduled, workflow_from_source
from tipman.errors import ConflictError
from tipman.events import ScheduleChanged, ScheduleCreated
from tipman.registrar import Registrar
from tipman.registrations import WorkflowAdded, WorkflowRetired
from tipman.registry import shelf
from tipman.registry.records import DEFAULT, Addition, WorkflowVersion, check_name
from tipman.registry.repeats import Memo

TASKS_KEPT_MAX = 100_000
"""Tasks of workflows that stay ready in memory, so that their next runs need not read them."""
LIMIT = 100
_TRIES = 10
"""How often somebody may change its schedule while a workflow is added."""


class Registered(NamedTuple):
    """A version with its workflow, ready to be run."""

    workflow: Workflow
    version: int
    content: str


class Librarian(Registrar, ABC):
    """The part of an engine that keeps workflows."""

    def __init__(self, attempts_folder: Path) -> None:
        super().__init__(attempts_folder)
        self._ready: OrderedDict[str, Workflow] = OrderedDict()
        self._ready_lock = Lock()

    # Writing.

    def add_workflow(
        self,
        given: Workflow | Mapping[str, Any],
        *,
        namespace: str = DEFAULT,
        actor: str = "local",
        memo: Memo | None = None,
    ) -> Addition:
        """Keep a workflow under its name: as a new version, unless one in use is the same.

        A `schedule` block is no part of the version: it makes a schedule that runs the newest one,
        or changes the one there is, in the same transaction.

        Raises:
            InvalidError: it can not be a workflow; `faults` names everything that is wrong.
            KeyExistsError: the schedule's key belongs to a schedule of something else.
        """
        workflow = self.workflow_of(given)
        added, content = self._add(workflow, namespace, actor, memo)
        # The first run comes soon, and to read it again from its text takes a while.
        place = _place(namespace, added.name, added.version, content)
        self._keep_ready(place, unscheduled(workflow))
        return added

    def _add(
        self, workflow: Workflow, namespace: str, actor: str, memo: Memo | None
    ) -> tuple[Addition, str]:
        source, content = kept(workflow)
        left = _TRIES
        while True:
            schedule = self.arrangement_of(workflow, namespace=namespace, actor=actor)
            event = WorkflowAdded(workflow.name, actor, namespace, content, source, schedule)
            try:
                return self._register(event, memo), content
            except ConflictError as error:
                # Somebody else changed the schedule meanwhile: look again at what is there now.
                left -= 1
                if error.state == "finished" or not left:
                    raise

    def workflow_of(self, given: Workflow | Mapping[str, Any]) -> Workflow:
        """Return the workflow that a mapping says, as one that can be kept.

        Raises:
            InvalidError: it is none, or its name can not be kept.
        """
        if isinstance(given, Workflow):
            workflow = given
        else:
            workflow = workflow_of(given, default_name="", settings=self.settings)
        check_name(workflow.name, "/name")
        return workflow

    @abstractmethod
    def arrangement_of(
        self, workflow: Workflow, *, namespace: str = DEFAULT, actor: str = "local"
    ) -> ScheduleCreated | ScheduleChanged | None:
        """Return the event after which the schedule of a workflow is what its block says."""

    def retire_workflow(
        self,
        name: str,
        version: int | None = None,
        *,
        namespace: str = DEFAULT,
        actor: str = "local",
        memo: Memo | None = None,
    ) -> None:
        """Take a version, or every one, out of use; runs of it go on.

        Raises:
            NotFoundError: there is no such workflow.
        """
        self._register(WorkflowRetired(name, actor, namespace, version), memo)

    # Reading.

    def workflow(
        self, name: str, version: int | None = None, *, namespace: str = DEFAULT
    ) -> Workflow:
        """Return a version of a workflow; with None the newest in use, else the newest.

        Raises:
            NotFoundError: there is none.
        """
        return self._made(self.workflow_version(name, version, namespace=namespace))

    def workflow_in_use(
        self, name: str, version: int | None = None, *, namespace: str = DEFAULT
    ) -> Registered:
        """Return a version that takes runs; with None the newest.

        Raises:
            NotFoundError: there is none.
            ConflictError: it is retired.
        """
        found = self.workflow_version(name, version, namespace=namespace)
        if found.retired_at is not None:
            raise ConflictError(f"the workflow {found.pin} is retired", "retired")
        return Registered(self._made(found), found.version, found.content)

    def workflow_version(
        self, name: str, version: int | None = None, *, namespace: str = DEFAULT
    ) -> WorkflowVersion:
        """Return a version of a workflow as it is kept.

        Raises:
            NotFoundError: there is none.
        """
        with self.reading() as database:
            return shelf.workflow_version(database, namespace, name, version)

    def workflows(
        self, *, namespace: str = DEFAULT, after: str = "", limit: int = LIMIT
    ) -> list[WorkflowVersion]:
        """Return the newest version of each name behind *after*, without the workflows."""
        with self.reading() as database:
            return shelf.workflows(database, namespace, after=after, limit=limit)

    # Inside.

    def _made(self, found: WorkflowVersion) -> Workflow:
        place = _place(found.namespace, found.name, found.version, found.content)
        with self._ready_lock:
            workflow = self._ready.get(place)
            if workflow is not None:
                self._ready.move_to_end(place)
                return workflow
        workflow = workflow_from_source(found.source, settings=self.settings)
        self._keep_ready(place, workflow)
        return workflow

    def _keep_ready(self, place: str, workflow: Workflow) -> None:
        with self._ready_lock:
            self._ready[place] = workflow
            while sum(len(w.tasks) for w in self._ready.values()) > TASKS_KEPT_MAX:
                self._ready.popitem(last=False)


def _place(namespace: str, name: str, version: int, content: str) -> str:
    """Return what names a version for good, also in a namespace that was made anew."""
    return f"{namespace} {name} {version} {content}"
