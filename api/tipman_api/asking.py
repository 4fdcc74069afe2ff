"""Asking for something over REST: an event for one task, or for all that match a filter."""

from typing import Any, Protocol

from fastapi import Request
from starlette.responses import Response
from tipman import listing
from tipman.errors import ConflictError, NotFoundError
from tipman.events import CancelRequested, Requested
from tipman.listing import Filter, dumps_stored
from tipman.registrations import AnswerRecorded
from tipman.registry.records import Answer
from tipman.requests import kind_of_request

from tipman_api import operations
from tipman_api.bridge import Bridge, bridge_of
from tipman_api.filters import NAMES, filter_of
from tipman_api.parameters import FilterParameters, Parameters
from tipman_api.principals import Scope, principal_of
from tipman_api.registry_bodies import asked
from tipman_api.repetition import Keep, replied, written
from tipman_api.representation import accepted_text
from tipman_api.routes import Router
from tipman_api.targets import Target, target_of


class Asked(Protocol):
    """A body that asks for something."""

    id: str | None
    data: Any


router = Router(prefix="/api/v1/tasks", tags=["tasks"])
AT_ONCE = 500
"""Events of one bulk request that are on the bus at a time."""


@router.post("/events", scope=Scope.OPERATE, status_code=202, **operations.SEND_TASK_EVENTS)
async def send_task_events(request: Request) -> Response:
    """Ask for something of all tasks that match a filter; those it changes nothing for stay."""
    bridge, principal = bridge_of(request), principal_of(request)
    namespace = Parameters(request).text("namespace")
    body = asked(request, operations.BulkEvent)
    kind = kind_of_request(body.name)
    parameters = FilterParameters(body.filter, NAMES, namespace=namespace)
    wanted = await bridge.read(lambda database: filter_of(database, parameters, principal))

    async def write(keep: Keep) -> Answer:
        counts = await _send_all(bridge, wanted, kind, principal.name, body.data)
        answer = Answer(202, body=dumps_stored(counts))
        memo = keep(lambda _: answer)
        if memo is not None:
            await bridge.publish(AnswerRecorded("bulk", principal.name, answer), memo)
        return answer

    return replied(await written(request, write))


@router.post(
    "/{reference}/events", scope=Scope.OPERATE, status_code=202, **operations.SEND_TASK_EVENT
)
async def send_task_event(request: Request) -> Response:
    """Ask for something of a task: to cancel, suspend, resume or retry it, or to report its end.

    Answered with the task as it is after the commit.
    """
    target = target_of(request, Parameters(request))
    body = asked(request, operations.EventBody)
    await asked_of(request, target, kind_of_request(body.name), body)
    return accepted_text(await bridge_of(request).show(target))


async def asked_of(request: Request, target: Target, kind: type[Requested], body: Asked) -> bytes:
    """Ask for something of an instance; return its id once that is on disk.

    Raises:
        NotFoundError: there is no such instance.
        ConflictError: it changes nothing.
    """
    bridge, principal = bridge_of(request), principal_of(request)

    async def write(keep: Keep) -> Answer:
        identifier = await bridge.read(target.locate)
        answer = Answer(202, ids=(identifier,))
        event = kind(identifier, principal.name, body.data)
        await bridge.publish(event, keep(lambda _: answer))
        return answer

    answer = await written(request, write, body.id)
    return answer.ids[0]


async def _send_all(
    bridge: Bridge, wanted: Filter, kind: type[Requested], actor: str, data: Any
) -> dict[str, int]:
    matched = changed = 0
    position: bytes | None = listing.NEWEST
    while position is not None:
        before = position
        found = await bridge.read(
            lambda database: listing.find(database, wanted, before=before, limit=AT_ONCE)  # noqa: B023 - awaited at once
        )
        matched += len(found.instances)
        events = [
            kind(identifier, actor, data)
            for identifier, state in found.instances
            # It would be accepted, and change nothing.
            if not (kind is CancelRequested and state == "cancelled")
        ]
        for outcome in await bridge.publish_all(events):
            if outcome is None:
                changed += 1
            elif not isinstance(outcome, ConflictError | NotFoundError):
                raise outcome
        position = found.last
    return {"matched": matched, "changed": changed}
