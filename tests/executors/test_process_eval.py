"""`eval`: code in an interpreter of its own, which cannot harm anything but its own attempt."""

import json
import sys

import pytest
from executors.house import House, eventually, processes_with, token
from tipman.events import AttemptFailed, AttemptSucceeded, AttemptTimedOut, StopReason

SMALL = 400_000_000
"""Address space, in bytes, that is plenty for an interpreter."""


@pytest.fixture
def house(tmp_path):
    with House(tmp_path, eval_memory_bytes_max=SMALL) as house:
        yield house


def test_code_sees_its_context_and_sets_its_result(house):
    code = "result = {'sum': sum(range(5)), 'seen': [context, results, item, index]}"

    report = house.run("eval", code)

    assert isinstance(report, AttemptSucceeded)
    assert json.loads(report.result) == {"sum": 10, "seen": [{"day": "today"}, {}, None, None]}


def test_code_that_sets_nothing_has_the_result_null(house):
    assert house.run("eval", "pass").result == "null"


def test_code_that_raises_fails_with_its_own_traceback(house):
    code = "def halve(x):\n    return int(x) / 2\nhalve('many')\n"

    failure = house.run("eval", code).failure

    assert failure.code == "exception"
    assert failure.message == "ValueError: invalid literal for int() with base 10: 'many'"
    assert failure.matches == ("exception:ValueError", "exception:Exception")
    assert failure.traceback.splitlines()[:5] == [
        "Traceback (most recent call last):",
        '  File "<eval>", line 3, in <module>',
        "    halve('many')",
        '  File "<eval>", line 2, in halve',
        "    return int(x) / 2",
    ]
    assert "child.py" not in failure.traceback


def test_code_that_is_no_python_fails_and_says_where(house):
    failure = house.run("eval", "x = (").failure

    assert failure.message == "SyntaxError: '(' was never closed (<eval>, line 1)"
    assert "exception:SyntaxError" in failure.matches


def test_an_exception_that_raises_when_it_is_looked_at_is_told_all_the_same(house):
    code = (
        "class TrapError(Exception):\n"
        "    __notes__ = __str__ = property(lambda self: exit(7))\n"
        "raise TrapError\n"
    )

    failure = house.run("eval", code).failure

    assert failure.code == "exception"
    assert failure.message == "TrapError: <its message can not be read: SystemExit>"


def test_a_failure_with_bytes_that_no_database_takes_is_told_in_escapes(house):
    failure = house.run("eval", "raise ValueError('\\0 \\udc80')").failure

    assert failure.message == "ValueError: \\x00 \\udc80"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("result = {1, 2}", "the result is not JSON: Object of type set"),
        ("result = float('inf')", "the result is not JSON: Out of range"),
        ("result = '\\0'", "the result is not JSON: line 1, column 1: a string with a NUL"),
        ("result = ['\\ud800']", "a string with a lone surrogate"),
        ("result = []\nfor _ in range(70): result = [result]", "nested more than 64 deep"),
        ("result = []\nfor _ in range(9999): result = [result]", "the result is not JSON"),
        ("result = []; result.append(result)", "Circular reference"),
    ],
)
def test_a_result_that_is_not_json_is_refused(house, code, why):
    failure = house.run("eval", code).failure

    assert failure.code == "not_json"
    assert why in failure.message


def test_a_result_past_the_limit_is_refused(tmp_path):
    with House(tmp_path, result_bytes_max=1000) as house:
        failure = house.run("eval", "result = 'x' * 1000").failure

    assert failure.code == "too_large"
    assert failure.message == "the result is larger than 1000 bytes of JSON"


@pytest.mark.parametrize("code", ["import sys; result = 4; sys.exit()", "result = 4; exit(0)"])
def test_leaving_early_without_an_error_succeeds(house, code):
    assert house.run("eval", code).result == "4"


