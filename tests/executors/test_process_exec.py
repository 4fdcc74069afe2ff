"""Shell lines and programs as attempts: what they get, what their end is taken for."""

import json
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from executors.house import House, eventually, processes_with, token
from executors.reported import Reported, start
from tipman.events import AttemptFailed, AttemptSucceeded, StopReason
from tipman.executors.descendants import children_of
from tipman.executors.processes import ProcessExecutor
from tipman.ids import text_of


@pytest.fixture
def house(tmp_path):
    with House(tmp_path) as house:
        yield house


def test_a_shell_line_that_ends_well_succeeds_with_its_exit_code(house):
    effort = house.begin("exec", "echo hello; echo beware >&2")

    report = house.reports.next()

    assert report == AttemptSucceeded(effort.instance, 1, 7, '{"exit_code": 0}')
    assert house.output(effort) == b"hello\n"
    assert house.output(effort, "stderr") == b"beware\n"


def test_a_program_gets_its_arguments_folder_variables_and_input(house):
    (house.folder / "below").mkdir()
    line = 'pwd; echo "$1 $COLOUR"; cat'
    arguments = {
        "argv": ["sh", "-c", line, "sh", "one two"],
        "cwd": "below",
        "env": {"COLOUR": "grün"},
        "stdin": "line\n",
    }

    effort = house.begin("exec", arguments)
    house.reports.next()

    here = str(house.folder / "below")
    assert house.output(effort).decode() == f"{here}\none two grün\nline\n"


def test_a_shell_line_can_have_input_too(house):
    effort = house.begin("exec", {"shell": "sort | head -n 1", "stdin": "b\na\n"})

    house.reports.next()

    assert house.output(effort) == b"a\n"


def test_a_failure_names_the_exit_code_and_the_last_line_of_standard_error(house):
    report = house.run("exec", "echo first >&2; echo ' no such day ' >&2; echo >&2; exit 3")

    assert report.failure.code == "exit_code"
    assert report.failure.message == "exit code 3: no such day"
    assert report.failure.matches == ("exit:3",)
    assert report.result == '{"exit_code": 3}'


def test_a_death_by_signal_is_told_and_matches_as_shells_count_too(house):
    report = house.run("exec", "kill -KILL $$")

    assert report.failure.message == "killed by SIGKILL (exit code -9)"
    assert report.failure.matches == ("exit:-9", "exit:137")
    assert report.result == '{"exit_code": -9}'


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        ({"argv": ["no-such-program"]}, "no-such-program"),
        ({"argv": ["/no/such/program"]}, "/no/such/program"),
        ({"argv": ["/etc/passwd"]}, "/etc/passwd"),
        ({"argv": ["true"], "cwd": "/no/such/folder"}, "/no/such/folder"),
        ({"argv": ["echo", "a\0b"]}, "null byte"),
        ({"argv": ["echo"], "env": {"A=B": "C"}}, "environment"),
    ],
)
def test_what_can_not_be_started_fails_and_names_the_culprit(house, arguments, culprit):
    report = house.run("exec", arguments)

    assert isinstance(report, AttemptFailed)
    assert report.failure.code == "not_startable"
    assert culprit in report.failure.message
    assert isinstance(house.run("exec", "true"), AttemptSucceeded)


