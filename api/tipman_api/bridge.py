"""The bridge from the server's event loop to the engine: events go in, rows come out.

The loop never waits for the database. What is published is answered by a receipt that calls back;
what is read is read on a few threads, each with a connection of its own for that moment.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request
from tipman.bus import Receipt
from tipman.database import Database
from tipman.events import Event
from tipman.runtime import Engine

READERS = 4
"""Threads that read; more would only wait for one another."""
T = TypeVar("T")


class Bridge:
    """One engine, as coroutines see it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="tipman-reader")

    async def publish(self, event: Event) -> None:
        """Put an event onto the bus; return when it is on disk.

        Raises:
            TipmanError: the event was refused; it changed nothing.
        """
        receipt: Receipt = self.engine.core.bus.publish_nowait(event)
        await asyncio.get_running_loop().run_in_executor(self._readers, receipt.result)

    async def read(self, query: Callable[[Database], T]) -> T:
        """Return what *query* finds in committed rows; it runs on another thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._lend, query)

    async def call(self, function: Callable[[], T]) -> T:
        """Return what *function* returns, which runs on another thread as it may read."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, function)

    def close(self) -> None:
        """Let go of the threads."""
        self._readers.shutdown(wait=False)

    def _lend(self, query: Callable[[Database], T]) -> T:
        with self.engine.reading() as database:
            return query(database)


def bridge_of(request: Request) -> Bridge:
    """Return the bridge of the application that a request came to."""
    bridge: Bridge = request.app.state.bridge
    return bridge
