"""What the frozen program does, each form of it: all that the source does."""

import json
import sys

import pytest
from binary.frozen import ROOT
from cli.program import shell, write_workflow

# The first of them may have to wait until the program is built.
pytestmark = [pytest.mark.binary, pytest.mark.timeout(900)]

FILE_BYTES_MAX = 30 * 1000 * 1000
LEFT_OUT = {
    name.strip(" `\n")
    for line in (ROOT / "docs" / "binary.md").read_text("utf-8").splitlines()
    if line.startswith("Left out: ")
    for name in line.removeprefix("Left out: ").rstrip(".").split(",")
}


def test_it_serves_rest_and_its_own_commands(tipman):
    with tipman.serving() as server:
        by_rest = server.submit(type="eval", arguments="result = 6 * 7", key="answer")
        by_command = tipman("submit", "exec", "echo out; echo err >&2", "--key", "said", "--wait")

        assert by_rest["result"] == 42
        assert (by_command.returncode, by_command.stderr) == (0, "")
        assert tipman("logs", "said").stdout == "out\n"
        listed = tipman("list", "--json").stdout.splitlines()
        assert {json.loads(line)["key"] for line in listed} == {"answer", "said"}
        for path in ("/livez", "/metrics", "/docs", "/docs/swagger-ui.css", "/docs/docs.js"):
            assert server.ask("GET", path)[0] == 200, path


def test_it_runs_every_kind_of_task_of_a_workflow_file(tipman):
    (tipman.folder / "weights.py").write_text("def total(values):\n    return sum(values)\n")
    python = {"call": "weights:total", "args": {"values": [1, 2, 3]}}
    file = write_workflow(
        tipman.folder / "w.yaml",
        shell("line", 'echo "{\\"seen\\": 1}" > "$TIPMAN_RESULT"'),
        {"name": "code", "type": "eval", "arguments": "result = 2", "dependencies": ["line"]},
        {"name": "call", "type": "python", "arguments": python},
    )

    run = tipman("run", file, "--json")

    assert (run.returncode, run.stderr) == (0, "")
    tasks = {task["name"]: task for task in json.loads(run.stdout.splitlines()[-1])["tasks"]}
    assert {name: task["result"] for name, task in tasks.items()} == {
        "line": {"exit_code": 0},
        "code": 2,
        "call": 6,
    }
    assert tipman.left == []


def test_code_that_raises_shows_its_own_lines_and_none_of_ours(tipman):
    file = write_workflow(
        tipman.folder / "w.yaml", {"name": "a", "type": "eval", "arguments": "1 / 0"}
    )

    run = tipman("run", file, "--json")

    (task,) = json.loads(run.stdout.splitlines()[-1])["tasks"]
    shown = task["error"]["traceback"].splitlines()
    assert [line for line in shown if line.startswith("  File ")] == [
        '  File "<eval>", line 1, in <module>'
    ]


def test_code_finds_the_standard_library_and_every_time_zone(tipman):
    code = """
import ctypes, decimal, lzma, sqlite3, ssl, sys, unicodedata, xml.dom.minidom, zoneinfo
from importlib.util import find_spec
zoneinfo.reset_tzpath([])
zoneinfo.ZoneInfo("Europe/Prague")
result = [name for name in sys.stdlib_module_names if find_spec(name) is not None]
"""
    with tipman.serving() as server:
        found = set(server.submit(type="eval", arguments=code)["result"])

    from importlib.util import find_spec

    here = {name for name in sys.stdlib_module_names if find_spec(name) is not None}
    assert here - found == LEFT_OUT & here


def test_code_may_start_processes_of_multiprocessing(tipman):
    code = """
import multiprocessing
with multiprocessing.get_context("spawn").Pool(1) as pool:
    result = pool.map(abs, [-3])
"""
    with tipman.serving() as server:
        # One that is killed with its task leaves its folder, and shall not leave it to others.
        env = {"TMPDIR": str(tipman.temporary)}
        task = server.submit(type="eval", arguments=code, timeout_s=60, env=env)

    assert task["result"] == [3], task["error"]


def test_a_library_that_only_the_users_interpreter_has_is_used_by_naming_it(tipman):
    library = tipman.folder / "site"
    library.mkdir()
    (library / "thirdparty.py").write_text("def name():\n    return 'third'\n")
    python = tipman.folder / "python-with-more"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={library} exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    with tipman.serving(TIPMAN_PYTHON=str(python)) as server:
        called = server.submit(type="python", arguments={"call": "thirdparty:name"})
        code = "import thirdparty, sys\nresult = [thirdparty.name(), hasattr(sys, '_MEIPASS')]"
        evaluated = server.submit(type="eval", arguments=code)

    assert called["result"] == "third"
    assert evaluated["result"] == ["third", False]


def test_one_file_is_small_enough_to_download_at_a_whim(built):
    assert built["file"].stat().st_size <= FILE_BYTES_MAX


def test_it_carries_nothing_that_nobody_reads(built):
    folder = built["folder"].parent
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]

    assert [name for name in names if name.endswith(".map") or "es-bundle" in name] == []
    assert [name for name in names if "tcl" in name or "jinja" in name or "readline" in name] == []
