"""One database layer over both: transactions, readers, and what is no database of ours."""

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from storage.databases import new_url
from tipman.clock import ManualClock
from tipman.core import Core
from tipman.database import DRIVER_ERRORS, Database
from tipman.errors import DatabaseError, DatabaseVersionError, InvalidError
from tipman.runtime import Engine
from tipman.settings import Settings


def keep(database, name, value="1"):
    database.execute_many("INSERT INTO kept VALUES ('default', 'class', ?, ?)", [(name, value)])


def write_and_fail(database, name):
    keep(database, name)
    database.execute("SELECT * FROM nothing")


def kept(database):
    return [name for (name,) in database.fetch("SELECT name FROM kept ORDER BY name")]


def test_a_transaction_is_all_or_nothing(database):
    with database.transaction():
        keep(database, "whole")

    with pytest.raises(DRIVER_ERRORS), database.transaction():
        write_and_fail(database, "half")

    assert kept(database) == ["whole"]


def test_a_transaction_that_failed_leaves_the_connection_usable(database):
    for _ in range(3):
        with pytest.raises(DRIVER_ERRORS), database.transaction():
            write_and_fail(database, "one")

    with database.transaction():
        keep(database, "two")
    assert kept(database) == ["two"]


def test_a_reader_sees_what_is_committed_and_nothing_else(database):
    reader = database.reader()
    with database.transaction():
        keep(database, "one")
        assert kept(reader) == []

    assert kept(reader) == ["one"]
    reader.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO kept VALUES ('default', 'class', 'x', '1')",
        "UPDATE kept SET value = '2'",
        "DELETE FROM kept",
        "DROP TABLE kept",
        "CREATE TABLE more (id INTEGER)",
    ],
)
def test_a_reader_can_not_write(database, statement):
    with database.transaction():
        keep(database, "one")
    reader = database.reader()

    with pytest.raises(DRIVER_ERRORS):
        reader.execute(statement)

    reader.close()
    assert database.fetch("SELECT name, value FROM kept") == [("one", "1")]


def test_an_update_counts_the_rows_that_it_changed(database):
    with database.transaction():
        for name in "abc":
            keep(database, name)
        update = "UPDATE kept SET value = ? WHERE name = ?"
        assert database.execute_many(update, [("2", "a"), ("2", "b"), ("2", "nobody")]) == 2
        assert database.execute(update, ("3", "c")) == 1


def test_a_long_list_is_asked_for_in_parts(database):
    names = [f"n{number:05}" for number in range(2_345)]
    with database.transaction():
        for name in names[::2]:
            keep(database, name)

    rows = database.fetch_in(
        "SELECT name FROM kept WHERE kind = ? AND name IN (??)", names, before=("class",)
    )

    assert sorted(name for (name,) in rows) == names[::2]


def test_readers_of_several_threads_read_at_once(database):
    with database.transaction():
        keep(database, "one")

    def look(_):
        reader = database.reader()
        found = [kept(reader) for _ in range(20)]
        reader.close()
        return found

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(look, range(4))) == [[["one"]] * 20] * 4


@pytest.mark.parametrize(
    "url",
    [
        "tipman.db",
        "mysql://localhost/x",
        "sqlite://",
        "sqlite:///",
        "sqlite:///\0",
        "sqlite://[/x",
    ],
)
def test_a_url_of_no_database_says_what_to_write(url):
    with pytest.raises(InvalidError, match="sqlite:///FILE or postgresql://HOST/NAME"):
        Database(url)


def test_a_database_in_memory_is_refused_for_it_keeps_nothing():
    with pytest.raises(InvalidError, match="would keep nothing: write sqlite:///FILE"):
        Database("sqlite:///:memory:")


@pytest.mark.parametrize("folder", ["/", ".", "..", "new/", "{tmp_path}"])
def test_a_folder_is_no_database_and_nothing_is_left_beside_it(tmp_path, folder):
    url = "sqlite:///" + folder.format(tmp_path=tmp_path)

    with pytest.raises(InvalidError, match="is a folder: write sqlite:///"):
        Engine(url, settings=Settings(home=tmp_path)).open()

    assert not tmp_path.with_name(f"{tmp_path.name}.lock").exists()


def test_a_name_that_is_not_utf_8_is_one_like_any_other(tmp_path):
    file = os.fsdecode(os.fsencode(tmp_path) + b"/\xff%41.db")

    with Engine(f"sqlite:///{file}", settings=Settings(home=tmp_path)):
        pass

    assert Path(file).exists()


