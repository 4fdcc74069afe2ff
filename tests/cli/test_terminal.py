"""What people see on a terminal, and what is left there."""

import signal

import pytest
from cli.program import Program
from cli.terminal import Terminal

RED, BOLD = "\x1b[31m", "\x1b[1m"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return Program(tmp_path_factory.mktemp("terminal"))


@pytest.fixture(scope="module")
def tipman(program):
    with program.start("serve", "--port", "0") as running:
        running.until("Tipman serves http://")
        program("submit", "exec", "exit 1", "--key", "broken", "--wait")
        yield program
        running.signal(signal.SIGINT)
        assert running.wait() == 0


def test_a_list_is_a_table_with_a_head_and_colours(tipman):
    with Terminal(tipman.folder, "list", columns=120) as terminal:
        assert terminal.end() == 0

    head, row = terminal.shown.splitlines()
    assert head.startswith(BOLD + "ID ")
    assert head.split()[1:6] == ["KEY", "NAME", "TYPE", "STATE", "ATTEMPT"]
    assert f"broken  broken  exec  {RED}failed" in row


def test_a_table_fits_the_terminal(tipman):
    with Terminal(tipman.folder, "list", columns=60, NO_COLOR="1") as terminal:
        assert terminal.end() == 0

    assert "\x1b" not in terminal.shown
    assert all(len(line) <= 60 for line in terminal.shown.splitlines())


@pytest.mark.parametrize("columns", [100, 80, 60])
def test_an_id_that_is_listed_can_be_asked_for(tipman, columns):
    """On 80 columns all ids of one moment were the same text, and none of them an id."""
    with Terminal(tipman.folder, "list", columns=columns, NO_COLOR="1") as terminal:
        assert terminal.end() == 0

    head, row = terminal.shown.splitlines()
    assert tipman("show", row.split()[0]).returncode == 0
    assert {"KEY", "NAME", "STATE"} < set(head.split())
    assert "failed" in row


def test_events_tell_instances_and_moments_apart_on_any_terminal(tipman):
    with Terminal(tipman.folder, "events", "broken", columns=80, NO_COLOR="1") as terminal:
        assert terminal.end() == 0

    time, instance = terminal.shown.splitlines()[1].split()[:2]
    shown = tipman("show", "broken").stdout
    assert instance.startswith("…")
    assert instance[1:] + "\n" in shown
    assert f"T{time}." in shown


def test_a_watched_list_is_drawn_anew_until_ctrl_c(tipman):
    with Terminal(tipman.folder, "list", "--watch", columns=120) as terminal:
        terminal.until("broken")
        tipman("submit", "wait", "--key", "fresh")
        terminal.until("fresh")
        tipman("cancel", "fresh")
        terminal.until("cancelled")
        terminal.press("\x03")
        assert terminal.end() == 130

    # The cursor, which is hidden while it is drawn, is there again.
    assert terminal.shown.rindex("\x1b[?25h") > terminal.shown.rindex("\x1b[?25l")


def test_json_on_a_terminal_is_plain(tipman):
    with Terminal(tipman.folder, "list", "--json") as terminal:
        assert terminal.end() == 0

    assert "\x1b" not in terminal.shown
    assert terminal.shown.startswith('{"id":')
