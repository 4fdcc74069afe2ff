"""Outputs: what an attempt writes, followed until it has ended."""

import json
import re
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from fastapi import Request, Response
from tipman import queries
from tipman.database import Database
from tipman.errors import NotFoundError
from tipman.executors.output import Part, text_of_bytes
from tipman.executors.playback import Playback
from tipman.handles import Handle
from tipman.journal import Wanted
from tipman.tail import Follower

from tipman_api.bridge import Bridge, bridge_of
from tipman_api.hub import Subscriber, hub_of
from tipman_api.stream import (
    BEAT,
    EventStream,
    Frames,
    cursor_of,
    frame,
    hello,
    refused_cursor,
)
from tipman_api.targets import Target

_CURSOR = re.compile(r"(?:([1-9]\d{0,8})\.)?(\d{1,18})(\.end)?", re.ASCII)
_PARTS = 4
"""Parts that are read at once: as many as fill a frame."""


class _Place(NamedTuple):
    """Where a client goes on: attempt None means the last one, at that moment."""

    attempt: int | None
    offset: int
    is_end: bool


async def follow_output(
    request: Request, target: Target, *, stream: str, attempt: int | None, after: str | None
) -> Response:
    """Return what an attempt writes as a stream, which ends with the attempt.

    Before the first attempt it waits for that, or for the end of the task.

    Raises:
        NotFoundError: there is no such task or attempt.
        InvalidError: the cursor is none, or is of another attempt.
    """
    hub, bridge = hub_of(request), bridge_of(request)
    place = _place(cursor_of(request, after), attempt)
    task, last = await bridge.read(partial(_located, target=target))
    if place.attempt is not None and place.attempt > last:
        raise NotFoundError(f"there is no attempt {place.attempt} of {target.reference!r} yet")
    if place.is_end:
        # To a browser this says: do not come back.
        return Response(status_code=204)
    feed = partial(
        _Feed,
        bridge=bridge,
        task=Handle(task, bridge.engine),
        stream=stream,
        place=place._replace(attempt=place.attempt or last or None),
    )
    return EventStream(hub, lambda subscriber: feed(subscriber).frames())


class _Feed:
    """One client's way through one stream of one attempt."""

    def __init__(
        self, subscriber: Subscriber, *, bridge: Bridge, task: Handle, stream: str, place: _Place
    ) -> None:
        self._subscriber = subscriber
        self._bridge = bridge
        self._task = task
        self._stream = stream
        self._attempt = place.attempt
        self._offset = place.offset
        self._outcome: str | None = None

    async def frames(self) -> Frames:
        """Yield what is to be sent, to the end of the attempt."""
        hub, begun = self._subscriber.hub, self._attempt is not None
        follower = await hub.follow(Wanted(instance=self._task.identifier), None)
        yield [hello(self._cursor() if begun else "0")]
        # Looked at after its log was followed, so that no end falls between the two.
        await self._look()
        while self._attempt is None and self._outcome is None and not self._is_over(follower):
            if await self._has_happened(follower):
                await self._look()
            elif await self._subscriber.woken():
                yield [BEAT]
        if self._attempt is not None:
            async for some in self._written(follower, self._attempt):
                yield some
        if self._outcome is not None and not self._subscriber.is_over:
            yield [self._end()]

    async def _written(self, follower: Follower, attempt: int) -> Frames:
        hub, wake = self._subscriber.hub, self._subscriber.wake
        path = str(self._bridge.engine.output_path(self._task, attempt, self._stream))
        first = {"task": self._task.uri, "attempt": attempt, "stream": self._stream}
        yield [frame(self._cursor(), "attempt", json.dumps(first))]
        is_final = False
        with Playback(path, self._offset) as playback, hub.lookout.watching(path, wake):
            read = partial(playback.parts, _PARTS, max(hub.frame_bytes // _PARTS, 4))
            while not self._is_over(follower):
                if parts := await self._bridge.call(read):
                    yield self._told(parts)
                elif is_final:
                    return
                elif self._outcome is not None:
                    # What it wrote last may have come since it was last read.
                    is_final = True
                    playback.finish()
                elif await self._has_happened(follower):
                    await self._look()
                elif await self._subscriber.woken():
                    yield [BEAT]

    def _told(self, parts: Sequence[Part]) -> list[bytes]:
        found = []
        for offset, data in parts:
            if offset > self._offset:
                gap = {"offset": self._offset, "bytes": offset - self._offset}
                self._offset = offset
                found.append(frame(self._cursor(), "cut", json.dumps(gap)))
            self._offset = offset + len(data)
            told = {"offset": offset, "text": text_of_bytes(data)}
            found.append(frame(self._cursor(), "output", json.dumps(told, ensure_ascii=False)))
        return found

    def _end(self) -> bytes:
        bytes_ = None if self._attempt is None else self._offset
        told = {"attempt": self._attempt, "outcome": self._outcome, "bytes": bytes_}
        return frame(f"{self._cursor()}.end", "end", json.dumps(told))

    def _cursor(self) -> str:
        return str(self._offset) if self._attempt is None else f"{self._attempt}.{self._offset}"

    def _is_over(self, follower: Follower) -> bool:
        return self._subscriber.is_over or follower.has_ended

    async def _has_happened(self, follower: Follower) -> bool:
        """Tell whether the log of the task went on since this was asked before."""
        lines = follower.recent()
        if lines is None:
            return bool(await self._subscriber.hub.read(follower.read))
        return bool(lines)

    async def _look(self) -> None:
        self._attempt, self._outcome = await self._bridge.read(
            partial(_standing, task=self._task.identifier, attempt=self._attempt)
        )


def _standing(
    database: Database, *, task: bytes, attempt: int | None
) -> tuple[int | None, str | None]:
    """Return which attempt is followed, by default the last, and how it or its task has ended."""
    number = attempt or queries.last_attempt(database, task)
    if not number:
        settled = queries.is_settled(database, task)
        return None, queries.outcome(database, task)[0] if settled else None
    ended = queries.attempts(database, task, after=number - 1, limit=1)
    return number, ended[0]["outcome"] if ended and ended[0]["number"] == number else None


def _located(database: Database, *, target: Target) -> tuple[bytes, int]:
    task = target.locate(database)
    return task, queries.last_attempt(database, task)


def _place(cursor: str | None, attempt: int | None) -> _Place:
    if cursor is None:
        return _Place(attempt, 0, is_end=False)
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise refused_cursor(f"{cursor!r} is no place in an output")
    meant = int(found[1]) if found[1] else attempt
    if attempt is not None and meant != attempt:
        raise refused_cursor(f"{cursor!r} is not of attempt {attempt}")
    return _Place(meant, int(found[2]), is_end=found[3] is not None)
