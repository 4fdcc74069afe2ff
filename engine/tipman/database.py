"""The database: one layer over SQLite and PostgreSQL, through Peewee's connections.

Peewee owns models, migrations and the queries a person waits for. The few statements of the hot
path are constant SQL (written with `?`) that runs on Peewee's own connection, inside its
transaction: measured forty times cheaper than building the same statements anew.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote

import peewee

from tipman.errors import DatabaseError, InvalidError
from tipman.values import Values, folder_of

CHUNK = 500
"""Values in one `IN (...)` list; longer lists go in several statements."""
ROWS_AT_ONCE = 16
"""Rows of a long INSERT; more save little, and fewer rows of a drain fill one."""
BUSY_TIMEOUT_S = 10.0
_CACHE_KIB = 2048
_JOURNAL_BYTES_MAX = 64 * 1024 * 1024
_PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""How long a server may be silent, in s and once in ms, unless the URL says otherwise: the limits
of the system are minutes and hours, in which nobody would be told anything."""
LOG_PAGES_MAX = 4_000
"""Pages in SQLite's log beyond which a commit writes it back itself, if nothing else has."""

# Python's driver looks for an adapter for every value that is not int, float or str, and takes ten
# times as long when there is none. These change no value; nothing that Python can call is quicker.
sqlite3.register_adapter(bytes, bytes.__bytes__)
_NOTHING: dict[None, None] = {}
sqlite3.register_adapter(type(None), _NOTHING.get)

Row = tuple[Any, ...]
DRIVER_ERRORS: tuple[type[Exception], ...] = (peewee.PeeweeException, sqlite3.Error, OSError)
_NO_DRIVER = (
    "PostgreSQL's driver is missing: it comes with the package as `tipman[postgres]`, and is not"
    " in the single program"
)


class Insert(NamedTuple):
    """An INSERT of one row, and the same of `ROWS_AT_ONCE`: a fifth cheaper a row, or more."""

    single: str
    several: str


class Transaction:
    """What is done within it is committed, or undone when it raises."""

    __slots__ = ("_begin", "_run")

    def __init__(self, run: Callable[..., Any], begin: str) -> None:
        self._run = run
        self._begin = begin

    def __enter__(self) -> None:
        self._run(self._begin)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if kind is not None:
            self._undo()
            return
        try:
            self._run("COMMIT")
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        # SQLite rolls back by itself when the disk is full; that must not hide the cause.
        with suppress(*DRIVER_ERRORS):
            self._run("ROLLBACK")


