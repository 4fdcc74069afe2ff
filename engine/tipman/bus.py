"""The bus: one queue, first in first out, handled by one thread, committed in groups.

A drain takes what is waiting, lets the handlers stage their changes, commits once, and only then
answers the publishers and lets the effects out. An unloaded bus commits at once: batching never
waits for company.
"""

import logging
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from tipman.checkpoints import Checkpoints
from tipman.clock import Clock
from tipman.database import DRIVER_ERRORS, Database, Row
from tipman.effects import Effect
from tipman.errors import DatabaseError, RepeatedError, TipmanError
from tipman.events import Event
from tipman.inbox import event_of, is_left, text_of
from tipman.interludes import Interludes
from tipman.receipts import Answer, Company, Receipt
from tipman.registry.repeats import Memo
from tipman.run_events import DependentsSettled
from tipman.ticks import Published, Tick, Ticks
from tipman.tipman import TIPMan

EVENTS_MAX = 2_000
"""Events one drain handles at most; the rest is for the next."""
ROWS_MAX = 20_000
"""Rows a drain stages before it stops taking events; one event may go beyond."""
DRAIN_S_MAX = 0.1
"""Seconds after which a drain takes no more events, so that nobody waits long for the commit."""
_LOOKS_AT_CLOCK = 64
_WAKE = None
_log = logging.getLogger(__name__)

Handler = Callable[[Any, TIPMan], list[Effect]]


