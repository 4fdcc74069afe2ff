"""Runs over REST: started, listed, shown."""

from fastapi import Request
from starlette.responses import Response
from tipman.database import Database
from tipman.ids import text_of
from tipman.launches import run_of
from tipman.registry.records import Answer
from tipman.resources import RUNS_URI
from tipman.runs.views import STATES, Wanted

from tipman_api import run_operations as operations
from tipman_api.bodies import BODY_KEY, body_of
from tipman_api.bridge import bridge_of
from tipman_api.filters import Lookup
from tipman_api.parameters import Parameters, wait_of
from tipman_api.principals import Principal, Scope, principal_of
from tipman_api.repetition import Keep, written
from tipman_api.representation import accepted, preferring, shown, shown_items
from tipman_api.routes import Router
from tipman_api.targets import run_target_of
from tipman_api.tasks import placed, traced

_FILTERS = (
    "state", "workflow", "key", "schedule", "parent", "origin", "since", "until", "after", "limit",
)  # fmt: skip
router = Router(prefix="/api/v1", tags=["runs"])


@router.post("/workflows/{name}/runs", scope=Scope.OPERATE, status_code=202, **operations.START)
async def start_run(request: Request) -> Response:
    """Start a run of a registered workflow.

    Answered once it is on disk; with `Prefer: wait=10` once it has settled or the wait ran out.
    """
    bridge, principal = bridge_of(request), principal_of(request)
    engine, name = bridge.engine, request.path_params["name"]
    body = body_of(request) if BODY_KEY in request.scope else {}
    given = placed(body, Parameters(request).text("namespace"), principal)

    async def write(keep: Keep) -> Answer:
        event = await bridge.call(lambda: engine.run_submission(name, given, actor=principal.name))
        event = traced(request, event)
        run = run_of(event)
        answer = Answer(202, RUNS_URI + text_of(run), (run,))
        await bridge.publish(event, keep(lambda _: answer))
        return answer

    answer = await written(request, write)
    wait_s = wait_of(request)
    is_settled = wait_s is not None and await bridge.wait_settled(answer.ids[0], wait_s, request)
    view = await bridge.call(lambda: engine.run(answer.ids[0]))
    status = 200 if is_settled else 202
    return preferring(accepted(view, location=answer.location, status=status), wait_s)


@router.get("/runs", scope=Scope.READ, **operations.LIST)
async def list_runs(request: Request) -> Response:
    """List runs, newest first; their tasks are counted where one is shown by itself."""
    parameters = Parameters(request, _FILTERS)
    after, limit, bridge = parameters.text("after"), parameters.limit(), bridge_of(request)
    principal = principal_of(request)
    wanted = await bridge.read(lambda database: _wanted(database, parameters, principal))
    page = await bridge.call(lambda: bridge.engine.runs(wanted, after=after, limit=limit))
    return shown_items(request, page.items, page.next)


def _wanted(database: Database, parameters: Parameters, principal: Principal) -> Wanted:
    look = Lookup(database, parameters, principal)
    return Wanted(
        namespace=look.namespace,
        states=parameters.texts("state", STATES),
        workflow=parameters.text("workflow"),
        key=parameters.text("key"),
        schedule=look.schedule("schedule"),
        parent=look.task("parent"),
        origin=look.run("origin"),
        since_us=parameters.instant_us("since"),
        until_us=parameters.instant_us("until"),
    )


@router.get("/runs/{reference}", scope=Scope.READ, **operations.SHOW)
async def show_run(request: Request) -> Response:
    """Return a run, by its UUID or its key."""
    bridge = bridge_of(request)
    target = run_target_of(request, Parameters(request))
    identifier = await bridge.read(target.locate)
    wait_s = wait_of(request)
    if wait_s is not None:
        await bridge.wait_settled(identifier, wait_s, request)
    view = await bridge.call(lambda: bridge.engine.run(identifier))
    return preferring(shown(request, view), wait_s)
