"""Feeds: the log of one instance, as a list or as a stream."""

from collections.abc import Callable
from functools import partial

from fastapi import Request, Response
from tipman import journal, queries
from tipman.database import Database
from tipman.errors import InvalidError
from tipman.journal import Mark, Wanted

from tipman_api.bridge import bridge_of
from tipman_api.envelopes import line_frame
from tipman_api.hub import Subscriber, hub_of
from tipman_api.parameters import Parameters
from tipman_api.representation import shown_items
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

NUMBER_MAX = 2**31 - 1
"""Of a line, and of an attempt."""


async def shown_events(
    request: Request, locate: Callable[[Request, Parameters], Target]
) -> Response:
    """Return the log of the instance that a path names, oldest line first, or follow it.

    *locate* finds the instance.

    Raises:
        NotFoundError: there is no such instance.
        InvalidError: a parameter says what can not be.
    """
    parameters = Parameters(request, ("after", "limit"))
    target, limit = locate(request, parameters), parameters.limit()
    if is_asked_for(request):
        return await _follow(request, target, parameters.text("after"))
    after = parameters.number("after", least=0, most=NUMBER_MAX) or 0

    def lines(database: Database) -> list[dict[str, object]]:
        return queries.log(database, target.locate(database), after=after, limit=limit + 1)

    found = await bridge_of(request).read(lines)
    following = str(found[limit - 1]["seq"]) if len(found) > limit else None
    return shown_items(request, found[:limit], following)


async def _follow(request: Request, target: Target, after: str | None) -> Response:
    sequence = _sequence(cursor_of(request, after))

    def place(database: Database) -> tuple[Wanted, Mark]:
        task = target.locate(database)
        try:
            return Wanted(instance=task), journal.mark_in(database, task, sequence)
        except InvalidError as error:
            raise refused_cursor(str(error)) from None

    wanted, mark = await bridge_of(request).read(place)
    return EventStream(
        hub_of(request), partial(_lines, wanted=wanted, mark=mark, sequence=sequence)
    )


async def _lines(subscriber: Subscriber, *, wanted: Wanted, mark: Mark, sequence: int) -> Frames:
    follower = await subscriber.hub.follow(wanted, mark)
    yield [hello(str(sequence))]
    async for lines in subscriber.hub.lines(subscriber, follower):
        yield [line_frame(line) for line in lines] or [BEAT]


def _sequence(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and int(cursor) <= NUMBER_MAX):
        raise refused_cursor(f"{cursor!r} is no number of a line")
    return int(cursor)
