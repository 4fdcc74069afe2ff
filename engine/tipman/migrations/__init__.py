"""Migrations: scripts in this folder, applied once each, in order, under a lock."""

from pathlib import Path

from tipman.database import Database
from tipman.errors import DatabaseError, DatabaseVersionError

APPLICATION_ID = 0x5449504D
"""`TIPM`, in the header of every SQLite file of ours."""
_HISTORY = "schema_migration"
_LOCK = 0x7469706D616E
_FOLDER = Path(__file__).parent


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


def migrate(database: Database, pending: list[str]) -> None:
    """Apply the *pending* migrations; on PostgreSQL other nodes that start wait meanwhile."""
    if not pending:
        return
    # Only a start that has something to migrate pays for these modules.
    from playhouse.migrations import Runner  # noqa: PLC0415

    if database.is_sqlite:
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        Runner(database.peewee, str(_FOLDER), table_name=_HISTORY).up()
        return
    database.execute("SELECT pg_advisory_lock(?)", (_LOCK,))
    try:
        Runner(database.peewee, str(_FOLDER), table_name=_HISTORY).up()
    finally:
        database.execute("SELECT pg_advisory_unlock(?)", (_LOCK,))


def _applied(database: Database) -> list[str]:
    if database.is_sqlite:
        tables = {row[0] for row in database.fetch("SELECT name FROM sqlite_master")}
        owner = database.fetch("PRAGMA application_id")[0][0]
        if tables and owner != APPLICATION_ID:
            raise DatabaseError(f"{database.name} is not a Tipman database; it was not touched")
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
