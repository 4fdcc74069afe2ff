"""The event log of all instances over REST: told once, or followed."""

from contextlib import suppress
from functools import partial

from fastapi import Request, Response
from tipman import journal, queries
from tipman.database import Database
from tipman.errors import InvalidError, NotFoundError
from tipman.ids import parse
from tipman.journal import Line, Mark, Wanted
from tipman.listing import Page
from tipman.resources import RUNS_URI, SCHEDULES_URI, URI
from tipman.runs.views import find as find_run
from tipman.schedules import views

from tipman_api import operations
from tipman_api.bridge import bridge_of
from tipman_api.envelopes import envelope_frame, envelope_text
from tipman_api.filters import namespace_in
from tipman_api.hub import Subscriber, hub_of
from tipman_api.parameters import Parameters
from tipman_api.principals import Principal, Scope, principal_of
from tipman_api.representation import shown_page
from tipman_api.routes import Router
from tipman_api.stream import (
    BEAT,
    EventStream,
    Frames,
    cursor_of,
    hello,
    is_asked_for,
    refused_cursor,
)
from tipman_api.targets import Target

PREFIX = "/api/v1"
router = Router(prefix=PREFIX, tags=["events"])
_FILTERS = ("instance", "run", "kind", "name", "since")
_INSTANCES_URI = f"{PREFIX}/instances/"
_FINDS = {URI: queries.find_task, RUNS_URI: find_run, SCHEDULES_URI: views.find}
_READS_MAX = 20
"""Parts of the log that one page looks through; what is wanted may be rare."""


@router.get("/events", scope=Scope.READ, **operations.LIST_EVENTS)
async def list_events(request: Request) -> Response:
    """Return events of all instances, oldest first, or follow them."""
    parameters = Parameters(request, ("after", "limit", *_FILTERS))
    hub, bridge = hub_of(request), bridge_of(request)
    limit, cursor = parameters.limit(), parameters.text("after")
    if is_asked_for(request):
        cursor = cursor_of(request, cursor)
    principal = principal_of(request)
    wanted = await bridge.read(lambda database: _wanted(database, parameters, principal))
    mark = None if cursor is None else await bridge.read(partial(_mark, cursor=cursor))
    if is_asked_for(request):
        if mark is None and wanted.since_us is not None:
            mark = journal.START
        return EventStream(hub, partial(_all_frames, wanted=wanted, mark=mark))
    page = await bridge.read(
        partial(_page, wanted=wanted, mark=mark or journal.START, limit=limit)
    )
    items = [envelope_text(line) for line in page.lines]
    return shown_page(request, Page(items, None if page.is_last else str(page.mark)))


# Following.


async def _all_frames(subscriber: Subscriber, *, wanted: Wanted, mark: Mark | None) -> Frames:
    follower = await subscriber.hub.follow(wanted, mark)
    said = follower.mark
    yield [hello(str(said))]
    async for lines in subscriber.hub.lines(subscriber, follower):
        if lines:
            yield [envelope_frame(line) for line in lines]
            said = lines[-1].mark
        elif said == follower.mark:
            yield [BEAT]
        else:
            # Nothing of this was wanted; who resumes need not look through it again.
            said = follower.mark
            yield [BEAT, f"id: {said}\n\n".encode()]


# Asking.


def _wanted(database: Database, parameters: Parameters, principal: Principal) -> Wanted:
    """Return what the parameters ask for; without a namespace, all that the principal sees."""
    asked_for = parameters.text("namespace")
    namespace_in(database, parameters, principal)
    return Wanted(
        namespace=asked_for or principal.namespace,
        instance=_instance(database, parameters.text("instance"), principal, asked_for),
        run=_run(database, parameters.text("run"), principal, asked_for),
        kind=parameters.choice("kind", operations.EVENT_KINDS),
        names=frozenset(parameters.texts("name")),
        since_us=parameters.instant_us("since"),
    )


def _instance(
    database: Database, reference: str | None, principal: Principal, asked_for: str | None
) -> bytes | None:
    if reference is None:
        return None
    namespace = principal.namespace_for(asked_for)
    return Target(reference, namespace, principal, _find).locate(database)


def _find(database: Database, reference: str, namespace: str) -> bytes:
    """Return the id of the instance that a UUID, a key or a URI names, whatever its kind.

    Raises:
        NotFoundError: there is none.
    """
    text = reference.removeprefix(_INSTANCES_URI)
    if parse(text) is not None:
        return queries.find(database, text, namespace)
    for collection, find in _FINDS.items():
        if reference.startswith(collection):
            return find(database, reference, namespace)
    for find in _FINDS.values():
        with suppress(NotFoundError):
            return find(database, reference, namespace)
    raise NotFoundError(f"no task, run or schedule {reference!r}")


def _run(
    database: Database, reference: str | None, principal: Principal, asked_for: str | None
) -> bytes | None:
    if reference is None:
        return None
    namespace = principal.namespace_for(asked_for)
    return Target(reference, namespace, principal, find_run).locate(database)


def _mark(database: Database, *, cursor: str) -> Mark:
    try:
        mark = journal.mark_of(cursor)
    except InvalidError as error:
        raise refused_cursor(str(error)) from None
    if mark > journal.newest(database):
        # After a restore, say: what this client knows never happened here.
        raise refused_cursor(f"the event log ends before {cursor}")
    return mark


def _page(database: Database, *, wanted: Wanted, mark: Mark, limit: int) -> journal.Page:
    """Return a page that is filled, unless what is wanted is rare."""
    found: list[Line] = []
    page = journal.Page((), mark, is_last=False)
    for _ in range(_READS_MAX):
        page = journal.read(database, wanted, page.mark, limit=limit - len(found))
        found += page.lines
        if page.is_last or len(found) >= limit:
            break
    return journal.Page(found, page.mark, is_last=page.is_last)
