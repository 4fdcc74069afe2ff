"""Events of graphs: what many are told at once, how runs grow, and how they end."""

from dataclasses import dataclass
from typing import ClassVar

from tipman.events import DependencySettled, Event, Requested, Submission

_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class DependentsSettled(Event):
    """Something that many wait for has settled, which *instance* is; the bus tells each of them.

    So what a drain leaves over is one row for all of them.
    """

    wire: ClassVar[str] = "dependency.settled"
    dependents: bytes
    """Their ids, one after the other."""
    succeeded: bool

    def each(self) -> list[DependencySettled]:
        """Return what each of them is told, in order."""
        ids = self.dependents
        return [
            DependencySettled(ids[at : at + _ID_BYTES], self.instance, self.succeeded)
            for at in range(0, len(ids), _ID_BYTES)
        ]


@dataclass(frozen=True, slots=True)
class HoldRequested(Requested):
    """Whoever stands above it was suspended; what is suspended already stays as it is."""

    wire: ClassVar[str] = "hold.requested"
    by: bytes
    """The run, or the task above it."""


@dataclass(frozen=True, slots=True)
class ReleaseRequested(Requested):
    """Whoever stands above it goes on; what others hold stays held."""

    wire: ClassVar[str] = "release.requested"
    by: bytes


@dataclass(frozen=True, slots=True)
class NodeFailed(Event):
    """A node failed of a run that is to fail with the first."""

    wire: ClassVar[str] = "node.failed"
    node: bytes


class AftermathSettled(Event):
    """No compensation and no hook of a run is open any more."""

    __slots__ = ()
    wire: ClassVar[str] = "aftermath.settled"


class AftermathReopened(Event):
    """A compensation or a hook is tried again of a run that had none open."""

    __slots__ = ()
    wire: ClassVar[str] = "aftermath.reopened"


@dataclass(frozen=True, slots=True)
class TasksAdded(Event):
    """Somebody added tasks to a run, which *instance* is; dependencies are names of its tasks."""

    wire: ClassVar[str] = "tasks.added"
    submissions: tuple[Submission, ...]
    actor: str


@dataclass(frozen=True, slots=True)
class DependenciesAdded(Event):
    """Somebody let tasks of a run wait for more of its tasks, all or none."""

    wire: ClassVar[str] = "dependencies.added"
    edges: tuple[tuple[str, str, str], ...]
    """Names of the run's tasks, which one is to wait and for which; and what the edge carries."""
    actor: str


@dataclass(frozen=True, slots=True)
class RunForked(Event):
    """Somebody wants another run of the same; *instance* is the new one.

    *from_task* None does all of it again. *given* is the input as JSON text.
    """

    wire: ClassVar[str] = "run.forked"
    origin: bytes
    from_task: str | None
    given: str
    key: str | None
    actor: str
