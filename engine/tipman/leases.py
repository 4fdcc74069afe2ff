"""Ownership: one engine holds a database, and can be told apart from every engine before it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tipman.clock import Clock
from tipman.database import DRIVER_ERRORS, Database
from tipman.errors import DatabaseError, EngineRunningError

_SERVER_LOCK = 0x7469706D
"""`tipm`, the first key of the lock on a server; the second is the schema's, which may be one of
several in a database."""
_SERVER_WAIT_S = 2
"""So long a server may take to see that the process at the other end is gone."""


class FileLock:
    """An exclusive lock on a file beside the database; it ends with the process that took it.

    Nobody but SQLite may open the database file itself: closing it would drop SQLite's own locks.
    """

    def __init__(self, database_path: Path) -> None:
        self.path = database_path.with_name(database_path.name + ".lock")
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the lock and write this process's id into the file.

        Raises:
            EngineRunningError: another process has it; names its pid.
            DatabaseError: the file can not be made.
        """
        # O_CLOEXEC: a task that inherited the descriptor would hold the lock after our death.
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DatabaseError(
                f"can not open the database: {self.path}: {error.strerror}"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _pid_in(descriptor)
            os.close(descriptor)
            who = "another engine" if pid is None else f"another engine (pid {pid})"
            raise EngineRunningError(f"{who} holds {self.path.stem}", pid) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        _held.add(self)

    def release(self) -> None:
        """Give the lock back; a lock that is not held stays so."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            self.let_go()

    def let_go(self) -> None:
        """Close the descriptor; a fork that has it too holds the lock on."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            _held.discard(self)


_held: set[FileLock] = set()


def _let_go_in_fork() -> None:
    for lock in tuple(_held):
        lock.let_go()


# A fork, as `multiprocessing` makes them, may outlive this process; so would the lock.
os.register_at_fork(after_in_child=_let_go_in_fork)


def hold_file(database: Database, home: Path) -> FileLock | None:
    """Hold the file of a SQLite database, in a *home* that is made for it; None for a server.

    Raises:
        EngineRunningError, DatabaseError: as `FileLock.take`.
    """
    if database.path is None:
        return None
    if database.path.parent == home:
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseError(f"can not open the database: {home}: {error.strerror}") from error
    lock = FileLock(database.path)
    lock.take()
    return lock


def hold_server(database: Database) -> None:
    """Hold a PostgreSQL database until the connection that writes ends; do nothing for a file.

    Raises:
        EngineRunningError: another engine has it; names its pid. The connection is closed.
    """
    if database.is_sqlite:
        return
    # A machine that vanished holds it for as long as its restart takes, not for the usual hours.
    for name, value in (("idle", 5), ("interval", 3), ("count", 2)):
        database.execute(f"SET tcp_keepalives_{name} = {value}")
    database.execute(f"SET lock_timeout = '{_SERVER_WAIT_S}s'")
    try:
        database.execute(
            "SELECT pg_advisory_lock(CAST(? AS int), hashtext(current_schema()))", (_SERVER_LOCK,)
        )
    except DRIVER_ERRORS:
        # If it is not the lock that failed, this fails too, and tells what did.
        node, pid = _holder_of(database)
        database.close()
        who = "another engine" if pid is None else f"another engine (pid {pid} on {node})"
        raise EngineRunningError(f"{who} holds {database.name}", pid) from None
    database.execute("RESET lock_timeout")


@contextmanager
def held(url: str) -> Iterator[None]:
    """Hold a database while no engine does, for as long as the block lasts.

    Raises:
        EngineRunningError: an engine has it; names its pid.
        DatabaseError: it can not be reached, or its lock not be made.
    """
    database = Database(url)
    if database.path is None:
        database.open()
        try:
            hold_server(database)
            yield
        finally:
            database.close()
    elif database.path.parent.is_dir():
        lock = FileLock(database.path)
        lock.take()
        try:
            yield
        finally:
            lock.release()
    else:
        yield


def _holder_of(database: Database) -> tuple[str | None, int | None]:
    if database.fetch("SELECT to_regclass('epoch')") == [(None,)]:
        return None, None
    newest = "SELECT node, pid FROM epoch WHERE ended_at IS NULL ORDER BY number DESC LIMIT 1"
    rows = database.fetch(newest)
    return rows[0] if rows else (None, None)


def _pid_in(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
    return int(text) if text.isdigit() else None


def begin_epoch(database: Database, clock: Clock, *, node: str, version: str) -> int:
    """Write down a start of an engine and return its number, larger than every one before."""
    with database.transaction():
        database.execute(
            "INSERT INTO epoch (node, pid, version, started_at) VALUES (?, ?, ?, ?)",
            (node, os.getpid(), version, clock.wall_us()),
        )
        rows = database.fetch("SELECT max(number) FROM epoch WHERE node = ?", (node,))
    return int(rows[0][0])


def end_epoch(database: Database, clock: Clock, number: int) -> None:
    """Write down that an engine stopped in good order."""
    with database.transaction():
        database.execute(
            "UPDATE epoch SET ended_at = ? WHERE number = ?", (clock.wall_us(), number)
        )
