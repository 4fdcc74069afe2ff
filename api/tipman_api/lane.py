"""The lane: the short way to endpoints that want nothing but the request and parts of its path.

The framework finds a route again that the guard has found already, and solves dependencies that
are none: measured, that is more than half of what a small answer costs. Whatever wants more of
the framework goes its way.
"""

import inspect
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from fastapi.routing import RouteContext
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Lane(NamedTuple):
    """An endpoint, and where in a path its arguments stand."""

    endpoint: Callable[..., Awaitable[Response]]
    places: tuple[tuple[str, int], ...]
    takes_parts: bool
    """Whether it takes them as arguments too, not only as `request.path_params`."""

    async def pass_through(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose route is known to be this."""
        parts = scope["path"].split("/") if self.places else ()
        found = {name: parts[at] for name, at in self.places}
        scope["path_params"] = found
        request = Request(scope, receive, send)
        if self.takes_parts:
            response = await self.endpoint(request, **found)
        else:
            response = await self.endpoint(request)
        await response(scope, receive, send)


def lane_to(context: RouteContext) -> Lane | None:
    """Return the lane to a route's endpoint, None if it wants more of the framework."""
    endpoint, path = context.endpoint, context.path_format or ""
    if endpoint is None or not inspect.iscoroutinefunction(endpoint) or _depends(context):
        return None
    signature = inspect.signature(endpoint)
    parameters = list(signature.parameters.values())
    if not parameters or signature.return_annotation is not Response:
        return None
    places = tuple(
        (part[1:-1], at) for at, part in enumerate(path.split("/")) if part.startswith("{")
    )
    request, *others = parameters
    is_plain = all(each.annotation is str for each in others)
    wanted = {each.name for each in others}
    if request.annotation is not Request or not is_plain or wanted - {name for name, _ in places}:
        return None
    if wanted and len(wanted) != len(places):
        return None
    return Lane(endpoint, places, bool(wanted))


def _depends(context: RouteContext) -> bool:
    return bool(getattr(context, "dependencies", ()))
