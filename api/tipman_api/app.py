"""The application: every router over one engine, as one ASGI callable."""

from fastapi import FastAPI
from tipman.runtime import Engine
from tipman.settings import Settings
from tipman.version import VERSION

from tipman_api import health, tasks
from tipman_api.bridge import Bridge


def create_app(engine: Engine, settings: Settings) -> FastAPI:
    """Return the application that serves *engine*, which its caller starts and closes."""
    app = FastAPI(title="Tipman", version=VERSION, docs_url=None, redoc_url=None)
    app.state.bridge = Bridge(engine)
    app.state.settings = settings
    app.include_router(tasks.router)
    app.include_router(health.router)
    return app