class Database:
    """One connection of one thread; `reader` opens another that can not write."""

    def __init__(self, url: str, *, durability: str = "full", read_only: bool = False) -> None:
        """Prepare for *url*: `sqlite:///relative`, `sqlite:////absolute`, `postgresql://…`.

        Raises:
            InvalidError: the URL names neither kind of database.
        """
        self.url = url
        self.name = shown(url)
        """The URL as others may read it."""
        self.durability = durability
        self.path = sqlite_path(url)
        if self.path is not None and self.path.is_symlink():
            # SQLite follows it too: the lock and the large values are beside what it leads to.
            self.path = Path(os.path.realpath(self.path))
        self.is_sqlite = self.path is not None
        self.values = Values(None if self.path is None else folder_of(self.path))
        self._read_only = read_only
        self.peewee = self._sqlite() if self.is_sqlite else self._postgresql()
        self._run: Callable[..., Any] = self.peewee.execute_sql
        """Runs a statement in a cursor of its own, which it returns."""
        self._begin = "BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN"
        self._writer: Any = None
        self._connection: Any = None

    def open(self) -> None:
        """Connect.

        Raises:
            DatabaseError: there is no such place, no permission, or it is no database.
        """
        try:
            if self.path is not None and not self._read_only and not self.path.exists():
                # Before SQLite makes it for everybody to read; the log beside it follows its mode.
                self.path.touch(mode=0o600)
            self.peewee.connect()
            self._writer = self.peewee.cursor()
            if self.is_sqlite:
                # Its errors are among those that a driver may raise; Peewee translates the rest's.
                self._connection = self.peewee.connection()
                self._run = self._connection.execute
                self.fetch("SELECT count(*) FROM sqlite_master")
            else:
                self._set_up_session()
        except DRIVER_ERRORS as error:
            self.close()
            why = _NO_DRIVER if isinstance(error, peewee.ImproperlyConfigured) else error
            raise DatabaseError(f"can not open the database {self.name}: {why}") from error

    def close(self) -> None:
        """Disconnect; a closed one stays closed."""
        if self._writer is not None:
            # While a cursor has a statement, SQLite keeps the connection, and does not write the
            # log back with the last one to go.
            self._writer.close()
            self._writer = None
            self._connection = None
            self._run = self.peewee.execute_sql
        if not self.peewee.is_closed():
            self.peewee.close()

    def reader(self) -> "Database":
        """Return an open connection of its own for the calling thread, unable to write."""
        reader = Database(self.url, read_only=True)
        reader.open()
        return reader

    def transaction(self) -> "Transaction":
        """Commit what the block did, or nothing of it when it raises."""
        return Transaction(self._run, self._begin)

    def sql(self, text: str) -> str:
        """Return constant SQL in the driver's own parameter style."""
        return text if self.is_sqlite else text.replace("?", "%s")

    def execute(self, text: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement; return how many rows it changed."""
        return int(self._run(self.sql(text), tuple(parameters)).rowcount)

    def execute_many(self, text: str, rows: Sequence[Row]) -> int:
        """Run one statement for each of *rows*; return how many rows were changed in all."""
        self._writer.executemany(self.sql(text), rows)
        return int(self._writer.rowcount)

    def insert(self, statement: Insert, rows: Sequence[Row]) -> None:
        """Insert *rows*, as many of them at once as can be."""
        whole = len(rows) - len(rows) % ROWS_AT_ONCE
        if whole:
            joined = [
                tuple(chain.from_iterable(rows[low : low + ROWS_AT_ONCE]))
                for low in range(0, whole, ROWS_AT_ONCE)
            ]
            self.execute_many(statement.several, joined)
        if whole < len(rows):
            self.execute_many(statement.single, rows[whole:])

    @property
    def rows_changed(self) -> int:
        """How many rows SQLite has changed since `open`; 0 with PostgreSQL."""
        return int(self._connection.total_changes) if self.is_sqlite else 0

    def write_back(self) -> None:
        """Write SQLite's log into the database's file, as far as no reader needs it there.

        PostgreSQL sees to its own.
        """
        if self.is_sqlite:
            self.fetch("PRAGMA wal_checkpoint(PASSIVE)")

    def fetch(self, text: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of one query; nothing stays half read."""
        rows: list[Row] = self._run(self.sql(text), tuple(parameters)).fetchall()
        return rows

    def fetch_in(
        self, text: str, values: Sequence[Any], *, before: Sequence[Any] = ()
    ) -> list[Row]:
        """Return the rows of a query whose `(??)`, its last parameter, stands for all *values*."""
        rows: list[Row] = []
        for low in range(0, len(values), CHUNK):
            chunk = values[low : low + CHUNK]
            marks = ",".join("?" * len(chunk))
            rows += self.fetch(text.replace("??", marks), (*before, *chunk))
        return rows

    def _sqlite(self) -> Any:
        pragmas: list[tuple[str, object]] = [
            ("busy_timeout", round(BUSY_TIMEOUT_S * 1000)),
            ("cache_size", -_CACHE_KIB),
        ]
        if self._read_only:
            pragmas.append(("query_only", 1))
        else:
            pragmas += [
                ("journal_mode", "wal"),
                ("synchronous", self.durability),
                ("journal_size_limit", _JOURNAL_BYTES_MAX),
                ("wal_autocheckpoint", LOG_PAGES_MAX),
            ]
        # Opened so, it can not even write back a log that an engine left when it was killed.
        mode = "ro" if self._read_only else "rwc"
        return peewee.SqliteDatabase(
            f"file:{quote(os.fsencode(str(self.path)))}?mode={mode}",
            uri=True,
            pragmas=pragmas,
            timeout=BUSY_TIMEOUT_S,
            autoconnect=False,
            check_same_thread=False,
            thread_safe=False,
        )

    def _postgresql(self) -> Any:
        said = parse_qs(self.url.partition("?")[2])
        patience: dict[str, Any] = {k: v for k, v in _PATIENCE.items() if k not in said}
        return peewee.PostgresqlDatabase(
            self.url,
            prefer_psycopg3=True,
            autoconnect=False,
            thread_safe=False,
            **patience,
        )

    def _set_up_session(self) -> None:
        self.execute("SET TIME ZONE 'UTC'")
        if self._read_only:
            self.execute("SET default_transaction_read_only = on")


def sqlite_path(url: str) -> Path | None:
    """Return the file that a `sqlite:` URL names, None for a PostgreSQL URL.

    >>> sqlite_path("sqlite:///tipman.db")
    PosixPath('tipman.db')
    >>> sqlite_path("postgresql://localhost/tipman") is None
    True

    Raises:
        InvalidError: any other URL, or one of a folder or of memory.
    """
    if url.startswith(("postgresql:", "postgres:")):
        return None
    prefix = "sqlite:///"
    name = url.removeprefix(prefix)
    if not name or name == url or "\0" in name:
        raise InvalidError(
            f"{url!r} is no database: write sqlite:///FILE or postgresql://HOST/NAME"
        )
    if name == ":memory:":
        raise InvalidError(f"{url!r} would keep nothing: write sqlite:///FILE")
    path = Path(name)
    if name.endswith("/") or path.is_dir():
        raise InvalidError(f"{url!r} is a folder: write sqlite:///{path / 'tipman.db'}")
    return path


def shown(url: str) -> str:
    """Return the URL of a database without what nobody else should read.

    >>> shown("postgresql://ada:secret@localhost/tipman?password=secret")
    'postgresql://ada@localhost/tipman'
    >>> shown("sqlite:///a@b?c.db")
    'sqlite:///a@b?c.db'
    """
    scheme, mark, rest = url.partition("://")
    if not mark or scheme == "sqlite":
        return url
    place, slash, name = rest.partition("?")[0].partition("/")
    user, at, host = place.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}{host}{slash}{name}"