class Bus:
    """Takes events from any thread and handles them on one at a time: whoever has the turn.

    That is the thread of `run`, or a thread that hands in the only event there is; without `run`
    it is whoever calls `drain`.

    *perform* is given the effects and the log lines of each commit, in order. *failed* is called
    once, when the database can not be written or a row is not as it must be: nothing is
    acknowledged after that.
    """

    def __init__(
        self,
        database: Database,
        directory: TIPMan,
        clock: Clock,
        handlers: Mapping[type[Event], Handler],
        dispatch: Callable[[TIPMan], list[Effect]],
    ) -> None:
        self._database = database
        self._directory = directory
        self._registry = directory.registry
        self._clock = clock
        self._handlers = dict(handlers)
        self._dispatch = dispatch
        self.perform: Callable[[list[Effect], list[Row]], None] = lambda _effects, _lines: None
        self.failed: Callable[[BaseException], None] = lambda _error: None
        self.is_alone: Callable[[], bool] = lambda: False
        """Whether nobody could report anything but the one who asks; from any thread."""
        self._queue: SimpleQueue[Published] = SimpleQueue()
        self._internal: deque[tuple[Event, int | None]] = deque()
        self._next_number = 1
        self._closed: TipmanError | None = None
        self._turn = allocate_lock()
        self._signal: SimpleQueue[None] = SimpleQueue()
        self._signalled = False
        self._company = Company()
        self.interludes = Interludes(database, self.attend)
        self.ticks = Ticks(clock, self.attend)
        self._checkpoints = Checkpoints(database)
        self.is_running = False

    # Publishing, from any thread.

    def publish(self, event: Event, memo: Memo | None = None) -> Any:
        """Put an event onto the bus; return what its handler answers, when it is on disk.

        Raises:
            TipmanError: the event was refused; it changed nothing.
            RepeatedError: with a *memo* only, it was made before and its answer can be recalled.
        """
        receipt = Receipt(memo)
        receipt.is_waited_for = True
        return self.publish_nowait(event, receipt).result()

    def publish_nowait(self, event: Event, receipt: Receipt | None = None) -> Receipt:
        """Put an event onto the bus; the receipt, a new one or the one given, tells of it."""
        receipt = receipt or Receipt()
        self.put(event, receipt)
        self.attend()
        return receipt

    def publish_many(self, events: Iterable[Event]) -> list[Receipt]:
        """Put several events onto the bus, in order; each is decided for itself."""
        return [self.publish_nowait(event) for event in events]

    def report(self, event: Event) -> None:
        """Put an event onto the bus and expect no answer, as executors and timers do."""
        self._queue.put((event, None))
        self.attend()

    def hand_in(self, event: Event) -> None:
        """Put an event onto the bus, and handle it on this thread if it is all there is to do.

        For a thread that holds no lock and has nothing else to do: it saves two changes of thread.
        Where others are at work too, or were just answered, their events may share the commit,
        and the bus's own thread takes them together.
        """
        self._queue.put((event, None))
        is_only = self.is_running and not self._signalled and not self._company.is_answered
        if not (is_only and self.is_alone() and self._turn.acquire(blocking=False)):
            self.attend()
            return
        try:
            self._drain()
        finally:
            self._turn.release()
        if self._has_work:
            self.attend()

    def wake(self) -> None:
        """Make a waiting `run` look again."""
        self._signal.put(None)

    def put(self, event: Event, receipt: Receipt) -> None:
        """Put an event onto the bus without making it look; `attend` does, once for several."""
        self._queue.put((event, receipt))
        closed = self._closed
        if closed is not None:
            # Nobody comes to take it any more.
            self._refuse_waiting(closed)

    def attend(self) -> None:
        """Make the bus look, unless it is about to."""
        # Set before the put and cleared before the look, so that no event is overlooked.
        if not self._signalled and self._queue.qsize() >= self._company.awaited:
            self._signalled = True
            self._signal.put(None)

    # Handling, by whoever has the turn.

    @property
    def _has_work(self) -> bool:
        return bool(
            self._internal
            or not self._queue.empty()
            or self.ticks.is_waited_for
            or self.interludes.is_waited_for
            or self._checkpoints.is_due
        )

    def run(self, stopped: Callable[[], bool]) -> None:
        """Drain until *stopped* says so or the bus has failed; `wake` makes it look."""
        self.is_running = True
        while self._closed is None and not stopped():
            self._signal.get()
            self._signalled = False
            self.drain()
            while self._has_work and self._closed is None:
                self._await_company()
                self.drain()
        self.is_running = False

    def _await_company(self) -> None:
        """Let those who were just answered come again, for no longer than a commit takes."""
        company, queue, now = self._company, self._queue, self._clock.monotonic
        if not company.is_likely:
            return
        deadline = now() + company.commit_s
        company.awaited = company.expected
        self._signalled = False
        while queue.qsize() < company.awaited and (left_s := deadline - now()) > 0:
            try:
                self._signal.get(timeout=left_s)
            except Empty:
                break
            self._signalled = False
        company.awaited = 0

    def drain(self) -> bool:
        """Handle what is waiting, commit it, answer; return whether there was anything."""
        with self._turn:
            did = self._drain()
            tick = self.ticks.take()
            if tick is not None and self._drain(tick):
                did = True
            if self.interludes.take():
                self._checkpoints.note()
                did = True
            if self._checkpoints.is_due and self._closed is None:
                self._checkpoints.take()
            return did

    def _drain(self, tick: Tick | None = None) -> bool:
        directory = self._directory
        if self._closed is not None:
            return False
        directory.now = self._clock.wall_us()
        if tick is not None:
            directory.now = max(directory.now, tick.at)
        effects: list[Effect] = []
        answers: list[Answer] = []
        try:
            self._take(self._queue if tick is None else tick.queued(), effects, answers)
            if not directory.is_dirty and not effects and not self._registry.is_dirty:
                self._answer(answers, None)
                return bool(answers)
            self._leave_rest()
            self._commit(tick)
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine stops and says so
            self._fail(error, answers)
            return False
        entries = directory.committed()
        self._registry.committed()
        self._checkpoints.note()
        try:
            self.perform(effects, entries)
        except Exception as error:  # noqa: BLE001 - what was to happen can be derived at a start
            self._answer(answers, None)
            self._fail(error, ())
            return False
        self._company.note(answers, self._queue.qsize())
        self._answer(answers, None)
        return True

    def _commit(self, tick: Tick | None) -> None:
        began_at = self._clock.monotonic()
        with self._database.transaction():
            self._directory.write()
            self._registry.write(self._directory.now)
            if tick is not None:
                self.ticks.await_instant(tick)
        if tick is None:
            self._company.took(self._clock.monotonic() - began_at)

    def restore(self) -> None:
        """Take up the internal events that an earlier engine committed and did not reach."""
        rows = self._database.fetch("SELECT number, event FROM inbox ORDER BY number")
        for number, text in rows:
            self._internal.append((event_of(text), number))
            self._next_number = number + 1

    def close(self, error: TipmanError) -> None:
        """Take no more events, once the drain that goes on is over; answer what waits."""
        with self._turn:
            self._closed = error
        self._refuse_waiting(error)
        self.wake()

    def _refuse_waiting(self, error: TipmanError) -> None:
        self.interludes.close(error)
        self.ticks.close(error)
        while True:
            try:
                item = self._queue.get_nowait()
            except Empty:
                return
            if item[1] is not None:
                item[1].settle(error)

    def _take(
        self,
        queue: SimpleQueue[Published],
        effects: list[Effect],
        answers: list[Answer],
    ) -> None:
        directory, raised = self._directory, self._directory.raised
        count = 0
        deadline = self._clock.monotonic() + DRAIN_S_MAX
        item: Published | None = _WAKE
        while True:
            if item is not None:
                self._handle_published(item, effects, answers)
                count += 1
            self._join_raised()
            if self._internal:
                count += self._take_internal(effects, EVENTS_MAX - count)
            if count >= EVENTS_MAX or directory.rows_staged >= ROWS_MAX:
                break
            if not count % _LOOKS_AT_CLOCK and self._clock.monotonic() > deadline:
                break
            try:
                item = queue.get_nowait()
            except Empty:
                effects += self._dispatch(directory)
                if not raised:
                    return
                item = _WAKE
        effects += self._dispatch(directory)
        self._join_raised()

    def _handle_published(
        self,
        item: Published,
        effects: list[Effect],
        answers: list[Answer],
    ) -> None:
        event, receipt = item
        # A deadline may have come since this drain began, and its timer be among the events.
        self._directory.now = max(self._directory.now, self._clock.wall_us())
        if receipt is None:
            self._handle(event, effects)
            return
        # Entered before it is handled, so that it is answered whatever comes of it.
        answer = Answer(receipt)
        answers.append(answer)
        if receipt.memo is None:
            answer.error = self._handle(event, effects)
        else:
            answer.error = self._handle_once(event, receipt.memo, effects)
        receipt.outcome, self._registry.outcome = self._registry.outcome, None

    def _handle_once(
        self, event: Event, memo: Memo, effects: list[Effect]
    ) -> BaseException | None:
        """Handle an event that may be a repeat; keep what it is answered."""
        registry, now = self._registry, self._directory.now
        if registry.was_answered(memo.repeat, now):
            return RepeatedError("a write with this idempotency key was made a moment ago")
        error = self._handle(event, effects)
        if error is None:
            registry.keep_answer(memo, registry.outcome, now)
        return error

    def _join_raised(self) -> None:
        raised = self._directory.raised
        if raised:
            self._internal.extend((event, None) for event in raised)
            raised.clear()

    def _take_internal(self, effects: list[Effect], most: int) -> int:
        directory, waiting = self._directory, self._internal
        count = 0
        while waiting and count < most and directory.rows_staged < ROWS_MAX:
            event, number = waiting.popleft()
            told: Sequence[Event] = (event,)
            if isinstance(event, DependentsSettled):
                # All of them, or their row would have to be written anew.
                told = event.each()
                directory.prefetch(each.instance for each in told)
            for each in told:
                self._handle(each, effects)
            if number is not None:
                directory.handled(number)
            self._join_raised()
            count += len(told)
        return count

    def _handle(self, event: Event, effects: list[Effect]) -> BaseException | None:
        try:
            effects += self._handlers[type(event)](event, self._directory)
        except DatabaseError as error:
            # What it needs can not be read, a large value say: nobody but the log would tell.
            _log.error("%s can not be handled: %s", event.wire, error)
            self._directory.record_failure(event, error)
            return error
        except TipmanError as error:
            _log.debug("%s was refused: %s", event.wire, error)
            return error
        except DRIVER_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 - a defect must not take other events with it
            # A handler that fails has staged nothing: it computes first and writes last.
            _log.exception("the handler of %s failed", event.wire)
            self._directory.record_failure(event, error)
            return error
        return None

    def _leave_rest(self) -> None:
        # The other kinds are derived again from rows, so a crash needs no row of theirs.
        for index, (event, number) in enumerate(self._internal):
            if number is None and is_left(event):
                number = self._next_number  # noqa: PLW2901 - the pair is replaced below
                self._next_number += 1
                self._internal[index] = (event, number)
                self._directory.leave(number, text_of(event))

    def _answer(self, answers: Sequence[Answer], failure: BaseException | None) -> None:
        for answer in answers:
            answer.receipt.settle(failure or answer.error)

    def _fail(self, error: BaseException, answers: Sequence[Answer]) -> None:
        failure = DatabaseError(f"the engine stopped, nothing of this was kept: {error}")
        failure.__cause__ = error
        self._closed = failure
        self._refuse_waiting(failure)
        self.wake()
        self._answer(answers, failure)
        self.failed(failure)
