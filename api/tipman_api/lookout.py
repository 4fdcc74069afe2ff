"""The lookout: tells those who follow a file that it has grown.

Files are written by processes of their own, and no way to be told of it is there on every system
(inotify is Linux's alone and not in the standard library). So all the files that somebody follows
are looked at together, ten times a second; nothing is looked at while nobody follows.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from tipman_api.bridge import Bridge

LOOK_S = 0.1
"""How often files are looked at: as late as output may arrive."""
_Sight = tuple[int, int] | None


class Lookout:
    """Wakes whoever watches a file that has changed."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._watched: dict[object, tuple[str, Callable[[], None]]] = {}
        self._seen: dict[str, _Sight] = {}
        self._rounds: asyncio.Task[None] | None = None

    @contextmanager
    def watching(self, path: str, wake: Callable[[], None]) -> Iterator[None]:
        """Call *wake* whenever this file was changed, while the block lasts."""
        token = object()
        self._watched[token] = path, wake
        if self._rounds is None:
            self._rounds = asyncio.create_task(self._go_round())
        try:
            yield
        finally:
            del self._watched[token]

    async def _go_round(self) -> None:
        try:
            while self._watched:
                await asyncio.sleep(LOOK_S)
                paths = {path for path, _ in self._watched.values()}
                seen = await self._bridge.call(partial(_sights, paths))
                before, self._seen = self._seen, seen
                for path, wake in self._watched.values():
                    if path in seen and seen[path] != before.get(path):
                        wake()
        finally:
            self._rounds = None


def _sights(paths: Iterable[str]) -> dict[str, _Sight]:
    return {path: _sight(path) for path in paths}


def _sight(path: str) -> _Sight:
    with suppress(OSError):
        # Text, as all paths of the executors.
        found = os.stat(path)  # noqa: PTH116
        return found.st_ino, found.st_size
    return None
