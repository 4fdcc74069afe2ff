"""Pages: the API's documentation, of our own files only.

Nothing here holds data, so it needs no token; what the page shows it asks for with one.
"""

from pathlib import Path

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from tipman_api.representation import shown_bytes
from tipman_api.routes import OPEN, Router

router = Router(include_in_schema=False)
_OURS = Path(__file__).parent / "static"
_HTML = "text/html; charset=utf-8"
_SCRIPT = "text/javascript; charset=utf-8"
_STYLE = "text/css; charset=utf-8"
_THEIRS = {
    "swagger-ui.css": _STYLE,
    "swagger-ui-bundle.js": _SCRIPT,
    "favicon-32x32.png": "image/png",
}
_OUR_FILES = {"docs.js": _SCRIPT, "docs.css": _STYLE}
PAGES = frozenset({"/", "/docs", *(f"/docs/{name}" for name in (*_THEIRS, *_OUR_FILES))})
"""Every path of these files."""


@router.get("/", scope=OPEN)
async def show_start(_: Request) -> Response:
    """Lead to the documentation."""
    return RedirectResponse("/docs", 307)


@router.get("/docs", scope=OPEN)
async def show_documentation(request: Request) -> Response:
    """Return the page of the documentation."""
    return shown_bytes(request, _own("docs.html"), _HTML)


def _serve(name: str, media_type: str) -> None:
    @router.get(f"/docs/{name}", scope=OPEN, name=f"show_{name}")
    async def show_file(request: Request) -> Response:
        content = _own(name) if name in _OUR_FILES else _bundled(name)
        return shown_bytes(request, content, media_type)


for _name, _type in {**_THEIRS, **_OUR_FILES}.items():
    _serve(_name, _type)


def _own(name: str) -> bytes:
    return (_OURS / name).read_bytes()


def _bundled(name: str) -> bytes:
    # Looked for when somebody reads the page: most servers never show it.
    from swagger_ui_bundle import swagger_ui_path  # noqa: PLC0415 - see above

    return Path(swagger_ui_path, name).read_bytes()
