"""Migrations: scripts in this folder, applied once each, in order, under a lock."""

from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from peewee import SQL, CharField, DateTimeField, Model

from tipman.database import Database
from tipman.errors import DatabaseError, DatabaseVersionError

APPLICATION_ID = 0x5449504D
"""`TIPM`, in the header of every SQLite file of ours."""
_HISTORY = "schema_migration"
_LOCK = 0x7469706D616E
_FOLDER = Path(__file__).parent


class Applied(Model):
    """The history, as Peewee's own runner keeps it: the migrations that the database has."""

    name = CharField(unique=True)
    applied = DateTimeField()

    class Meta:
        """Names as they are written, none made up."""

        legacy_table_names = False
        table_name = _HISTORY


def known() -> list[str]:
    """Return the names of all migrations of this version, in order."""
    return sorted(path.stem for path in _FOLDER.glob("[0-9]*.py"))


def check(url: str) -> list[str]:
    """Return the migrations that the database lacks, without changing a byte of it.

    Raises:
        DatabaseVersionError: it has migrations that this version does not know.
        DatabaseError: it is not a Tipman database, or can not be read.
    """
    database = Database(url, read_only=True)
    if database.path is not None and not database.path.exists():
        return known()
    database.open()
    try:
        applied = _applied(database)
    finally:
        database.close()
    newer = [name for name in applied if name not in known()]
    if newer:
        raise DatabaseVersionError(
            f"{url} was written by a newer version of Tipman (it has {newer[-1]}); upgrade"
        )
    return [name for name in known() if name not in applied]


def migrate(database: Database, pending: Sequence[str]) -> None:
    """Apply the *pending* migrations; on PostgreSQL other nodes that start wait meanwhile."""
    if not pending:
        return
    if database.is_sqlite:
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _apply(database, pending)
        return
    database.execute("SELECT pg_advisory_lock(?)", (_LOCK,))
    try:
        _apply(database, pending)
    finally:
        database.execute("SELECT pg_advisory_unlock(?)", (_LOCK,))


def _apply(database: Database, pending: Sequence[str]) -> None:
    """Apply what nobody has applied meanwhile, each in a transaction with its row of the history.

    As `playhouse.migrations` does, whose import takes longer than all of them, and 1.5 MiB.
    """
    with database.peewee.bind_ctx([Applied]):
        Applied.create_table()
        done = {each.name for each in Applied.select()}
        for name in pending:
            if name in done:
                continue
            script = _script(name)
            with database.transaction():
                script.up(database.peewee)
                Applied.create(name=name, applied=SQL("CURRENT_TIMESTAMP"))


def _script(name: str) -> ModuleType:
    """Load a migration by its path: no name reaches it, so it goes when it is applied."""
    script = ModuleType(name)
    SourceFileLoader(name, str(_FOLDER / f"{name}.py")).exec_module(script)
    return script


def _applied(database: Database) -> list[str]:
    if database.is_sqlite:
        tables = {row[0] for row in database.fetch("SELECT name FROM sqlite_master")}
        owner = database.fetch("PRAGMA application_id")[0][0]
        if tables and owner != APPLICATION_ID:
            raise DatabaseError(f"{database.url} is not a Tipman database; it was not touched")
    else:
        tables = {
            row[0]
            for row in database.fetch(
                "SELECT table_name FROM information_schema.tables"
                " WHERE table_schema = current_schema()"
            )
        }
    if _HISTORY not in tables:
        return []
    rows = database.fetch(f"SELECT name FROM {_HISTORY} ORDER BY name")  # noqa: S608 - our name
    return [row[0] for row in rows]
