"""Databases that must not be used, or can not be written any more: said so, and nothing lost."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing, contextmanager, suppress

import pytest
from crash import checker, evidence
from crash.claims import ACKNOWLEDGED, REFUSED, Claims, Submitted
from crash.clients import Connection, GoneError
from crash.driver import Orders
from crash.nest import Nest
from tipman.errors import DatabaseError, DatabaseVersionError, EngineRunningError
from tipman.executors.functions import Registry
from tipman.runtime import Engine
from tipman.settings import Settings

SUBMISSIONS_MAX = 500
FILE_BYTES = 600_000
DISK_BYTES = 2_000_000


@pytest.fixture(scope="module")
def nest():
    nest = Nest()
    yield nest
    nest.close()


@contextmanager
def driven(nest, folder, **orders):
    """Give a connection to an engine that runs in *folder*, and kill the engine at last."""
    nest.start(Orders(str(folder), **orders))
    connection = Connection(folder / "socket")
    try:
        yield connection
    finally:
        connection.close()
        nest.kill()
        nest.bury()


def engine_in(folder):
    return Engine(settings=Settings(home=folder), tasks=Registry())


def submit_until_refused(connection, claims, *, prefix="k"):
    """Submit one task after the other; return the first refusal."""
    for number in range(SUBMISSIONS_MAX):
        task = {"key": f"{prefix}{number}", "type": "wait", "arguments": {"note": "x" * 4000}}
        answer = connection.ask("submit", tasks=[task], actor=f"{prefix}{number}")
        outcome, ids = (ACKNOWLEDGED, tuple(answer["ok"])) if "ok" in answer else (REFUSED, ())
        claims.add(Submitted(outcome, f"{prefix}{number}", (task,), ids))
        if outcome is REFUSED:
            return answer
    raise AssertionError("the disk was never full")


def left_killed(nest, folder):
    """Make a database with something in it, left by kill -9."""
    with driven(nest, folder) as connection:
        task = {"key": "first", "type": "wait", "arguments": {}}
        connection.ask("submit", tasks=[task], actor="somebody")


def left_closed(nest, folder):
    """As `left_killed`, but stopped in good order: all of it is in the one file."""
    with driven(nest, folder) as connection:
        task = {"key": "first", "type": "wait", "arguments": {}}
        connection.ask("submit", tasks=[task], actor="somebody")
        connection.ask("stop", drain_s=0)


NOT_DATA = (".lock", "-shm")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("tipman.db*")}


def untouched(before, after):
    """Tell whether what was there is as it was.

    The lock file beside it is nobody's data, and the shared memory is an index of the log that
    every process that looks makes anew.
    """
    data = {name: content for name, content in before.items() if not name.endswith(NOT_DATA)}
    return data.items() <= after.items()


def test_a_second_engine_is_refused_and_told_the_process_id_of_the_first(nest, tmp_path):
    with driven(nest, tmp_path) as connection:
        connection.ask("open")

        with pytest.raises(EngineRunningError) as refusal:
            engine_in(tmp_path).start()

    assert refusal.value.pid == nest.pid
    assert str(nest.pid) in str(refusal.value)


def test_the_lock_ends_with_the_process_that_held_it(nest, tmp_path):
    left_killed(nest, tmp_path)

    with engine_in(tmp_path) as engine:
        assert engine.task("first")["state"] == "awaiting"


def check_nothing_is_lost_when_full(nest, folder, make_room, **orders):
    """Fill the disk under an engine; what it acknowledged is there when there is room again."""
    claims = Claims()
    with driven(nest, folder, **orders) as connection:
        refusal = submit_until_refused(connection, claims)
        failure = connection.ask("failure")["ok"]
        another = connection.ask("submit", tasks=[{"type": "wait"}], actor="late")
    make_room()
    with driven(nest, folder) as connection:
        again = connection.ask("submit", tasks=[{"key": "again", "type": "wait"}], actor="a")

    assert refusal["refused"] == "database"
    assert "the engine stopped" in refusal["message"]
    assert failure == refusal["message"]
    assert another["refused"] in {"database", "unavailable"}
    assert claims.acknowledged > 0
    claims.add(Submitted(ACKNOWLEDGED, "a", ({"key": "again", "arguments": {}},), again["ok"]))
    assert list(checker.violations(evidence.gather(folder), claims)) == []


def test_a_full_disk_stops_the_engine_and_loses_nothing_acknowledged(nest, tmp_path):
    left_killed(nest, tmp_path)
    (tmp_path / "tipman.db-wal").unlink()
    (tmp_path / "tipman.db").unlink()

    check_nothing_is_lost_when_full(
        nest, tmp_path, lambda: None, file_bytes_max=FILE_BYTES, republish=False
    )


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("a small file system can not be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_file_system_stops_the_engine_and_loses_nothing_acknowledged(nest, small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(DISK_BYTES // 2))

    check_nothing_is_lost_when_full(nest, small_disk, ballast.unlink)


@pytest.mark.parametrize("bytes_max", [4096, 20_000, 40_000, 70_000])
def test_an_engine_that_has_no_room_to_start_says_so(nest, tmp_path, bytes_max):
    nest.start(Orders(str(tmp_path), file_bytes_max=bytes_max))

    with suppress(GoneError), Connection(tmp_path / "socket") as connection:
        connection.ask("open")
    nest.kill()
    status = nest.bury()

    log = (tmp_path / "driver.log").read_text()
    assert (status, log.partition(":")[0]) == (3, "database"), log


def damaged_header(folder):
    with (folder / "tipman.db").open("r+b") as file:
        file.write(os.urandom(100))


def text_file(folder):
    (folder / "tipman.db").write_text("Dear diary,\n" * 1000)


def another_program(folder):
    (folder / "tipman.db").unlink()
    with closing(sqlite3.connect(folder / "tipman.db")) as database:
        database.execute("CREATE TABLE recipes (name TEXT)")


@pytest.mark.parametrize("damage", [damaged_header, text_file, another_program])
def test_what_is_no_database_of_ours_is_refused_and_not_touched(nest, tmp_path, damage):
    left_closed(nest, tmp_path)
    damage(tmp_path)
    before = contents(tmp_path)

    with pytest.raises(DatabaseError, match=r"tipman\.db"):
        engine_in(tmp_path).start()

    assert untouched(before, contents(tmp_path))


def add_migration(folder):
    with closing(sqlite3.connect(folder / "tipman.db")) as database, database:
        database.execute(
            "INSERT INTO schema_migration (name, applied)"
            " SELECT '9999_future', applied FROM schema_migration LIMIT 1"
        )


def test_a_newer_database_is_refused_and_not_touched(nest, tmp_path):
    left_closed(nest, tmp_path)
    add_migration(tmp_path)
    before = contents(tmp_path)

    with pytest.raises(DatabaseVersionError, match="9999_future"):
        engine_in(tmp_path).start()

    assert untouched(before, contents(tmp_path))


def test_a_newer_database_that_was_killed_is_refused_and_not_touched(nest, tmp_path):
    left_closed(nest, tmp_path)
    add_migration(tmp_path)
    # As a newer engine leaves it: a log that was not written back into the file.
    copy = tmp_path / "killed"
    copy.mkdir()
    with closing(sqlite3.connect(tmp_path / "tipman.db")) as database:
        with database:
            database.execute("UPDATE instance SET name = 'newer'")
        for path in tmp_path.glob("tipman.db*"):
            shutil.copy2(path, copy)
    before = contents(copy)
    assert before["tipman.db-wal"]

    with pytest.raises(DatabaseVersionError, match="9999_future"):
        engine_in(copy).start()

    assert untouched(before, contents(copy))
