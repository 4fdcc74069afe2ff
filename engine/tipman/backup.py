"""Backup: a copy of the database as it is at one instant, while the engine goes on.

SQLite makes the copy, by its own backup interface, within one reading transaction. Copying the
file would take half of a commit, and closing it by hand would drop SQLite's locks.
"""

import os
import sqlite3
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tipman.clock import Clock, rfc3339
from tipman.database import DRIVER_ERRORS, Database
from tipman.errors import DatabaseError, InvalidError
from tipman.values import Values

_REFERRING = {
    "attempt": (
        "SELECT DISTINCT result FROM attempt WHERE substr(result, 1, 1) = '@'",
        "UPDATE attempt SET result = ? WHERE result = ? AND substr(result, 1, 1) = '@'",
    ),
    "context": (
        "SELECT DISTINCT text FROM context WHERE substr(text, 1, 1) = '@'",
        "UPDATE context SET text = ? WHERE text = ? AND substr(text, 1, 1) = '@'",
    ),
}
"""By table, how the rows that refer to large values are found, and given the values."""
FOLDER = "backups"
"""Where backups go that were not given a name, below the home."""


class Backup(NamedTuple):
    """A backup that was made and checked."""

    path: Path
    size: int
    """In bytes."""
    at_us: int

    def view(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"path": str(self.path), "bytes": self.size, "at": rfc3339(self.at_us)}


def name_of(clock: Clock, what: str = "tipman") -> str:
    """Return a file name that sorts by the instant.

    >>> from tipman.clock import ManualClock
    >>> name_of(ManualClock())
    'tipman-20231114T221320.000000Z.db'
    """
    instant = rfc3339(clock.wall_us()).replace("-", "").replace(":", "")
    return f"{what}-{instant}.db"


def back_up(source: Database, destination: Path, clock: Clock) -> Backup:
    """Copy what *source*, a reader, sees to a file that is not there yet; nobody else may read it.

    The copy is on the disk and found whole when this returns; a failed one leaves nothing behind.

    Raises:
        InvalidError: there is a file already, no such folder, or it is no SQLite database.
        DatabaseError: the copy could not be written, or is damaged.
    """
    if not source.is_sqlite:
        raise InvalidError("a PostgreSQL database is backed up by its own tools: use pg_dump")
    if os.path.lexists(destination):
        raise InvalidError(f"{destination} is there already; a backup overwrites nothing")
    at_us = clock.wall_us()
    partial = destination.with_name(f".{destination.name}.{uuid.uuid4().hex}.partial")
    try:
        _make_private(partial)
        _copy(source, partial)
        _sync(partial)
        size = partial.stat().st_size
        put_in_place(partial, destination)
    except FileNotFoundError:
        raise InvalidError(f"there is no folder {destination.parent}") from None
    except DRIVER_ERRORS as error:
        raise DatabaseError(f"no backup at {destination}: {error}") from error
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    return Backup(destination, size, at_us)


def back_up_into(source: Database, folder: Path, clock: Clock, what: str = "tipman") -> Backup:
    """Make a backup in a folder, which is made if need be, under a name that says when.

    Raises:
        InvalidError, DatabaseError: as `back_up`.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseError(f"no backup in {folder}: {error.strerror}") from error
    return back_up(source, folder / name_of(clock, what), clock)


def back_up_before(
    url: str, migrations: Sequence[str], folder: Path, clock: Clock
) -> Backup | None:
    """Make a backup of a database that these *migrations* will change.

    None where there is nothing to lose, or that is not ours to copy: no migration, no file, no
    instance in it, or PostgreSQL.

    Raises:
        InvalidError, DatabaseError: as `back_up`.
    """
    database = Database(url, read_only=True)
    if not migrations or database.path is None or not database.path.exists():
        return None
    database.open()
    try:
        tables = database.fetch("SELECT 1 FROM sqlite_master WHERE name = 'instance'")
        if not tables or not database.fetch("SELECT 1 FROM instance LIMIT 1"):
            return None
        return back_up_into(database, folder, clock, f"before-{migrations[0]}")
    finally:
        database.close()


def put_in_place(file: Path, destination: Path) -> None:
    """Give a finished file its name, which must be free, and see that the disk has it.

    Raises:
        InvalidError: there is a file of this name.
        OSError: it can not be done.
    """
    try:
        os.link(file, destination)
        file.unlink()
    except FileExistsError:
        raise InvalidError(f"{destination} is there already; it is not overwritten") from None
    except PermissionError:
        # A file system that knows no second name for a file.
        if os.path.lexists(destination):
            raise InvalidError(f"{destination} is there already; it is not overwritten") from None
        file.rename(destination)
    _sync(destination.parent)


def _make_private(file: Path) -> None:
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _copy(source: Database, file: Path) -> None:
    target = sqlite3.connect(file, isolation_level=None)
    try:
        # All pages in one step: with several, each commit in between would start it over.
        source.peewee.connection().backup(target)
        # One file that holds all; an engine that opens it turns the log on again.
        target.execute("PRAGMA journal_mode = delete").fetchall()
        _take_in(target, source.values)
        found = target.execute("PRAGMA integrity_check").fetchall()
    finally:
        target.close()
    if found != [("ok",)]:
        faults = "; ".join(str(row[0]) for row in found[:3])
        raise DatabaseError(f"the copy is damaged, and so may be the database: {faults}")


def _take_in(target: sqlite3.Connection, values: Values) -> None:
    """Put large values into the rows of a copy, which is to be whole by itself."""
    tables = {row[0] for row in target.execute("SELECT name FROM sqlite_master").fetchall()}
    for table, (select, update) in _REFERRING.items():
        if table in tables:
            for (reference,) in target.execute(select).fetchall():
                target.execute(update, (values.whole(reference), reference))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
