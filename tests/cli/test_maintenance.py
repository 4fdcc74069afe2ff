"""Looking after a database: by its server, and without one."""

import json
import re
import signal
import sqlite3

import pytest
from cli.program import Program
from tipman_api.cli import exit_code_of_command


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A program whose home has seen a task of each end; no server runs."""
    program = Program(tmp_path_factory.mktemp("maintenance"))
    with program.start("serve", "--port", "0") as server:
        server.until("Tipman serves http://")
        program("submit", "exec", "true", "--key", "good", "--wait")
        program("submit", "exec", "false", "--key", "bad", "--wait")
        server.signal(signal.SIGINT)
        assert server.wait() == 0
    return program


@pytest.fixture
def call(program, monkeypatch, capfd):
    """Run a command in this process; return its code, its output and its errors."""
    monkeypatch.chdir(program.folder)

    def called(*arguments):
        code = exit_code_of_command([*map(str, arguments)])
        return (int(code), *capfd.readouterr())

    return called


@pytest.fixture(scope="module", params=["server", "alone"])
def either(request, program):
    """With a server, and without."""
    if request.param == "alone":
        yield request.param
        return
    with program.start("serve", "--port", "0") as server:
        server.until("Tipman serves http://")
        yield request.param
        server.signal(signal.SIGINT)
        assert server.wait() == 0


def test_every_log_is_verified(either, call):
    code, out, err = call("verify")

    assert (either, code, err) == (either, 0, "")
    words, instances, entries = out.strip().split("\t")
    # Two tasks, and the registry with its tokens.
    assert (words, instances) == ("whole", "3")
    assert int(entries) >= 5
    assert json.loads(call("verify", "--json")[1])["ok"] is True


def test_a_backup_is_whole_private_and_overwrites_nothing(either, call, tmp_path):
    copy = tmp_path / f"{either}.db"

    code, out, err = call("backup", copy)

    assert (code, out, err) == (0, f"{copy}\t{copy.stat().st_size}\n", "")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert call("verify", "--database", f"sqlite:///{copy}")[0] == 0
    code, out, err = call("backup", copy)
    assert (code, out) == (2, "")
    assert f"{copy} is there already" in err
    assert call("backup", tmp_path / "none" / "copy.db")[0] == 2
    assert call("backup")[0] == 0


def test_the_doctor_finds_nothing_wrong(either, call):
    code, out, err = call("doctor")

    assert (either, code, err) == (either, 0, "")
    checks = {line.split("\t")[1]: line.split("\t")[0] for line in out.splitlines()}
    assert checks["lock"] == "ok"
    assert set(checks.values()) <= {"ok", "warning"}


def test_what_is_young_is_not_pruned(either, call):
    code, out, err = call("prune", "--dry-run")

    assert (either, code, out) == (either, 0, "")
    assert re.fullmatch(r"tipman: nothing settled before \S+Z that may go\n", err)
    assert json.loads(call("prune", "--json")[1])["rows"] == {}


def test_tokens_are_made_and_revoked(either, call):
    secret = call("token", "create", either)[1].strip()

    assert len(secret) > 20
    listed = call("token", "list")[1]
    assert f"{either}\toperate\t-\t" in listed
    assert secret not in listed
    assert call("token", "create", either)[0] == 5
    assert call("token", "revoke", either) == (0, "", "")
    assert call("token", "revoke", either)[0] == 3


def test_what_is_old_is_pruned(call, tmp_path, monkeypatch):
    copy = tmp_path / "pruned.db"
    call("token", "create", "last")
    call("backup", copy)
    url = f"sqlite:///{copy}"
    monkeypatch.setenv("TIPMAN_RETENTION_DAYS", "0.0000001")

    assert "instances\t" in call("prune", "--dry-run", "--database", url)[1]
    # The registry is open, and so is its log.
    assert "instances\t2\n" in call("prune", "--database", url)[1]
    assert call("prune", "--database", url)[1] == ""
    assert call("verify", "--database", url)[1].split("\t")[:2] == ["whole", "1"]


def test_damage_is_found(call, tmp_path):
    copy = tmp_path / "damaged.db"
    call("backup", copy)
    with sqlite3.connect(copy) as connection:
        connection.execute("UPDATE instance SET state = 'succeeded' WHERE kind = 'task'")
    connection.close()

    code, out, err = call("verify", "--database", f"sqlite:///{copy}")

    assert (code, err) == (1, "")
    first, *faults = out.splitlines()
    assert first.startswith("1 fault")
    assert len(faults) == 1


def test_a_database_is_brought_up_to_date_once(call, tmp_path):
    copy = tmp_path / "old.db"
    call("backup", copy)

    assert call("migrate", "--database", f"sqlite:///{copy}") == (
        0,
        "",
        "tipman: there is nothing to do\n",
    )
    told = json.loads(call("migrate", "--database", f"sqlite:///{copy}", "--json")[1])
    assert told == {"applied": [], "backup": None}


@pytest.mark.parametrize("command", ["prune", "backup", "verify", "migrate", "token list"])
def test_without_a_database_there_is_nothing_to_look_after(call, tmp_path, command):
    url = f"sqlite:///{tmp_path / 'none.db'}"

    code, out, err = call(*command.split(), "--database", url)

    assert (code, out) == (3, "")
    assert "there is no database at" in err
    assert not (tmp_path / "none.db").exists()


def test_a_database_that_is_served_is_held(call, program):
    with program.start("serve", "--port", "0") as server:
        server.until("Tipman serves http://")

        ends = [
            call(*command.split(), "--database", f"sqlite:///{program.folder}/.tipman/tipman.db")
            for command in ("prune", "backup", "verify", "migrate", "token list")
        ]

        assert [code for code, _, _ in ends] == [75] * 5
        assert all(str(server.process.pid) in err for _, _, err in ends)
        assert call("migrate")[0] == 75
        server.signal(signal.SIGINT)
        assert server.wait() == 0
