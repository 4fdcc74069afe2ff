"""`tipman run`: what it prints, how it ends, what it leaves."""

import json
import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest
from cli.program import PATIENCE_S, shell, write_workflow

EXAMPLES = Path(__file__).parents[2] / "examples"
MARK = re.compile(r"(Started: |Ended : )(.*)")


def marks(text):
    return [line for line in text.splitlines() if MARK.fullmatch(line)]


def test_a_run_prints_starts_output_and_ends_and_then_a_table(tipman):
    file = write_workflow(
        tipman.folder / "small.yaml",
        shell("first", "echo out; echo err >&2"),
        shell("second", "printf unfinished", "first"),
    )

    ended = tipman("run", file)

    *told, head, first, second, summary = ended.stdout.splitlines()
    assert told == [
        "Started: first",
        "out",
        "err",
        "Ended : first",
        "Started: second",
        "unfinished",
        "Ended : second",
    ]
    assert head.split() == ["Task", "Status", "Attempts", "Time"]
    assert first.split()[:3] == ["first", "ok", "1"]
    assert second.split()[:3] == ["second", "ok", "1"]
    assert summary.startswith("small: 2 tasks, 2 ok in ")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_a_task_writes_stands_in_one_piece_before_its_end(tipman):
    lines = "for n in 1 2 3; do echo {0} $n; done; echo {0} 4 >&2"
    names = [f"task-{n}" for n in range(12)]
    file = write_workflow(
        tipman.folder / "many.yaml", *[shell(name, lines.format(name)) for name in names]
    )

    told = tipman("run", file).stdout.splitlines()

    for name in names:
        end = told.index(f"Ended : {name}")
        assert told[end - 4 : end] == [f"{name} {n}" for n in (1, 2, 3, 4)]


def test_every_attempt_of_a_task_is_in_its_output(tipman):
    line = 'echo "attempt $TIPMAN_ATTEMPT"; test "$TIPMAN_ATTEMPT" = 2'
    retry = {"attempts_max": 2, "delay_s": 0}
    file = write_workflow(tipman.folder / "again.yaml", shell("flaky", line, retry=retry))

    told = tipman("run", file).stdout.splitlines()

    assert told[:4] == ["Started: flaky", "attempt 1", "attempt 2", "Ended : flaky"]
    assert told[5].split()[:3] == ["flaky", "ok", "2"]


def test_a_failed_task_fails_the_run_skips_its_dependents_and_says_why(tipman):
    file = write_workflow(
        tipman.folder / "bad.yaml",
        {"name": "divide", "type": "eval", "arguments": "1 / 0"},
        shell("exit", "echo broken >&2; exit 3"),
        shell("later", "true", "divide"),
        shell("other", "true"),
    )

    ended = tipman("run", file)

    table, divide, exit_ = ended.stdout.partition("\nTask")[2].split("\n\n")
    assert re.search(r"^divide +failed +1 ", table, re.MULTILINE)
    assert re.search(r"^later +skipped +- +-  divide did not succeed$", table, re.MULTILINE)
    assert re.search(r"^other +ok ", table, re.MULTILINE)
    assert "4 tasks, 1 ok, 2 failed, 1 skipped in" in table
    assert divide.startswith("divide failed: exception: ZeroDivisionError: division by zero\n")
    assert "  Traceback (most recent call last):\n" in divide
    assert exit_.startswith("exit failed: exit_code: exit code 3: broken")
    assert "Started: later" not in ended.stdout
    assert ended.returncode == 1


def test_a_task_that_its_rule_skips_says_which_value_did_not_hold(tipman):
    rule = {"context": {"key": "rows", "operator": "less_than", "value": 5}}
    file = write_workflow(
        tipman.folder / "ruled.yaml",
        {"name": "count", "type": "eval", "arguments": "result = {'rows': 30}"},
        shell("alarm", "true", "count", when=rule),
    )

    ended = tipman("run", file)

    assert ended.returncode == 0
    assert re.search(r"^alarm +skipped .*`rows` is 30", ended.stdout, re.MULTILINE)


def test_a_wait_that_runs_out_is_a_failed_attempt(tipman):
    wait = {"name": "outside", "type": "wait", "timeout_s": 0.05}
    file = write_workflow(tipman.folder / "w.yaml", wait)

    ended = tipman("run", file)

    told = ended.stdout.splitlines()
    assert told[:2] == ["Started: outside", "Ended : outside"]
    assert told[3].split()[:3] == ["outside", "failed", "1"]
    assert "outside failed: timeout: " in ended.stdout
    assert ended.returncode == 1


