"""Tasks over REST: submitted, listed, shown."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from starlette.responses import Response
from tipman import listing, queries
from tipman.database import Database
from tipman.definitions.named import is_by_definition
from tipman.errors import Fault, InvalidError
from tipman.events import TasksSubmitted
from tipman.ids import text_of
from tipman.registry.records import Answer
from tipman.resources import URI
from tipman.submission import within
from tipman.telemetry import traceparent_of

from tipman_api import operations
from tipman_api.bodies import body_of
from tipman_api.bridge import Bridge, bridge_of
from tipman_api.filters import NAMES, filter_of
from tipman_api.parameters import Parameters, agreed, wait_of
from tipman_api.principals import Principal, Scope, principal_of
from tipman_api.registry_bodies import asked
from tipman_api.repetition import Keep, written
from tipman_api.representation import (
    JSON,
    accepted_text,
    preferring,
    shown_bytes,
    shown_page,
)
from tipman_api.routes import Router
from tipman_api.targets import target_of

router = Router(prefix="/api/v1/tasks", tags=["tasks"])
_AT_ONCE = 20
"""Tasks of a batch that are checked without leaving the event loop."""
_FIRST = "/tasks/0"


@router.post("", scope=Scope.OPERATE, status_code=202, **operations.SUBMIT_TASK)
async def submit_task(request: Request) -> Response:
    """Submit a task.

    Answered once it is on disk; with `Prefer: wait=10` once it has settled or the wait ran out.
    """
    bridge, principal = bridge_of(request), principal_of(request)
    namespace = Parameters(request).text("namespace")
    given = placed(body_of(request), namespace, principal)
    text = ""

    async def write(keep: Keep) -> Answer:
        nonlocal text
        try:
            event = traced(request, await _event(bridge, given, principal))
            answer = _answer(event)
            text = await bridge.submit(event, keep(lambda _: answer))
        except InvalidError as error:
            raise _bare(error) from None
        return answer

    answer = await written(request, write)
    return await _settled_or_not(request, answer, text)


@router.post("/batch", scope=Scope.OPERATE, status_code=202, **operations.SUBMIT_BATCH)
async def submit_batch(request: Request) -> Response:
    """Submit several tasks, all or none; dependencies are keys of the batch first."""
    bridge, principal = bridge_of(request), principal_of(request)
    namespace = Parameters(request).text("namespace")
    batch = asked(request, operations.Batch)
    given = [
        placed(item, namespace, principal, f"/tasks/{place}")
        for place, item in enumerate(batch.tasks)
    ]
    engine, policy = bridge.engine, batch.on_failure

    async def write(keep: Keep) -> Answer:
        if len(given) > _AT_ONCE or any(map(is_by_definition, given)):
            event = await bridge.call(
                lambda: engine.batch(given, actor=principal.name, on_failure=policy)
            )
        else:
            event = engine.batch(given, actor=principal.name, on_failure=policy)
        event = traced(request, event)
        answer = Answer(202, None, tuple(s.instance for s in event.submissions))
        await bridge.publish(event, keep(lambda _: answer))
        return answer

    answer = await written(request, write)
    wait_s = wait_of(request)
    is_settled = wait_s is not None and await bridge.wait_all_settled(answer.ids, wait_s, request)
    texts = await bridge.read(
        lambda database: queries.task_texts(database, answer.ids, epoch=engine.epoch)
    )
    body = f'{{"items":[{",".join(texts)}]}}'
    return preferring(accepted_text(body, status=200 if is_settled else 202), wait_s)


@router.get("", scope=Scope.READ, **operations.LIST_TASKS)
async def list_tasks(request: Request) -> Response:
    """List tasks, newest first."""
    bridge = bridge_of(request)
    parameters = Parameters(request, (*NAMES, "after", "limit"))
    principal, epoch = principal_of(request), bridge.engine.epoch
    cursor, limit = parameters.text("after"), parameters.limit()

    def found(database: Database) -> listing.Page:
        wanted = filter_of(database, parameters, principal)
        return listing.page(database, wanted, cursor=cursor, limit=limit, epoch=epoch)

    return shown_page(request, await bridge.read(found))


@router.get("/{reference}", scope=Scope.READ, **operations.SHOW_TASK)
async def show_task(request: Request) -> Response:
    """Return a task, by its UUID or its key."""
    bridge = bridge_of(request)
    target = target_of(request, Parameters(request))
    wait_s = wait_of(request)
    if wait_s is not None:
        identifier = await bridge.read(target.locate)
        await bridge.wait_settled(identifier, wait_s, request)
    text = await bridge.show(target)
    return preferring(shown_bytes(request, text.encode(), JSON), wait_s)


def placed(given: object, namespace: str | None, principal: Principal, at: str = "") -> Any:
    """Return a submission, which stands at *at* in the body, with the namespace it goes to.

    Raises:
        ForbiddenError: one that the token is not for.
        InvalidError: it names one, and the query another.
    """
    if not isinstance(given, Mapping):
        return given
    said = given.get("namespace")
    if said is not None and not isinstance(said, str):
        # Whoever knows what a task is says what is wrong with it.
        return given
    there = principal.namespace_for(agreed(said, namespace, f"{at}/namespace"))
    return given if there == given.get("namespace", "default") else {**given, "namespace": there}


async def _event(bridge: Bridge, given: Any, principal: Principal) -> TasksSubmitted:
    engine = bridge.engine
    if is_by_definition(given):
        return await bridge.call(lambda: engine.submission(given, actor=principal.name))
    return engine.submission(given, actor=principal.name)


def traced(request: Request, event: TasksSubmitted) -> TasksSubmitted:
    """Return the submission, made within the span that the request says it is part of."""
    traceparent = traceparent_of(request.headers.get("traceparent"))
    return event if traceparent is None else within(event, traceparent)


def _answer(event: TasksSubmitted) -> Answer:
    return Answer(202, URI + text_of(event.instance), (event.instance,))


async def _settled_or_not(request: Request, answer: Answer, text: str) -> Response:
    """Answer a submission: as it is, or with a wait as it has become."""
    bridge, wait_s = bridge_of(request), wait_of(request)
    is_settled = wait_s is not None and await bridge.wait_settled(answer.ids[0], wait_s, request)
    if wait_s is not None or not text:
        text = await bridge.read(lambda database: _text(database, answer.ids, bridge))
    response = accepted_text(text, location=answer.location, status=200 if is_settled else 202)
    return preferring(response, wait_s)


def _text(database: Any, identifiers: Sequence[bytes], bridge: Bridge) -> str:
    found = queries.texts_by_id(database, identifiers, epoch=bridge.engine.epoch)
    return found[identifiers[0]]


def _bare(error: InvalidError) -> InvalidError:
    """Return the error with pointers into the one task that was sent."""
    faults = tuple(Fault(f.pointer.removeprefix(_FIRST), f.detail) for f in error.faults)
    return type(error)(str(error).replace(f"{_FIRST}/", "/"), faults)
