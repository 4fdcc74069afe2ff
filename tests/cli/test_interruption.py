"""A run that is interrupted, killed or cut off, and what it goes on with afterwards."""

import fcntl
import os
import re
import signal
import termios
from array import array
from pathlib import Path

import pytest
from cli.program import PATIENCE_S, shell, write_workflow
from executors.house import eventually

NEARLY_FULL_BYTES = 50_000
"""A pipe holds 64 KiB where we run, in pages that need not be full."""


@pytest.fixture
def gate(tipman):
    """A pipe without a writer: who reads from it waits until `let_through`."""
    path = tipman.folder / "gate"
    os.mkfifo(path)
    return path


def let_through(gate):
    gate.open("w").close()


def stay_open(gate):
    gate.unlink()
    gate.touch()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_killed_run_goes_on_and_finished_tasks_do_not_run_again(tipman, gate, database, request):
    url = request.getfixturevalue(database)
    file = write_workflow(
        tipman.folder / "w.yaml",
        shell("first", "echo first >> ran"),
        shell("second", 'echo "second $TIPMAN_ATTEMPT" >> ran; cat gate', "first"),
        shell("third", "echo third >> ran", "second"),
    )
    arguments = ("run", file, "--database", url)
    with tipman.start(*arguments) as killed:
        killed.until("Started: second")
        killed.signal(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
    stay_open(gate)

    resumed = tipman(*arguments, "--resume")

    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert "Started: first" not in resumed.stdout
    assert re.search(r"^first +ok", resumed.stdout, re.MULTILINE)
    ran = (tipman.folder / "ran").read_text().splitlines()
    # The attempt that was killed may have died before it wrote.
    assert [line for line in ran if line != "second 1"] == ["first", "second 2", "third"]
    assert tipman(*arguments, "--resume").returncode == 3
    # A new run of the same file is none that goes on.
    assert tipman(*arguments).returncode == 0
    assert (tipman.folder / "ran").read_text().splitlines().count("first") == 2


def test_the_newest_open_run_of_the_same_content_is_resumed(tipman, gate, sqlite):
    file = write_workflow(tipman.folder / "w.yaml", shell("only", "cat gate; echo through"))
    database = ("--database", sqlite)
    with tipman.start("run", file, *database, "--param", "n=1", TIPMAN_DRAIN_S="0") as run:
        run.until("Started: only")
        run.signal(signal.SIGINT)
        assert run.wait() == 130
    stay_open(gate)

    assert tipman("run", file, *database, "--resume", "--param", "n=2").returncode == 3
    write_workflow(tipman.folder / "w.yaml", shell("only", "cat gate; echo Through"))
    assert tipman("run", file, *database, "--resume", "--param", "n=1").returncode == 3
    write_workflow(tipman.folder / "w.yaml", shell("only", "cat gate; echo through"))
    resumed = tipman("run", file, *database, "--resume", "--param", "n=1")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert resumed.stdout.splitlines()[:3] == ["Started: only", "through", "Ended : only"]


def test_nothing_is_started_when_there_is_nothing_to_resume(tipman, sqlite):
    file = write_workflow(tipman.folder / "w.yaml", shell("a", "touch ran"))

    ended = tipman("run", file, "--database", sqlite, "--resume")

    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr == "tipman: no open run of 'w' with this content\n"
    assert not (tipman.folder / "ran").exists()


def test_an_interrupt_lets_what_runs_end_and_starts_nothing_more(tipman, gate):
    file = write_workflow(
        tipman.folder / "w.yaml",
        shell("running", "cat gate; echo ended well"),
        shell("never", "touch ran", "running"),
    )
    with tipman.start("run", file, TIPMAN_DRAIN_S="60") as run:
        run.until("Started: running")
        run.signal(signal.SIGINT)
        run.until("tipman: stopping: 1 running task may end within 60 s")
        let_through(gate)
        code = run.wait()

    assert code == 130
    assert run.stdout[:3] == ["Started: running", "ended well", "Ended : running"]
    assert re.match(r"running +ok", run.stdout[4])
    assert re.match(r"never +not run", run.stdout[5])
    assert not (tipman.folder / "ran").exists()
    assert list(tipman.temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_does_not_end_in_time_is_ended(tipman, number):
    file = write_workflow(tipman.folder / "w.yaml", shell("long", "exec sleep 3600"))
    with tipman.start("run", file, TIPMAN_DRAIN_S="0") as run:
        run.until("Started: long")
        run.signal(number)
        code = run.wait()

    assert code == 130
    assert run.stdout[-4] == "Stopped: long"
    assert re.match(r"long +interrupted", run.stdout[-2])
    assert list(tipman.temporary.iterdir()) == []


def test_a_second_interrupt_ends_at_once_what_will_not_end(tipman, gate):
    line = "trap '' TERM; echo $$ > pid; cat gate; cat gate"
    file = write_workflow(tipman.folder / "w.yaml", shell("stubborn", line))
    forever = {"TIPMAN_DRAIN_S": "3600", "TIPMAN_GRACE_S": "3600"}
    with tipman.start("run", file, **forever) as run:
        run.until("Started: stubborn")
        let_through(gate)
        run.signal(signal.SIGINT)
        run.until("tipman: stopping")
        run.signal(signal.SIGINT)
        code = run.wait()

    assert code == 130
    assert list(tipman.temporary.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((tipman.folder / "pid").read_text()), 0)


def test_a_third_interrupt_does_not_wait_for_who_reads_the_output(tipman):
    # Nobody reads, so the run stands in the middle of writing what the task wrote.
    file = write_workflow(tipman.folder / "w.yaml", shell("much", "seq 100000"))
    reading, writing = os.pipe()
    process = tipman.spawn("run", file, stdout=writing)
    os.close(writing)

    try:
        eventually(lambda: waiting_bytes(reading) >= NEARLY_FULL_BYTES)
        for _ in range(3):
            # One at a time: two that are under way together can become one.
            eventually(lambda: is_asleep(process.pid))
            process.send_signal(signal.SIGINT)
        code = process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        os.close(reading)

    assert code == 130
    assert list(tipman.temporary.iterdir()) == []


def is_asleep(pid):
    """Tell whether a process waits in the kernel, with no signal on its way to it."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    pending = int(found["SigPnd"], 16) | int(found["ShdPnd"], 16)
    return found["State"].startswith("S") and not pending


def waiting_bytes(descriptor):
    count = array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]


def test_a_run_that_ends_while_it_is_stopped_has_ended_well(tipman, gate):
    file = write_workflow(tipman.folder / "w.yaml", shell("last", "cat gate"))
    with tipman.start("run", file, TIPMAN_DRAIN_S="60") as run:
        run.until("Started: last")
        run.signal(signal.SIGINT)
        run.until("tipman: stopping")
        let_through(gate)

        assert run.wait() == 0


def test_a_database_that_another_engine_holds_is_left_to_it(tipman, gate, sqlite):
    file = write_workflow(tipman.folder / "w.yaml", shell("a", "cat gate"))
    arguments = ("run", file, "--database", sqlite)
    with tipman.start(*arguments) as holder:
        holder.until("Started: a")

        second = tipman(*arguments)

        let_through(gate)
        assert holder.wait() == 0
    assert (second.returncode, second.stdout) == (75, "")
    assert f"(pid {holder.process.pid})" in second.stderr


def test_an_engine_that_loses_a_part_stops_and_says_so(tipman):
    # The keeper is the task's parent, the nursery the keeper's.
    line = "kill -9 $(cut -d' ' -f4 /proc/$PPID/stat); sleep 60"
    file = write_workflow(tipman.folder / "w.yaml", shell("murder", line))

    ended = tipman("run", file)

    assert ended.returncode == 70
    assert "tipman: internal fault: the nursery" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tipman.temporary.iterdir()) == []


def test_what_earlier_runs_left_goes_on_beside_a_new_one_and_that_is_said(tipman, gate, sqlite):
    file = write_workflow(tipman.folder / "w.yaml", shell("a", "cat gate"))
    arguments = ("run", file, "--database", sqlite)
    with tipman.start(*arguments, TIPMAN_DRAIN_S="0") as run:
        run.until("Started: a")
        run.signal(signal.SIGINT)
        run.wait()
    stay_open(gate)

    ended = tipman(*arguments)

    assert ended.returncode == 0
    assert ended.stderr == (
        "tipman: 1 open task of earlier runs in this database goes on as well\n"
    )
