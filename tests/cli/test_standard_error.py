"""Standard error: what is said there can do nothing to a terminal, and is missed by nobody."""

import json
from pathlib import Path

import pytest
from cli.program import shell, write_workflow

needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


@needs_full
@pytest.mark.parametrize(
    "streams", ["> /dev/full 2>&1", "2> /dev/full", "> /dev/full 2> /dev/full"]
)
def test_a_run_goes_on_where_nothing_can_be_said(tipman, streams):
    # The block is left out with a note, and the output, where it can not be written, with another.
    schedule = {"cron": "0 2 * * *"}
    write_workflow(tipman.folder / "a.yaml", shell("a", "touch done"), schedule=schedule)

    tipman.script(f"tipman run a.yaml {streams}")

    assert (tipman.folder / "done").exists()


@needs_full
@pytest.mark.parametrize(
    ("command", "code"),
    [("run", 2), ("nosuch", 2), ("validate missing.yaml", 2), ("list", 4), ("version", 0)],
)
def test_the_exit_code_is_the_same_where_nothing_can_be_said(tipman, command, code):
    assert tipman.script(f"tipman {command} 2> /dev/full").returncode == code


def test_the_exit_code_is_the_same_when_the_reader_has_left(tipman):
    line = "tipman validate missing.yaml 2>&1 | true; exit ${PIPESTATUS[0]}"

    assert tipman.script(line).returncode == 2


def test_a_fault_is_one_line_that_a_terminal_does_not_obey(tipman):
    task = {"name": "a", "type": "exec", "arguments": "true", "x\ny": 1, "\x1b[2J\u202e": 2}
    file = tipman.folder / "a.json"
    file.write_text(json.dumps({"tasks": [task], "\x1b]0;title\x07": 1}))

    said = tipman("validate", file).stderr

    faults = said.splitlines()
    assert [line.partition(" ")[2] for line in faults] == [
        r'tasks[0]["x\ny"]: unknown field `x\ny`',
        r'tasks[0]["\x1b[2J\u202e"]: unknown field `\x1b[2J\u202e`',
        r'["\x1b]0;title\x07"]: unknown field `\x1b]0;title\x07`',
    ]
    assert tipman("run", file).stderr == said
