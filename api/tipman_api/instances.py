"""Instances over REST: whatever lives or has lived, of any kind, by its UUID."""

from fastapi import Request
from starlette.responses import Response
from tipman import listing
from tipman.charts import STATES
from tipman.errors import NotFoundError
from tipman.ids import parse
from tipman.listing import Filter
from tipman.pruning import absence

from tipman_api import operations
from tipman_api.bridge import bridge_of
from tipman_api.parameters import Parameters, refused
from tipman_api.principals import Scope, principal_of
from tipman_api.representation import JSON, shown_bytes, shown_page
from tipman_api.routes import Router
from tipman_api.targets import Target

router = Router(prefix="/api/v1/instances", tags=["instances"])
KINDS = ("task",)


@router.get("", scope=Scope.READ, **operations.LIST_INSTANCES)
async def list_instances(request: Request) -> Response:
    """List instances of every kind, newest first."""
    bridge = bridge_of(request)
    parameters = Parameters(request, ("kind", "state", "chart", "in", "after", "limit"))
    for name in ("chart", "in"):
        if parameters.text(name) is not None:
            raise refused(name, "comes with charts and is not supported yet")
    kinds = parameters.texts("kind", KINDS)
    wanted = Filter(
        kind=kinds[0] if kinds else None,
        namespace=principal_of(request).namespace_for(parameters.text("namespace")),
        states=parameters.texts("state", STATES),
    )
    cursor, limit = parameters.text("after"), parameters.limit()
    epoch = bridge.engine.epoch
    page = await bridge.read(
        lambda database: listing.page(database, wanted, cursor=cursor, limit=limit, epoch=epoch)
    )
    return shown_page(request, page)


@router.get("/{reference}", scope=Scope.READ, **operations.SHOW_INSTANCE)
async def show_instance(request: Request) -> Response:
    """Return an instance of whatever kind; `running` tells whether it is being worked on."""
    bridge = bridge_of(request)
    Parameters(request)
    reference = request.path_params["reference"]
    principal = principal_of(request)
    target = Target(reference, principal.namespace_for(None), principal)
    identifier = parse(reference)
    if identifier is None:
        raise NotFoundError(
            f"{reference!r} is no UUID; keys are looked up in the list of their kind"
        )
    try:
        text = await bridge.show(target)
    except NotFoundError:
        words = await bridge.read(lambda database: absence(database, identifier))
        raise NotFoundError(words) from None
    return shown_bytes(request, text.encode(), JSON)
