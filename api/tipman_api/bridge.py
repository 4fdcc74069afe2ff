"""The bridge from the server's event loop to the engine: events go in, rows come out.

The loop never waits for the database. What is published is answered by a receipt that calls back;
what is read is read on a few threads, each with a connection of its own for that moment.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from starlette.requests import Request
from starlette.types import Receive
from tipman import queries
from tipman.bus import Bus
from tipman.database import Database
from tipman.errors import NotFoundError
from tipman.events import Event, Submission, TasksSubmitted
from tipman.ids import parse, text_of
from tipman.instances import row_of
from tipman.receipts import Receipt
from tipman.registry.repeats import Memo
from tipman.resources import URI, TaskRow, task_text
from tipman.runtime import Engine

from tipman_api.targets import Target

READERS = 4
"""Threads that read; more would only wait for one another."""
T = TypeVar("T")


_Wanted = tuple[bytes, "asyncio.Future[str]"]


class Bridge:
    """One engine, as coroutines see it.

    `at_stop` are called on the loop when the server begins to stop; what answers without end (a
    stream, a wait) puts there how it ends.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.at_stop: list[Callable[[], None]] = []
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="tipman-reader")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._calls: deque[Callable[[], None]] = deque()
        self._wanted: list[_Wanted] = []
        self._is_called = self._is_attended = False
        self.at_stop.append(self._stopping.set)

    @property
    def is_stopping(self) -> bool:
        """Whether the server has begun to stop."""
        return self._stopping.is_set()

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve the coroutines of this loop."""
        self._loop = loop

    def close(self) -> None:
        """Let go of the threads."""
        self._readers.shutdown(wait=False)
        self._loop = None

    # Writing.

    async def publish(self, event: Event, memo: Memo | None = None) -> Receipt:
        """Put an event onto the bus; return its receipt when it is on disk.

        With a *memo* it is handled once for all its repeats.

        Raises:
            TipmanError: the event was refused; it changed nothing.
        """
        receipt = _Answer(self, asyncio.get_running_loop().create_future(), memo)
        self._put(event, receipt)
        await receipt.decided
        return receipt

    async def publish_all(self, events: Iterable[Event]) -> list[BaseException | None]:
        """Put events onto the bus, in order; return for each why it was refused, or None."""
        decided = [asyncio.ensure_future(self.publish(event)) for event in events]
        outcomes = await asyncio.gather(*decided, return_exceptions=True)
        return [each if isinstance(each, BaseException) else None for each in outcomes]

    async def submit(self, event: TasksSubmitted, memo: Memo | None = None) -> str:
        """Submit one task; return it as JSON text, as it is after the commit.

        Raises:
            TipmanError: it was refused; nothing is there.
        """
        receipt = _Submitted(self, asyncio.get_running_loop().create_future(), memo)
        receipt.submission = event.submissions[0]
        self._put(event, receipt)
        await receipt.decided
        if receipt.row is None:
            return await self.read(lambda database: self._text(event.instance, database))
        return task_text(receipt.row, (), self.engine.epoch)

    def call_soon(self, call: Callable[[], None]) -> None:
        """Make a call on the loop, from any thread; many calls wake it once."""
        self._calls.append(call)
        if not self._is_called:
            # Set before the call is asked for and cleared before the calls are taken, so that
            # none is overlooked.
            self._is_called = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._make_calls)

    # Reading.

    async def read(self, query: Callable[[Database], T]) -> T:
        """Return what *query* finds in committed rows; it runs on another thread."""
        return await self.call(lambda: self._lend(query))

    async def call(self, function: Callable[[], T]) -> T:
        """Return what *function* returns, which runs on another thread as it may read."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._readers.submit(self._run, function, answer)
        return await answer

    async def show(self, target: Target) -> str:
        """Return a task as JSON text.

        Raises:
            NotFoundError: there is none, or none that is to be seen.
        """
        # Whoever may see every namespace and gives a UUID needs no look at who it belongs to.
        identifier = None if target.principal.namespace else parse(target.reference)
        if identifier is None:
            return await self.read(lambda database: self._text(target.locate(database), database))
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()
        self._wanted.append((identifier, answer))
        if len(self._wanted) == 1:
            # What this turn of the loop wants besides is read with it, by one query.
            loop.call_soon(self._read_wanted)
        return await answer

    # Waiting.

    async def wait_settled(self, identifier: bytes, timeout_s: float, request: Request) -> bool:
        """Wait until an instance has settled; return whether it has.

        A server that stops waits no longer, nor does one whose client has left: thousands who
        each asked again after a second would else be waited for at once.
        """
        settled = asyncio.Event()
        forget = self.engine.when_settled(identifier, lambda: self.call_soon(settled.set))
        awaited = (settled.wait(), self._stopping.wait(), until_left(request.receive))
        ends = [asyncio.ensure_future(each) for each in awaited]
        try:
            # Looked at after it was asked to be told, so that no settling falls between the two.
            if not await self.call(lambda: self.engine.is_settled(identifier)):
                await asyncio.wait(ends, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            forget()
            for end in ends:
                end.cancel()
        return settled.is_set() or await self.call(lambda: self.engine.is_settled(identifier))

    async def wait_all_settled(
        self, identifiers: Iterable[bytes], timeout_s: float, request: Request
    ) -> bool:
        """Wait until all of them have settled; return whether they have. As `wait_settled`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        for identifier in identifiers:
            left_s = max(deadline - loop.time(), 0.0)
            if not await self.wait_settled(identifier, left_s, request):
                return False
        return True

    # Inside.

    def _put(self, event: Event, receipt: Receipt) -> None:
        """Put an event onto the bus, together with what else this turn of the loop brings.

        A bus that looked at once would take the first of many and commit it alone.
        """
        bus = self.engine.core.bus
        bus.put(event, receipt)
        if not self._is_attended:
            self._is_attended = True
            asyncio.get_running_loop().call_soon(self._attend, bus)

    def _attend(self, bus: Bus) -> None:
        self._is_attended = False
        bus.attend()

    def _read_wanted(self) -> None:
        wanted, self._wanted = self._wanted, []
        self._readers.submit(self._show_all, wanted)

    def _show_all(self, wanted: list[_Wanted]) -> None:
        identifiers = list({identifier for identifier, _ in wanted})
        try:
            with self.engine.reading() as database:
                found = queries.texts_by_id(database, identifiers, epoch=self.engine.epoch)
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            self.call_soon(partial(_fail_all, wanted, error))
        else:
            self.call_soon(partial(_give_all, wanted, found))

    def _text(self, identifier: bytes, database: Database) -> str:
        texts = queries.texts_by_id(database, (identifier,), epoch=self.engine.epoch)
        if not texts:
            raise NotFoundError(f"no task at {URI}{text_of(identifier)}")
        return texts[identifier]

    def _run(self, function: Callable[[], T], answer: "asyncio.Future[T]") -> None:
        # The executor's own way to the loop wakes it once for each, not once for many.
        try:
            found = function()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            self.call_soon(partial(_fail, answer, error))
        else:
            self.call_soon(partial(_give, answer, found))

    def _lend(self, query: Callable[[Database], T]) -> T:
        with self.engine.reading() as database:
            return query(database)

    def _make_calls(self) -> None:
        self._is_called = False
        calls = self._calls
        while calls:
            calls.popleft()()


def _give(answer: "asyncio.Future[T]", found: T) -> None:
    # Whoever waited may have gone.
    if not answer.done():
        answer.set_result(found)


def _fail(answer: "asyncio.Future[T]", error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)


def _give_all(wanted: list[_Wanted], found: Mapping[bytes, str]) -> None:
    for identifier, answer in wanted:
        text = found.get(identifier)
        if text is None:
            _fail(answer, NotFoundError(f"no task at {URI}{text_of(identifier)}"))
        else:
            _give(answer, text)


def _fail_all(wanted: list[_Wanted], error: BaseException) -> None:
    for _, answer in wanted:
        _fail(answer, error)


class _Answer(Receipt):
    """A receipt that a coroutine waits for."""

    __slots__ = ("_bridge", "_refusal", "decided")

    def __init__(self, bridge: Bridge, decided: "asyncio.Future[None]", memo: Memo | None) -> None:
        super().__init__(memo)
        self._bridge = bridge
        self._refusal: BaseException | None = None
        self.decided = decided

    def settle(self, error: BaseException | None) -> None:
        super().settle(error)
        self._refusal = error
        self._bridge.call_soon(self._tell)

    def _tell(self) -> None:
        if self.decided.done():
            # Whoever waited has gone.
            return
        if self._refusal is None:
            self.decided.set_result(None)
        else:
            self.decided.set_exception(self._refusal)


class _Submitted(_Answer):
    """A receipt for one task, with what is shown of it as of its commit."""

    __slots__ = ("row", "submission")
    submission: Submission

    def __init__(self, bridge: Bridge, decided: "asyncio.Future[None]", memo: Memo | None) -> None:
        super().__init__(bridge, decided, memo)
        self.row: TaskRow | None = None

    def settle(self, error: BaseException | None) -> None:
        # Read here, on the bus's thread, which changes nothing before this returns.
        if error is None and not self.submission.dependencies:
            instance = self._bridge.engine.core.directory.cached(self.submission.instance)
            if instance is not None:
                self.row = row_of(instance, self.submission.row)
        super().settle(error)


def bridge_of(request: Request) -> Bridge:
    """Return the bridge of the application that a request came to."""
    bridge: Bridge = request.app.state.bridge
    return bridge


async def until_left(receive: Receive) -> None:
    """Return once the client of a request, whose body was read, has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
