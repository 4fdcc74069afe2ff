"""Instances over REST: whatever lives or has lived, of any kind, by its UUID."""

import json
from functools import partial
from typing import Any

from fastapi import Request
from starlette.responses import Response
from tipman import listing, queries
from tipman.charts import STATES as TASK_STATES
from tipman.errors import NotFoundError
from tipman.ids import parse
from tipman.listing import Filter
from tipman.pruning import absence
from tipman.runs import views as run_views
from tipman.runs.views import STATES as RUN_STATES
from tipman.runtime import Engine
from tipman.schedules.views import STATES as SCHEDULE_STATES

from tipman_api import operations
from tipman_api.bridge import bridge_of
from tipman_api.filters import namespace_in
from tipman_api.parameters import GlobalParameters, Parameters, refused
from tipman_api.principals import Scope, principal_of
from tipman_api.representation import JSON, shown, shown_bytes, shown_items, shown_page
from tipman_api.routes import Router
from tipman_api.targets import Target

router = Router(prefix="/api/v1/instances", tags=["instances"])
KINDS = ("task", "run", "schedule")


@router.get("", scope=Scope.READ, **operations.LIST_INSTANCES)
async def list_instances(request: Request) -> Response:
    """List instances of every kind, newest first."""
    bridge = bridge_of(request)
    parameters = Parameters(request, ("kind", "state", "chart", "in", "after", "limit"))
    for name in ("chart", "in"):
        if parameters.text(name) is not None:
            raise refused(name, "comes with charts and is not supported yet")
    principal = principal_of(request)
    wanted = Filter(
        kind=parameters.choice("kind", KINDS),
        namespace=await bridge.read(lambda found: namespace_in(found, parameters, principal)),
        states=parameters.texts("state", TASK_STATES | RUN_STATES | SCHEDULE_STATES),
    )
    cursor, limit = parameters.text("after"), parameters.limit()
    engine = bridge.engine
    if wanted.kind == "task":
        page = await bridge.read(
            lambda database: listing.page(
                database, wanted, cursor=cursor, limit=limit, epoch=engine.epoch
            )
        )
        return shown_page(request, page)
    items, following = await bridge.call(lambda: _page(engine, wanted, cursor, limit))
    return shown_items(request, items, following)


@router.get("/{reference}", scope=Scope.READ, **operations.SHOW_INSTANCE)
async def show_instance(request: Request) -> Response:
    """Return an instance of whatever kind; `running` tells whether it is being worked on."""
    bridge = bridge_of(request)
    GlobalParameters(request)
    reference = request.path_params["reference"]
    principal = principal_of(request)
    target = Target(reference, principal.namespace_for(None), principal)
    identifier = parse(reference)
    if identifier is None:
        raise NotFoundError(
            f"{reference!r} is no UUID; keys are looked up in the list of their kind"
        )
    try:
        await bridge.read(target.locate)
        kind = await bridge.read(lambda database: listing.kind_of(database, identifier))
        if kind == "schedule":
            view = await bridge.call(lambda: bridge.engine.schedule_view(identifier))
            return shown(request, view)
        if kind == "run":
            return shown(request, await bridge.call(lambda: bridge.engine.run(identifier)))
        if kind in {"engine", "registry"}:
            view = await bridge.read(partial(listing.keeper_view, identifier=identifier))
            return shown(request, view)
        text = await bridge.show(target)
    except NotFoundError:
        words = await bridge.read(lambda database: absence(database, identifier))
        raise NotFoundError(words) from None
    return shown_bytes(request, text.encode(), JSON)


def _page(
    engine: Engine, wanted: Filter, cursor: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of a list of instances of every kind, and the cursor of what follows."""
    before = listing.position_of(wanted, cursor)
    with engine.reading() as database:
        found = listing.find_any(database, wanted, before=before, limit=limit)
        ids = [identifier for identifier, _ in found.instances]
        tasks = queries.texts_by_id(database, ids, epoch=engine.epoch)
        runs = run_views.shown_of(database, [each for each in ids if each not in tasks])
    known = {**runs, **{each: json.loads(text) for each, text in tasks.items()}}
    items = [known.get(each) or engine.schedule_view(each) for each in ids]
    following = None if found.last is None else listing.cursor_of(wanted, found.last)
    return items, following
