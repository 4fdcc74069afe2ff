"""Conduct: the part of an engine that changes runs that are there, and makes new ones of them.

What is asked of a run by an event (cancel, suspend, resume, retry) goes through `send`. Every
method here returns once it is on disk.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from tipman.definitions import Workflow, order_of, with_input
from tipman.definitions.growth import added_tasks, attachments_of
from tipman.handles import Handle
from tipman.jsontext import dumps
from tipman.launches import Launches
from tipman.registry.repeats import Memo
from tipman.run_events import DependenciesAdded, RunForked, TasksAdded
from tipman.runs.beginnings import kept_of
from tipman.runs.handles import RunHandle

Reference = str | bytes | RunHandle


class Conduct(Launches, ABC):
    """The part of an engine that lets runs grow, and forks them."""

    @abstractmethod
    def _new_id(self) -> bytes:
        """Return an id for an instance."""

    def add_tasks(
        self,
        reference: Reference,
        tasks: Sequence[Mapping[str, Any]],
        *,
        actor: str = "local",
        memo: Memo | None = None,
    ) -> dict[str, Handle]:
        """Add tasks to a run that has not ended, all or none; return their handles by name.

        They are written as in the workflow's file: their names are new in the run, their
        dependencies are names of this list or of the run. What the workflow says of all its tasks
        holds for them.

        Raises:
            InvalidError: they can not be so; `faults` names every place, below `/tasks`.
            UnknownDependencyError: a dependency that the run has not.
            CycleError: they wait for one another.
            ConflictError: the run has settled, or is about to.
            QuotaReachedError: the namespace has no room for so many.
        """
        event = self.growth(self.find_run(reference).identifier, tasks, actor=actor)
        self._register(event, memo)
        return {each.task.name: Handle(each.instance, self) for each in event.submissions}

    def growth(self, run: bytes, tasks: Sequence[Mapping[str, Any]], *, actor: str) -> TasksAdded:
        """Return the event that adds tasks to a run, for whoever publishes it without waiting.

        Raises:
            InvalidError: as `add_tasks`, what can be told without the bus.
            NotFoundError: there is no such run.
        """
        with self.reading() as database:
            kept = kept_of(database, run)
        found = added_tasks(tasks, kept.said, settings=self.settings)
        placed = [self._checked(task).beside(namespace=kept.namespace) for task in found]
        return self._submitter.addition(run, placed, actor=actor)

    def add_dependencies(
        self,
        reference: Reference,
        edges: Sequence[Mapping[str, Any]],
        *,
        actor: str = "local",
        memo: Memo | None = None,
    ) -> None:
        """Let tasks of a run that have not begun wait for more of its tasks, all or none.

        *edges* are as `{"task": "pack", "dependencies": ["test"]}`, by names of the run, or in the
        words of a workflow's file `{"task": "test", "carry": "order"}`. One that has settled
        already counts at once.

        Raises:
            InvalidError: they can not be so; `faults` names every place, below `/dependencies`.
            UnknownDependencyError: a name that the run has not.
            CycleError: tasks would wait for one another; it names them.
            ConflictError: the run has settled, or a task has begun.
        """
        run = self.find_run(reference).identifier
        self._register(self.attachment(run, edges, actor=actor), memo)

    @staticmethod
    def attachment(
        run: bytes, edges: Sequence[Mapping[str, Any]], *, actor: str
    ) -> DependenciesAdded:
        """Return the event that adds dependencies, for whoever publishes it without waiting.

        Raises:
            InvalidError: as `add_dependencies`, what can be told without the bus.
        """
        return DependenciesAdded(run, attachments_of(edges), actor)

    def fork(
        self,
        reference: Reference,
        from_task: str | None = None,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - what a workflow calls it
        *,
        key: str | None = None,
        actor: str = "local",
        memo: Memo | None = None,
    ) -> RunHandle:
        """Run the same again from one of its tasks, by its name; None begins at the start.

        What succeeded and lies neither at that task nor below it is taken over with its result
        and what it passed on, and is not run again. Values of *input* take the place of the old
        run's. The old run stays as it is.

        Raises:
            InvalidError: there is no such task, or the workflow's schema refuses the input.
            NotFoundError: there is no such run.
            KeyExistsError: the key is that of another run.
        """
        event = self.forking(reference, from_task, input, key=key, actor=actor)
        self._register(event, memo)
        return RunHandle(event.instance, self)

    def forking(
        self,
        reference: Reference,
        from_task: str | None,
        given: Mapping[str, Any] | None,
        *,
        key: str | None,
        actor: str,
    ) -> RunForked:
        """Return the event that forks a run, for whoever publishes it without waiting.

        Raises:
            InvalidError: as `fork`, what can be told without the bus.
            NotFoundError: there is no such run.
        """
        order = order_of({"input": given, "key": key})
        run = self.find_run(reference).identifier
        with self.reading() as database:
            kept = kept_of(database, run)
        if kept.version is None:
            workflow = Workflow.model_construct(name=kept.name, input=kept.given)
        else:
            version = self.workflow_version(kept.name, kept.version, namespace=kept.namespace)
            workflow = self._made(version).model_copy(update={"input": kept.given})
        wanted = dumps(with_input(workflow, order.input).input)
        return RunForked(self._new_id(), run, from_task, wanted, key, actor)
