"""Migrations by command and at a start: a backup first, and a newer database is let alone."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from playhouse.migrations import Runner
from tipman import migrations
from tipman.backup import FOLDER
from tipman.clock import ManualClock
from tipman.database import Database, sqlite_path
from tipman.errors import DatabaseVersionError, EngineRunningError
from tipman.operations import migrate
from tipman.settings import Settings

LAST = migrations.known()[-1]


def execute(url, *statements):
    with closing(sqlite3.connect(sqlite_path(url), isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def columns_of(database):
    return {
        (table, column)
        for (table,) in database.fetch("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (column,) in database.fetch("SELECT name FROM pragma_table_info(?)", (table,))
    }


def make_older(url, folder):
    """Take back the last migration: drop what a database that never had it does not have.

    A column that it dropped comes back empty.
    """
    scratch = Database(f"sqlite:///{folder / 'scratch.db'}")
    scratch.open()
    Runner(scratch.peewee, str(Path(migrations.__file__).parent)).up(migrations.known()[-2])
    kept = {name for (name,) in scratch.fetch("SELECT name FROM sqlite_master")}
    columns = columns_of(scratch)
    scratch.close()
    database = Database(url)
    database.open()
    added = sorted(pair for pair in columns_of(database) - columns if pair[0] in kept)
    dropped = sorted(columns - columns_of(database))
    found = database.fetch("SELECT type, name FROM sqlite_master WHERE sql IS NOT NULL")
    made = sorted((kind, name) for kind, name in found if name not in kept | {"schema_migration"})
    # Indexes come first by their kind's name, and a table takes its own along.
    drops = [f'DROP {kind} IF EXISTS "{name}"' for kind, name in made if "schema_" not in name]
    drops += [f'ALTER TABLE "{table}" DROP COLUMN "{column}"' for table, column in added]
    drops += [f'ALTER TABLE "{table}" ADD COLUMN "{column}"' for table, column in dropped]
    assert drops, "the last migration changes no table; take it back otherwise"
    database.close()
    execute(url, *drops, f"DELETE FROM schema_migration WHERE name = '{LAST}'")  # noqa: S608 - ours


@pytest.fixture
def settings(shop):
    return Settings(home=shop.folder / "home", database=shop.url)


def backups(settings):
    folder = settings.home / FOLDER
    return sorted(folder.iterdir()) if folder.exists() else []


def older(shop, *, with_rows=True):
    engine = shop.start()
    handle = engine.submit(shop.echo, value=1).wait(30) if with_rows else None
    engine.close()
    make_older(shop.url, shop.folder)
    return handle


def test_a_new_database_is_made_without_a_backup(settings):
    assert migrate(settings, ManualClock()) == (migrations.known(), None)
    assert migrate(settings, ManualClock()) == ([], None)
    assert migrations.check(settings.database_url) == []


def test_what_has_rows_is_copied_first(shop, settings):
    handle = older(shop)

    done = migrate(settings)

    assert done.applied == [LAST]
    assert [done.backup.path] == backups(settings)
    copy = Database(f"sqlite:///{done.backup.path}", read_only=True)
    copy.open()
    assert copy.fetch("SELECT id FROM instance") == [(handle.identifier,)]
    assert (LAST,) not in copy.fetch("SELECT name FROM schema_migration")
    copy.close()


def test_a_start_copies_what_it_migrates_too(shop, settings):
    handle = older(shop)

    engine = shop.start()

    assert engine.task(handle.id)["result"] == 1
    assert len(backups(settings)) == 1


def test_nothing_is_copied_where_nothing_could_be_lost(shop, settings):
    older(shop, with_rows=False)

    assert migrate(settings).backup is None
    assert backups(settings) == []


def test_a_backup_that_fails_stops_the_migration(shop, settings):
    older(shop)
    settings.home.mkdir(exist_ok=True)
    (settings.home / FOLDER).write_text("in the way")

    with pytest.raises(Exception, match=FOLDER):
        migrate(settings)

    assert migrations.check(shop.url) == [LAST]


def test_a_newer_database_is_let_alone(shop, settings):
    shop.start().close()
    execute(shop.url, "INSERT INTO schema_migration (name, applied) VALUES ('9999_later', '')")
    before = sqlite_path(shop.url).read_bytes()

    with pytest.raises(DatabaseVersionError, match="9999_later"):
        migrate(settings)

    assert sqlite_path(shop.url).read_bytes() == before
    assert backups(settings) == []


def test_a_running_engine_keeps_its_database(shop, settings):
    shop.start()

    with pytest.raises(EngineRunningError):
        migrate(settings)
