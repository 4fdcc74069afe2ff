"""Handles: a schedule as whoever made it holds it."""

from collections.abc import Mapping
from typing import Any, Protocol

from tipman.events import PauseRequested, Requested, ResumeRequested, TriggerRequested
from tipman.ids import text_of
from tipman.schedules import views
from tipman.schedules.views import LIMIT, Page


class Keeper(Protocol):
    """What a handle asks of its engine."""

    def schedule_view(self, identifier: bytes) -> dict[str, Any]:
        """Return a schedule as REST shows it."""

    def slots(self, identifier: bytes, *, after: str | None = None, limit: int = LIMIT) -> Page:
        """Return what was decided for its instants."""

    def upcoming(self, identifier: bytes, *, limit: int = 10) -> list[dict[str, Any]]:
        """Return its next instants."""

    def explain_schedule(self, identifier: bytes) -> dict[str, Any]:
        """Return what it waits for."""

    def change_schedule(self, reference: "ScheduleHandle", patch: Mapping[str, Any]) -> object:
        """Change fields of it."""

    def ask_schedule(self, event: Requested) -> Any:
        """Publish what somebody asks of it."""

    def delete_schedule(self, reference: "ScheduleHandle") -> None:
        """End it."""


class ScheduleHandle:
    """One schedule."""

    __slots__ = ("_engine", "identifier")

    def __init__(self, identifier: bytes, engine: Keeper) -> None:
        self.identifier = identifier
        self._engine = engine

    def __repr__(self) -> str:
        return f"<ScheduleHandle {self.uri}>"

    @property
    def id(self) -> str:
        """Its UUID as text."""
        return text_of(self.identifier)

    @property
    def uri(self) -> str:
        """Its address over REST."""
        return views.URI + self.id

    @property
    def state(self) -> str:
        """Its state on disk: `active`, `paused` or `finished`."""
        return str(self.view()["state"])

    def view(self) -> dict[str, Any]:
        """Return it as REST shows it."""
        return self._engine.schedule_view(self.identifier)

    def slots(self, *, after: str | None = None, limit: int = LIMIT) -> Page:
        """Return what was decided for its instants, the latest first."""
        return self._engine.slots(self.identifier, after=after, limit=limit)

    def upcoming(self, *, limit: int = 10) -> list[dict[str, Any]]:
        """Return its next instants."""
        return self._engine.upcoming(self.identifier, limit=limit)

    def explain(self) -> dict[str, Any]:
        """Return what it waits for."""
        return self._engine.explain_schedule(self.identifier)

    def change(self, **fields: Any) -> "ScheduleHandle":
        """Change fields of it, at once; None puts one back to its default."""
        self._engine.change_schedule(self, fields)
        return self

    def pause(self) -> "ScheduleHandle":
        """Let it submit nothing more until it is resumed."""
        return self._ask(PauseRequested)

    def resume(self) -> "ScheduleHandle":
        """Let it go on; what was due meanwhile is written down as paused."""
        return self._ask(ResumeRequested)

    def trigger(self) -> "ScheduleHandle":
        """Let it submit once more, now, if overlap allows it."""
        return self._ask(TriggerRequested)

    def delete(self) -> None:
        """End it and free its key."""
        self._engine.delete_schedule(self)

    def _ask(self, kind: type[Requested]) -> "ScheduleHandle":
        self._engine.ask_schedule(kind(self.identifier, "local", None))
        return self