def test_a_password_stands_in_no_message():
    database = Database("postgresql://ada:secret@localhost:1/x?password=secret")

    with pytest.raises(DatabaseError, match="postgresql://ada@localhost:1/x: ") as refused:
        database.open()

    assert "secret" not in str(refused.value)


def test_a_place_that_does_not_exist_is_an_error_that_names_it(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/nowhere/tipman.db")

    with pytest.raises(DatabaseError, match="nowhere"):
        database.open()


def test_a_server_that_does_not_answer_is_an_error_that_names_it(tmp_path):
    database = Database(f"postgresql://nobody@/none?host={tmp_path}")

    with pytest.raises(DatabaseError, match=str(tmp_path)):
        database.open()


# Files that are not ours.


def someone_elses(file):
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA application_id = 77")
    connection.execute("CREATE TABLE music (title TEXT)")
    connection.commit()
    connection.close()


def without_an_owner(file):
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE instance (id INTEGER)")
    connection.commit()
    connection.close()


def no_database(file):
    file.write_bytes(b"Dear diary, " * 1000)


def our_own(file):
    Core(f"sqlite:///{file}", Settings(), ManualClock(), lambda _: {}).close()


def newer(file):
    our_own(file)
    connection = sqlite3.connect(file)
    connection.execute("INSERT INTO schema_migration (name, applied) VALUES ('9999_later', 0)")
    connection.commit()
    connection.close()


def cut_off(file):
    our_own(file)
    file.write_bytes(file.read_bytes()[:5000])


def scribbled_over(file):
    our_own(file)
    data = bytearray(file.read_bytes())
    data[100:4096] = b"\xff" * 3996
    file.write_bytes(data)


@pytest.mark.parametrize(
    "make", [someone_elses, without_an_owner, no_database, newer, cut_off, scribbled_over]
)
def test_a_file_that_is_not_to_be_used_is_refused_and_not_touched(tmp_path, make):
    file = tmp_path / "data.db"
    make(file)
    before = file.read_bytes()

    # The second time shows that the first has let go of the lock.
    for _ in range(2):
        with pytest.raises(DatabaseError, match=r"data\.db") as refused:
            Engine(f"sqlite:///{file}", home=tmp_path / "home").start()

    assert isinstance(refused.value, DatabaseVersionError) == (make is newer)
    assert file.read_bytes() == before
    # To read a file that says it has a journal, SQLite makes one; nothing may stand in it.
    journal = tmp_path / "data.db-wal"
    assert not journal.exists() or journal.stat().st_size == 0


def test_a_file_of_ours_is_used(tmp_path):
    """Control for the above: the same file without the damage is opened."""
    our_own(tmp_path / "data.db")

    engine = Engine(f"sqlite:///{tmp_path}/data.db", home=tmp_path / "home").start()

    assert engine.epoch == 2
    engine.close()


def test_an_empty_file_becomes_a_database(tmp_path):
    (tmp_path / "data.db").touch()

    engine = Engine(f"sqlite:///{tmp_path}/data.db", home=tmp_path / "home").start()

    assert engine.epoch == 1
    engine.close()


def test_a_newer_server_database_is_refused_and_not_touched(tmp_path):
    url = new_url("postgresql", tmp_path)
    Core(url, Settings(), ManualClock(), lambda _: {}).close()
    database = Database(url)
    database.open()
    with database.transaction():
        database.execute(
            "UPDATE schema_migration SET name = '9999_later' WHERE name = '0001_core'"
        )
    before = database.fetch("SELECT * FROM epoch")

    with pytest.raises(DatabaseVersionError, match="9999_later"):
        Core(url, Settings(), ManualClock(), lambda _: {})

    assert database.fetch("SELECT * FROM epoch") == before
    database.close()


def test_a_missing_driver_is_named_by_what_brings_it(monkeypatch):
    monkeypatch.setattr("peewee.psycopg", None)
    monkeypatch.setattr("peewee.psycopg2", None)

    with pytest.raises(DatabaseError, match=r"`tipman\[postgres\]`"):
        Database("postgresql://localhost/tipman").open()


def test_a_server_may_not_be_silent_for_ever_unless_the_url_says_so():
    plain = Database("postgresql://ada@localhost/tipman").peewee.connect_params
    said = Database("postgresql://ada@localhost/tipman?connect_timeout=60").peewee.connect_params

    assert plain["connect_timeout"] == 10
    assert plain["tcp_user_timeout"] == 30_000
    assert "connect_timeout" not in said
    assert said["tcp_user_timeout"] == 30_000