def test_tasks_run_where_the_caller_is(tipman):
    file = write_workflow(tipman.folder.parent / "elsewhere.yaml", shell("where", "pwd"))

    told = tipman("run", file).stdout.splitlines()

    assert told[1] == str(tipman.folder)


def test_parameters_change_what_tasks_see_as_their_context(tipman):
    look = {"name": "look", "type": "eval", "arguments": "print(context)"}
    file = write_workflow(tipman.folder / "p.yaml", look, input={"day": "today", "left": 1})

    told = tipman("run", file, "--param", "day=monday", "--param", 'more={"n": [1]}').stdout

    assert told.splitlines()[1] == str({"day": "monday", "left": 1, "more": {"n": [1]}})


def test_no_more_than_the_slots_run_at_once(tipman):
    tasks = [shell(f"t{n}", "true") for n in range(5)]
    file = write_workflow(tipman.folder / "one.yaml", *tasks)

    told = marks(tipman("run", file, "--slots", 1).stdout)

    assert told == [f"{word}t{n}" for n in range(5) for word in ("Started: ", "Ended : ")]


def test_a_workflow_narrows_the_slots(tipman):
    tasks = [shell(f"t{n}", "true") for n in range(3)]
    file = write_workflow(tipman.folder / "one.yaml", *tasks, slots=1)

    told = marks(tipman("run", file).stdout)

    assert told == [f"{word}t{n}" for n in range(3) for word in ("Started: ", "Ended : ")]


def test_a_run_that_took_too_long_says_so_and_starts_nothing_it_never_began(tipman):
    file = write_workflow(
        tipman.folder / "slow.yaml",
        {"name": "nap", "type": "sleep", "arguments": {"duration_s": 60}},
        shell("after", "true", "nap"),
        timeout_s=0.2,
    )

    ended = tipman("run", file)
    report = json.loads(tipman("run", file, "--json").stdout.splitlines()[-1])

    assert marks(ended.stdout) == ["Started: nap", "Ended : nap"]
    assert "slow failed: timeout: the run took longer than 0.2 s" in ended.stdout.splitlines()
    rows = [line.split() for line in ended.stdout.splitlines()]
    assert ["after", "failed", "-", "-", "cancelled"] in rows
    assert report["error"]["code"] == "timeout"


def test_nothing_is_left_of_a_run_without_a_database(tipman):
    good = write_workflow(tipman.folder / "good.yaml", shell("a", "true"))
    bad = write_workflow(tipman.folder / "bad.yaml", shell("a", "false"))

    assert (tipman("run", good).returncode, tipman("run", bad).returncode) == (0, 1)
    assert list(tipman.temporary.iterdir()) == []
    assert sorted(path.name for path in tipman.folder.iterdir()) == ["bad.yaml", "good.yaml"]


def test_json_is_a_line_of_the_log_a_line_and_the_report_at_last(tipman):
    file = write_workflow(
        tipman.folder / "j.yaml", shell("a", "echo out; exit 4"), shell("b", "true", "a")
    )

    ended = tipman("run", file, "--json")

    *lines, report = map(json.loads, ended.stdout.splitlines())
    of_a = [line for line in lines if line["task"] == "a"]
    assert [line["name"] for line in of_a] == [
        "task.submitted",
        "task.queued",
        "attempt.started",
        "attempt.failed",
        "task.settled",
    ]
    assert [line["seq"] for line in of_a] == [1, 2, 3, 4, 5]
    assert set(of_a[0]) == {"task", "seq", "name", "at", "actor", "before", "after", "data"}
    assert (of_a[3]["stdout"], of_a[3]["stderr"]) == ("out\n", "")
    assert (report["workflow"], report["outcome"]) == ("j", "failed")
    assert report["counts"]["failed"] == report["counts"]["skipped"] == 1
    a, b = report["tasks"]
    assert (a["name"], a["status"], a["attempts"]) == ("a", "failed", 1)
    assert a["result"] == {"exit_code": 4}
    assert a["error"] == {"code": "exit_code", "message": "exit code 4"}
    assert (b["status"], b["state"], b["error"]["code"]) == ("skipped", "skipped", "dependency")
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.parametrize(
    "name", ["morning.yaml", "release.yaml", "release.toml", "input.json", "rollout.yaml"]
)
def test_the_examples_succeed(tipman, name):
    ended = tipman("run", EXAMPLES / name)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_an_example_that_fails_takes_back_what_it_did(tipman):
    ended = tipman("run", EXAMPLES / "rollout.yaml", "--param", "broken=north")

    assert ended.returncode == 1
    said = ended.stdout.split("Task ")[0].splitlines()
    watched = {"unlocked", "announced", "reported", "taken back"}
    assert [line for line in said if line in watched] == ["reported", "unlocked"]
    assert "somebody was told" in said


