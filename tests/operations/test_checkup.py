"""The checkup: what is well is said to be, and each thing that is not is found."""

import os
from pathlib import Path

import pytest
from tipman import checkup
from tipman.checkup import Check, State, examine, examine_at_rest, kind_of_mount
from tipman.clock import ManualClock, SystemClock
from tipman.database import Database
from tipman.settings import Settings

NAMES = (
    "home", "database file", "disk", "file system", "python", "lock", "processes", "migrations",
    "sqlite", "integrity", "clock", "runs", "values", "attempts",
)  # fmt: skip


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home")


@pytest.fixture
def used(settings, shop):
    """Return settings of a home in which an engine has run a task."""
    shop.url = settings.database_url
    engine = shop.start()
    engine.submit(shop.echo, value=1).wait(30)
    engine.close()
    return settings


@pytest.fixture
def engine(settings, shop):
    shop.url = settings.database_url
    return shop.start()


def look(settings, clock=None):
    """Look without starting processes."""

    def reader():
        database = Database(settings.database_url, read_only=True)
        database.open()
        return database

    return by_name(examine(settings, clock or SystemClock(), reader=reader))


def by_name(found):
    return {check.name: check for check in found.checks}


def write(settings, *statements):
    database = Database(settings.database_url)
    database.open()
    for statement in statements:
        database.execute(statement)
    database.close()


def test_all_is_well_at_rest(used):
    found = examine_at_rest(used)

    assert [check.name for check in found.checks] == list(NAMES)
    assert [check for check in found.checks if check.state is not State.OK] == []
    assert found.is_well


def test_all_is_well_while_an_engine_runs(engine):
    found = engine.examine()

    assert [check for check in found.checks if check.state is State.FAULT] == []
    assert str(os.getpid()) in by_name(found)["lock"].detail


def test_the_engine_that_holds_the_database_is_named(settings, shop):
    shop.url = settings.database_url
    shop.start()

    lock = by_name(examine_at_rest(settings))["lock"]

    assert lock.state is State.WARNING
    assert str(os.getpid()) in lock.detail


def test_what_is_found_is_json(used):
    view = examine_at_rest(used).view()

    assert view["ok"] is True
    assert view["checks"][0].keys() == {"name", "state", "detail", "advice"}


def test_a_home_that_is_not_there_is_a_fault(settings):
    assert look(settings)["home"].state is State.FAULT
    assert not settings.home.exists()


def test_what_others_can_read_is_a_fault(used):
    (used.home / "token").write_text("secret")
    (used.home / "token").chmod(0o640)
    assert look(used)["token"].state is State.FAULT
    assert "chmod 600" in look(used)["token"].advice

    used.home.chmod(0o750)
    assert look(used)["home"].state is State.FAULT
    assert "chmod 700" in look(used)["home"].advice


def test_a_database_that_others_can_read_is_a_fault_unless_its_home_is_closed(used):
    file = used.home / "tipman.db"
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    assert look(used)["database file"].state is State.OK

    used.home.chmod(0o755)
    assert look(used)["database file"].state is State.FAULT


def test_a_full_disk_is_a_fault(used, monkeypatch):
    for free, state in ((1, State.FAULT), (500 * 1024**2, State.WARNING), (1024**4, State.OK)):
        usage = checkup.shutil.disk_usage("/")._replace(free=free)
        monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _path, usage=usage: usage)
        assert look(used)["disk"].state is state


@pytest.mark.parametrize(("kind", "state"), [("ext4", State.OK), ("nfs4", State.WARNING)])
def test_a_network_file_system_is_warned_of(used, tmp_path, monkeypatch, kind, state):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / {tmp_path} rw shared:1 - {kind} b rw\n"
    )
    monkeypatch.setattr(checkup, "_MOUNTS", mounts)

    assert look(used)["file system"].state is state


