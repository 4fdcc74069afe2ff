"""A new user's first ten minutes, as README tells them: its own lines, run."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli.program import Program

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def section(name):
    return re.search(rf"^## {name}\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)[1]


def blocks(language, text):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


CURL, COMMANDS = blocks("sh", section("Serve"))
(PYTHON,) = blocks("py", section("Serve"))
FILES = section("Run a workflow file")
(WORKFLOW,) = blocks("yaml", FILES)
LINES = re.findall(r"^    (tipman .*?)(?: +#.*)?$", FILES, re.MULTILINE)
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture
def tipman(tmp_path):
    """A clean folder that has the examples, as a clone has."""
    tipman = Program(tmp_path)
    shutil.copytree(ROOT / "examples", tipman.folder / "examples")
    return tipman


def serve(tipman):
    running = tipman.start("serve", "--port", "0")
    running.until("Tipman serves")
    return running, running.stdout[0].rpartition(" ")[2]


def test_make_run_serves():
    said = subprocess.run(
        ["make", "-n", "run"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    # Called by another make, it also says which folder it enters and leaves.
    assert any(line.endswith("/tipman serve") for line in said.splitlines())


def test_the_first_ten_minutes(tipman):
    running, url = serve(tipman)
    with running:
        # By curl: three tasks that wait for one another, and the last one's end.
        counted = tipman.script(CURL.replace(ADDRESS, url))
        assert '"result":2' in counted.stdout, counted.stdout + counted.stderr

        # By the command line: submit, read the output, list, retry, explain.
        told = tipman.script("set -e\n" + COMMANDS)
        assert told.returncode == 0, told.stderr
        assert "tea" in told.stdout.splitlines()
        assert "it failed, as it should" in told.stdout

        # By Python; and watched meanwhile.
        with tipman.start("list", "--watch", "--json") as watching:
            watching.until_says('"key":"tea"')
            (tipman.folder / "ask.py").write_text(PYTHON.replace(ADDRESS, url))
            asked = subprocess.run(
                [sys.executable, "ask.py"],
                cwd=tipman.folder,
                capture_output=True,
                text=True,
                check=False,
            )
            assert asked.stdout.strip() == "awaiting", asked.stderr
            watching.until_says('"key":"answer"')

        assert tipman("cancel", "answer").returncode == 0
        running.signal(signal.SIGINT)
        assert running.wait() == 0

    # Started again, everything is still there.
    running, _ = serve(tipman)
    with running:
        shown = json.loads(tipman("show", "answer", "--json").stdout.splitlines()[0])
        assert shown["state"] == "cancelled"
        assert tipman("logs", "tea").stdout == "tea\n"
        assert "retry.requested" in tipman("events", "tea").stdout
        assert json.loads(tipman("show", "count", "--json").stdout)["result"] == 2
        running.signal(signal.SIGINT)
        assert running.wait() == 0


def test_the_workflow_file_does_what_is_said(tipman):
    (tipman.folder / "hello.yaml").write_text(WORKFLOW)
    first = tipman.script(LINES[0])
    assert first.stdout.splitlines()[-1].startswith("hello: 4 tasks, 4 ok"), first.stderr
    assert "\nStarted: tell\nhello world\nEnded : tell\n" in first.stdout

    assert len(LINES) == 9
    running, _ = serve(tipman)
    with running:
        for line in LINES[1:]:
            ended = tipman.script(line)
            assert ended.returncode == 0, line + ended.stderr
        assert "==> tell <==\nhello world\n" in ended.stdout
        running.signal(signal.SIGINT)
        assert running.wait() == 0
