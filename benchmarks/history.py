"""History: a database with many settled tasks, made in seconds from a few that really ran.

Their rows are copied, each copy with ids, instants and positions of its own, older than the last.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

TEMPLATE_TASKS = 1_000
_STEP_MS = 10_000
"""How much older each copy of the template is than the next; the template took less."""
_ID_BYTES = 16
_TABLES = ("instance", "task", "attempt", "log_entry")


def multiply(path: Path, copies: int) -> None:
    """Let every task of a database that nobody has open stand there *copies* times."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.create_function("older_id", 2, _older_id, deterministic=True)
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -400000")
        database.execute("BEGIN")
        for table in _existing(database, _TABLES):
            _multiply(database, table, copies)
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _multiply(database: sqlite3.Connection, table: str, copies: int) -> None:
    columns = {row[1]: row[2] for row in database.execute(f"PRAGMA table_info({table})")}
    database.execute(f"CREATE TEMP TABLE template AS SELECT * FROM {table}")  # noqa: S608 - ours
    database.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of ours
    if "position" in columns:
        (span,) = database.execute("SELECT max(position) FROM template").fetchone()
    else:
        span = 0
    values = ", ".join(_value(name, span) for name in columns)
    # What counts the copies is the outer loop, so that rows come in the order of their ids.
    copied = (
        f"INSERT INTO {table} SELECT {values.replace('$age', f'({copies} - copy.nth)')}"  # noqa: S608 - as above
        " FROM copy CROSS JOIN template"
    )
    counted = f"SELECT 1 UNION ALL SELECT nth + 1 FROM copy WHERE nth < {copies}"  # noqa: S608 - a number
    database.execute(f"WITH RECURSIVE copy (nth) AS ({counted}) {copied}")
    database.execute("DROP TABLE template")


def _value(name: str, span: int) -> str:
    """Return what a column of a copy has; `$age` is how many copies are newer."""
    if name in {"id", "instance"}:
        return f"older_id({name}, $age)"
    if name == "at" or name.endswith("_at"):
        return f"{name} - $age * {_STEP_MS * 1000}"
    if name == "position":
        return f"position + (copy.nth - 1) * {span}"
    return f'"{name}"'


def _older_id(identifier: bytes, copies: int) -> bytes:
    """Return an id of version 7 with another instant in it, so many steps before."""
    number = int.from_bytes(identifier, "big") - (copies * _STEP_MS << 80)
    return number.to_bytes(_ID_BYTES, "big")


def _existing(database: sqlite3.Connection, names: Iterable[str]) -> list[str]:
    known = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    return [name for name in names if name in known]
