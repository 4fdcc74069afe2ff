"""Upkeep: what looks after a database that no server uses, on the lock of the database.

Nothing of it starts a task.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tipman import migrations
from tipman.backup import FOLDER, back_up, back_up_into, put_in_place
from tipman.checkup import examine_at_rest
from tipman.clock import SystemClock
from tipman.database import Database, shown
from tipman.errors import DatabaseError, NotFoundError
from tipman.leases import held
from tipman.operations import migrate
from tipman.registry.views import token_view, tokens
from tipman.runtime import Engine
from tipman.settings import Settings
from tipman.verification import verify

_PAGE = 1000


def prune_at_rest(settings: Settings, *, is_dry_run: bool) -> dict[str, Any]:
    """Remove what settled longer ago than is kept, or say what would be removed.

    Raises:
        NotFoundError: there is no database.
        EngineRunningError: an engine holds it.
    """
    with _engine(settings) as engine:
        pruned = engine.preview_pruning() if is_dry_run else engine.prune()
    return {"dry_run": is_dry_run, **pruned.view()}


def tokens_at_rest(settings: Settings) -> list[dict[str, Any]]:
    """Return all tokens as REST lists them; errors as for `prune_at_rest`."""
    found: list[dict[str, Any]] = []
    with _engine(settings) as engine, engine.reading() as database:
        while page := tokens(database, after=found[-1]["name"] if found else "", limit=_PAGE):
            found += map(token_view, page)
    return found


def create_token_at_rest(
    settings: Settings, name: str, scope: str, namespace: str | None
) -> dict[str, Any]:
    """Make a token; return it with its secret; errors as for `prune_at_rest`."""
    with _engine(settings) as engine:
        made, secret = engine.create_token(name, scope, namespace=namespace)
    return {**token_view(made), "token": secret}


def revoke_token_at_rest(settings: Settings, name: str) -> None:
    """Revoke a token; errors as for `prune_at_rest`."""
    with _engine(settings) as engine:
        engine.revoke_token(name)


def back_up_at_rest(settings: Settings, destination: Path | None) -> dict[str, Any]:
    """Copy the database to a file, by default into the home; errors as for `prune_at_rest`."""
    clock = SystemClock()
    with _reading(settings) as database:
        if destination is None:
            return back_up_into(database, settings.home / FOLDER, clock).view()
        return back_up(database, destination, clock).view()


def verify_at_rest(settings: Settings) -> dict[str, Any]:
    """Fold every log to its row and follow its chain.

    Raises:
        NotFoundError, EngineRunningError: as for `prune_at_rest`.
        DatabaseError: another version wrote it.
    """
    _must_exist(settings)
    if pending := migrations.check(settings.database_url):
        raise DatabaseError(
            f"an older version wrote {shown(settings.database_url)}, which lacks"
            f" {', '.join(pending)}; bring it up to date by `tipman migrate`"
        )
    with _reading(settings) as database:
        return verify(database).view()


def doctor_at_rest(settings: Settings) -> dict[str, Any]:
    """Look for what may be wrong with home and database, or be in the way of an engine."""
    return examine_at_rest(settings).view()


def migrate_at_rest(settings: Settings) -> dict[str, Any]:
    """Bring the database to this version, a backup of it first; errors as for `prune_at_rest`."""
    _must_exist(settings)
    migration = migrate(settings)
    backup = None if migration.backup is None else migration.backup.view()
    return {"applied": migration.applied, "backup": backup}


def preview_at_rest(
    settings: Settings, reference: str, namespace: str, limit: int
) -> dict[str, Any]:
    """Return what a schedule will do, above all at the next start; errors as `prune_at_rest`."""
    with _engine(settings) as engine:
        handle = engine.find_schedule(reference, namespace)
        return engine.outlook(handle.identifier, limit=limit)


def hand_over(made: Path, file: Path) -> None:
    """Give a backup that a server made the name that was asked for, perhaps on another disk.

    Raises:
        NotFoundError: it is not where the server says.
        InvalidError: there is a file of this name.
        DatabaseError: it can not be written there; it stays where it was made.
    """
    try:
        put_in_place(made, file)
    except FileNotFoundError:
        raise NotFoundError(f"the backup can not be reached from here; it is {made}") from None
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise DatabaseError(f"{file}: {error.strerror}; the backup is {made}") from error
        _copy(made, file)
        made.unlink()


def _copy(made: Path, file: Path) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with made.open("rb") as source, os.fdopen(descriptor, "wb") as target:
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        put_in_place(draft, file)
    except OSError as error:
        raise DatabaseError(f"{file}: {error.strerror}; the backup is {made}") from error
    finally:
        draft.unlink(missing_ok=True)


def _must_exist(settings: Settings) -> None:
    path = Database(settings.database_url).path
    if path is not None and not path.exists():
        raise NotFoundError(f"there is no database at {path}")


@contextmanager
def _engine(settings: Settings) -> Iterator[Engine]:
    """Lend an engine that holds the database and runs nothing."""
    _must_exist(settings)
    engine = Engine(settings=settings)
    engine.open()
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def _reading(settings: Settings) -> Iterator[Database]:
    """Lend a connection that can only read, nobody else using the database meanwhile."""
    _must_exist(settings)
    database = Database(settings.database_url, read_only=True)
    with held(settings.database_url):
        try:
            database.open()
            yield database
        finally:
            database.close()
