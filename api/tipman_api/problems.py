"""Problems: how every refusal and every failure is said, as RFC 9457 has it.

The codes are stable; `docs/rest.md` explains each. What a client did wrong is a 4xx, always.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from tipman.errors import (
    ConflictError,
    Fault,
    InvalidError,
    KeyExistsError,
    TipmanError,
)
from tipman.jsontext import dumps, pointer_of

MEDIA_TYPE = "application/problem+json"
DETAIL_CHARACTERS_MAX = 2_000
ERRORS_MAX = 100
"""Faults that one answer lists; who made more knows enough."""
RETRY_AFTER_S = 1

_log = logging.getLogger(__name__)


class Kind(NamedTuple):
    """What stands behind a code."""

    status: int
    title: str


KINDS: Mapping[str, Kind] = {
    "invalid": Kind(422, "The request can not be accepted"),
    "type_off": Kind(422, "Tasks of this type are switched off"),
    "cycle": Kind(422, "The tasks wait for one another"),
    "unknown_dependency": Kind(422, "A dependency does not exist"),
    "idempotency_mismatch": Kind(422, "The idempotency key was used with another body"),
    "quota_reached": Kind(429, "The namespace has as many open tasks as it may"),
    "not_found": Kind(404, "There is no such thing"),
    "key_exists": Kind(409, "The key is taken"),
    "conflict": Kind(409, "That changes nothing in this state"),
    "unavailable": Kind(503, "The engine is not running"),
    "too_many_streams": Kind(503, "As many follow as may"),
    "engine_running": Kind(503, "Another engine holds the database"),
    "database": Kind(503, "The database can not be used"),
    "database_newer": Kind(503, "A newer version wrote the database"),
    "wait_timeout": Kind(504, "The wait ran out"),
    "task_failed": Kind(409, "The task did not succeed"),
    "error": Kind(500, "Something is broken"),
    "malformed": Kind(400, "The request is not well formed"),
    "bad_path": Kind(400, "The path is not well formed"),
    "token_in_query": Kind(400, "A token does not belong into an address"),
    "body_required": Kind(400, "A body is missing"),
    "body_unexpected": Kind(400, "This takes no body"),
    "unauthorized": Kind(401, "A token is needed"),
    "forbidden": Kind(403, "The token is not good for this"),
    "cross_origin": Kind(403, "Another site may not ask"),
    "method_not_allowed": Kind(405, "Not by this method"),
    "timeout": Kind(408, "The request did not arrive in time"),
    "unconditional": Kind(412, "A write takes no condition"),
    "too_large": Kind(413, "The body is too large"),
    "query_too_long": Kind(414, "The address is too long"),
    "unsupported": Kind(415, "The type of the body is not taken here"),
    "unknown_host": Kind(421, "This is not the server of that name"),
    "too_many": Kind(429, "Too many at once"),
    "headers_too_large": Kind(431, "The headers are too large"),
}
"""Every code that an answer may have."""
_CODES_OF_STATUS = {400: "malformed", 404: "not_found", 405: "method_not_allowed"}


class RefusedError(TipmanError):
    """A request that is refused before any rule is asked; `code` is one of `KINDS`."""

    def __init__(self, code: str, detail: str, *faults: Fault) -> None:
        super().__init__(detail)
        self.code = code  # type: ignore[misc] # the one class whose code is of the instance
        self.faults = faults
        self.headers: dict[str, str] = {}


def kind_of(error: TipmanError) -> tuple[str, Kind]:
    """Return code and kind of an error, its base's where its own is not known."""
    codes = [error.code, *(getattr(kind, "code", "error") for kind in type(error).__mro__)]
    code = next(code for code in codes if code in KINDS)
    return error.code if code != "error" else code, KINDS[code]


def problem(
    code: str,
    detail: str,
    faults: Iterable[Fault] = (),
    *,
    kind: Kind | None = None,
    more: Mapping[str, object] | None = None,
) -> bytes:
    """Return the body of a problem; *more* are members that only some codes have."""
    kind = kind or KINDS[code]
    errors = [
        {"pointer": _bounded(fault.pointer), "detail": _bounded(fault.detail)}
        for _, fault in zip(range(ERRORS_MAX), faults, strict=False)
    ]
    members = {
        "type": f"urn:tipman:problem:{code}",
        "title": kind.title,
        "status": kind.status,
        "code": code,
        "detail": _bounded(detail),
        "errors": errors,
        **(more or {}),
    }
    return dumps(members).encode()


