"""Schedules over REST: made, listed, shown, changed, ended."""

from fastapi import Request
from starlette.responses import Response
from tipman.definitions.shapes import kind_of
from tipman.errors import Fault, InvalidError
from tipman.ids import text_of
from tipman.registry.records import Answer
from tipman.schedules.views import STATES, URI

from tipman_api import schedule_operations as operations
from tipman_api.bodies import body_of
from tipman_api.bridge import bridge_of
from tipman_api.filters import namespace_in
from tipman_api.parameters import Parameters
from tipman_api.principals import Scope, principal_of
from tipman_api.repetition import Keep, replied, written
from tipman_api.representation import accepted, shown, shown_items
from tipman_api.routes import Router
from tipman_api.targets import schedule_of
from tipman_api.tasks import placed

router = Router(prefix="/api/v1/schedules", tags=["schedules"])


@router.post("", scope=Scope.OPERATE, status_code=201, **operations.CREATE)
async def create_schedule(request: Request) -> Response:
    """Make a schedule; its first instant comes after now."""
    bridge, principal = bridge_of(request), principal_of(request)
    engine = bridge.engine
    given = placed(body_of(request), Parameters(request).text("namespace"), principal)

    async def write(keep: Keep) -> Answer:
        event = await bridge.call(lambda: engine.schedule_creation(given, actor=principal.name))
        answer = Answer(201, URI + text_of(event.instance), (event.instance,))
        await bridge.publish(event, keep(lambda _: answer))
        return answer

    answer = await written(request, write)
    view = await bridge.call(lambda: engine.schedule_view(answer.ids[0]))
    return accepted(view, location=answer.location, status=201)


@router.get("", scope=Scope.READ, **operations.LIST)
async def list_schedules(request: Request) -> Response:
    """List schedules, newest first; `orphan` tells that what one submits is gone."""
    parameters = Parameters(request, ("state", "after", "limit"))
    states, after = parameters.texts("state", STATES), parameters.text("after")
    limit, bridge, principal = parameters.limit(), bridge_of(request), principal_of(request)
    namespace = await bridge.read(lambda database: namespace_in(database, parameters, principal))
    page = await bridge.call(
        lambda: bridge.engine.schedules(
            namespace=namespace, states=states, after=after, limit=limit
        )
    )
    return shown_items(request, page.items, page.next)


@router.get("/{reference}", scope=Scope.READ, **operations.SHOW)
async def show_schedule(request: Request) -> Response:
    """Return a schedule, by its UUID or its key."""
    bridge = bridge_of(request)
    target = schedule_of(request, Parameters(request))
    identifier = await bridge.read(target.locate)
    return shown(request, await bridge.call(lambda: bridge.engine.schedule_view(identifier)))


@router.patch("/{reference}", scope=Scope.OPERATE, **operations.CHANGE)
async def change_schedule(request: Request) -> Response:
    """Change fields of a schedule at once; null puts one back to its default.

    One of `cron`, `every_s` and `at` takes the place of another. What was decided stays.
    """
    bridge, principal = bridge_of(request), principal_of(request)
    target, engine = schedule_of(request, Parameters(request)), bridge.engine
    changes = body_of(request)
    if not isinstance(changes, dict) or not changes:
        found = "an empty one" if changes == {} else kind_of(changes)
        detail = f"must be an object with what is to change, not {found}"
        raise InvalidError(f"the body {detail}", (Fault("", detail),))

    async def write(keep: Keep) -> Answer:
        identifier = await bridge.read(target.locate)
        answer = Answer(200, ids=(identifier,))
        await bridge.call(
            lambda: engine.change_schedule(
                identifier, changes, actor=principal.name, memo=keep(lambda _: answer)
            )
        )
        return answer

    answer = await written(request, write)
    view = await bridge.call(lambda: engine.schedule_view(answer.ids[0]))
    return accepted(view, status=200)


@router.delete("/{reference}", scope=Scope.OPERATE, status_code=204, **operations.DELETE)
async def delete_schedule(request: Request) -> Response:
    """Finish a schedule and free its key; what runs goes on, and its id stays readable."""
    bridge, principal = bridge_of(request), principal_of(request)
    target = schedule_of(request, Parameters(request))

    async def write(keep: Keep) -> Answer:
        gone = Answer(204)
        identifier = await bridge.read(target.locate)
        await bridge.call(
            lambda: bridge.engine.delete_schedule(
                identifier, actor=principal.name, memo=keep(lambda _: gone)
            )
        )
        return gone

    return replied(await written(request, write))
