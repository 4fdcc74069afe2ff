"""SQLite's log is written back while nobody waits for it; it stays short, and that may fail."""

import resource
import sqlite3
from contextlib import closing, contextmanager
from threading import Thread

import pytest
from core.engines import PATIENCE_S
from core.house import PLAIN, House
from storage.databases import new_url
from tipman.checkpoints import LOG_PAGES
from tipman.executors.functions import Registry
from tipman.runtime import Engine

LATER = {**PLAIN, "after_s": 60}
LONG = {"type": "eval", "arguments": "0" * 10_000}
PAGE_BYTES = 4096
DISK_BYTES = 8 * 1024 * 1024


@pytest.fixture
def house(tmp_path):
    built = House(new_url("sqlite", tmp_path))
    built.core.database.write_back()
    yield built
    built.close()


def log_bytes(house):
    path = house.core.database.path
    return path.with_name(f"{path.name}-wal").stat().st_size


def written_back(house):
    """Return the names of the tasks in the file itself, whatever its log says."""
    file = f"file:{house.core.database.path}?immutable=1"
    with closing(sqlite3.connect(file, uri=True)) as database:
        return [
            row[0] for row in database.execute("SELECT name FROM instance WHERE kind = 'task'")
        ]


def work(house, commits):
    """Make so many commits of one task, and a large one."""
    for _ in range(commits):
        house.submit(LATER)
    house.submit(*[LATER] * 400)


@contextmanager
def old_rows(house):
    """Have somebody look at the rows as they are now for as long as the block takes."""
    reader = house.core.database.reader()
    reader.execute("BEGIN")
    reader.fetch("SELECT 1 FROM instance LIMIT 1")
    yield
    reader.execute("COMMIT")
    reader.close()


def test_the_log_stays_short_however_much_is_written(house):
    for _ in range(4):
        work(house, commits=200)

        assert log_bytes(house) < 2 * LOG_PAGES * PAGE_BYTES

    assert len(written_back(house)) > 3 * 600


def test_a_log_that_is_not_written_back_grows_and_is_short_again_when_it_can_be(house):
    """Control for the above, too: the same work while SQLite can not begin the log anew."""
    with old_rows(house):
        work(house, commits=400)
        assert written_back(house) == []
    work(house, commits=400)

    long = log_bytes(house)
    work(house, commits=800)

    assert long > 2 * LOG_PAGES * PAGE_BYTES
    # The file keeps its length, but what is written over its beginning makes it no longer.
    assert log_bytes(house) == long
    assert len(written_back(house)) > 1_600


def drains(house, commits):
    """Return how many instances stand in the file before, in and after each drain's answers."""
    seen, within = [], []
    house.core.committed = lambda _: within.append(len(written_back(house)))
    for _ in range(commits):
        before = len(written_back(house))
        house.core.bus.publish_nowait(house.submitter.batch([house.checked(LATER)], actor="a"))
        within.clear()
        house.core.bus.drain()
        seen.append((before, within[0], len(written_back(house))))
    return seen


def test_nobody_waits_until_the_log_is_written_back(house):
    seen = drains(house, commits=400)

    assert all(before == answered for before, answered, _ in seen)
    assert sum(answered < after for _, answered, after in seen) >= 2


def test_everybody_waits_when_sqlite_writes_it_back_within_a_commit(house):
    """Control for the above."""
    house.core.database.fetch("PRAGMA wal_autocheckpoint = 500")

    seen = drains(house, commits=400)

    assert any(before < answered for before, answered, _ in seen)


def test_what_is_done_between_drains_is_written_back_too(house):
    house.submit(*[LATER] * 500)

    for _ in range(40):
        house.core.bus.interludes.put(lambda on: on.execute("UPDATE instance SET name = 'new'"))
        house.core.bus.drain()

    assert "new" in written_back(house)


def forbid_checkpoints(house, answer):
    def judge(_action, name, *_):
        return answer if name == "wal_checkpoint" else sqlite3.SQLITE_OK

    house.core.database.peewee.connection().set_authorizer(judge)


def test_a_checkpoint_that_fails_fails_nobody_and_is_reported_once(house, caplog):
    forbid_checkpoints(house, sqlite3.SQLITE_DENY)
    work(house, commits=400)
    assert written_back(house) == []
    [failed] = [record.getMessage() for record in caplog.records]
    forbid_checkpoints(house, sqlite3.SQLITE_OK)
    work(house, commits=200)

    assert "can not write the log back" in failed
    assert f"{house.core.database.path}-wal" in failed
    assert "is written back again" in caplog.records[1].getMessage()
    assert len(caplog.records) == 2
    assert house.failure is None
    assert len(written_back(house)) > 800


@contextmanager
def disk_of(size):
    """Let no file grow beyond, as when the disk is full; writing there fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_for_the_file_and_not_for_the_log_loses_nothing(house, caplog):
    acknowledged = []
    with disk_of(DISK_BYTES):
        while not caplog.records:
            acknowledged += house.submit({**LATER, **LONG})
        acknowledged += [house.task(after_s=60) for _ in range(20)]
        failed = caplog.records[0].getMessage()

    house.crash()

    assert "can not write the log back" in failed
    assert house.states(*acknowledged) == ["delayed"] * len(acknowledged)
    assert house.reader.fetch("PRAGMA integrity_check") == [("ok",)]


def test_an_engine_that_wrote_much_leaves_one_file(tmp_path):
    tasks = Registry()
    echo = tasks.task(name="echo")(lambda value: value)
    file = tmp_path / "tipman.db"
    engine = Engine(f"sqlite:///{file}", home=tmp_path / "home", tasks=tasks).start()

    def publish():
        for value in range(100):
            engine.submit(echo, value=value)

    threads = [Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.submit(echo, value=0).wait(PATIENCE_S)
    engine.close(drain_s=PATIENCE_S)

    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("tipman.db-")] == []
    with closing(sqlite3.connect(file)) as database:
        states = database.execute("SELECT state FROM instance WHERE kind = 'task'").fetchall()
    assert len(states) == 401


def test_either_database_can_be_asked_to_write_its_log_back(database):
    with database.transaction():
        database.execute("INSERT INTO kept VALUES ('default', 'class', 'x', '1')")

    database.write_back()

    assert database.fetch("SELECT name FROM kept") == [("x",)]
