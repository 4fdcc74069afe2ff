"""What belongs to a task, over REST: its log, its attempts, its output, what it waits for."""

from pathlib import Path

from fastapi import Request
from starlette.responses import Response
from tipman import queries
from tipman.database import Database
from tipman.errors import NotFoundError
from tipman.handles import Handle
from tipman.runtime import Engine

from tipman_api import operations
from tipman_api.bridge import bridge_of
from tipman_api.feeds import NUMBER_MAX, shown_events
from tipman_api.outputs import follow_output
from tipman_api.parameters import Parameters, refused
from tipman_api.principals import Scope
from tipman_api.representation import shown, shown_bytes, shown_items
from tipman_api.routes import Router
from tipman_api.stream import is_asked_for
from tipman_api.targets import Target, target_of

router = Router(prefix="/api/v1/tasks/{reference}", tags=["tasks"])
STREAMS = ("stdout", "stderr")
_TEXT = "text/plain; charset=utf-8"


@router.get("/events", scope=Scope.READ, **operations.LIST_TASK_EVENTS)
async def list_task_events(request: Request) -> Response:
    """List what happened to a task, oldest first, or follow it as server-sent events."""
    return await shown_events(request, target_of)


@router.get("/attempts", scope=Scope.READ, **operations.LIST_TASK_ATTEMPTS)
async def list_task_attempts(request: Request) -> Response:
    """List the attempts that have ended, oldest first."""
    parameters = Parameters(request, ("after", "limit"))
    target, limit = target_of(request, parameters), parameters.limit()
    after = parameters.number("after", least=0, most=NUMBER_MAX) or 0

    def ended(database: Database) -> list[dict[str, object]]:
        return queries.attempts(database, target.locate(database), after=after, limit=limit + 1)

    found = await bridge_of(request).read(ended)
    following = str(found[limit - 1]["number"]) if len(found) > limit else None
    return shown_items(request, found[:limit], following)


@router.get("/explain", scope=Scope.READ, **operations.EXPLAIN_TASK)
async def explain_task(request: Request) -> Response:
    """Say what a task waits for."""
    bridge = bridge_of(request)
    target = target_of(request, Parameters(request))
    engine = bridge.engine
    identifier = await bridge.read(target.locate)
    found = await bridge.call(lambda: engine.explain(Handle(identifier, engine)))
    return shown(request, found)


@router.get("/output", scope=Scope.READ, **operations.SHOW_TASK_OUTPUT)
async def show_task_output(request: Request) -> Response:
    """Return what an attempt wrote, byte for byte, a cut marked, or follow what it writes."""
    bridge = bridge_of(request)
    parameters = Parameters(request, ("stream", "attempt", "after"))
    target = target_of(request, parameters)
    stream = stream_of(parameters)
    attempt = parameters.number("attempt", least=1, most=NUMBER_MAX)
    after = parameters.text("after")
    if is_asked_for(request):
        return await follow_output(request, target, stream=stream, attempt=attempt, after=after)
    if after is not None:
        raise refused("after", "is for who follows, with `Accept: text/event-stream`")
    engine = bridge.engine
    body = await bridge.read(
        lambda database: _content(output_path(engine, database, target, attempt, stream))
    )
    return shown_bytes(request, body, _TEXT)


def stream_of(parameters: Parameters) -> str:
    """Return which of an attempt's streams is asked for.

    Raises:
        InvalidError: it has no such stream.
    """
    return parameters.choice("stream", STREAMS) or STREAMS[0]


def output_path(
    engine: Engine, database: Database, target: Target, attempt: int | None, stream: str
) -> Path | None:
    """Return the file of a stream of an attempt, by default the last; None before the first.

    Nothing that a client wrote becomes part of it.

    Raises:
        NotFoundError: there is no such task or attempt.
    """
    identifier = target.locate(database)
    last = queries.last_attempt(database, identifier)
    number = last if attempt is None else attempt
    if attempt is not None and attempt > last:
        raise NotFoundError(f"there is no attempt {attempt} of {target.reference!r} yet")
    if number == 0:
        return None
    return engine.output_path(Handle(identifier, engine), number, stream)


def _content(path: Path | None) -> bytes:
    try:
        return b"" if path is None else path.read_bytes()
    except FileNotFoundError:
        # Some types of tasks write nothing, and what was written may have been pruned.
        return b""
