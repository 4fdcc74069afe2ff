"""Handles: a run as whoever started it holds it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tipman.charts import SETTLED
from tipman.errors import TaskFailedError, WaitTimeoutError
from tipman.ids import text_of
from tipman.resources import RUNS_URI
from tipman.runs.graphs import Graph


class Launcher(Protocol):
    """What a handle asks of its engine."""

    def run(self, reference: "RunHandle") -> dict[str, Any]:
        """Return a run as REST shows it."""

    def run_tasks(self, reference: "RunHandle") -> Mapping[str, Any]:
        """Return handles of its nodes by their names."""

    def run_graph(self, reference: "RunHandle") -> Graph:
        """Return its nodes, with their states, and its edges."""

    def run_summary(self, reference: "RunHandle") -> dict[str, Any]:
        """Return where its time went."""

    def explain_run(self, reference: "RunHandle") -> dict[str, Any]:
        """Return what it waits for."""

    def run_log(self, reference: "RunHandle") -> list[dict[str, Any]]:
        """Return its log."""

    def send(self, reference: "RunHandle", name: str, data: Any = None) -> Any:
        """Publish what somebody asks of it."""

    def wait_settled(self, identifier: bytes, timeout_s: float | None) -> bool:
        """Wait; return whether it has settled."""

    def add_tasks(self, reference: "RunHandle", tasks: Sequence[Any]) -> Mapping[str, Any]:
        """Add tasks to it."""

    def add_dependencies(self, reference: "RunHandle", edges: Sequence[Mapping[str, Any]]) -> None:
        """Let tasks of it wait for more of its tasks."""

    def fork(
        self,
        reference: "RunHandle",
        from_task: str | None = None,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - what a workflow calls it
        *,
        key: str | None = None,
    ) -> "RunHandle":
        """Run the same again from one of its tasks on."""


class RunHandle:
    """One run of a workflow."""

    __slots__ = ("_engine", "identifier")

    def __init__(self, identifier: bytes, engine: Launcher) -> None:
        self.identifier = identifier
        self._engine = engine

    def __repr__(self) -> str:
        return f"<RunHandle {self.uri}>"

    @property
    def id(self) -> str:
        """Its UUID as text."""
        return text_of(self.identifier)

    @property
    def uri(self) -> str:
        """Its address over REST."""
        return RUNS_URI + self.id

    # Looking.

    def view(self) -> dict[str, Any]:
        """Return it as REST shows it."""
        return self._engine.run(self)

    @property
    def state(self) -> str:
        """Its state on disk, by the names of CONTRACT."""
        return str(self.view()["state"])

    @property
    def settled(self) -> bool:
        """Whether it has ended, its hooks included."""
        return self.state in SETTLED

    @property
    def error(self) -> dict[str, Any] | None:
        """`{code, message, cause?}` of a run that failed."""
        error: dict[str, Any] | None = self.view()["error"]
        return error

    @property
    def tasks(self) -> Mapping[str, Any]:
        """Handles of its tasks by their names, in the order of the workflow."""
        return self._engine.run_tasks(self)

    @property
    def results(self) -> dict[str, Any]:
        """What its tasks returned, by name, waiting for its end if need be.

        Raises:
            TaskFailedError: it settled otherwise than succeeded.
        """
        shown = self.wait().view()
        if shown["state"] != "succeeded":
            why = "" if shown["error"] is None else f": {shown['error']['message']}"
            raise TaskFailedError(f"{self.uri} is {shown['state']}{why}")
        ended = ((name, task) for name, task in self.tasks.items() if task.state == "succeeded")
        return {name: task.result for name, task in ended}

    def log(self) -> list[dict[str, Any]]:
        """Return its own log, oldest line first; its tasks have theirs."""
        return self._engine.run_log(self)

    def explain(self) -> dict[str, Any]:
        """Return what it waits for, from its tasks' own words, the causes first."""
        return self._engine.explain_run(self)

    def graph(self) -> Graph:
        """Return its nodes, with their states, and its edges."""
        return self._engine.run_graph(self)

    def summary(self) -> dict[str, Any]:
        """Return where its time went: queueing and running a task, and the critical path."""
        return self._engine.run_summary(self)

    def wait(self, timeout_s: float | None = None) -> "RunHandle":
        """Return this handle once the run has settled, in whatever state.

        Raises:
            WaitTimeoutError: it had not within *timeout_s*, or the engine stopped before.
        """
        if not self._engine.wait_settled(self.identifier, timeout_s):
            raise WaitTimeoutError(f"{self.uri} has not settled")
        return self

    # Asking. With *tasks*, names of its nodes, only of these; with *descendants* of all below too.

    def cancel(self, tasks: Sequence[str] = (), *, descendants: bool = False) -> "RunHandle":
        """End it and all that is open of it."""
        return self._ask("cancel.requested", tasks, {"descendants": descendants})

    def suspend(
        self, tasks: Sequence[str] = (), *, descendants: bool = False, in_flight: str = "finish"
    ) -> "RunHandle":
        """Start nothing more of it; what runs finishes, or with `in_flight="stop"` ends now."""
        more = {"descendants": descendants, "in_flight": in_flight}
        return self._ask("suspend.requested", tasks, more)

    def resume(self, tasks: Sequence[str] = (), *, descendants: bool = False) -> "RunHandle":
        """Let it go on."""
        return self._ask("resume.requested", tasks, {"descendants": descendants})

    def retry(self, tasks: Sequence[str] = (), *, descendants: bool = False) -> "RunHandle":
        """Try again what ended badly; what succeeded is not done again."""
        return self._ask("retry.requested", tasks, {"descendants": descendants})

    # Growing and repeating.

    def add_tasks(self, tasks: Sequence[Any]) -> Mapping[str, Any]:
        """Add tasks, all or none, while it has not ended; return their handles by name."""
        return self._engine.add_tasks(self, tasks)

    def add_dependencies(self, edges: Sequence[Mapping[str, Any]]) -> "RunHandle":
        """Let tasks that have not begun wait for more: `{"task": "b", "dependencies": ["a"]}`.

        Dependencies are written as in a file: `{"task": "a", "carry": "order"}` is one, too.
        """
        self._engine.add_dependencies(self, edges)
        return self

    def fork(
        self,
        from_task: str | None = None,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - what a workflow calls it
        *,
        key: str | None = None,
    ) -> "RunHandle":
        """Run the same again from a task on; what succeeded before it is taken over."""
        return self._engine.fork(self, from_task, input, key=key)

    def _ask(self, name: str, tasks: Sequence[str], more: Mapping[str, Any]) -> "RunHandle":
        data = {key: value for key, value in more.items() if value not in {False, "finish"}}
        if tasks:
            data["tasks"] = list(tasks)
        self._engine.send(self, name, data or None)
        return self
