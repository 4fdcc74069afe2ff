"""The commands themselves: help, versions, validation, and everything that is refused."""

import json
import re
import subprocess
import sys

import pytest
from cli.program import PATIENCE_S, shell, write_workflow
from click.testing import CliRunner
from tipman.definitions import TaskType
from tipman.errors import (
    ConflictError,
    DatabaseError,
    EngineRunningError,
    InvalidError,
    KeyExistsError,
    NotFoundError,
    UnavailableError,
)
from tipman_api.cli import cli, exit_code_of_command
from tipman_api.exits import exit_code_of
from tipman_api.program import SECTIONS

HELP_COLUMNS = 80 - len("  definition  ")
NAMES = [name for section in SECTIONS.values() for name in section]


@pytest.fixture
def call(tmp_path, monkeypatch, capfd):
    """Run a command in this process; return its code, its output and its errors."""
    monkeypatch.chdir(tmp_path)

    def called(*arguments):
        code = exit_code_of_command([*map(str, arguments)])
        return (int(code), *capfd.readouterr())

    return called


def test_help_names_every_command():
    shown = CliRunner().invoke(cli, ["--help"])

    assert shown.exit_code == 0
    assert re.findall(r"^  ([a-z]+)  ", shown.output, re.MULTILINE) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_command_says_of_itself_what_the_table_says_of_it(name):
    entry = next(section[name] for section in SECTIONS.values() if name in section)

    command = cli.get_command(None, name)

    assert command.name == name
    assert command.help.splitlines()[0] == entry.help
    assert entry.help.endswith(".")
    assert len(entry.help) <= HELP_COLUMNS


def test_versions_are_printed(call):
    code, out, _ = call("version")

    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["tipman", "python", "sqlite"]
    assert [*json.loads(call("version", "--json")[1])] == ["tipman", "python", "sqlite"]
    assert call("--version") == (0, out.splitlines()[0] + "\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu"], "did you mean `run`?"),
        (["nothing"], "No such command 'nothing'."),
        (["run", "--databse", "x", "f"], "Did you mean '--database'?"),
        (["run"], "Name one workflow file"),
        (["run", "a", "--input", "b"], "Name one workflow file"),
        (["run", "a", "--resume"], "--resume needs the --database"),
        (["run", "a", "--slots", "0"], "--slots"),
        (["run", "a", "--param", "day"], "'day' is not K=V"),
        (["run", "a", "--param", "=1"], "'=1' is not K=V"),
        (["validate"], "FILE"),
        (["submit"], f"Name a TYPE ({', '.join(TaskType.__args__)})"),
        (["list", "--url", "foo"], "tipman: 'foo' is no address"),
    ],
)
def test_bad_usage_is_refused(call, arguments, words):
    code, out, err = call(*arguments)

    assert (code, out) == (2, "")
    assert words in err


def test_faults_are_named_a_line_each_with_their_places(call, tmp_path):
    (tmp_path / "bad.yaml").write_text(
        "tasks:\n"
        "  - {name: a, type: exec, arguments: 'true', timout_s: 3}\n"
        "  - {name: b, type: exec, arguments: 'true', dependencies: [c]}\n"
    )
    faults = (
        "bad.yaml:2:46 tasks[0].timout_s: unknown field `timout_s`; did you mean `timeout_s`?\n"
        "bad.yaml:3:61 tasks[1].dependencies[0]: no task is named `c`\n"
    )

    assert call("validate", "bad.yaml") == (2, "", faults)
    assert call("run", "bad.yaml") == (2, "", faults)


def test_every_file_is_validated(call, tmp_path):
    write_workflow(tmp_path / "a.yaml", shell("a", "true"))
    write_workflow(tmp_path / "b.yaml", shell("b", "true"), nam="b")
    write_workflow(tmp_path / "c.yaml", shell("c", "true"))

    code, out, err = call("validate", "a.yaml", "b.yaml", "none.yaml", "c.yaml")

    assert (code, out) == (2, "a.yaml: ok\nc.yaml: ok\n")
    assert [line.partition(" ")[0] for line in err.splitlines()] == ["b.yaml:1:1", "none.yaml:"]


