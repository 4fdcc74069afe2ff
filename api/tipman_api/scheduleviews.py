"""What belongs to a schedule, over REST: its slots, what is due next, its log; and its events."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from starlette.responses import Response
from tipman.clock import rfc3339
from tipman.events import PauseRequested, Requested, ResumeRequested, TriggerRequested
from tipman.registry.records import Answer

from tipman_api import schedule_operations as operations
from tipman_api.asking import asked_of
from tipman_api.bridge import bridge_of
from tipman_api.feeds import shown_events
from tipman_api.filters import namespace_in
from tipman_api.parameters import Parameters
from tipman_api.principals import Scope, principal_of
from tipman_api.registry_bodies import asked
from tipman_api.repetition import Keep, replied, written
from tipman_api.repetition import text_of as body_text
from tipman_api.representation import accepted, shown, shown_items
from tipman_api.routes import Router
from tipman_api.targets import schedule_of

PREFIX = "/api/v1"
router = Router(prefix=PREFIX, tags=["schedules"])
_ONE = "/schedules/{reference}"
_REQUESTS: Mapping[str, type[Requested]] = {
    kind.wire: kind for kind in (PauseRequested, ResumeRequested, TriggerRequested)
}


@router.get("/upcoming", scope=Scope.READ, **operations.NEXT_OF_ALL)
async def list_upcoming(request: Request) -> Response:
    """List the next instants of all schedules, the first ones first."""
    parameters = Parameters(request, ("limit",))
    limit, bridge = _upcoming_limit(parameters), bridge_of(request)
    principal = principal_of(request)
    namespace = await bridge.read(lambda database: namespace_in(database, parameters, principal))
    items = await bridge.call(lambda: bridge.engine.all_upcoming(namespace=namespace, limit=limit))
    return shown(request, {"items": items})


@router.get(f"{_ONE}/upcoming", scope=Scope.READ, **operations.NEXT)
async def list_schedule_upcoming(request: Request) -> Response:
    """List the next instants of a schedule; none while it is paused."""
    bridge = bridge_of(request)
    parameters = Parameters(request, ("limit",))
    target, limit = schedule_of(request, parameters), _upcoming_limit(parameters)
    identifier = await bridge.read(target.locate)
    items = await bridge.call(lambda: bridge.engine.upcoming(identifier, limit=limit))
    return shown(request, {"items": items})


@router.get(f"{_ONE}/preview", scope=Scope.READ, **operations.PREVIEW)
async def preview_schedule(request: Request) -> Response:
    """Say when a schedule is due next, and what a restart now would catch up."""
    bridge = bridge_of(request)
    parameters = Parameters(request, ("limit",))
    target, limit = schedule_of(request, parameters), _upcoming_limit(parameters)
    identifier = await bridge.read(target.locate)
    found = await bridge.call(lambda: bridge.engine.outlook(identifier, limit=limit))
    return shown(request, found)


@router.get(f"{_ONE}/slots", scope=Scope.READ, **operations.SLOTS)
async def list_schedule_slots(request: Request) -> Response:
    """List what was decided about each instant, and what became of it, the latest first."""
    bridge = bridge_of(request)
    parameters = Parameters(request, ("decision", "after", "limit"))
    target, limit = schedule_of(request, parameters), parameters.limit()
    decisions = parameters.texts("decision", operations.DECISIONS)
    after = parameters.text("after")
    identifier = await bridge.read(target.locate)
    page = await bridge.call(
        lambda: bridge.engine.slots(identifier, decisions=decisions, after=after, limit=limit)
    )
    return shown_items(request, page.items, page.next)


@router.get(f"{_ONE}/events", scope=Scope.READ, **operations.EVENTS)
async def list_schedule_events(request: Request) -> Response:
    """List what happened to a schedule, oldest first, or follow it as server-sent events."""
    return await shown_events(request, schedule_of)


@router.post(f"{_ONE}/events", scope=Scope.OPERATE, status_code=202, **operations.SEND)
async def send_schedule_event(request: Request) -> Response:
    """Ask for something of a schedule: to pause, to resume, or to submit once more now.

    Answered with the schedule as it is after the commit.
    """
    bridge, target = bridge_of(request), schedule_of(request, Parameters(request))
    body = asked(request, operations.EventBody)
    found = await asked_of(request, target, _REQUESTS[body.name], body)
    return accepted(await bridge.call(lambda: bridge.engine.schedule_view(found)))


@router.get(f"{_ONE}/explain", scope=Scope.READ, **operations.EXPLAIN)
async def explain_schedule(request: Request) -> Response:
    """Say what a schedule waits for."""
    bridge = bridge_of(request)
    target = schedule_of(request, Parameters(request))
    identifier = await bridge.read(target.locate)
    return shown(request, await bridge.call(lambda: bridge.engine.explain_schedule(identifier)))


@router.post(f"{_ONE}/backfill", scope=Scope.OPERATE, status_code=202, **operations.BACKFILL)
async def backfill_schedule(request: Request) -> Response:
    """Run instants of the past after all, or with `dry_run` only say which."""
    bridge, principal = bridge_of(request), principal_of(request)
    target, engine = schedule_of(request, Parameters(request)), bridge.engine
    body = asked(request, operations.BackfillBody)
    given = body.model_dump(mode="json", exclude_unset=True)
    identifier = await bridge.read(target.locate)
    if body.dry_run:
        made = await bridge.call(lambda: engine.backfill(identifier, given, actor=principal.name))
        return accepted(_shown(made), status=200)

    async def write(keep: Keep) -> Answer:
        made = await bridge.call(
            lambda: engine.backfill(identifier, given, actor=principal.name, memo=keep(_filled))
        )
        return Answer(202, body=body_text(_shown(made)))

    return replied(await written(request, write))


def _upcoming_limit(parameters: Parameters) -> int:
    limit = parameters.number("limit", least=1, most=operations.UPCOMING_MAX)
    return limit or operations.UPCOMING


def _shown(made: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a backfill what is known of a repeated one as well."""
    items = [{name: item[name] for name in ("due_at", "instance")} for item in made["items"]]
    return {"backfill": made["backfill"], "items": items}


def _filled(outcome: Any) -> Answer:
    number, runs = outcome
    items = [{"due_at": rfc3339(due), "instance": run} for due, run in runs]
    return Answer(202, body=body_text({"backfill": number, "items": items}))
