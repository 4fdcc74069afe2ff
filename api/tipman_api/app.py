"""The application: every router over one engine, as one ASGI callable."""

from functools import partial

from fastapi import FastAPI
from fastapi.routing import APIRoute
from tipman.settings import Settings
from tipman.version import VERSION

from tipman_api import (
    administration,
    asking,
    definitions,
    events,
    growing,
    health,
    instances,
    metrics,
    namespaces,
    openapi,
    pages,
    runs,
    runviews,
    schedules,
    scheduleviews,
    sessions,
    tasks,
    taskviews,
    tokens,
    workflows,
)
from tipman_api.bridge import Bridge
from tipman_api.hub import Hub

ROUTERS = (
    tasks.router,
    asking.router,
    events.router,
    taskviews.router,
    instances.router,
    schedules.router,
    scheduleviews.router,
    runs.router,
    runviews.router,
    growing.router,
    definitions.router,
    workflows.router,
    namespaces.router,
    tokens.router,
    sessions.router,
    administration.router,
    health.router,
    metrics.router,
    openapi.router,
    pages.router,
)
"""Every router, the busiest first; a new one takes its place here."""


def create_app(bridge: Bridge, settings: Settings) -> FastAPI:
    """Return the application over an engine, with the OpenAPI document of all its routes.

    The guard goes before it; nothing here knows of tokens.
    """
    app = FastAPI(
        title=openapi.TITLE,
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.state.bridge = bridge
    app.state.hub = Hub(bridge, settings)
    app.state.settings = settings
    for router in ROUTERS:
        app.include_router(router)
    # The framework's documented way to a document of one's own.
    app.openapi = partial(openapi.document, app)  # type: ignore[method-assign] # as above
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name