def test_where_the_mounts_can_not_be_told_nothing_is_said(used, tmp_path, monkeypatch):
    monkeypatch.setattr(checkup, "_MOUNTS", tmp_path / "nowhere")

    assert look(used)["file system"].state is State.OK
    assert kind_of_mount(Path("/"), "of another shape\n") is None


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/false"])
def test_an_interpreter_that_is_none_is_a_fault(used, python):
    settings = Settings(home=used.home, python=python)

    assert look(settings)["python"].state is State.FAULT
    assert python in look(settings)["python"].detail


def test_an_interpreter_that_is_too_old_is_a_fault(used, tmp_path):
    python = tmp_path / "python"
    for version, state in (("3.7.16", State.FAULT), ("3.8.0", State.OK), ("3.14.0", State.OK)):
        python.write_text(f"#!/bin/sh\necho {version}\n")
        python.chmod(0o755)

        found = look(Settings(home=used.home, python=str(python)))["python"]

        assert (found.state, version in found.detail) == (state, True)


def test_a_token_of_another_database_is_warned_of(settings, shop, caplog):
    shop.url = settings.database_url
    engine = shop.start()
    token = settings.home / "token"
    assert engine.ensure_token(token)
    assert by_name(engine.examine())["access"].state is State.OK
    assert not engine.ensure_token(token)
    assert caplog.messages == []

    # As after a backup was restored into a new home, and into that of another database.
    for token_there in (None, b"tipman_other\n", b"\xff"):
        token.unlink(missing_ok=True)
        if token_there is not None:
            token.write_bytes(token_there)
        found = by_name(engine.examine())["access"]
        engine.ensure_token(token)

        assert found.state is State.WARNING
        assert "tipman token create" in found.advice
        assert str(token) in caplog.messages.pop()


def test_a_clock_that_is_behind_is_a_fault(used):
    assert look(used, ManualClock())["clock"].state is State.FAULT


def test_a_newer_database_is_a_fault(used):
    write(used, "INSERT INTO schema_migration (name, applied) VALUES ('9999_later', '')")

    found = look(used)

    assert found["migrations"].state is State.FAULT
    assert "9999_later" in found["migrations"].detail
    assert "integrity" not in found


def test_a_foreign_file_is_a_fault(used):
    write(used, "PRAGMA application_id = 7")

    assert look(used)["migrations"].state is State.FAULT


def test_a_damaged_page_is_a_fault(used):
    write(used, "PRAGMA wal_checkpoint(TRUNCATE)")
    path = used.home / "tipman.db"
    content = bytearray(path.read_bytes())
    pages = len(content) // 4096
    for page in range(pages // 2, pages):
        content[page * 4096 : page * 4096 + 100] = os.urandom(100)
    path.write_bytes(content)

    found = look(used)

    assert State.FAULT in {check.state for check in found.values()}


def test_folders_of_attempts_without_a_task_are_warned_of(used):
    stray = "01890000-0000-7000-8000-000000000000"
    (used.home / "attempts" / stray).mkdir(parents=True)
    (used.home / "attempts" / "notes").mkdir()

    attempts = look(used)["attempts"]

    assert attempts.state is State.WARNING
    assert stray in attempts.detail
    assert "notes" not in attempts.detail


def test_processes_that_can_not_be_started_are_a_fault(monkeypatch):
    def refuse(_self):
        raise OSError(11, "no more processes")

    monkeypatch.setattr(checkup.ProcessExecutor, "open", refuse)

    found = checkup.try_processes()
    assert found.state is State.FAULT
    assert "no more processes" in found.detail


def test_a_warning_is_no_fault():
    fault = Check("x", State.FAULT, "")

    assert checkup.Checkup((Check("x", State.WARNING, ""),)).is_well
    assert not checkup.Checkup((Check("x", State.OK, ""), fault)).is_well


def test_runs_that_wait_for_somebody_are_named(settings, shop):
    shop.url = settings.database_url
    engine = shop.start()
    wait = {"name": "ask", "type": "wait"}
    run = engine.run_workflow({"name": "flow", "tasks": [wait]})
    assert by_name(engine.examine())["runs"].state is State.OK

    run.suspend()
    found = by_name(engine.examine())["runs"]

    assert (found.state, found.advice.split()[1]) == (State.WARNING, "explain")
    assert run.id in found.detail
