"""Client commands against a real server: what they print, and how they end."""

import io
import json
import os
import re
import signal
import subprocess
import sys

import pytest
from cli.program import PATIENCE_S, Program
from tipman_api.cli import exit_code_of_command

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return Program(tmp_path_factory.mktemp("cli"))


@pytest.fixture(scope="module")
def server(program):
    """A server on the home `.tipman` of the program's folder."""
    with program.start("serve", "--port", "0") as running:
        running.until("Tipman serves http://")
        yield running
        running.signal(signal.SIGINT)
        assert running.wait() == 0


@pytest.fixture
def call(program, monkeypatch, capfd):
    """Run a command in this process; return its code, its output and its errors."""
    monkeypatch.chdir(program.folder)
    for name in [name for name in os.environ if name.startswith("TIPMAN_")]:
        monkeypatch.delenv(name)

    def called(*arguments):
        code = exit_code_of_command([*map(str, arguments)])
        return (int(code), *capfd.readouterr())

    return called


@pytest.fixture
def submitted(call):
    """Submit a task and return its UUID."""

    def submit(*arguments):
        code, out, err = call("submit", *arguments)
        assert (code, err) == (0, "")
        return out.split()[0]

    return submit


pytestmark = pytest.mark.usefixtures("server")


# Submitting.


def test_a_submission_prints_the_uuid(call):
    code, out, err = call("submit", "exec", "true", "--key", "plain")

    assert (code, err) == (0, "")
    assert re.fullmatch(UUID + "\n", out)


def test_a_wait_ends_with_the_task(call):
    code, out, err = call("submit", "exec", "true", "--wait")
    assert re.fullmatch(UUID + "\nsucceeded\n", out)
    assert (code, err) == (0, "")

    code, out, err = call("submit", "exec", "exit 3", "--wait", "--name", "bad")
    assert re.fullmatch(UUID + "\nfailed\n", out)
    assert (code, err) == (1, "tipman: bad failed: exit_code: exit code 3\n")


def test_a_wait_runs_out_and_the_task_goes_on(call):
    code, out, err = call("submit", "wait", "--wait-max", "0.05", "--key", "patient")

    identifier = out.strip()
    assert code == 124
    assert err == f"tipman: /api/v1/tasks/{identifier} has not settled within 0.05 s; it goes on\n"
    assert call("send", "patient", "finish.reported", "--data", '{"result": 1}')[0] == 0


def test_every_option_of_a_submission_arrives(call):
    options = {
        "--name": "all",
        "--key": "all",
        "--queue": "slow",
        "--priority": "7",
        "--due-at": "2126-11-21T09:00:00Z",
        "--timeout": "5",
        "--env": "DAY=today",
        "--attempts-max": "3",
        "--backoff": "exponential",
        "--delay": "2",
        "--delay-max": "9",
        "--jitter": "0.5",
        "--retry-on": "exit:7",
        "--on-lost": "fail",
    }

    code, out, err = call("submit", "exec", "true", *sum(options.items(), ()), "--json")

    assert (code, err) == (0, "")
    task = json.loads(out)
    assert (task["name"], task["key"], task["queue"], task["priority"]) == (
        "all",
        "all",
        "slow",
        7,
    )
    assert (task["due_at"], task["timeout_s"]) == ("2126-11-21T09:00:00.000000Z", 5)
    assert task["attempts_max"] == 3
    assert call("cancel", "all")[0] == 0


def test_a_task_waits_for_those_it_comes_after(call, submitted):
    first, second = submitted("exec", "true", "--key", "one"), submitted("exec", "true")

    code, out, _ = call(
        "submit", "exec", "true", "--after", "one", "--after", second, "--json", "--wait"
    )

    assert code == 0
    uris = [f"/api/v1/tasks/{identifier}" for identifier in (first, second)]
    assert json.loads(out)["dependencies"] == uris


def test_arguments_are_json_or_a_line_of_the_shell(call, monkeypatch):
    def arguments(*words):
        return json.loads(call("submit", *words, "--json")[1])["arguments"]

    assert arguments("exec", "echo {a} > /dev/null") == "echo {a} > /dev/null"
    assert arguments("exec", '{"argv": ["true"]}') == {"argv": ["true"]}
    assert arguments("eval", '{"a": 1}') == '{"a": 1}'
    assert arguments("counter", '{"name": "c"}') == {"name": "c"}
    monkeypatch.setattr("sys.stdin", io.StringIO("result = 1"))
    assert arguments("eval", "-") == "result = 1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Name a TYPE"),
        (["exec", "ls", "-l"], "No such option '-l'"),
        (["exec", "ls", "x"], "Too many arguments: 'x'"),
        (["counter", "{name"], "ARGUMENTS must be JSON"),
        (["sleep", '{"duration_s": 1, "duration_s": 2}'], "ARGUMENTS must be JSON"),
        (["exce", "true"], "exce"),
        (["exce", "echo tea"], "not `exce`; did you mean `exec`?"),
        (["exec", "true", "--due-at", "tomorrow"], "must be an instant with its zone"),
        (["exec", "true", "--after", "nobody"], "nobody"),
        (["exec", "true", "--env", "A"], "'A' is not NAME=TEXT"),
        (["exec", "true", "--namespace", "nowhere"], "nowhere"),
    ],
)
def test_a_submission_that_can_not_be_is_refused(call, words, said):
    code, out, err = call("submit", *words)

    assert (code, out) == (2, "")
    assert said in err


