"""Commands whose server is not there, goes away, or comes back."""

import signal

import pytest
from cli.program import Program

LONG_AGO = "2001-01-01T00:00:00Z"


@pytest.fixture
def program(tmp_path):
    return Program(tmp_path)


@pytest.fixture
def serve(program):
    """Start a server on the program's home; it is stopped by Ctrl-C, or at the end."""
    started = []

    def start():
        running = program.start("serve", "--port", "0")
        started.append(running)
        running.until("Tipman serves http://")
        return running

    yield start
    for running in started:
        running.__exit__()


def stop(server):
    server.signal(signal.SIGINT)
    assert server.wait() == 0


def test_without_a_server_a_command_says_how_to_have_one(program):
    ended = program("list")

    assert (ended.returncode, ended.stdout) == (4, "")
    assert ended.stderr == (
        "tipman: no server runs on .tipman; start one with `tipman serve`, or name one by --url\n"
    )


def test_an_address_at_which_nobody_answers_is_named(program):
    ended = program("list", "--url", "http://127.0.0.1:1")

    assert (ended.returncode, ended.stdout) == (4, "")
    assert ended.stderr == (
        "tipman: no server answers at http://127.0.0.1:1: Connection refused\n"
    )


def test_what_is_followed_goes_on_when_the_server_is_back(program, serve):
    server = serve()
    program("submit", "wait", "--key", "long")

    with (
        program.start("events", "long", "-f") as events,
        program.start("submit", "exec", "true", "--after", "long", "--wait") as waiting,
    ):
        events.until_says("task.submitted")
        waiting.until("0")
        stop(server)
        serve()
        program("send", "long", "finish.reported")
        events.until_says("task.settled")
        events.signal(signal.SIGINT)

        assert (waiting.wait(), events.wait()) == (0, 130)
    assert waiting.stdout[1:] == ["succeeded"]
    numbers = [int(line.split("\t")[3]) for line in events.stdout]
    assert numbers == [*range(1, len(numbers) + 1)]


def test_a_server_that_does_not_come_back_is_said_to_have_gone(program, serve):
    server = serve()
    with (
        program.start("events", "-f", "--patience", "0", "--since", LONG_AGO) as events,
        program.start("list", "--watch", "--patience", "0") as watching,
        program.start("submit", "wait", "--wait", "--patience", "0") as waiting,
    ):
        waiting.until("0")
        watching.until_says(waiting.stdout[0])
        events.until_says("task.submitted")
        stop(server)

        ends = [running.wait() for running in (events, watching, waiting)]

    assert ends == [4, 4, 4]
    for running in (events, watching, waiting):
        assert running.stderr[-1].startswith("tipman: the server went away: no server runs on")