def response_to(error: TipmanError) -> Response:
    """Return what an error looks like from outside."""
    code, kind = kind_of(error)
    if kind.status >= 500:  # noqa: PLR2004 - where the server's own fault begins
        _log.error("answered %s: %s", code, error, exc_info=error)
    faults = getattr(error, "faults", ())
    body = problem(code, str(error), faults, kind=kind, more=_members(error))
    headers = dict(getattr(error, "headers", {}))
    if kind.status == 503:  # noqa: PLR2004 - the status that says "come again"
        headers["retry-after"] = str(RETRY_AFTER_S)
    return Response(body, kind.status, headers, MEDIA_TYPE)


def failure() -> Response:
    """Return what a defect looks like from outside: nothing of its inside."""
    return Response(
        problem("error", "the server failed; its log says how"), 500, media_type=MEDIA_TYPE
    )


def install(app: FastAPI) -> None:
    """Let every error of an application leave as a problem."""
    app.exception_handler(TipmanError)(_on_error)
    app.exception_handler(RequestValidationError)(_on_invalid)
    app.exception_handler(HTTPException)(_on_http)
    app.exception_handler(Exception)(_on_defect)


async def _on_error(_request: Request, error: TipmanError) -> Response:
    return response_to(error)


async def _on_invalid(_request: Request, error: RequestValidationError) -> Response:
    faults = tuple(_fault(found) for found in error.errors())
    return response_to(InvalidError("; ".join(fault.detail for fault in faults), faults))


async def _on_http(_request: Request, error: HTTPException) -> Response:
    """Answer what the framework itself refuses: an unknown path, a method."""
    code = _CODES_OF_STATUS.get(error.status_code, "malformed")
    kind = Kind(error.status_code, KINDS[code].title)
    body = problem(code, error.detail, kind=kind)
    return Response(body, error.status_code, error.headers, MEDIA_TYPE)


async def _on_defect(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return failure()


def _fault(found: Mapping[str, Any]) -> Fault:
    """Return a fault of the framework's with a pointer into the body, or `/query/limit`."""
    where, *path = found["loc"]
    detail = str(found["msg"])
    if where == "body":
        pointer = pointer_of(path)
        return Fault(pointer, f"{pointer}: {detail}" if pointer else detail)
    return Fault(pointer_of([where, *path]), f"{where} `{'.'.join(map(str, path))}`: {detail}")


def _members(error: TipmanError) -> dict[str, object]:
    match error:
        case KeyExistsError():
            return {"uri": error.uri}
        case ConflictError():
            return {"state": error.state}
        case _:
            return {}


def _bounded(text: str) -> str:
    """Return a text that is no longer than anybody reads, and that can be sent."""
    text = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    if len(text) <= DETAIL_CHARACTERS_MAX:
        return text
    return text[: DETAIL_CHARACTERS_MAX - 1] + "…"


def documented(codes: Sequence[str]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an operation that may answer with these codes."""
    found: dict[int | str, dict[str, Any]] = {}
    for code in sorted(codes, key=lambda code: KINDS[code].status):
        status, title = KINDS[code]
        known = found.setdefault(
            status,
            {"description": "", "content": {MEDIA_TYPE: {"schema": {"$ref": PROBLEM_SCHEMA}}}},
        )
        known["description"] += f"{'; ' if known['description'] else ''}`{code}`: {title}"
    return found


PROBLEM_SCHEMA = "#/components/schemas/Problem"
PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "Why a request was refused, after RFC 9457.",
    "required": ["type", "title", "status", "code", "detail", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"type": "string", "enum": sorted(KINDS)},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "a JSON pointer into the body"},
                    "detail": {"type": "string"},
                },
            },
        },
        "uri": {"type": "string", "description": "with `key_exists`: whose key it is"},
        "state": {"type": "string", "description": "with `conflict`: what it is in"},
    },
}
"""The schema that `PROBLEM_SCHEMA` points at, for the OpenAPI document."""