def test_a_task_sees_nothing_of_the_engines_environment_but_what_is_declared(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("TIPMAN_TOKEN", "secret")
    monkeypatch.setenv("TZ", "Europe/Prague")
    monkeypatch.delenv("LANG", raising=False)
    with House(tmp_path) as house:
        effort = house.begin("exec", {"argv": ["env"], "env": {"TIPMAN_EPOCH": "mine"}})
        house.reports.next()
        seen = dict(line.split("=", 1) for line in house.output(effort).decode().splitlines())

    folder = tmp_path / "attempts" / text_of(effort.instance) / "1"
    assert seen == {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "TZ": "Europe/Prague",
        "TIPMAN_TASK": text_of(effort.instance),
        "TIPMAN_ATTEMPT": "1",
        "TIPMAN_EPOCH": "7",
        "TIPMAN_CONTEXT": str(folder / "context.json"),
        "TIPMAN_RESULT": str(folder / "result.json"),
    }


def _links(folder):
    """Yield where the links of a folder lead that are still there when it comes to them."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            yield str(path.readlink())


def test_the_nursery_has_neither_the_engines_files_nor_its_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("TIPMAN_TOKEN", "secret")
    lock = tmp_path / "lock"
    with lock.open("w") as file:
        os.set_inheritable(file.fileno(), True)
        with House(tmp_path) as house:
            house.run("exec", "true")
            folder = Path(f"/proc/{house.nursery}")
            held = set(_links(folder / "fd"))
            environment = (folder / "environ").read_bytes()

    assert str(lock) not in held
    assert b"secret" not in environment


def test_a_folder_that_can_not_be_written_fails_the_attempt_and_is_named(house):
    house.run("exec", "true")
    shutil.rmtree(house.attempts)
    house.attempts.write_text("in the way", encoding="utf-8")

    failure = house.run("exec", "true").failure

    assert failure.code == "output"
    assert str(house.attempts) in failure.message


def test_an_executor_that_can_not_start_its_nursery_tells_so(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("", encoding="utf-8")
    reports, deaths = Reported(), []
    executor = ProcessExecutor(
        reports, attempts=in_the_way / "attempts", cwd=tmp_path, on_death=deaths.append
    )

    executor.start(start("exec", "true"))
    executor.close()

    assert executor.join()
    assert str(in_the_way) in deaths[0]
    assert reports.is_empty()


def test_a_task_has_nothing_open_but_its_three_streams(house):
    inherited = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(inherited, True)

    effort = house.begin("exec", "ls /proc/$$/fd; true")
    house.reports.next()
    os.close(inherited)

    assert house.output(effort) == b"0\n1\n2\n"


def test_a_task_reads_its_context_and_writes_what_it_adds(house):
    line = 'cp "$TIPMAN_CONTEXT" "$TIPMAN_RESULT"'

    effort = house.begin("exec", line)
    report = house.reports.next()

    assert isinstance(report, AttemptSucceeded)
    written = (house.files_of(effort) / "result.json").read_text(encoding="utf-8")
    assert json.loads(written) == effort.context


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('echo "{" > "$TIPMAN_RESULT"', "holds no JSON"),
        ('echo "[1e400]" > "$TIPMAN_RESULT"', "holds no JSON"),
        ('head -c 2000 /dev/zero > "$TIPMAN_RESULT"', "larger than 1000 bytes"),
        ('printf \'"\\377"\' > "$TIPMAN_RESULT"', "not UTF-8"),
        ('mkdir "$TIPMAN_RESULT"', "can not be read"),
    ],
)
def test_what_a_task_adds_must_be_json_of_bounded_size(tmp_path, line, why):
    with House(tmp_path, result_bytes_max=1000) as house:
        report = house.run("exec", line)

    assert report.failure.code == "not_json"
    assert why in report.failure.message
    assert report.result == '{"exit_code": 0}'


def test_the_folder_of_an_attempt_is_for_its_owner_alone(house):
    effort = house.begin("exec", "true")
    house.reports.next()

    folder = house.files_of(effort)
    modes = [folder.parent.parent, folder.parent, folder, *folder.iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in modes} == {0o700, 0o600}


def test_a_background_process_that_holds_the_output_open_does_not_hold_up_the_end(house):
    mark = token()

    report = house.run("exec", f"sleep {mark} & echo done")

    assert isinstance(report, AttemptSucceeded)
    assert processes_with(mark) == []


def test_output_is_there_while_the_task_runs(house):
    effort = house.begin("exec", "echo early; sleep 1000")

    eventually(lambda: house.output(effort) == b"early\n")

    house.stop(effort, StopReason.CANCELLED)
    house.reports.next()


def test_a_task_that_writes_without_end_is_heard_and_stopped_all_the_same(tmp_path):
    with House(tmp_path, output_head_bytes=1000, output_tail_bytes=500) as house:
        effort = house.begin("exec", "yes")
        eventually(lambda: len(house.output(effort)) > 1000)
        house.stop(effort, StopReason.CANCELLED)
        house.reports.next()

    path = house.files_of(effort) / "stdout"
    assert path.read_bytes().startswith(b"y\n" * 500 + b"\n[tipman: ")
    assert path.stat().st_size < 1600


def test_parallel_tasks_find_only_their_own_output(house):
    efforts = [house.begin("exec", f"for i in 1 2 3 4; do echo {n}; done") for n in range(40)]
    for _ in efforts:
        assert isinstance(house.reports.next(), AttemptSucceeded)

    for n, effort in enumerate(efforts):
        assert house.output(effort).decode() == f"{n}\n" * 4


def test_no_descriptor_is_left_open_however_many_attempts_there_were(house):
    def open_now():
        return [
            len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in (os.getpid(), house.nursery)
        ]

    house.run("exec", {"argv": ["true"]})
    eventually(lambda: children_of(house.nursery) == [])
    before = open_now()

    for _ in range(200):
        house.run("exec", {"argv": ["true"]})

    eventually(lambda: open_now() == before)


def test_a_pipe_in_the_place_of_the_result_is_refused_and_not_waited_for(house):
    report = house.run("exec", "mkfifo $TIPMAN_RESULT")

    assert report.failure.code == "not_json"
    assert report.failure.message == "the file named by TIPMAN_RESULT is no file any more"