def test_schedule_files_are_validated_too(call, tmp_path):
    (tmp_path / "s.yaml").write_text("every_s: 5\ntask: {type: wait}\n")
    (tmp_path / "t.yaml").write_text("- cron: 0 0 * * \n  task: {type: wait}\n")

    code, out, err = call("validate", "s.yaml", "t.yaml")

    assert (code, out) == (2, "s.yaml: ok\n")
    assert err.startswith("t.yaml:1:3 [0].cron: ")


def test_a_schedule_block_is_left_out_with_a_note(call, tmp_path):
    write_workflow(tmp_path / "w.yaml", shell("a", "true"), schedule={"cron": "0 2 * * *"})

    code, out, err = call("run", "w.yaml")

    assert code == 0
    assert "Ended : a" in out
    assert err == "tipman: the schedule block is left out: this runs the workflow once, now\n"


def test_a_wait_that_nothing_could_end_is_refused(call, tmp_path):
    write_workflow(tmp_path / "w.yaml", {"name": "outside", "type": "wait"})

    code, out, err = call("run", "w.yaml")

    assert (code, out) == (2, "")
    assert err.startswith("tipman: task 'outside' waits for an event from outside")


def test_a_function_that_nobody_registered_is_refused(call, tmp_path):
    arguments = {"task": "pack"}
    write_workflow(tmp_path / "w.yaml", {"name": "a", "type": "inline", "arguments": arguments})

    code, out, err = call("run", "w.yaml")

    assert (code, out) == (2, "")
    assert err.startswith("tipman: task 'a' calls 'pack', and `tipman run` has no functions")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://localhost/x", "is no database"),
        ("sqlite:///none/runs.db", "can not open the database"),
        ("sqlite:///other.db", "is not a Tipman database"),
        ("sqlite:///broken.db", "can not open the database"),
    ],
)
def test_a_database_that_can_not_be_used_is_refused_and_not_touched(call, tmp_path, url, words):
    write_workflow(tmp_path / "w.yaml", shell("a", "touch ran"))
    make_other_database(tmp_path / "other.db")
    (tmp_path / "broken.db").write_bytes(b"no database at all" * 100)
    before = contents(tmp_path)

    code, out, err = call("run", "w.yaml", "--database", url)

    assert (code, out) == (2, "")
    assert words in err
    assert contents(tmp_path) == before


def make_other_database(path):
    import sqlite3

    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (a)")
    connection.commit()
    connection.close()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.db")}


def test_settings_come_from_the_file_and_the_environment(call, tmp_path, monkeypatch):
    write_workflow(tmp_path / "w.yaml", shell("a", "true"))
    (tmp_path / "tipman.toml").write_text("slotz = 3")

    assert call("run", "w.yaml")[::2] == (
        2,
        "tipman: `slotz` is no setting; did you mean `slots`?\n",
    )
    (tmp_path / "tipman.toml").write_text("slots = 3")
    monkeypatch.setenv("TIPMAN_DRAIN_S", "soon")
    code, _, err = call("run", "w.yaml")
    assert code == 2
    assert "TIPMAN_DRAIN_S" in err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidError("x"), 2),
        (NotFoundError("x"), 3),
        (KeyExistsError("x", "/"), 5),
        (ConflictError("x", "queued"), 5),
        (DatabaseError("x"), 2),
        (UnavailableError("x"), 70),
        (EngineRunningError("x", 1), 75),
    ],
)
def test_every_error_has_its_exit_code(error, code):
    assert exit_code_of(error) == code


ENGINE = ("peewee", "rich", "sqlite3", "tipman.runtime")


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["completion", "bash"], ["pydantic", "yaml", "http.client", *ENGINE]),
        (["version"], ["pydantic", "yaml", "peewee", "rich", "tipman.runtime"]),
        (["--help"], ["pydantic", "yaml", *ENGINE]),
        (["validate", "w.yaml"], [*ENGINE]),
    ],
)
def test_a_command_imports_nothing_that_it_does_not_need(tmp_path, arguments, unwanted):
    write_workflow(tmp_path / "w.yaml", shell("a", "true"))
    code = (
        "import sys\n"
        "from tipman_api.cli import exit_code_of_command\n"
        f"assert exit_code_of_command({arguments}) == 0\n"
        f"print([name for name in {unwanted} if name in sys.modules])\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )

    assert ended.stdout.splitlines()[-1] == "[]"