def test_input_and_schema_name_the_file_and_what_it_must_satisfy(tipman):
    arguments = ("--input", EXAMPLES / "input.json", "--schema", EXAMPLES / "schema.json")

    assert tipman("run", *arguments).returncode == 0


def test_a_schema_that_the_file_does_not_satisfy_refuses_it(tipman):
    file = write_workflow(tipman.folder / "a.yaml", shell("a", "true"))
    schema = tipman.folder / "schema.json"
    schema.write_text('{"required": ["owner"]}')

    ended = tipman("run", file, "--schema", schema)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"{file}:1:1: 'owner' is a required property\n"


def test_a_reader_that_leaves_does_not_end_the_run(tipman):
    tasks = [shell(f"t{n}", "seq 20000", "go") for n in range(4)]
    write_workflow(
        tipman.folder / "long.yaml",
        shell("go", "true"),
        *tasks,
        shell("last", "touch done", *[f"t{n}" for n in range(4)]),
    )

    ended = tipman.script("tipman run long.yaml | head -n 1; exit ${PIPESTATUS[0]}")

    assert (ended.stdout, ended.stderr, ended.returncode) == ("Started: go\n", "", 0)
    assert (tipman.folder / "done").exists()


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_no_danger(tipman, closed):
    write_workflow(tipman.folder / "a.yaml", shell("a", "touch done"))
    database = f"sqlite:///{tipman.folder / 'a.db'}"

    ended = tipman.script(f"tipman run a.yaml --database {database} {closed}")

    assert ended.returncode == 0
    assert (tipman.folder / "done").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_the_output_is_said_and_ends_nothing(tipman):
    write_workflow(tipman.folder / "a.yaml", shell("a", "touch done"))

    ended = tipman.script("tipman run a.yaml > /dev/full")

    assert ended.stderr == (
        "tipman: standard output can not be written: No space left on device\n"
    )
    assert ended.returncode == 74
    assert (tipman.folder / "done").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", ["version", "completion bash", "draw a.yaml"])
def test_what_could_not_be_printed_is_no_success(tipman, words):
    """A secret that was made for a file on a full disk was lost, and the exit code was 0."""
    write_workflow(tipman.folder / "a.yaml", shell("a", "true"))

    ended = tipman.script(f"tipman {words} > /dev/full")

    assert ended.returncode == 74
    assert "No space left on device" in ended.stderr


def test_a_terminal_sees_what_runs_and_a_pipe_does_not(tipman):
    file = write_workflow(tipman.folder / "a.yaml", shell("slow", "sleep 0.5"))

    on_terminal = on_a_terminal(tipman, "run", file)
    through_pipe = tipman("run", file).stdout

    assert "a  0/1 ended  1 running" in on_terminal
    assert "Ended : slow" in on_terminal
    assert "\x1b" in on_terminal
    assert "\x1b" not in through_pipe


def test_json_on_a_terminal_is_json_alone(tipman):
    file = write_workflow(tipman.folder / "a.yaml", shell("slow", "sleep 0.3"))

    told = on_a_terminal(tipman, "run", file, "--json").splitlines()

    assert [json.loads(line) for line in told][-1]["outcome"] == "succeeded"


def on_a_terminal(tipman, *arguments):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tipman_api", *map(str, arguments)],
        cwd=tipman.folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(theirs)
    told = b""
    while data := read_terminal(ours):
        told += data
    os.close(ours)
    assert process.wait(PATIENCE_S) == 0
    return told.decode()


def read_terminal(descriptor):
    assert select.select([descriptor], [], [], PATIENCE_S)[0], "it neither says more nor ends"
    try:
        return os.read(descriptor, 65536)
    except OSError:
        # How Linux says that nobody has the other end.
        return b""


def test_two_thousand_tasks_run_to_their_end(tipman):
    tasks = [{"name": f"t{n}", "type": "counter", "arguments": {"name": "c"}} for n in range(2000)]
    file = tipman.folder / "many.json"
    file.write_text(json.dumps({"tasks": tasks}))

    ended = tipman("run", file, "--json")

    report = json.loads(ended.stdout.splitlines()[-1])
    assert report["counts"]["ok"] == 2000
    assert sorted(task["result"]["value"] for task in report["tasks"]) == [*range(1, 2001)]