@pytest.mark.parametrize(
    ("code", "message", "condition"),
    [
        ("raise SystemExit(4)", "exit code 4", "exit:4"),
        ("raise SystemExit('no such day')", "no such day", "exit:1"),
        ("import os; os._exit(5)", "exit code 5 before the code had ended", "exit:5"),
        ("import os; os._exit(0)", "exit code 0 before the code had ended", "exit:0"),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL", "exit:137"),
        ("import ctypes; ctypes.string_at(0)", "killed by SIGSEGV", "exit:-11"),
    ],
)
def test_leaving_early_otherwise_fails_with_the_exit_code(house, code, message, condition):
    failure = house.run("eval", code).failure

    assert failure.code == "exit_code"
    assert failure.message.startswith(message)
    assert condition in failure.matches
    assert house.run("eval", "result = 1").result == "1"


def test_code_that_allocates_without_end_fails_alone(house):
    other = house.begin("eval", "import time; time.sleep(0.2); result = 'unharmed'")
    greedy = house.begin("eval", "x = []\nwhile True: x.append(bytes(10_000_000))")
    reports = {report.instance: report for report in (house.reports.next() for _ in range(2))}

    assert reports[greedy.instance].failure.matches[0] == "exception:MemoryError"
    assert reports[other.instance].result == '"unharmed"'


def test_code_that_loops_for_ever_is_ended_alone(house):
    endless = house.begin("eval", "print('on', flush=True)\nwhile True: pass")
    eventually(lambda: house.output(endless) == b"on\n")

    assert house.run("eval", "result = 1").result == "1"
    house.stop(endless, StopReason.TIMED_OUT)
    assert house.reports.next() == AttemptTimedOut(endless.instance, 1, 7)


def test_code_that_closes_every_descriptor_fails_alone(house):
    code = "import os, time; os.closerange(0, 4096); time.sleep(1000)"

    failure = house.run("eval", code).failure

    assert failure.code == "interpreter"
    assert failure.message == "the code closed its interpreter's line to the engine"


def test_code_that_forks_is_reported_once(house):
    report = house.run("eval", "import os\nresult = 'child' if os.fork() == 0 else 'parent'")

    assert report.result == '"parent"'
    assert house.run("eval", "result = 1").result == "1"
    assert house.reports.is_empty()


def test_what_code_leaves_behind_is_ended_with_it(house):
    mark = token()
    code = f"import subprocess; subprocess.Popen(['setsid', 'sleep', '{mark}'])"

    assert isinstance(house.run("eval", code), AttemptSucceeded)
    assert processes_with(mark) == []


def test_a_thread_that_goes_on_does_not_hold_up_the_end(house):
    code = "import threading\nthreading.Thread(target=threading.Event().wait).start()\nresult = 1"

    assert house.run("eval", code).result == "1"


def test_output_is_kept_whoever_writes_it(house):
    code = (
        "import atexit, ctypes, os, subprocess, sys\n"
        "atexit.register(print, 'atexit')\n"
        "print('print')\n"
        "os.write(1, b'os.write\\n')\n"
        "subprocess.run(['echo', 'subprocess'])\n"
        "ctypes.CDLL(None).printf(b'C\\n')\n"
        "print('error', file=sys.stderr)\n"
        "print('\\udc80')\n"
    )
    effort = house.begin("eval", code)
    house.reports.next()

    lines = house.output(effort).splitlines()
    assert sorted(lines) == sorted(
        [b"print", b"os.write", b"subprocess", b"C", b"atexit", b"\\udc80"]
    )
    assert house.output(effort, "stderr") == b"error\n"


def test_fifty_parallel_evals_each_find_only_their_own_output(house):
    code = (
        "import os, subprocess\n"
        "for _ in range(20):\n"
        "    print({n})\n"
        "    os.write(1, b'{n}\\n')\n"
        "subprocess.run('echo {n}', shell=True)\n"
        "os.write(2, b'{n}\\n')\n"
        "result = {n}\n"
    )
    efforts = [house.begin("eval", code.replace("{n}", str(n))) for n in range(50)]
    reports = {report.instance: report for report in (house.reports.next() for _ in efforts)}

    for n, effort in enumerate(efforts):
        assert reports[effort.instance].result == str(n)
        assert house.output(effort).decode() == f"{n}\n" * 41
        assert house.output(effort, "stderr").decode() == f"{n}\n"


