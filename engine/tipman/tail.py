"""The tail: the end of the journal in memory, for those who follow it.

One thread reads what was committed, once for all of them; whoever is further behind than memory
reaches reads from the database at the same mark. Both give the same lines in the same order, so
going from one to the other leaves no gap and doubles nothing, and nobody's backlog is kept.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from tipman import journal
from tipman.database import DRIVER_ERRORS, Database, Row
from tipman.errors import TipmanError
from tipman.journal import Line, Mark, Page, Wanted

LINES_MAX = 4_096
"""Lines that are kept in memory unless told otherwise."""
TEXT_MAX = 8 * 1024 * 1024
"""Characters of `data` that are kept in memory at most; one batch may go beyond."""
_ENDS: tuple[type[Exception], ...] = (TipmanError, *DRIVER_ERRORS)
_log = logging.getLogger(__name__)


class Source(Protocol):
    """What a tail asks of its engine."""

    def reading(self) -> AbstractContextManager[Database]:
        """Lend a connection that can only read."""

    def listen(self, listener: Callable[[Sequence[Row]], None]) -> None:
        """Call *listener* after every commit, from the bus's thread."""

    def unlisten(self, listener: Callable[[Sequence[Row]], None]) -> None:
        """Call it no more."""


class Batch:
    """Lines that were read together; never changes."""

    __slots__ = ("_by_instance", "high", "lines", "text")

    def __init__(self, lines: Sequence[Line], high: Mark) -> None:
        self.lines = lines
        self.high = high
        """The mark after all of them."""
        self.text = sum(len(line.data or "") for line in lines)
        self._by_instance: dict[bytes, list[Line]] | None = None

    def select(self, wanted: Wanted, after: Mark) -> Sequence[Line]:
        """Return the wanted lines after a mark."""
        lines = self.lines
        if wanted.instance is not None:
            lines = self._of(wanted.instance)
        if lines and lines[0].mark <= after:
            lines = [line for line in lines if line.mark > after]
        return wanted.select(lines) if lines else ()

    def _of(self, instance: bytes) -> Sequence[Line]:
        # Sorted once for all who follow one instance each.
        if self._by_instance is None:
            found: dict[bytes, list[Line]] = {}
            for line in self.lines:
                found.setdefault(line.instance, []).append(line)
            self._by_instance = found
        return self._by_instance.get(instance, ())


class Tail:
    """The last lines of the journal; `start` lets a thread keep it up to date.

    *news* is called from that thread after lines were added, and when the tail has ended.
    """

    def __init__(
        self, source: Source, news: Callable[[], None], *, lines_max: int = LINES_MAX
    ) -> None:
        self._source = source
        self._news = news
        self._lines_max = lines_max
        self._batches: deque[Batch] = deque()
        self._lines = self._text = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._low = self._high = journal.START
        self.has_ended = False
        """Whether nothing will be added any more."""

    # Life.

    def start(self) -> None:
        """Begin at the end of the journal, and add what is committed from now on."""
        self.open()
        self._thread = threading.Thread(target=self._run, name="tipman-tail", daemon=True)
        self._thread.start()

    def open(self) -> None:
        """Begin at the end of the journal; `step` adds what came since."""
        # Heard before it is looked for, so that no commit falls between the two.
        self._source.listen(self._notice)
        with self._source.reading() as database:
            self._low = self._high = journal.newest(database)
        if self._stopped.is_set():
            # Stopped while it began, when there was nothing to be taken back yet.
            self._source.unlisten(self._notice)

    def stop(self) -> None:
        """Add nothing more; the thread ends soon."""
        self.has_ended = True
        self._stopped.set()
        self._source.unlisten(self._notice)
        self._wake.set()

    def close(self) -> None:
        """Stop; return when the thread has ended. Closing twice is once enough."""
        self.stop()
        if self._thread is not None:
            self._thread.join()

    def _notice(self, _lines: Sequence[Row]) -> None:
        # On the bus's thread, which has better things to do: what was committed is read elsewhere.
        self._wake.set()

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                self._wake.wait()
                self._wake.clear()
                while not self._stopped.is_set() and self.step():
                    pass
        except _ENDS as error:
            if not self._stopped.is_set():
                _log.error("the event log can not be followed any more: %s", error)
        self.has_ended = True
        self._news()

    # Adding.

    def step(self) -> bool:
        """Add the next lines, if there are any; return whether there may be more."""
        with self._source.reading() as database:
            page = journal.read(database, journal.ALL, self._high)
        if page.lines:
            self._add(Batch(page.lines, page.mark))
            self._news()
        return not page.is_last

    def _add(self, batch: Batch) -> None:
        with self._lock:
            self._batches.append(batch)
            self._high = batch.high
            self._lines += len(batch.lines)
            self._text += batch.text
            while len(self._batches) > 1 and self._is_full():
                first = self._batches.popleft()
                self._low = first.high
                self._lines -= len(first.lines)
                self._text -= first.text

    def _is_full(self) -> bool:
        return self._lines > self._lines_max or self._text > TEXT_MAX

    # Following.

    def since(self, mark: Mark) -> Sequence[Batch] | None:
        """Return what was added after a mark, None when memory does not reach back so far."""
        with self._lock:
            if mark >= self._high:
                return ()
            if mark < self._low:
                return None
            found = []
            for batch in reversed(self._batches):
                if batch.high <= mark:
                    break
                found.append(batch)
        found.reverse()
        return found


class Follower:
    """One reader of the journal: what it wants and how far it has come.

    `recent` never waits and touches no database; `read` is for when it says None.
    """

    __slots__ = ("_tail", "_wanted", "mark")

    def __init__(self, tail: Tail, wanted: Wanted, mark: Mark) -> None:
        self._tail = tail
        self._wanted = wanted
        self.mark = mark
        """Everything wanted up to here has been returned."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self._tail.has_ended

    def recent(self) -> list[Line] | None:
        """Return the next lines from memory, None when it is too far behind for that."""
        batches = self._tail.since(self.mark)
        if batches is None:
            return None
        return list(self._take(batches))

    def read(self, database: Database) -> Sequence[Line]:
        """Return next lines from the database; there may be more even if these are none."""
        page: Page = journal.read(database, self._wanted, self.mark)
        self.mark = page.mark
        return page.lines

    def _take(self, batches: Sequence[Batch]) -> Iterator[Line]:
        for batch in batches:
            yield from batch.select(self._wanted, self.mark)
            self.mark = batch.high