def test_a_key_that_exists_is_a_conflict(call):
    call("submit", "exec", "true", "--key", "twice")

    code, out, err = call("submit", "exec", "true", "--key", "twice")

    assert (code, out) == (5, "")
    assert "twice" in err


# Looking.


def test_a_list_is_lines_of_columns(call, submitted):
    one = submitted("exec", "true", "--name", "listed", "--key", "l1", "--wait")
    two = submitted("exec", "true", "--name", "listed", "--wait")

    code, out, err = call("list", "--name", "listed")

    assert (code, err) == (0, "")
    lines = [line.split("\t") for line in out.splitlines()]
    assert [line[:6] for line in lines] == [
        [two, "-", "listed", "exec", "succeeded", "1"],
        [one, "l1", "listed", "exec", "succeeded", "1"],
    ]
    assert all(re.fullmatch(INSTANT, line[6]) for line in lines)


def test_a_list_is_read_page_by_page(call):
    for number in range(5):
        call("submit", "counter", '{"name": "pages"}', "--queue", f"q{number % 2}")

    def listed(*limit):
        lines = call("list", "--type", "counter", *limit)[1].splitlines()
        return [line.partition("\t")[0] for line in lines]

    every = listed("--limit", "0")
    assert len(every) >= 5
    assert listed("--limit", "3") == every[:3]
    some = call("list", "--queue", "q1", "--json")[1].splitlines()
    assert [json.loads(line)["queue"] for line in some] == ["q1", "q1"]


def test_what_can_not_be_seen_is_escaped(call, submitted):
    submitted("wait", '{"note": "\\u001b[31m"}', "--key", "red")

    code, out, _ = call("show", "red")

    assert code == 0
    assert 'arguments\t{"note":"\\u001b[31m"}\n' in out
    assert call("cancel", "red")[0] == 0


def test_an_instance_is_shown_by_uuid_key_and_uri(call, submitted):
    identifier = submitted("exec", "true", "--key", "shown", "--wait")

    shown = [
        call("show", reference, "--json")
        for reference in (
            "shown",
            identifier,
            f"/api/v1/tasks/{identifier}",
            "/api/v1/tasks/shown",
        )
    ]

    assert len(set(shown)) == 1
    assert json.loads(shown[0][1])["id"] == identifier
    assert f"id\t{identifier}\n" in call("show", "shown", "--kind", "task")[1]


@pytest.mark.parametrize(
    "reference",
    ["nothing", "0192aaaa-0000-7000-8000-000000000000", "/api/v1/tasks/nothing", "..", "a b"],
)
def test_what_is_not_there_is_not_found(call, reference):
    for command in ("show", "explain", "cancel", "events"):
        code, out, err = call(command, reference)

        assert (command, code, out) == (command, 3, "")
        assert err.startswith("tipman: ")


def test_explain_says_what_is_waited_for(call, submitted):
    waiting = submitted("wait", "--key", "gate")
    submitted("exec", "true", "--after", "gate", "--key", "behind")

    assert call("explain", "behind")[1] == (
        f"waiting\ntask\tgate, which is awaiting\t/api/v1/tasks/{waiting}\t-\n"
    )
    assert (
        call("explain", "gate")[1] == "awaiting\nevent\tfinish.reported or fail.reported\t-\t-\n"
    )
    assert json.loads(call("explain", "gate", "--json")[1])["state"] == "awaiting"
    assert call("cancel", "behind", "gate")[0] == 0


def test_the_event_log_of_an_instance_is_lines_of_columns(call, submitted):
    identifier = submitted("exec", "true", "--key", "logged", "--wait")

    code, out, err = call("events", "logged")

    assert (code, err) == (0, "")
    lines = [line.split("\t") for line in out.splitlines()]
    assert [line[1:5] for line in lines] == [
        [identifier, "logged", "1", "task.submitted"],
        [identifier, "logged", "2", "task.queued"],
        [identifier, "logged", "3", "attempt.started"],
        [identifier, "logged", "4", "attempt.succeeded"],
        [identifier, "logged", "5", "task.settled"],
    ]
    assert all(re.fullmatch(INSTANT, line[0]) and len(line) == 9 for line in lines)
    first = json.loads(call("events", "logged", "--json")[1].splitlines()[0])
    assert (first["specversion"], first["data"]["seq"]) == ("1.0", 1)
    followed = call("events", "logged", "--follow", "--limit", "5")
    assert followed == (0, out, "")


