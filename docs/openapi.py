"""Writes the OpenAPI document into docs/openapi.json: `make openapi`."""

import json
from pathlib import Path

from tipman.runtime import Engine
from tipman.settings import Settings
from tipman_api.app import create_app
from tipman_api.bridge import Bridge

PAGE = Path(__file__).parent / "openapi.json"


def written() -> str:
    """Return the document as it is written: of an engine that is never started."""
    settings = Settings()
    app = create_app(Bridge(Engine(settings=settings)), settings)
    return json.dumps(app.openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
