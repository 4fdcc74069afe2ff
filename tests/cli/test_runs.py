"""Runs on the command line: started, shown, followed, asked, and those of `tipman run`."""

import json
import os
import re
import signal

import pytest
from cli.program import Program, shell, write_workflow
from executors.house import eventually
from tipman import Engine
from tipman_api.cli import exit_code_of_command

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
GREETING = {
    "name": "greeting",
    "input": {"who": "world"},
    "tasks": [
        {"name": "greet", "type": "exec", "arguments": {"argv": ["echo", "hello {context.who}"]}},
        {"name": "shout", "type": "exec", "arguments": "echo HEY", "dependencies": ["greet"]},
        {"name": "quiet", "type": "sleep", "arguments": {"duration_s": 0}},
    ],
}
ASKING = {
    "name": "asking",
    "tasks": [
        {"name": "fails", "type": "exec", "arguments": "exit 3"},
        {"name": "ask", "type": "wait"},
        {"name": "after", "type": "exec", "arguments": "true", "dependencies": ["fails"]},
    ],
}

WAITING = {"name": "waiting", "tasks": [{"name": "ask", "type": "wait"}]}
BROKEN = {"name": "broken", "tasks": [{"name": "fails", "type": "exec", "arguments": "exit 3"}]}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    program = Program(tmp_path_factory.mktemp("runs"))
    for workflow in (GREETING, ASKING, WAITING, BROKEN):
        (program.folder / f"{workflow['name']}.json").write_text(json.dumps(workflow))
    return program


@pytest.fixture(scope="module")
def server(program):
    """A server that knows the workflows."""
    with program.start("serve", "--port", "0") as running:
        running.until("Tipman serves http://")
        for name in ("greeting", "asking", "waiting", "broken"):
            assert program("workflow", "add", f"{name}.json").returncode == 0
        yield running
        running.signal(signal.SIGINT)
        assert running.wait() == 0


@pytest.fixture
def call(request, program, monkeypatch, capfd):
    """Run a command in this process; return its code, its output and its errors."""
    request.getfixturevalue("server")
    monkeypatch.chdir(program.folder)
    for name in [name for name in os.environ if name.startswith("TIPMAN_")]:
        monkeypatch.delenv(name)

    def called(*arguments):
        code = exit_code_of_command([*map(str, arguments)])
        return (int(code), *capfd.readouterr())

    return called


