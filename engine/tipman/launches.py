"""Launches: the part of an engine that starts runs of workflows, and shows what becomes of them.

What is read comes from committed rows. Every method that writes returns once it is on disk.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tipman import queries
from tipman.definitions import Order, Task, Workflow, order_of, ordered, workflow_of
from tipman.definitions.named import reference_of
from tipman.events import TasksSubmitted
from tipman.handles import Handle
from tipman.librarian import Librarian, Registered
from tipman.registry.repeats import Memo
from tipman.runs import families, summaries, views
from tipman.runs.graphs import Graph, graph_of
from tipman.runs.handles import RunHandle
from tipman.runs.views import Page, TasksWanted, Wanted
from tipman.submission import Beginning, Submitter, content_of

LIMIT = views.LIMIT
CAUSES_MAX = 100
"""Tasks of a run that are asked at most what they wait for."""
_UNNAMED = "workflow"
Launchable = str | Workflow | Mapping[str, Any]
"""What can be run: a registered workflow by its name, or one that is not registered."""


class Launch(NamedTuple):
    """What a run is of that is not registered."""

    workflow: Workflow
    version: None
    content: str


class Launches(Librarian, ABC):
    """The part of an engine that runs workflows; `Engine` adds what runs their tasks."""

    _submitter: Submitter

    @abstractmethod
    def _checked(self, task: Task | Mapping[str, Any]) -> Task:
        """Return a task that this engine runs."""

    @abstractmethod
    def send(self, reference: Any, name: str, data: Any = None, *, actor: str = "local") -> Any:
        """Publish an event for an instance from outside."""

    @abstractmethod
    def add_tasks(self, reference: Any, tasks: Sequence[Any]) -> dict[str, Handle]:
        """Add tasks to a run."""

    @abstractmethod
    def add_dependencies(self, reference: Any, edges: Sequence[Mapping[str, Any]]) -> None:
        """Let tasks of a run wait for more of its tasks."""

    @abstractmethod
    def fork(
        self,
        reference: Any,
        from_task: str | None = None,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - what CONTRACT calls it
        *,
        key: str | None = None,
    ) -> RunHandle:
        """Run the same as a run again from one of its tasks on."""

    # Starting.

    def run_workflow(
        self,
        workflow: Launchable,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - what CONTRACT calls it
        *,
        actor: str = "local",
        memo: Memo | None = None,
        **asked: Any,
    ) -> RunHandle:
        """Start a run of a workflow; return once it is on disk.

        *input* takes the place of values of the workflow's own. What else may be asked are
        `key`, `namespace`, `version` and `priority`, as `tipman.definitions.Order` has them.

        Raises:
            InvalidError: it can not be run so; `faults` says why.
            NotFoundError: there is no such workflow.
            ConflictError: it is retired.
            KeyExistsError: the key is that of another run.
        """
        event = self.run_submission(workflow, {"input": input, **asked}, actor=actor)
        self._register(event, memo)
        return RunHandle(run_of(event), self)

    def run_submission(self, workflow: Launchable, given: object, *, actor: str) -> TasksSubmitted:
        """Return the event that starts a run, for whoever publishes it without waiting.

        Raises:
            InvalidError: as `run_workflow`.
            NotFoundError: there is no such workflow.
            ConflictError: it is retired.
        """
        order = order_of(given)
        launch = self._launch(workflow, order)
        wanted = ordered(launch.workflow, order).changed(self._checked)
        begun = Beginning(
            namespace=order.namespace, key=order.key, version=launch.version,
            content=launch.content,
        )  # fmt: skip
        now_us = self.core.clock.wall_us()
        return self._submitter.workflow(wanted, actor=actor, now_us=now_us, at=begun)

    # Looking.

    def find_run(
        self, reference: str | bytes | RunHandle, namespace: str = "default"
    ) -> RunHandle:
        """Return a handle for an id, a UUID, a key or a URI.

        Raises:
            NotFoundError: there is no such run.
        """
        if isinstance(reference, RunHandle):
            return reference
        if isinstance(reference, bytes):
            return RunHandle(reference, self)
        with self.reading() as database:
            return RunHandle(views.find(database, reference, namespace), self)

    def open_run(self, workflow: Workflow) -> RunHandle:
        """Return the newest run of this name and content that has not settled.

        Raises:
            NotFoundError: there is none.
        """
        with self.reading() as database:
            run = families.open_run(database, workflow.name, content_of(workflow))
        return RunHandle(run, self)

    def run(self, reference: str | bytes | RunHandle) -> dict[str, Any]:
        """Return a run as REST shows it.

        Raises:
            NotFoundError: there is no such run.
        """
        run = self.find_run(reference).identifier
        with self.reading() as database:
            return views.view(database, run)

    def runs(
        self, wanted: Wanted | None = None, *, after: str | None = None, limit: int = LIMIT
    ) -> Page:
        """Return runs, newest first, and the cursor of what follows."""
        with self.reading() as database:
            return views.page(database, wanted or Wanted(), after=after, limit=limit)

    def run_tasks(self, reference: str | bytes | RunHandle) -> dict[str, Handle]:
        """Return handles of the nodes of a run by their names, in the order of the workflow."""
        run = self.find_run(reference).identifier
        with self.reading() as database:
            found = views.names_of(database, run)
        return {name: Handle(identifier, self) for name, identifier in found.items()}

    def list_run_tasks(
        self,
        reference: str | bytes | RunHandle,
        wanted: TasksWanted | None = None,
        *,
        after: str | None = None,
        limit: int = LIMIT,
    ) -> Page:
        """Return tasks of a run as REST shows them, in the order they were submitted.

        Items of maps, hooks and compensations are among them.
        """
        run = self.find_run(reference).identifier
        with self.reading() as database:
            found = views.task_ids(
                database, run, wanted or TasksWanted(), after=after, limit=limit
            )
            items = queries.tasks(database, found.ids, epoch=self.epoch)
        return Page(items, found.next)

    def run_log(self, reference: str | bytes | RunHandle) -> list[dict[str, Any]]:
        """Return the log of a run, oldest line first; its tasks have theirs."""
        run = self.find_run(reference).identifier
        with self.reading() as database:
            return queries.log(database, run)

    def run_graph(self, reference: str | bytes | RunHandle) -> Graph:
        """Return the nodes of a run, with their states, and the edges between them."""
        run = self.find_run(reference).identifier
        with self.reading() as database:
            return graph_of(database, run)

    def run_summary(
        self, reference: str | bytes | RunHandle, *, limit: int = summaries.LIMIT
    ) -> dict[str, Any]:
        """Return where the time of a run went: its critical path, and each task's times."""
        run = self.find_run(reference).identifier
        with self.reading() as database:
            return summaries.summary(database, run, limit=limit)

    def explain_run(self, reference: str | bytes | RunHandle) -> dict[str, Any]:
        """Return what a run waits for: what its open tasks wait for, the causes first."""
        run = self.find_run(reference).identifier
        with self.reading() as database:
            waits = views.waits_of(database, run, limit=CAUSES_MAX)
        told = waits.reasons
        for task, name in waits.tasks:
            said = self.explain(Handle(task, self))["waiting_for"]
            told += ({**reason, "task": name} for reason in said)
        left_out = waits.total - len(waits.tasks)
        return {"state": waits.state, "waiting_for": told, "left_out": left_out}

    # Inside.

    def _launch(self, workflow: Launchable, order: Order) -> Registered | Launch:
        if isinstance(workflow, str):
            name, version = reference_of(workflow, "workflow")
            return self.workflow_in_use(name, order.version or version, namespace=order.namespace)
        if not isinstance(workflow, Workflow):
            workflow = workflow_of(workflow, default_name=_UNNAMED, settings=self.settings)
        return Launch(workflow, None, content_of(workflow))


def run_of(event: TasksSubmitted) -> bytes:
    """Return the id of the run that an event starts."""
    assert event.run is not None  # noqa: S101 - made by `run_submission`
    identifier: bytes = event.run.row[0]
    return identifier
