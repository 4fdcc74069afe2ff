"""The server: uvicorn's, with an end of our making."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

ANSWERS_S = 5.0
"""What open requests get to be answered when the server stops."""
_DATE_S = 1.0


class Server(uvicorn.Server):
    """Serves an application on a socket that is bound, until `stop`.

    *connection* is the protocol of one. *at_stop* are called on the loop when it begins to stop:
    whoever answers without end, as a stream of events does, ends then. Signals are left to
    whoever runs the engine too.
    """

    def __init__(
        self,
        app: Any,
        connection: type[asyncio.Protocol],
        *,
        at_stop: list[Callable[[], None]],
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=connection,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                # What a client says of its own address is nobody's word but its own.
                proxy_headers=False,
                server_header=False,
            )
        )
        self._at_stop = at_stop
        self._connections = self.server_state.connections = _Connections()
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()

    def stop(self) -> None:
        """Take no more connections, and end when the open answers are given."""
        self.should_exit = True
        self._stopping.set()

    def hurry(self) -> None:
        """Wait no longer for open answers."""
        self.stop()
        self._hurried.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def main_loop(self) -> None:
        """Keep the `Date` of answers right until `stop` is called."""
        while not self.should_exit:
            await self.on_tick(0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _DATE_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close what listens and what idles, and wait a while for what is being answered."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for call in self._at_stop:
            call()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._wait_for_answers()
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    async def _wait_for_answers(self) -> None:
        """Wait until no connection is left; each ends with the answer that it is at."""
        ends = [asyncio.ensure_future(e.wait()) for e in (self._connections.gone, self._hurried)]
        await asyncio.wait(ends, timeout=ANSWERS_S, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        for answer in list(self.server_state.tasks):
            answer.cancel("the server has stopped")


class _Connections(set[Any]):
    """Open connections; `gone` is set while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = asyncio.Event()
        self.gone.set()

    def add(self, connection: Any) -> None:
        super().add(connection)
        self.gone.clear()

    def discard(self, connection: Any) -> None:
        super().discard(connection)
        if not self:
            self.gone.set()