def shown(call, reference):
    code, out, err = call("show", reference, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


# Starting.


def test_a_run_prints_its_uuid_and_with_wait_its_end(call):
    code, out, err = call("workflow", "run", "greeting", "--key", "plain")
    assert (code, err) == (0, "")
    assert re.fullmatch(UUID + "\n", out)

    code, out, err = call("workflow", "run", "greeting@1", "--wait")
    assert re.fullmatch(UUID + "\nsucceeded\n", out)
    assert (code, err) == (0, "")


def test_the_input_is_given_as_json_or_a_file_and_single_values_over_it(call, program):
    (program.folder / "input.yaml").write_text("who: Ada\nhow: loudly\n")

    call("workflow", "run", "greeting", "--key", "in", "--input", "@input.yaml", "--param",
         "who=Bob")  # fmt: skip

    assert shown(call, "in")["input"] == {"who": "Bob", "how": "loudly"}
    assert call("workflow", "run", "greeting", "--input", "[1]")[0] == 2
    assert call("workflow", "run", "nothing")[0] == 3


def test_a_run_that_fails_ends_a_wait_with_one_and_says_why(call):
    code, out, err = call("workflow", "run", "broken", "--wait")

    assert code == 1
    assert out.split()[1] == "failed"
    assert err == (
        "tipman: broken failed: task_failed: the task 'fails' failed: exit_code: exit code 3\n"
    )


def test_a_wait_that_runs_out_leaves_the_run_as_it_is(call):
    code, out, _ = call("workflow", "run", "asking", "--key", "long", "--wait-max", "0")

    assert (code, len(out.split())) == (124, 1)
    assert shown(call, "long")["settled"] is False


def tasks_of(call, run):
    out = call("list", "--run", run, "--json")[1]
    return {task["name"]: task for task in map(json.loads, out.splitlines())}


# Looking.


def test_runs_are_listed_with_their_workflow_and_version(call):
    call("workflow", "run", "greeting", "--key", "listed", "--wait")

    code, out, _ = call("list", "--kind", "run", "--key", "listed")

    assert code == 0
    (line,) = out.splitlines()
    identifier, *rest = line.split("\t")
    assert re.fullmatch(UUID, identifier)
    assert rest[:4] == ["listed", "greeting", "1", "succeeded"]
    assert call("list", "--kind", "run", "--queue", "default")[0] == 2


def test_a_run_is_shown_with_the_chain_that_decided_its_length(call):
    call("workflow", "run", "greeting", "--key", "chain", "--wait")

    run = shown(call, "chain")

    assert run["kind"] == "run"
    assert [node["name"] for node in run["critical_path"]] == ["greet", "shout"]
    assert run["tasks"] == {"total": 3, "succeeded": 3}
    lines = dict(line.split("\t") for line in call("show", "chain")[1].splitlines())
    assert lines["state"] == "succeeded"


def test_a_key_of_a_task_and_a_run_needs_the_kind(call):
    call("submit", "sleep", '{"duration_s": 0}', "--key", "both")
    call("workflow", "run", "greeting", "--key", "both")

    code, _, err = call("show", "both")

    assert code == 2
    assert "--kind task or --kind run" in err
    assert call("show", "both", "--kind", "run")[0] == 0


def test_a_run_says_which_task_waits_for_what(call):
    call("workflow", "run", "asking", "--key", "explained")

    state, *reasons = call("explain", "explained")[1].splitlines()

    assert state == "running"
    told = dict(reason.split("\t")[:2] for reason in reasons)
    assert told["ask"] == "event"


def test_the_output_of_a_run_stands_below_the_names_of_its_tasks(call):
    call("workflow", "run", "greeting", "--key", "told", "--wait")

    code, out, _ = call("logs", "told")

    assert (code, out) == (0, "==> greet <==\nhello world\n==> shout <==\nHEY\n")
    followed = call("logs", "told", "-f")[1]
    assert followed == out


def test_the_events_of_a_run_are_those_of_its_tasks_as_well(call):
    call("workflow", "run", "greeting", "--key", "heard", "--wait")

    lines = [line.split("\t") for line in call("events", "heard")[1].splitlines()]

    assert {line[2] for line in lines} == {"greeting", "greet", "shout", "quiet"}
    assert (lines[0][4], lines[-1][4]) == ("run.submitted", "run.settled")


def test_a_list_of_runs_is_watched_until_ctrl_c(program, call):
    with program.start("list", "--kind", "run", "--watch", "--name", "waiting") as watching:
        # The list is read when the stream is open; whatever comes then is printed.
        run = call("workflow", "run", "waiting", "--key", "watched")[1].strip()
        watching.until(f"{run}\twatched\twaiting\t1\trunning")
        call("cancel", "watched")
        watching.until(f"{run}\twatched\twaiting\t1\tcancelled")
        watching.signal(signal.SIGINT)
        assert watching.wait() == 130
    assert "".join(watching.stderr) == ""


def test_a_schedule_of_a_workflow_is_added_and_changed(call):
    code, _, err = call("schedule", "add", "--workflow", "greeting", "--param", "who=Ada",
                        "--key", "often", "--every", "3600")  # fmt: skip
    assert (code, err) == (0, "")
    assert (shown(call, "often")["workflow"], shown(call, "often")["input"]) == (
        "greeting", {"who": "Ada"},
    )  # fmt: skip

    call("schedule", "trigger", "often")
    code, out, _ = call("list", "--kind", "run", "--schedule", "often", "--json")
    assert json.loads(out)["input"] == {"who": "Ada"}

    call("schedule", "update", "often", "--workflow", "asking")
    assert (shown(call, "often")["workflow"], shown(call, "often")["input"]) == ("asking", None)
    assert (
        call("schedule", "add", "exec", "true", "--workflow", "greeting", "--every", "9")[0] == 2
    )
    call("schedule", "delete", "often")


# Asking.


def test_a_run_is_cancelled_and_retried_by_its_key(call):
    call("workflow", "run", "waiting", "--key", "asked")

    assert call("cancel", "asked")[0] == 0
    eventually(lambda: shown(call, "asked")["state"] == "cancelled")

    code, _, _ = call("retry", "asked", "--task", "ask")
    assert code == 0
    assert tasks_of(call, shown(call, "asked")["id"])["ask"]["state"] == "awaiting"
    assert call("cancel", "asked", "--descendants")[0] == 2
    call("cancel", "asked")


def test_a_fork_takes_over_what_came_before_its_task(call):
    call("workflow", "run", "greeting", "--key", "old", "--wait")

    code, out, err = call("fork", "old", "--from", "shout", "--key", "new", "--param", "who=Eve",
                          "--wait")  # fmt: skip

    assert (code, err) == (0, "")
    assert out.split()[1] == "succeeded"
    new = shown(call, "new")
    assert (new["origin"], new["input"]) == (shown(call, "old")["uri"], {"who": "Eve"})
    # What the fork did not do it did not say.
    assert call("logs", "new")[1] == "==> shout <==\nHEY\n"


# Without a server.


def test_a_run_without_a_server_ends_with_its_hooks_and_its_outcome(tipman):
    file = write_workflow(
        tipman.folder / "w.yaml",
        shell("fails", "exit 3"),
        hooks={
            "failed": {"type": "exec", "arguments": "echo undone >> told"},
            "settled": {"type": "exec", "arguments": "echo done >> told"},
        },
    )

    ended = tipman("run", file)

    assert ended.returncode == 1
    assert sorted((tipman.folder / "told").read_text().split()) == ["done", "undone"]
    assert re.search(r"^hooks\S*settled +ok", ended.stdout, re.MULTILINE)


def test_a_hook_that_fails_does_not_fail_its_run(tipman):
    hooks = {"settled": {"type": "exec", "arguments": "exit 3"}}
    file = write_workflow(tipman.folder / "w.yaml", shell("works", "true"), hooks=hooks)

    assert tipman("run", file).returncode == 0


def test_items_of_a_map_stand_in_the_table(tipman):
    each = {"type": "exec", "arguments": {"argv": ["echo", "{item}"]}}
    arguments = {"over": ["x", "y"], "task": each}
    file = write_workflow(
        tipman.folder / "w.yaml", {"name": "all", "type": "map", "arguments": arguments}
    )

    ended = tipman("run", file)

    assert ended.returncode == 0, ended.stderr
    assert len(re.findall(r"^all\S* +ok", ended.stdout, re.MULTILINE)) == 3


def test_tasks_of_a_run_within_a_task_stand_in_the_table(tipman, sqlite):
    with Engine(sqlite) as engine:
        engine.add_workflow({"name": "inner", "tasks": [shell("step", "echo inside")]})
    outer = {"name": "outer", "type": "workflow", "arguments": {"name": "inner"}}
    file = write_workflow(tipman.folder / "w.yaml", outer)

    ended = tipman("run", file, "--database", sqlite)

    assert ended.returncode == 0, ended.stderr
    assert re.search(r"^outer +ok", ended.stdout, re.MULTILINE)
    assert re.search(r"^outer/step +ok", ended.stdout, re.MULTILINE)
    assert "inside\nEnded : outer/step\n" in ended.stdout


def test_a_failure_fails_the_run_fast_and_what_went_well_is_undone(tipman):
    file = write_workflow(
        tipman.folder / "w.yaml",
        shell("makes", "true", compensate={"type": "exec", "arguments": "echo undone >> told"}),
        shell("fails", "exit 3", "makes"),
        shell("sleeps", "sleep 60", "makes"),
        on_failure="fail_fast",
    )

    ended = tipman("run", file)

    assert ended.returncode == 1
    assert (tipman.folder / "told").read_text() == "undone\n"
    assert re.search(r"^sleeps +failed", ended.stdout, re.MULTILINE)


def test_a_run_is_resumed_where_its_hooks_stood(tipman, sqlite):
    gate = tipman.folder / "gate"
    os.mkfifo(gate)
    hooks = {"settled": {"type": "exec", "arguments": "cat gate; echo closed >> told"}}
    file = write_workflow(tipman.folder / "w.yaml", shell("only", "echo ran >> told"), hooks=hooks)
    with tipman.start("run", file, "--database", sqlite, TIPMAN_DRAIN_S="0") as run:
        run.until("Ended : only")
        run.until_says("Started: hooks")
        run.signal(signal.SIGINT)
        assert run.wait() == 130
    gate.unlink()
    gate.touch()

    resumed = tipman("run", file, "--database", sqlite, "--resume")

    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert (tipman.folder / "told").read_text() == "ran\nclosed\n"
    assert tipman("run", file, "--database", sqlite, "--resume").returncode == 3


def test_a_run_that_only_a_person_can_let_go_on_ends(tipman):
    file = write_workflow(
        tipman.folder / "w.yaml",
        shell("fails", "exit 3"),
        shell("blocked", "true", "fails"),
        on_failure="block",
    )

    ended = tipman("run", file)

    assert ended.returncode == 1
    assert re.search(r"^blocked +not run", ended.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"name": "ask", "type": "approval"}, "give it a timeout_s"),
        (
            {"name": "start", "type": "workflow", "arguments": {"name": "other"}},
            "starts the workflow 'other'",
        ),
    ],
)
def test_what_can_not_end_well_without_a_server_is_refused(tipman, task, words):
    file = write_workflow(tipman.folder / "w.yaml", task)

    ended = tipman("run", file)

    assert ended.returncode == 2
    assert words in ended.stderr


def test_forks_of_a_run_and_runs_of_a_task_are_listed(call):
    call("workflow", "run", "greeting", "--key", "forked", "--wait")
    call("fork", "forked", "--key", "copy")
    task = json.dumps({"name": "greeting"})
    assert call("submit", "workflow", task, "--key", "caller", "--wait")[0] == 0

    forks = call("list", "--kind", "run", "--origin", "forked")[1].splitlines()
    called = call("list", "--kind", "run", "--parent", "caller")[1].splitlines()

    assert [line.split("\t")[1] for line in forks] == ["copy"]
    assert [line.split("\t")[2] for line in called] == ["greeting"]
    assert call("list", "--origin", "forked")[0] == 2
