"""Runs that grow and fork, over REST: tasks and dependencies added, a run begun from another."""

from fastapi import Request
from starlette.responses import Response
from tipman import queries
from tipman.ids import text_of
from tipman.registry.records import Answer
from tipman.resources import RUNS_URI

from tipman_api import growth_operations as operations
from tipman_api.bodies import BODY_KEY
from tipman_api.bridge import bridge_of
from tipman_api.parameters import Parameters, wait_of
from tipman_api.principals import Scope, principal_of
from tipman_api.registry_bodies import asked
from tipman_api.repetition import Keep, written
from tipman_api.representation import accepted, accepted_text, preferring, shown_items
from tipman_api.routes import Router
from tipman_api.targets import run_target_of

router = Router(prefix="/api/v1/runs/{reference}", tags=["runs"])
_EDGES_MAX = 2**31 - 1


@router.post("/tasks", scope=Scope.OPERATE, status_code=202, **operations.ADD_TASKS)
async def add_run_tasks(request: Request) -> Response:
    """Add tasks to a run that has not ended, all or none; they are written as in its workflow."""
    bridge, principal = bridge_of(request), principal_of(request)
    target, engine = run_target_of(request, Parameters(request)), bridge.engine
    tasks = asked(request, operations.AddedTasks).tasks

    async def write(keep: Keep) -> Answer:
        run = await bridge.read(target.locate)
        event = await bridge.call(lambda: engine.growth(run, tasks, actor=principal.name))
        answer = Answer(202, None, tuple(s.instance for s in event.submissions))
        await bridge.publish(event, keep(lambda _: answer))
        return answer

    answer = await written(request, write)
    texts = await bridge.read(
        lambda database: queries.task_texts(database, answer.ids, epoch=engine.epoch)
    )
    return accepted_text(f'{{"items":[{",".join(texts)}]}}')


@router.get("/dependencies", scope=Scope.READ, **operations.LIST_DEPENDENCIES)
async def list_run_dependencies(request: Request) -> Response:
    """List who waits for whom in a run, in the order of its tasks and of their dependencies."""
    bridge = bridge_of(request)
    parameters = Parameters(request, ("after", "limit"))
    target, limit = run_target_of(request, parameters), parameters.limit()
    after = parameters.number("after", least=0, most=_EDGES_MAX) or 0
    run = await bridge.read(target.locate)
    edges = (await bridge.call(lambda: bridge.engine.run_graph(run))).edges
    items = [
        {"task": edge.target, "dependency": edge.source, "carry": edge.carry}
        for edge in edges[after : after + limit]
    ]
    following = str(after + limit) if len(edges) > after + limit else None
    return shown_items(request, items, following)


@router.post("/dependencies", scope=Scope.OPERATE, status_code=202, **operations.ADD_DEPENDENCIES)
async def add_run_dependencies(request: Request) -> Response:
    """Let tasks of a run that have not begun wait for more of its tasks, all or none.

    One that has settled already counts at once. Answered with the run as it is after the commit.
    """
    bridge, principal = bridge_of(request), principal_of(request)
    target, engine = run_target_of(request, Parameters(request)), bridge.engine
    edges = asked(request, operations.AddedDependencies).dependencies

    async def write(keep: Keep) -> Answer:
        run = await bridge.read(target.locate)
        answer = Answer(202, ids=(run,))
        event = engine.attachment(run, edges, actor=principal.name)
        await bridge.publish(event, keep(lambda _: answer))
        return answer

    answer = await written(request, write)
    return accepted(await bridge.call(lambda: engine.run(answer.ids[0])))


@router.post("/fork", scope=Scope.OPERATE, status_code=202, **operations.FORK)
async def fork_run(request: Request) -> Response:
    """Run the same again from one of its tasks on; what succeeded before it is taken over.

    Answered once it is on disk; with `Prefer: wait=10` once it has settled or the wait ran out.
    """
    bridge, principal = bridge_of(request), principal_of(request)
    target, engine = run_target_of(request, Parameters(request)), bridge.engine
    body = asked(request, operations.Fork) if BODY_KEY in request.scope else operations.Fork()

    async def write(keep: Keep) -> Answer:
        run = await bridge.read(target.locate)
        event = await bridge.call(
            lambda: engine.forking(
                run, body.from_task, body.input, key=body.key, actor=principal.name
            )
        )
        answer = Answer(202, RUNS_URI + text_of(event.instance), (event.instance,))
        await bridge.publish(event, keep(lambda _: answer))
        return answer

    answer = await written(request, write)
    wait_s = wait_of(request)
    is_settled = wait_s is not None and await bridge.wait_settled(answer.ids[0], wait_s, request)
    view = await bridge.call(lambda: engine.run(answer.ids[0]))
    status = 200 if is_settled else 202
    return preferring(accepted(view, location=answer.location, status=status), wait_s)