def test_output_is_printed_byte_for_byte(call, program, submitted):
    submitted("exec", r"printf 'a\377b'; echo oops >&2", "--key", "wrote", "--wait")

    assert program.script("tipman logs wrote | od -An -tx1").stdout.split() == ["61", "ff", "62"]
    assert call("logs", "wrote", "--stream", "stderr", "--attempt", "1") == (0, "oops\n", "")
    assert json.loads(call("logs", "wrote", "--json")[1])["text"] == r"a\xffb"
    assert call("logs", "wrote", "--attempt", "2")[0] == 3
    assert call("logs", "nobody")[0] == 3

    call("schedule", "add", "wait", "--every", "3600", "--key", "hourly")
    words = "tipman: 'hourly' is a schedule: only tasks and runs have output\n"
    assert call("logs", "hourly") == (2, "", words)


def test_output_is_followed_until_the_attempt_has_ended(program, call, submitted):
    os.mkfifo(program.folder / "gate")
    submitted("exec", r"printf 'a\377\n'; cat gate", "--key", "writes")

    with program.start("logs", "writes", "-f") as following:
        following.until(r"a\xff")
        (program.folder / "gate").write_text("on\n")
        assert following.wait() == 0
    assert following.stdout == [r"a\xff", "on"]
    told = [json.loads(line) for line in call("logs", "writes", "-f", "--json")[1].splitlines()]
    assert "".join(one["text"] for one in told if one["event"] == "output") == "a\\xff\non\n"
    assert (told[0]["attempt"], told[-1]["outcome"]) == (1, "succeeded")


# Asking.


def test_an_instance_is_suspended_resumed_cancelled_and_retried(call, submitted):
    identifier = submitted("wait", "--key", "asked")

    for command, state in (
        (["suspend", "asked"], "suspended"),
        (["resume", "asked"], "awaiting"),
        (["cancel", "asked"], "cancelled"),
        (["retry", "asked"], "awaiting"),
        (["send", "asked", "finish.reported", "--data", '{"result": 5}'], "succeeded"),
    ):
        assert call(*command) == (0, f"{identifier}\t{state}\n", "")
    assert json.loads(call("show", "asked", "--json")[1])["state"] == "succeeded"


def test_what_changes_nothing_is_a_conflict(call, submitted):
    submitted("exec", "true", "--key", "ended", "--wait")

    code, out, err = call("cancel", "ended")

    assert (code, out) == (5, "")
    assert "succeeded" in err


def test_of_several_each_is_asked_and_a_refusal_is_said(call, submitted):
    first, second = (submitted("wait", "--key", key) for key in ("several1", "several2"))

    code, out, err = call("cancel", "several1", "nobody", "several2")

    assert code == 3
    assert out == f"{first}\tcancelled\n{second}\tcancelled\n"
    assert "nobody" in err


def test_an_event_that_nobody_knows_is_refused(call, submitted):
    submitted("wait", "--key", "deaf")

    code, _, err = call("send", "deaf", "finish.reportd")
    assert code == 2
    assert "finish.report" in err
    code, _, err = call("send", "deaf", "finish.reported", "--data", "{")
    assert code == 2
    assert "--data must be JSON" in err
    assert call("cancel", "deaf")[0] == 0


# Namespaces, definitions, tokens.


def test_a_namespace_is_created_changed_and_deleted(call):
    code, out, err = call("namespace", "create", "team", "--slots-max", "2")
    assert (code, err) == (0, "")
    assert "slots_max\t2\n" in out
    assert call("namespace", "create", "team")[0] == 5
    assert "open_tasks_max\t9\n" in call("namespace", "change", "team", "--open-tasks-max", 9)[1]
    assert "slots_max\t-\n" in call("namespace", "change", "team", "--slots-max", "none")[1]
    assert "name\tteam\n" in call("namespace", "show", "team")[1]

    assert call("submit", "wait", "--key", "theirs", "--namespace", "team")[0] == 0
    assert call("show", "theirs")[0] == 3
    assert call("namespace", "list")[1] == "default\t{}\t-\t-\nteam\t1\t9\t-\n".format(
        json.loads(call("namespace", "show", "default", "--json")[1])["open_tasks"]
    )
    assert call("namespace", "delete", "team")[0] == 5
    assert call("cancel", "theirs", "--namespace", "team")[0] == 0
    assert call("namespace", "delete", "team") == (0, "", "")
    assert call("namespace", "show", "team")[0] == 3
    assert call("namespace", "change", "default")[0] == 2


