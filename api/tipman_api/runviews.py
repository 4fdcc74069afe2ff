"""What belongs to a run, over REST: its tasks, its log, its graph; and its events."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from starlette.responses import Response
from tipman.charts import STATES as TASK_STATES
from tipman.drawings import FORMATS, draw, draw_json
from tipman.events import (
    CancelRequested,
    Requested,
    ResumeRequested,
    RetryRequested,
    SuspendRequested,
)
from tipman.ids import text_of
from tipman.resources import RUNS_URI
from tipman.runs.graphs import Graph
from tipman.runs.views import TasksWanted

from tipman_api import run_operations as operations
from tipman_api.asking import asked_of
from tipman_api.bridge import bridge_of
from tipman_api.feeds import shown_events
from tipman_api.filters import TYPES
from tipman_api.parameters import Parameters
from tipman_api.principals import Scope
from tipman_api.registry_bodies import asked
from tipman_api.representation import accepted, shown, shown_bytes, shown_items
from tipman_api.routes import Router
from tipman_api.targets import run_target_of

_TEXT = "text/plain; charset=utf-8"
router = Router(prefix="/api/v1/runs/{reference}", tags=["runs"])
_REQUESTS: Mapping[str, type[Requested]] = {
    kind.wire: kind
    for kind in (CancelRequested, SuspendRequested, ResumeRequested, RetryRequested)
}


@router.get("/tasks", scope=Scope.READ, **operations.TASKS)
async def list_run_tasks(request: Request) -> Response:
    """List the tasks of a run, in the order they were submitted."""
    bridge = bridge_of(request)
    parameters = Parameters(request, ("state", "type", "name", "after", "limit"))
    target, limit = run_target_of(request, parameters), parameters.limit()
    wanted = TasksWanted(
        states=parameters.texts("state", TASK_STATES),
        types=parameters.texts("type", TYPES),
        name=parameters.text("name"),
    )
    after = parameters.text("after")
    run = await bridge.read(target.locate)
    page = await bridge.call(
        lambda: bridge.engine.list_run_tasks(run, wanted, after=after, limit=limit)
    )
    return shown_items(request, page.items, page.next)


@router.get("/events", scope=Scope.READ, **operations.EVENTS)
async def list_run_events(request: Request) -> Response:
    """List what happened to a run itself, oldest first, or follow it as server-sent events.

    What happened to its tasks as well is in `GET /events?run=`.
    """
    return await shown_events(request, run_target_of)


@router.post("/events", scope=Scope.OPERATE, status_code=202, **operations.SEND)
async def send_run_event(request: Request) -> Response:
    """Ask for something of a run or of tasks of it: to cancel, suspend, resume or retry.

    Answered with the run as it is after the commit.
    """
    bridge, target = bridge_of(request), run_target_of(request, Parameters(request))
    body = asked(request, operations.EventBody)
    found = await asked_of(request, target, _REQUESTS[body.name], body)
    return accepted(await bridge.call(lambda: bridge.engine.run(found)))


@router.get("/explain", scope=Scope.READ, **operations.EXPLAIN)
async def explain_run(request: Request) -> Response:
    """Say what a run waits for: what its open tasks wait for, the causes first."""
    bridge = bridge_of(request)
    target = run_target_of(request, Parameters(request))
    run = await bridge.read(target.locate)
    return shown(request, await bridge.call(lambda: bridge.engine.explain_run(run)))


@router.get("/graph", scope=Scope.READ, **operations.GRAPH)
async def draw_run(request: Request) -> Response:
    """Return the graph of a run with the states of its tasks, or a picture of it as text."""
    bridge = bridge_of(request)
    parameters = Parameters(request, ("format",))
    target = run_target_of(request, parameters)
    format_ = parameters.choice("format", FORMATS) or FORMATS[0]
    run = await bridge.read(target.locate)
    if format_ == "json":
        return shown(request, await bridge.call(lambda: _graph(bridge.engine.run_graph(run))))
    text = await bridge.call(lambda: _picture(bridge.engine.run_graph(run), format_))
    return shown_bytes(request, text.encode(), _TEXT)


@router.get("/summary", scope=Scope.READ, **operations.SUMMARY)
async def summarize_run(request: Request) -> Response:
    """Say where the time of a run went: its critical path, and the times of its tasks."""
    bridge = bridge_of(request)
    parameters = Parameters(request, ("limit",))
    target = run_target_of(request, parameters)
    limit = parameters.number("limit", least=1, most=operations.LONGEST_MAX)
    run = await bridge.read(target.locate)
    found = await bridge.call(
        lambda: bridge.engine.run_summary(run, limit=limit or operations.LONGEST_MAX)
    )
    return shown(request, found)


def _graph(graph: Graph) -> dict[str, Any]:
    drawn = draw_json(graph.name, graph.nodes, graph.edges)
    nodes = zip(drawn["nodes"], graph.nodes, strict=True)
    return {
        "run": RUNS_URI + text_of(graph.run),
        **drawn,
        "nodes": [{**shape, "uri": node.uri} for shape, node in nodes],
    }


def _picture(graph: Graph, format_: str) -> str:
    return draw(format_, graph.name, graph.nodes, graph.edges)
