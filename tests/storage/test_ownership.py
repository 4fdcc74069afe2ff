"""Who holds a database: one engine, under whatever name, and for no longer than it lives."""

import os
from contextlib import contextmanager

import pytest
from storage.databases import new_url
from tipman import Engine
from tipman.checkup import examine_at_rest
from tipman.database import Database
from tipman.errors import EngineRunningError
from tipman.leases import FileLock
from tipman.operations import migrate
from tipman.settings import Settings
from tipman.values import LARGE

WAIT = {"type": "wait", "key": "kept"}


def engine_on(url, home):
    return Engine(url, settings=Settings(home=home))


@contextmanager
def fork_of_this_process():
    """Have a copy of this process, as `multiprocessing` makes them, that does nothing."""
    reading, writing = os.pipe()
    started, starting = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(starting, b".")
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.read(started, 1)
    for end in (reading, started, starting):
        os.close(end)
    try:
        yield
    finally:
        os.close(writing)
        os.waitpid(pid, 0)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_second_engine_is_refused_and_the_first_is_none_the_worse(tmp_path, kind):
    url = new_url(kind, tmp_path)
    with engine_on(url, tmp_path / "first") as first:
        handle = first.submit_task(WAIT)

        with pytest.raises(EngineRunningError) as refusal:
            engine_on(url, tmp_path / "second").start()

        first.cancel(handle)
        assert handle.wait(timeout_s=10).state == "cancelled"
    assert refusal.value.pid == os.getpid()
    assert str(os.getpid()) in str(refusal.value)
    assert "?" not in str(refusal.value)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_engine_that_stopped_leaves_the_database_to_the_next(tmp_path, kind):
    url = new_url(kind, tmp_path)
    with engine_on(url, tmp_path / "first") as first:
        first.submit_task(WAIT)

    with engine_on(url, tmp_path / "second") as second:
        assert second.find("kept").state == "awaiting"


def lock_of(settings):
    checks = examine_at_rest(settings).checks
    return next(check for check in checks if check.name == "lock")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_who_looks_after_a_database_is_told_which_engine_has_it(tmp_path, kind):
    url = new_url(kind, tmp_path)
    settings = Settings(home=tmp_path, database=url)
    with engine_on(url, tmp_path):
        lock = lock_of(settings)
        with pytest.raises(EngineRunningError):
            migrate(settings)

    assert lock.state == "warning"
    assert f"pid {os.getpid()}" in lock.detail
    assert lock_of(settings).state == "ok"
    assert migrate(settings).applied == []


def test_two_schemas_of_one_server_are_two_databases(tmp_path):
    one, other = (new_url("postgresql", tmp_path) for _ in range(2))

    with engine_on(one, tmp_path / "one"), engine_on(other, tmp_path / "other") as engine:
        assert engine.submit_task(WAIT).state == "awaiting"


def test_a_link_to_a_database_is_held_with_it(tmp_path):
    (tmp_path / "link.db").symlink_to("real.db")

    with (
        engine_on(f"sqlite:///{tmp_path / 'real.db'}", tmp_path / "first"),
        pytest.raises(EngineRunningError),
    ):
        engine_on(f"sqlite:///{tmp_path / 'link.db'}", tmp_path / "second").start()


def test_large_values_are_found_by_a_link_as_well(tmp_path):
    (tmp_path / "link.db").symlink_to("real.db")
    real = Database(f"sqlite:///{tmp_path / 'real.db'}")
    link = Database(f"sqlite:///{tmp_path / 'link.db'}")

    kept = link.values.kept("x" * (LARGE + 1))

    assert real.values.whole(kept) == "x" * (LARGE + 1)


def test_a_link_that_leads_in_a_circle_is_no_place_for_a_database(tmp_path):
    (tmp_path / "link.db").symlink_to("link.db")

    assert Database(f"sqlite:///{tmp_path / 'link.db'}").path == tmp_path / "link.db"


def test_a_fork_that_outlives_the_engine_does_not_hold_the_lock(tmp_path):
    lock, next_lock = (FileLock(tmp_path / "tipman.db") for _ in range(2))
    lock.take()

    with fork_of_this_process():
        # As the system does when the process dies; `release` would say that it gives it back.
        lock.let_go()
        next_lock.take()

    next_lock.release()
