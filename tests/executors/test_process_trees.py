"""The end of an attempt is the end of everything that it started, whoever else dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from executors.house import House, eventually, parent_of, processes_with, token
from executors.reported import stop
from tipman.events import (
    AttemptFailed,
    AttemptInterrupted,
    AttemptSucceeded,
    AttemptTimedOut,
    StopReason,
)

DRIVER = Path(__file__).with_name("engine_driver.py")
SLEEPERS = 6


def tree_of(mark):
    """Return a shell line that becomes a tree with every known way to get away."""
    return (
        f"sleep {mark} & (sleep {mark} & sleep {mark}) & "
        f"setsid sh -c 'sleep {mark} & sleep {mark}' & "
        f"env -i /usr/bin/setsid -f sleep {mark}; echo up; wait"
    )


@pytest.fixture
def house(tmp_path):
    with House(tmp_path) as house:
        yield house


def grown_tree(house, mark):
    effort = house.begin("exec", tree_of(mark))
    eventually(lambda: len(processes_with(mark)) == SLEEPERS)
    return effort


def test_a_time_out_ends_the_whole_tree_with_its_daemons(house):
    mark = token()
    effort = grown_tree(house, mark)

    house.stop(effort, StopReason.TIMED_OUT)
    report = house.reports.next()

    assert report == AttemptTimedOut(effort.instance, 1, 7, '{"exit_code": -15}')
    assert processes_with(mark) == []


@pytest.mark.parametrize("reason", [StopReason.CANCELLED, StopReason.INTERRUPTED])
def test_any_other_stop_ends_the_whole_tree_and_says_why(house, reason):
    mark = token()
    effort = grown_tree(house, mark)

    house.stop(effort, reason, grace_s=0)
    report = house.reports.next()

    assert report == AttemptInterrupted(effort.instance, 1, 7, reason, '{"exit_code": -9}')
    assert processes_with(mark) == []


def test_without_adoption_of_orphans_a_daemon_gets_away(tmp_path):
    mark = token()
    with House(tmp_path, reach="group") as house:
        effort = house.begin("exec", f"env -i /usr/bin/setsid -f sleep {mark}; sleep {mark}")
        eventually(lambda: len(processes_with(mark)) == 2)

        house.stop(effort, StopReason.CANCELLED)
        report = house.reports.next()
        survivors = processes_with(mark)

    assert isinstance(report, AttemptInterrupted)
    assert len(survivors) == 1
    os.kill(survivors[0], signal.SIGKILL)


def test_a_process_group_is_ended_where_there_is_nothing_better(tmp_path):
    mark = token()
    with House(tmp_path, reach="group") as house:
        report = house.run("exec", f"sleep {mark} >/dev/null 2>&1 & echo done")
        effort = house.begin("exec", f"trap '' TERM; sleep {mark} & sleep {mark}")
        eventually(lambda: len(processes_with(mark)) == 2)
        house.stop(effort, StopReason.CANCELLED, grace_s=0.01)
        stopped = house.reports.next()

    assert isinstance(report, AttemptSucceeded)
    assert isinstance(stopped, AttemptInterrupted)
    eventually(lambda: processes_with(mark) == [])


def test_a_polite_signal_comes_first(house):
    effort = house.begin("exec", "trap 'echo bye; exit 0' TERM; echo up; sleep 1000 & wait")
    eventually(lambda: house.output(effort) == b"up\n")

    house.stop(effort, StopReason.CANCELLED)
    report = house.reports.next()

    assert report.result == '{"exit_code": 0}'
    assert isinstance(report, AttemptInterrupted)
    assert house.output(effort) == b"up\nbye\n"


def test_whoever_ignores_the_polite_signal_is_killed_after_the_grace(house):
    mark = token()
    line = f"trap '' TERM; setsid sleep {mark} & echo up; sleep {mark}"
    effort = house.begin("exec", line)
    eventually(lambda: len(processes_with(mark)) == 2)

    house.stop(effort, StopReason.TIMED_OUT, grace_s=0.05)
    report = house.reports.next()

    assert isinstance(report, AttemptTimedOut)
    assert processes_with(mark) == []


def test_processes_that_fork_as_fast_as_they_die_are_ended_too(house):
    mark = token()
    line = (
        f"breed() {{ while :; do sh -c 'setsid sleep {mark} & sleep 0.01'; done; }}; "
        "trap '' TERM; for i in 1 2 3 4; do breed & done; echo up; wait"
    )
    effort = house.begin("exec", line)
    eventually(lambda: len(processes_with(mark)) > 20)

    house.stop(effort, StopReason.CANCELLED, grace_s=0)
    house.reports.next()

    assert processes_with(mark) == []


def test_what_ended_by_itself_is_reported_so_although_a_stop_came_in_the_end(tmp_path):
    mark = token()
    with House(tmp_path, linger_s=1000) as house:
        effort = house.begin("exec", f"echo $$; sleep {mark} & sleep 0.01; exit 3")
        eventually(lambda: house.output(effort) and processes_with(mark))
        main = int(house.output(effort))
        eventually(lambda: not Path(f"/proc/{main}").exists())

        house.stop(effort, StopReason.TIMED_OUT)
        report = house.reports.next()

    assert isinstance(report, AttemptFailed)
    assert report.result == '{"exit_code": 3}'
    assert processes_with(mark) == []


def test_a_stop_of_what_is_unknown_or_ended_changes_nothing(house):
    effort = house.begin("exec", "true")
    assert isinstance(house.reports.next(), AttemptSucceeded)

    house.stop(effort, StopReason.CANCELLED)
    house.executor.stop(stop(number=4711))

    assert isinstance(house.run("exec", "true"), AttemptSucceeded)
    assert house.reports.is_empty()


def test_close_ends_everything_without_a_report(tmp_path):
    mark = token()
    house = House(tmp_path)
    grown_tree(house, mark)
    nursery = house.nursery

    house.executor.close()

    assert house.executor.join(20)
    assert processes_with(mark) == []
    assert not Path(f"/proc/{nursery}").exists()
    assert house.reports.is_empty()
    assert house.deaths == []


def test_a_nursery_that_dies_is_told_at_once_and_nothing_survives_it(tmp_path):
    mark = token()
    house = House(tmp_path)
    grown_tree(house, mark)

    os.kill(house.nursery, signal.SIGKILL)

    assert house.death.wait(20)
    assert house.deaths == [f"the nursery (process {house.nursery}) is gone: signal 9"]
    eventually(lambda: processes_with(mark) == [])
    assert house.reports.is_empty()
    house.executor.close()
    assert house.executor.join(20)


def test_signals_from_a_terminal_do_not_reach_the_nursery(house):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(house.nursery, number)

    assert isinstance(house.run("exec", "true"), AttemptSucceeded)


def test_a_keeper_that_dies_fails_its_attempt_and_no_other(house):
    mark, other_mark = token(), token()
    effort = house.begin("exec", f"setsid -f sleep {mark}; echo $$; exec sleep {mark}")
    other = house.begin("exec", f"exec sleep {other_mark}")
    eventually(lambda: len(processes_with(mark)) == 2 and processes_with(other_mark))
    eventually(lambda: house.output(effort))
    main = int(house.output(effort))

    os.kill(parent_of(main), signal.SIGKILL)
    report = house.reports.next()

    assert report.instance == effort.instance
    assert report.failure.code == "keeper"
    assert "killed by signal 9" in report.failure.message
    assert processes_with(mark) == []
    assert len(processes_with(other_mark)) == 1
    house.stop(other, StopReason.CANCELLED)
    assert isinstance(house.reports.next(), AttemptInterrupted)


def test_no_task_survives_an_engine_that_is_killed(tmp_path):
    marks = [token() for _ in range(10)]
    paths = os.pathsep.join(sys.path)
    command = [sys.executable, DRIVER, paths, tmp_path, *map(tree_of, marks)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as engine:
        assert engine.stdout.readline() == b"up\n"
        for mark in marks:
            eventually(lambda mark=mark: len(processes_with(mark)) == SLEEPERS)

        engine.kill()

        eventually(lambda: not any(processes_with(mark) for mark in marks))
