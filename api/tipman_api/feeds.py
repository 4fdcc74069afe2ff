"""Feeds: what they get who follow one task, its events or what an attempt of it writes."""

from functools import partial

from fastapi import Request, Response
from tipman import journal
from tipman.database import Database
from tipman.errors import InvalidError
from tipman.journal import Mark, Wanted

from tipman_api.bridge import bridge_of
from tipman_api.envelopes import line_frame
from tipman_api.hub import Subscriber, hub_of
from tipman_api.stream import BEAT, EventStream, Frames, cursor_of, hello, refused_cursor
from tipman_api.targets import Target

_SEQUENCE_MAX = 2**31


async def follow_events(request: Request, target: Target, after: str | None) -> Response:
    """Return the log of one task as a stream, from its first line or after one.

    Raises:
        NotFoundError: there is no such task.
        InvalidError: its log has no such line.
    """
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
    if not (cursor.isascii() and cursor.isdigit() and int(cursor) < _SEQUENCE_MAX):
        raise refused_cursor(f"{cursor!r} is no number of a line")
    return int(cursor)
