"""Coroutines: one asyncio loop in a thread of its own, for every `async def` task."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from tipman.events import Report
from tipman.executors.calls import Call

CLOSE_WAIT_S = 2.0


class Coroutines:
    """Runs calls on a loop that is started with the first; `deliver` gets what came of each.

    `put` and `cancel` are for one caller at a time, from any thread but the loop's.
    """

    def __init__(self, deliver: Callable[[Call, Report], None]) -> None:
        self._deliver = deliver
        self._loop = asyncio.new_event_loop()
        self._tasks: dict[Call, asyncio.Task[None]] = {}
        self._arrived: deque[Call] = deque()
        self._called = False
        self._closing = False
        self._thread = threading.Thread(target=self._main, name="tipman-loop", daemon=True)
        self._thread.start()

    def put(self, call: Call) -> None:
        """Begin a call.

        Raises:
            RuntimeError: the loop is closed.
        """
        self._arrived.append(call)
        # Waking the loop costs a system call: once for all that arrive before it looks.
        if not self._called:
            self._called = True
            self._loop.call_soon_threadsafe(self._begin)

    def cancel(self, call: Call) -> None:
        """Throw `CancelledError` into a call that still runs."""
        self._loop.call_soon_threadsafe(self._cancel, call)

    def close(self) -> None:
        """Cancel all and end the loop; one that blocks it is left behind after a while."""
        if self._closing:
            return
        self._closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2 * CLOSE_WAIT_S)

    def _begin(self) -> None:
        self._called = False
        while self._arrived:
            call = self._arrived.popleft()
            self._tasks[call] = self._loop.create_task(self._serve(call))

    async def _serve(self, call: Call) -> None:
        report = await call.run_on_loop()
        del self._tasks[call]
        self._deliver(call, report)

    def _cancel(self, call: Call) -> None:
        task = self._tasks.get(call)
        if task is not None:
            # A turn later: a task cancelled before its first step would never report.
            self._loop.call_soon(task.cancel)

    def _main(self) -> None:
        while not self._closing:
            # A user's own asyncio task may raise SystemExit, which asyncio lets through.
            with suppress(SystemExit, KeyboardInterrupt):
                self._loop.run_forever()
        with suppress(SystemExit, KeyboardInterrupt):
            self._loop.run_until_complete(self._wind_down())
        self._loop.close()

    async def _wind_down(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=CLOSE_WAIT_S)
        await self._loop.shutdown_asyncgens()
