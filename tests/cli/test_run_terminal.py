"""`tipman run` on a terminal: what is drawn while it runs, and what is left when it ends."""

import re
import select
import signal

from cli.program import shell, write_workflow
from cli.terminal import Terminal

STUBBORN = "trap '' TERM; touch begun; while :; do sleep 0.05; done"
ELAPSED = re.compile(r"running  ([0-9.]+) s")


def test_a_terminal_that_lacks_a_character_ends_nothing(tipman):
    file = write_workflow(tipman.folder / "žluť.yaml", shell("ž", "sleep 0.3; touch done"))

    with Terminal(tipman.folder, "run", file, PYTHONIOENCODING="ascii") as terminal:
        assert terminal.end() == 0

    assert "Ended : ž" in terminal.shown
    assert (tipman.folder / "done").exists()


def test_a_run_that_stops_is_drawn_to_its_end(tipman):
    file = write_workflow(tipman.folder / "a.yaml", shell("a", STUBBORN))

    with Terminal(tipman.folder, "run", file, TIPMAN_DRAIN_S="50") as terminal:
        terminal.until("1 running")
        terminal.press("\x03")
        terminal.until("again to stop now")
        terminal.shown = ""
        while len({*ELAPSED.findall(terminal.shown)}) < 5:
            terminal.more()
        terminal.press("\x03")
        assert terminal.end() == 130


def test_the_terminal_is_given_back_whatever_is_pressed(tipman):
    file = write_workflow(tipman.folder / "a.yaml", shell("a", STUBBORN))

    with Terminal(tipman.folder, "run", file, TIPMAN_DRAIN_S="50") as terminal:
        terminal.until("1 running")
        terminal.press("\x03")
        terminal.until("again to stop now")
        terminal.press("\x03")
        # Far enough apart to be two, and the last, mostly, before all has ended.
        select.select([], [], [], 0.04)
        terminal.press("\x03")
        assert terminal.end() in {130, -signal.SIGINT}

    assert terminal.shown.rindex("\x1b[?25h") > terminal.shown.rindex("\x1b[?25l")
