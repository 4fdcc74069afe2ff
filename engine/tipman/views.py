"""Views: what an engine shows of its tasks, read from committed rows only."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from weakref import WeakSet

from tipman import queries
from tipman.awaits import shared_slots
from tipman.core import Core
from tipman.database import DRIVER_ERRORS, Database, Row
from tipman.errors import UnavailableError
from tipman.handles import Handle, Settlements


class Views:
    """The part of an engine that looks; `Engine` adds what acts.

    Any thread may look. Connections are lent from a pool, each to one thread at a time.
    """

    def __init__(self, attempts_folder: Path) -> None:
        self.attempts_folder = attempts_folder
        """Where attempts of `exec`, `eval` and `python` tasks keep their files."""
        self._core: Core | None = None
        self._settlements = Settlements()
        self._readers: SimpleQueue[Database] = SimpleQueue()
        self._why_not = "the engine is not running"
        _known.add(self)

    @property
    def core(self) -> Core:
        """The parts of the engine while it is open.

        Raises:
            UnavailableError: it is not.
        """
        if self._core is None:
            raise UnavailableError(self._why_not)
        return self._core

    @property
    def epoch(self) -> int:
        """The number of this start."""
        return self.core.epoch

    def listen(self, listener: Callable[[Sequence[Row]], None]) -> None:
        """Call *listener* with the log lines of every commit, from the bus's thread: be quick."""
        self.core.listeners.append(listener)

    def unlisten(self, listener: Callable[[Sequence[Row]], None]) -> None:
        """Call *listener* no more; one that is not called is none the worse for it."""
        if self._core is not None:
            with suppress(ValueError):
                self._core.listeners.remove(listener)

    def find(self, reference: str | Handle) -> Handle:
        """Return a handle for a UUID, a key or a URI.

        Raises:
            NotFoundError: there is no such task.
        """
        if isinstance(reference, Handle):
            return reference
        with self.reading() as database:
            return Handle(queries.find(database, reference), self)

    def task(self, reference: str | Handle) -> dict[str, Any]:
        """Return a task as REST shows it."""
        handle = self.find(reference)
        with self.reading() as database:
            return queries.task(database, handle.identifier, epoch=self.core.epoch)

    def log(self, reference: str | Handle) -> list[dict[str, Any]]:
        """Return the event log of a task, oldest line first."""
        handle = self.find(reference)
        with self.reading() as database:
            return queries.log(database, handle.identifier)

    def attempts(self, reference: str | Handle) -> list[dict[str, Any]]:
        """Return the attempts of a task that have ended, oldest first."""
        handle = self.find(reference)
        with self.reading() as database:
            return queries.attempts(database, handle.identifier)

    def explain(self, reference: str | Handle) -> dict[str, Any]:
        """Return what a task waits for, from the predicates that start it."""
        view = self.task(reference)
        handle = self.find(reference)
        with self.reading() as database:
            mark = queries.exclusive_mark(database, handle.identifier)
            groups = shared_slots(database, handle.identifier)
            place = (view["namespace"], view["queue"], mark, groups)
            obstacle = self.core.frontier.obstacle(*place)
            return queries.explain(database, handle.identifier, obstacle)

    def output_path(self, reference: str | Handle, attempt: int, stream: str) -> Path:
        """Return the file that keeps a stream (`stdout`, `stderr`) of an attempt."""
        handle = self.find(reference)
        return self.attempts_folder / handle.id / str(attempt) / stream

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """Lend a connection that can only read."""
        try:
            reader = self._readers.get_nowait()
        except Empty:
            reader = self.core.database.reader()
        is_sound = True
        try:
            yield reader
        except DRIVER_ERRORS:
            # A server that was started anew answers on no connection of before.
            is_sound = False
            raise
        finally:
            if is_sound and self._core is not None:
                self._readers.put(reader)
            else:
                reader.close()

    def outcome(self, identifier: bytes) -> tuple[str, Any, dict[str, Any] | None]:
        """Return state, result and error of a task."""
        with self.reading() as database:
            return queries.outcome(database, identifier)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self.core.clock.monotonic()

    def wait_settled(self, identifier: bytes, timeout_s: float | None) -> bool:
        """Wait until a task has settled; return whether it has."""
        return self._settlements.wait(identifier, timeout_s, partial(self.is_settled, identifier))

    def when_settled(self, identifier: bytes, tell: Callable[[], None]) -> Callable[[], None]:
        """Call *tell* once when an instance settles or the engine ends; return what calls it off.

        It is called on the bus's thread, so it must be quick. One that has settled already is
        not told of: look at `is_settled` after this.
        """
        return self._settlements.when_settled(identifier, tell)

    def is_settled(self, identifier: bytes) -> bool:
        """Tell whether an instance has ended; one that does not exist has not."""
        with self.reading() as database:
            return queries.is_settled(database, identifier)

    def leave(self) -> None:
        """Be closed here, in a fork: threads, connections and attempts are the parent's."""
        if self._core is not None:
            # Not to be closed, not even by the collector of garbage: SQLite forbids it.
            _parents.append((self._core, self._readers, self._settlements))
            self._core, self._readers, self._settlements = None, SimpleQueue(), Settlements()
            self._why_not = "the engine runs in the process that this one was forked from"

    def close_readers(self) -> None:
        """Close the connections that nobody uses."""
        with suppress(Empty):
            while True:
                self._readers.get_nowait().close()


_known: WeakSet[Views] = WeakSet()
_parents: list[object] = []


def _leave_all() -> None:
    for views in tuple(_known):
        views.leave()


os.register_at_fork(after_in_child=_leave_all)
