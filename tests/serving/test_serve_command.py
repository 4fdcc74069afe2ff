"""`tipman serve` as a process: its address, its signals, its exit codes."""

import json
import os
import pty
import re
import signal
import stat
from contextlib import ExitStack

import pytest
from cli.program import Program
from tipman_api.discovery import FILE, find_server

TASKS = """
from tipman import task

@task
def greet(name: str) -> str:
    return "Hello " + name
"""


@pytest.fixture
def tipman(tmp_path):
    return Program(tmp_path)


@pytest.fixture
def home(tipman):
    return tipman.folder / ".tipman"


@pytest.fixture
def serve(tipman):
    """Starts the server and waits for its address."""
    with ExitStack() as stack:

        def start(*arguments):
            running = stack.enter_context(tipman.start("serve", "--port", "0", *arguments))
            running.until("Tipman serves")
            return running, running.stdout[0].rpartition(" ")[2]

        yield start


def test_it_serves_until_sigterm_and_says_where_meanwhile(serve, home):
    running, url = serve()
    found, mode = find_server(home), stat.S_IMODE((home / FILE).stat().st_mode)

    running.signal(signal.SIGTERM)

    assert running.wait() == 0
    assert (found.url, found.pid) == (url, running.process.pid)
    assert mode == 0o600
    assert not (home / FILE).exists()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_what_a_killed_server_left_is_not_believed(serve, home):
    running, _ = serve()

    running.signal(signal.SIGKILL)
    running.wait()

    assert (home / FILE).exists()
    assert find_server(home) is None


def test_a_second_signal_does_not_wait_for_what_runs(tipman, serve):
    running, _ = serve()
    tipman("submit", "sleep", json.dumps({"duration_s": 600}))

    running.signal(signal.SIGINT)
    running.until_says("1 running task may end within 30 s")
    running.signal(signal.SIGINT)

    assert running.wait() == 0


def test_a_held_database_and_a_taken_port_are_told_apart(tipman, serve, tmp_path):
    running, url = serve()
    port = url.rpartition(":")[2]

    held = tipman("serve", "--port", port)
    taken = tipman("serve", "--port", port, "--home", tmp_path / "other")
    running.signal(signal.SIGTERM)

    assert (held.returncode, taken.returncode, running.wait()) == (75, 2, 0)
    assert f"pid {running.process.pid}" in held.stderr
    assert f"can not listen on 127.0.0.1:{port}" in taken.stderr
    assert "; `--port` names another" in taken.stderr


def test_functions_of_a_file_can_be_called(tipman, serve):
    (tipman.folder / "greetings.py").write_text(TASKS)
    running, _ = serve("--tasks", "greetings.py")

    call = {"task": "greet", "args": {"name": "Ada"}}
    submitted = tipman("submit", "inline", json.dumps(call), "--wait", "--json")
    running.signal(signal.SIGTERM)

    assert json.loads(submitted.stdout.splitlines()[-1])["result"] == "Hello Ada"
    assert running.wait() == 0


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.py", None, "no such file"),
        ("wave.py", "", "a module 'wave' already"),
        ("bad.py", "1 / 0", "ZeroDivisionError"),
        ("no_such_module", None, "No module named 'no_such_module'"),
    ],
)
def test_tasks_that_can_not_be_imported_are_a_wrong_call(tipman, name, content, words):
    if content is not None:
        (tipman.folder / name).write_text(content)

    ended = tipman("serve", "--port", "0", "--tasks", name)

    assert (ended.returncode, words in ended.stderr) == (2, True), ended.stderr


def test_the_token_is_printed_on_a_terminal_only(tipman, home):
    above, below = pty.openpty()
    process = tipman.spawn("serve", "--port", "0", stdout=below)
    os.close(below)
    line = b""
    while b"\n" not in line:
        line += os.read(above, 4096)
    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 0
    os.close(above)
    token = (home / "token").read_text().strip()
    assert re.search(rf"http://127\.0\.0\.1:\d+/#token={re.escape(token)}\r?\n", line.decode())


def test_an_address_of_others_is_refused(tipman):
    ended = tipman("serve", "--port", "0", "--host", "203.0.113.7", "--allow-remote",
                   "--allowed-host", "tipman.example")  # fmt: skip

    assert ended.returncode == 2
    assert "can not listen on 203.0.113.7:0" in ended.stderr


def test_with_json_logs_every_line_of_standard_error_is_an_object(tipman):
    (tipman.folder / "tipman.toml").write_text('log_format = "json"\n')
    with tipman.start("serve", "--port", "0") as running:
        running.until("Tipman serves")
        running.signal(signal.SIGTERM)
        assert running.wait() == 0

    messages = [json.loads(line)["message"] for line in running.stderr]
    assert "stopping" in messages
