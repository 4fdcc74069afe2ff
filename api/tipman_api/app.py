"""The application: every router over one engine, as one ASGI callable."""

from fastapi import FastAPI
from tipman.settings import Settings
from tipman.version import VERSION

from tipman_api import definitions, health, namespaces, problems, tasks, tokens
from tipman_api.bridge import Bridge

ROUTERS = (
    tasks.router,
    definitions.router,
    namespaces.router,
    tokens.router,
    health.router,
)
"""Every router; a new one takes its place here."""


def create_app(bridge: Bridge, settings: Settings) -> FastAPI:
    """Return the application over an engine, which its caller starts and closes."""
    app = FastAPI(title="Tipman", version=VERSION, docs_url=None, redoc_url=None)
    app.state.bridge = bridge
    app.state.settings = settings
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    return app
