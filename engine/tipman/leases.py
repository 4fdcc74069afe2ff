"""Ownership: one engine holds a SQLite file, and can be told apart from every engine before it."""

import fcntl
import os
from pathlib import Path

from tipman.clock import Clock
from tipman.database import Database
from tipman.errors import DatabaseError, EngineRunningError


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

    def release(self) -> None:
        """Give the lock back; a lock that is not held stays so."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


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