@pytest.mark.parametrize(
    "written", ["hello", "5", '{"failure": {}}', '{"result": 5, "kept": null}', "{}"]
)
def test_code_that_writes_to_its_interpreters_line_fails_alone(house, written):
    line = f"""import os
for descriptor in range(500, 510):
    try:
        os.write(descriptor, {written!r}.encode() + b"\\n")
    except OSError:
        pass"""

    failure = house.run("eval", line).failure

    assert failure.code == "interpreter"
    assert house.run("eval", "result = 1").result == "1"
    assert not house.deaths


def test_no_two_evals_share_an_interpreter(house):
    code = "import os, sys; result = [os.getpid(), hasattr(sys, 'used')]; sys.used = True"

    results = [json.loads(house.run("eval", code).result) for _ in range(6)]

    assert len({pid for pid, _ in results}) == 6
    assert not any(used for _, used in results)


def test_code_runs_as_the_main_module_in_the_folder_of_tasks(house):
    (house.folder / "beside.py").write_text("VALUE = 3\n", encoding="utf-8")
    code = (
        "import beside, http.client, os, dataclasses\n"
        "@dataclasses.dataclass\n"
        "class Point:\n"
        "    x: 'int' = beside.VALUE\n"
        "result = [__name__, os.getcwd(), Point().x, os.environ['TIPMAN_ATTEMPT']]\n"
    )

    report = house.run("eval", code)

    assert json.loads(report.result) == ["__main__", str(house.folder), 3, "1"]


@pytest.mark.parametrize("kind", ["eval", "python"])
@pytest.mark.parametrize(
    ("python", "why"),
    [
        ("/no/such/python", "/no/such/python: No such file or directory"),
        ("no-such-python", "no-such-python: no such program on PATH"),
        ("/etc/passwd", "/etc/passwd: Permission denied"),
        ("/bin/false", "/bin/false ended with exit code 1 before its use"),
        ("/bin/cat", "cat: 3: No such file or directory"),
    ],
)
def test_an_interpreter_that_does_not_work_is_named(tmp_path, kind, python, why):
    arguments = {"eval": "result = 1", "python": {"call": "json:loads", "args": {"s": "1"}}}
    with House(tmp_path, python=python) as house:
        reports = [house.run(kind, arguments[kind]) for _ in range(3)]

    for report in reports:
        assert isinstance(report, AttemptFailed)
        assert report.failure.code == "interpreter"
        assert why in report.failure.message
        # Where it said nothing, nothing stands after a colon.
        assert report.failure.message.strip(": ") == report.failure.message


LAST_WORDS = """#!{python}
import fcntl, os, pathlib, struct, sys, termios, time
os.write(2, b"no such library\\n")
while struct.unpack("i", fcntl.ioctl(2, termios.FIONREAD, b"1234"))[0]:
    time.sleep(0.001)
pathlib.Path({folder!r}, "heard-" + str(os.getpid())).touch()
os.read(int(sys.argv[-1]), 1)
sys.exit(3)
"""


def test_the_last_words_of_an_interpreter_are_told_though_they_came_before_the_attempt(tmp_path):
    python = tmp_path / "python"
    python.write_text(LAST_WORDS.format(python=sys.executable, folder=str(tmp_path)))
    python.chmod(0o755)
    with House(tmp_path, python=str(python)) as house:
        house.run("eval", "result = 1")
        # The second attempt gets one of two that were started ahead, and have said it all.
        eventually(lambda: len(list(tmp_path.glob("heard-*"))) == 3)
        report = house.run("eval", "result = 1")

    assert report.failure.message.endswith("exit code 3 before its use: no such library")