def test_a_definition_is_added_submitted_and_retired(call, program):
    (program.folder / "greet.yaml").write_text(
        "name: greet\n"
        "task: {type: eval, arguments: 'result = 2'}\n"
        "parameters: {type: object, properties: {who: {type: string}}}\n"
    )

    code, out, err = call("definition", "add", "greet.yaml")
    assert (code, err) == (0, "")
    assert "version\t1\n" in out
    assert "version\t1\n" in call("definition", "add", "greet.yaml")[1]
    assert call("definition", "list")[1].split("\t")[:3] == ["greet", "1", "eval"]
    assert "name\tgreet\n" in call("definition", "show", "greet@1")[1]

    submitted = ("submit", "--definition", "greet@1", '{"who": "you"}')
    assert call(*submitted, "--wait")[::2] == (0, "")
    assert call("definition", "retire", "greet@1") == (0, "", "")
    assert call(*submitted)[0] == 2
    assert call("definition", "show", "greet@2")[0] == 3


def test_a_token_is_shown_once_and_good_for_what_it_says(call):
    code, out, err = call("token", "create", "reader", "--scope", "read")
    secret = out.strip()
    assert (code, err) == (0, "")

    assert secret not in call("token", "list")[1]
    assert ["reader", "read", "-"] in [
        line.split("\t")[:3] for line in call("token", "list")[1].splitlines()
    ]
    assert call("list", "--token", secret, "--limit", "1")[0] == 0
    code, _, err = call("submit", "exec", "true", "--token", secret)
    assert code == 2
    assert "operate" in err
    assert call("token", "revoke", "reader") == (0, "", "")
    code, _, err = call("list", "--token", secret)
    assert code == 2
    assert "--token" in err


# Following.


def test_a_list_is_watched_until_ctrl_c(program, call):
    with program.start("list", "--watch", "--name", "watched") as watching:
        # Nothing is printed of an empty list, so only an event that follows tells that it is open.
        identifier = None
        for _ in range(50):
            identifier = call("submit", "wait", "--name", "watched")[1].strip()
            if watching.stdout:
                break
        watching.until(f"{identifier}\t-\twatched\twait\tawaiting")
        call("cancel", identifier)
        watching.until(f"{identifier}\t-\twatched\twait\tcancelled")
        watching.signal(signal.SIGINT)
        assert watching.wait() == 130
    assert "".join(watching.stderr) == ""


def test_a_log_is_followed_until_ctrl_c(program, call, submitted):
    submitted("wait", "--key", "followed")

    with program.start("events", "followed", "-f") as following:
        following.until("20")
        call("cancel", "followed")
        following.until_says("task.settled")
        following.signal(signal.SIGINT)
        assert following.wait() == 130
    assert "".join(following.stderr) == ""


def test_a_wait_is_interrupted_and_the_task_goes_on(program, call):
    with program.start("submit", "wait", "--wait") as waiting:
        waiting.until("0")
        waiting.signal(signal.SIGINT)
        assert waiting.wait() == 130
    assert call("cancel", waiting.stdout[0])[0] == 0


def test_a_reader_that_leaves_is_no_error(program, submitted):
    for _ in range(3):
        submitted("exec", "true")

    ended = program.script("tipman list --limit 0 | head -n 1 | wc -l; exit ${PIPESTATUS[0]}")

    assert (ended.stdout.strip(), ended.stderr, ended.returncode) == ("1", "", 0)


def test_what_is_followed_ends_when_its_reader_leaves(program, submitted):
    identifier = submitted("exec", "true", "--wait")

    ended = program.script(f"tipman events {identifier} -f | head -n 1; echo ${{PIPESTATUS[0]}}")

    first, code = ended.stdout.splitlines()
    assert "task.submitted" in first
    assert (code, ended.stderr) == ("0", "")


# Starting.

HEAVY = (
    *("fastapi", "starlette", "uvicorn", "pydantic", "peewee", "jsonschema", "rich", "yaml"),
    *("asyncio", "sqlite3", "psutil", "prometheus_client", "tomllib", "multiprocessing"),
    *("tipman.runtime", "tipman.database", "tipman.definitions", "tipman.jsontext"),
    *("tipman.settings", "tipman.statecharts", "tipman_api.app", "tipman_api.serve"),
    *("tipman_api.subscriptions", "shutil", "logging", "subprocess", "concurrent.futures"),
    *("http.client", "email", "ssl"),
)


def test_a_list_imports_nothing_heavy(program):
    code = (
        "import sys\n"
        "from tipman_api.cli import exit_code_of_command\n"
        "assert exit_code_of_command(['list', '--limit', '1']) == 0\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=program.folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )

    assert ended.stdout.splitlines()[-1] == "[]"
