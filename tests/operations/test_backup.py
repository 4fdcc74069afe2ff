"""Backups: whole, private, of one instant, and never over anything."""

import os
import sqlite3
import stat
import threading
from contextlib import ExitStack

import pytest
from core.engines import in_thread
from tipman.backup import _take_in, back_up, put_in_place
from tipman.clock import ManualClock
from tipman.database import Database, sqlite_path
from tipman.errors import DatabaseError, InvalidError
from tipman.values import LARGE

CLOCK = ManualClock()


def copied(engine, path):
    with engine.reading() as database:
        return back_up(database, path, CLOCK)


def test_a_backup_is_a_database_that_an_engine_goes_on_with(shop, tmp_path):
    engine = shop.start()
    handle = engine.submit(shop.echo, value=7).wait(30)
    path = tmp_path / "copy.db"

    made = copied(engine, path)

    engine.close()
    assert made.size == path.stat().st_size
    shop.url = f"sqlite:///{path}"
    assert shop.start().task(handle.id)["result"] == 7


def test_a_backup_is_one_file_that_only_its_owner_reads(shop, tmp_path):
    engine = shop.start()
    (tmp_path / "folder").mkdir()

    copied(engine, tmp_path / "folder" / "copy.db")

    [file] = (tmp_path / "folder").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_backup_while_serving_holds_all_that_was_acknowledged_and_half_of_nothing(
    shop, tmp_path
):
    engine = shop.start()
    acknowledged, enough, done = [], threading.Event(), threading.Event()

    def submit():
        while not done.is_set():
            batch = [{"key": f"{len(acknowledged)}-{n}", "type": "wait"} for n in range(10)]
            acknowledged.append([h.id for h in engine.submit_batch(batch)])
            if len(acknowledged) == 20:
                enough.set()

    with in_thread(submit):
        assert enough.wait(30)
        before = sum(map(len, acknowledged))
        copied(engine, tmp_path / "copy.db")
        done.set()

    with sqlite3.connect(tmp_path / "copy.db") as copy:
        tasks = copy.execute("SELECT count(*) FROM task").fetchone()[0]
        assert tasks >= before
        assert tasks % 10 == 0
        assert copy.execute("SELECT count(*) FROM instance").fetchone()[0] == tasks
    copy.close()


@pytest.mark.parametrize("kind", ["file", "folder", "link", "hanging link"])
def test_nothing_is_overwritten(shop, tmp_path, kind):
    path = tmp_path / "there"
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("precious")
    else:
        (tmp_path / "target").write_text("precious") if kind == "link" else None
        path.symlink_to(tmp_path / "target")
    engine = shop.start()

    with pytest.raises(InvalidError, match="there already"):
        copied(engine, path)

    if kind == "file":
        assert path.read_text() == "precious"


def test_a_name_that_was_taken_meanwhile_is_not_overwritten(tmp_path):
    (tmp_path / "made").write_text("new")
    (tmp_path / "there").write_text("precious")

    with pytest.raises(InvalidError):
        put_in_place(tmp_path / "made", tmp_path / "there")

    assert (tmp_path / "there").read_text() == "precious"


def test_a_missing_folder_is_named(shop, tmp_path):
    with pytest.raises(InvalidError, match="nowhere"):
        copied(shop.start(), tmp_path / "nowhere" / "copy.db")


def test_a_damaged_database_has_no_backup_and_leaves_nothing(shop, tmp_path):
    engine = shop.start()
    engine.submit_many(shop.echo, [{"value": "x" * 500} for _ in range(200)])[-1].wait(30)
    engine.close()
    whole = sqlite_path(shop.url)
    damaged = tmp_path / "damaged.db"
    with sqlite3.connect(whole) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    content = bytearray(whole.read_bytes())
    pages = len(content) // 4096
    for page in range(pages // 2, pages - 1):
        content[page * 4096 : page * 4096 + 200] = os.urandom(200)
    damaged.write_bytes(content)
    (tmp_path / "folder").mkdir()
    database = Database(f"sqlite:///{damaged}", read_only=True)
    database.open()

    with pytest.raises(DatabaseError, match=r"damaged|malformed"):
        back_up(database, tmp_path / "folder" / "copy.db", CLOCK)

    database.close()
    assert list((tmp_path / "folder").iterdir()) == []


def test_postgresql_has_its_own_tools(any_shop, tmp_path):
    engine = any_shop.start()
    if any_shop.url.startswith("sqlite"):
        return
    with pytest.raises(InvalidError, match="pg_dump"):
        copied(engine, tmp_path / "copy.db")


def test_what_a_backup_refers_to_is_not_pruned_meanwhile(shop, tmp_path, monkeypatch):
    engine = shop.start(retention_days=1e-9)
    engine.submit(shop.echo, value="x" * LARGE * 2).wait(30)
    engine.submit_task({"type": "wait"})

    def prune():
        # What was written lately stays for two passes.
        for _ in range(3):
            engine.prune()

    def take_in(target, values):
        pruning = pruned.enter_context(in_thread(prune))
        pruning.join(0.3)
        _take_in(target, values)

    monkeypatch.setattr("tipman.backup._take_in", take_in)
    with ExitStack() as pruned:
        engine.backup(tmp_path / "copy.db")

    assert not list(engine.core.database.values.references())
