"""Administration over REST: pruning, backups, verification, the checkup, and who runs attempts.

All of it is about the whole engine, so a token that is bound to a namespace has none of it. What
takes long is done on a thread that reads; nothing that a client sends becomes a path.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request
from starlette.responses import Response
from tipman.definitions.shapes import Shape
from tipman.errors import ForbiddenError
from tipman.jsontext import dumps
from tipman.registrations import AnswerRecorded
from tipman.registry.records import Answer
from tipman.runtime import Engine

from tipman_api.bodies import BODY_KEY
from tipman_api.bridge import bridge_of
from tipman_api.parameters import GlobalParameters
from tipman_api.principals import Scope, principal_of
from tipman_api.problems import documented
from tipman_api.registry_bodies import answering, asked, list_of, reading, showing
from tipman_api.repetition import PARAMETER, Keep, replied, text_of, written
from tipman_api.representation import JSON, shown_items
from tipman_api.routes import Router

router = Router(prefix="/api/v1/admin", tags=["admin"])

_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_INSTANT = {"type": "string", "format": "date-time"}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


_PRUNED = _object(
    {
        "dry_run": {"type": "boolean"},
        "settled_before": _INSTANT,
        "rows": {"type": "object", "additionalProperties": _COUNT},
    }
)
_BACKUP = _object({"path": _TEXT, "bytes": _COUNT, "at": _INSTANT})
_VERIFIED = _object(
    {
        "ok": {"type": "boolean"},
        "instances": _COUNT,
        "entries": _COUNT,
        "faults_found": _COUNT,
        "faults": {
            "type": "array",
            "description": "the first hundred",
            "items": _object({"instance": {"type": "string", "format": "uuid"}, "text": _TEXT}),
        },
    }
)
_CHECKED = _object(
    {
        "ok": {"type": "boolean"},
        "checks": {
            "type": "array",
            "items": _object(
                {
                    "name": _TEXT,
                    "state": {"type": "string", "enum": ["ok", "warning", "fault"]},
                    "detail": _TEXT,
                    "advice": _TEXT,
                }
            ),
        },
    }
)
_WORKER = _object(
    {
        "node": _TEXT,
        "pid": _COUNT,
        "epoch": _COUNT,
        "version": _TEXT,
        "started_at": _INSTANT,
        "slots": _COUNT,
        "slots_taken": _COUNT,
        "queues": {"type": "object", "additionalProperties": _COUNT},
        "attempts": {
            "type": "array",
            "items": _object(
                {
                    "task": _TEXT,
                    "name": _TEXT,
                    "namespace": _TEXT,
                    "type": _TEXT,
                    "queue": _TEXT,
                    "attempt": _COUNT,
                    "started_at": _INSTANT,
                }
            ),
        },
    }
)
_PRUNE_BODY = {
    "type": "object",
    "properties": {"dry_run": {"type": "boolean", "default": False}},
    "additionalProperties": False,
}


class PruneBody(Shape):
    """What a pruning is asked for with."""

    dry_run: bool = False


@router.post(
    "/prune",
    scope=Scope.ADMIN,
    openapi_extra={
        "parameters": [PARAMETER],
        "requestBody": {
            "required": False,
            "content": {JSON: {"schema": _PRUNE_BODY, "example": {"dry_run": True}}},
        },
    },
    responses={
        **answering(200, "What went, or with `dry_run` what would go.", _PRUNED),
        **documented(["invalid", "unavailable", "database"]),
    },
)
async def prune(request: Request) -> Response:
    """Remove what settled longer ago than is kept; answered once it is gone."""
    body = asked(request, PruneBody) if BODY_KEY in request.scope else PruneBody()
    engine = _engine(request)
    prunes = engine.preview_pruning if body.dry_run else engine.prune
    return await _once(request, lambda: {"dry_run": body.dry_run, **prunes().view()})


@router.post(
    "/backup",
    scope=Scope.ADMIN,
    openapi_extra={"parameters": [PARAMETER]},
    responses={
        **answering(200, "The copy: whole, checked, and on the disk.", _BACKUP),
        **documented(["invalid", "unavailable", "database"]),
    },
)
async def back_up(request: Request) -> Response:
    """Copy the database into the folder `backups` of the home, while serving."""
    engine = _engine(request)
    return await _once(request, lambda: engine.backup_at_home().view())


@router.post(
    "/verify",
    scope=Scope.ADMIN,
    responses={
        **answering(200, "What was looked at, and every fault.", _VERIFIED),
        **documented(["invalid", "unavailable", "database"]),
    },
)
async def verify(request: Request) -> Response:
    """Fold every log to its row and follow its chain; `ok` tells whether all is as written."""
    engine = _engine(request)
    return _shown(await _done(request, lambda: engine.verify().view()))


@router.post(
    "/doctor",
    scope=Scope.ADMIN,
    responses={
        **answering(200, "Each check, and what to do about it.", _CHECKED),
        **documented(["invalid", "unavailable", "database"]),
    },
)
async def examine(request: Request) -> Response:
    """Look for what may be wrong with the home, the database and their surroundings."""
    engine = _engine(request)
    return _shown(await _done(request, lambda: engine.examine().view()))


@router.get(
    "/workers",
    scope=Scope.ADMIN,
    openapi_extra=reading(),
    responses=showing("Who runs attempts, and which.", list_of(_WORKER), "unavailable"),
)
async def list_workers(request: Request) -> Response:
    """List who runs attempts: this node, so far."""
    engine = _engine(request)
    return shown_items(request, await _done(request, engine.workers), None)


def _engine(request: Request) -> Engine:
    GlobalParameters(request)
    principal = principal_of(request)
    if principal.namespace is not None:
        raise ForbiddenError(
            f"this is about all namespaces; the token {principal.name!r} is bound to one"
        )
    return bridge_of(request).engine


async def _once(request: Request, work: Callable[[], Mapping[str, Any]]) -> Response:
    """Do what changes something, once for an `Idempotency-Key`.

    It is no event, so its answer is kept after it: a crash in between lets a repeat do it again.
    """
    bridge = bridge_of(request)

    async def write(keep: Keep) -> Answer:
        answer = Answer(200, body=text_of(await bridge.call(work)))
        memo = keep(lambda _: answer)
        if memo is not None:
            recorded = AnswerRecorded("administration", principal_of(request).name, answer)
            await bridge.publish(recorded, memo)
        return answer

    return replied(await written(request, write))


async def _done(request: Request, work: Callable[[], Any]) -> Any:
    return await bridge_of(request).call(work)


def _shown(value: object) -> Response:
    return Response(dumps(value), media_type=JSON)
