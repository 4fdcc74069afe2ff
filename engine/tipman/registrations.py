"""Events of the registry: what happened to namespaces, definitions, tokens and kept answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tipman.events import Event, ScheduleChanged, ScheduleCreated


@dataclass(frozen=True, slots=True)
class Registered(Event):
    """Something that happened to the registry: it is for no instance."""

    instance: bytes = field(default=bytes(16), init=False)
    name: str
    actor: str


@dataclass(frozen=True, slots=True)
class NamespaceCreated(Registered):
    """Somebody made a namespace; quotas None mean no limit."""

    wire: ClassVar[str] = "namespace.created"
    open_tasks_max: int | None
    slots_max: int | None


@dataclass(frozen=True, slots=True)
class NamespaceChanged(Registered):
    """Somebody set quotas of a namespace, by their names."""

    wire: ClassVar[str] = "namespace.changed"
    quotas: Mapping[str, int | None]


class NamespaceDeleted(Registered):
    """Somebody ended a namespace in which nothing is open."""

    __slots__ = ()
    wire: ClassVar[str] = "namespace.deleted"


@dataclass(frozen=True, slots=True)
class DefinitionAdded(Registered):
    """Somebody handed in a named task: a new version, unless one is the same."""

    wire: ClassVar[str] = "definition.added"
    namespace: str
    content: str
    """The hash of the two texts."""
    task: str
    """JSON text, validated."""
    parameters: str
    """JSON text of a JSON Schema."""


@dataclass(frozen=True, slots=True)
class DefinitionRetired(Registered):
    """Somebody took a version, or with None every one, out of use."""

    wire: ClassVar[str] = "definition.retired"
    namespace: str
    version: int | None


@dataclass(frozen=True, slots=True)
class WorkflowAdded(Registered):
    """Somebody handed in a workflow: a new version, unless one is the same."""

    wire: ClassVar[str] = "workflow.added"
    namespace: str
    content: str
    """The hash of what decides how its runs go."""
    source: str
    """JSON text, validated."""
    schedule: ScheduleCreated | ScheduleChanged | None = None
    """What becomes of the schedule that it brings along, None for nothing."""


@dataclass(frozen=True, slots=True)
class WorkflowRetired(Registered):
    """Somebody took a version, or with None every one, out of use."""

    wire: ClassVar[str] = "workflow.retired"
    namespace: str
    version: int | None


@dataclass(frozen=True, slots=True)
class TokenCreated(Registered):
    """Somebody is let in."""

    wire: ClassVar[str] = "token.created"
    secret: bytes
    """The SHA-256 of the secret."""
    scope: str
    namespace: str | None


class TokenRevoked(Registered):
    """Somebody is let in no more."""

    __slots__ = ()
    wire: ClassVar[str] = "token.revoked"


@dataclass(frozen=True, slots=True)
class AnswerRecorded(Registered):
    """Several events made up one write: this one only carries what it is answered."""

    wire: ClassVar[str] = "answer.recorded"
    outcome: Any
