"""One file by three ways: on the command line, over REST and from Python, with the same log."""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from serving.served import Served
from tipman.executors.functions import Registry
from tipman.ids import text_of
from tipman.runtime import Engine
from tipman.settings import Settings

PATIENCE_S = 60
GIVEN = {
    "name": "surfaces",
    "on_failure": "continue",
    "input": {"who": "you"},
    "merge": "last",
    "tasks": [
        {"name": "first", "type": "eval", "arguments": "result = {'n': 1}"},
        {"name": "breaks", "type": "exec", "arguments": "exit 3", "dependencies": ["first"]},
        {
            "name": "again",
            "type": "exec",
            "arguments": 'test "$TIPMAN_ATTEMPT" = 2',
            "retry": {"attempts_max": 2, "delay_s": 0},
            "dependencies": ["breaks"],
        },
        {
            "name": "many",
            "type": "eval",
            "arguments": "result = {'n': context['n'] + 1}",
            "dependencies": ["again", {"task": "first", "carry": "data"}],
            "when": {
                "all": [{"succeeded": "again"}, {"context": {"key": "n", "operator": "exists"}}]
            },
        },
        {
            "name": "never",
            "type": "exec",
            "arguments": "exit 1",
            "dependencies": ["many"],
            "when": "any_failed",
        },
        {
            "name": "last",
            "type": "sleep",
            "arguments": {"duration_s": 0},
            "dependencies": ["never"],
        },
    ],
}
_LOG = (
    'SELECT i.kind, i.name, l.sequence, l.name, l."before", l."after", l.data'
    " FROM log_line AS l JOIN instance AS i ON i.id = l.instance"
    " WHERE i.kind IN ('task', 'run') ORDER BY i.kind, i.name, l.sequence"
)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


def log_of(path):
    """Return the log by the kinds and names of instances, which stand for their ids in it, too."""
    with closing(sqlite3.connect(path)) as database:
        names = dict(database.execute("SELECT id, name FROM instance"))
        called = {text_of(identifier): name for identifier, name in names.items()}
        lines = {}
        for kind, name, _, event, before, after, data in database.execute(_LOG):
            said = None if data is None else _UUID.sub(lambda m: called[m[0]], data)
            lines.setdefault((kind, name), []).append((event, before, after, said))
        return lines


def on_the_command_line(folder):
    file = folder / "surfaces.json"
    file.write_text(json.dumps(GIVEN))
    command = [sys.executable, "-m", "tipman_api", "run", str(file)]
    url = f"sqlite:///{folder / 'tipman.db'}"
    ended = subprocess.run(
        [*command, "--database", url],
        cwd=folder,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr


def over_rest(folder):
    with Served(folder) as served:
        assert served.post("/api/v1/workflows", GIVEN).status == 201
        answer = served.post("/api/v1/workflows/surfaces/runs", {}, Prefer=f"wait={PATIENCE_S}")
        assert answer.status == 200, answer.body


def from_python(folder):
    with Engine(settings=Settings(home=folder), tasks=Registry()) as engine:
        engine.run_workflow(GIVEN).wait(timeout_s=PATIENCE_S)


@pytest.fixture
def logs(tmp_path):
    found = {}
    for way in (on_the_command_line, over_rest, from_python):
        folder = tmp_path / way.__name__
        folder.mkdir()
        way(folder)
        found[way.__name__] = log_of(folder / "tipman.db")
    return found


def test_one_file_has_the_same_log_by_all_ways_task_by_task(logs):
    first = logs["from_python"]

    assert [*first] == [("run", "surfaces"), *(("task", n) for n in sorted(names()))]
    for instance, lines in first.items():
        for way, log in logs.items():
            assert log[instance] == lines, f"{instance} {way}"


def names():
    return [task["name"] for task in GIVEN["tasks"]]
