"""`python`: calls in interpreters that are used again until something may be left in them."""

import ast
import json
import os
import signal
from pathlib import Path

import pytest
from executors.house import House, eventually, processes_with, token
from tipman.events import AttemptInterrupted, AttemptSucceeded, StopReason
from tipman.executors import interpreters

SOURCE = """
import asyncio, os, subprocess, sys, threading
from dataclasses import dataclass, field
from typing import ClassVar

calls = 0

def count(*, step=1):
    global calls
    calls += step
    print("call", calls)
    os.write(2, b"raw\\n")
    return [os.getpid(), calls]

async def later(value):
    await asyncio.sleep(0.001)
    return value

def rewrite(path):
    with open(path) as file:
        source = file.read()
    with open(path, "w") as file:
        file.write(source.replace("calls = 0", "calls = 40") + "# longer")

def fail():
    raise KeyError("lost")

def leave_thread():
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    return os.getpid()

def leave_process(mark):
    subprocess.Popen(["setsid", "-f", "sleep", mark])
    return os.getpid()

def forever():
    print("on", flush=True)
    threading.Event().wait()

def spoil():
    os.chdir("/")
    os.environ["SPOILT"] = os.environ["TIPMAN_TASK"]
    sys.path.clear()
    sys.stdout.close()
    os.close(1)
    return os.getpid()

def look():
    print("here")
    return [os.getpid(), os.getcwd(), "SPOILT" in os.environ, os.environ["TIPMAN_TASK"]]

class Counter:
    value: int = 0
    seen: list = []
    shared: ClassVar[int] = 7
    _hidden = 1

    def run(self, by=1):
        self.value += by
        self.seen.append(self.value)
        self._hidden = object()
        return self.value

@dataclass
class Careful:
    names: list = field(default_factory=lambda: ["first"])

    async def run(self):
        self.names.append("next")
        return len(self.names)

class Forgetful:
    handle = None

    def run(self):
        self.handle = object()
"""


def write_source(path):
    path.write_text(SOURCE, encoding="utf-8")
    # Not today: a file as young as an attempt is taken for one that may have changed meanwhile.
    os.utime(path, (1_000_000_000, 1_000_000_000))


@pytest.fixture
def house(tmp_path):
    write_source(tmp_path / "mine.py")
    with House(tmp_path, python_uses_max=5) as house:
        yield house


def call(house, name, *, kept=None, **arguments):
    return house.run("python", {"call": f"mine:{name}", "args": arguments}, kept=kept)


def value(report):
    assert isinstance(report, AttemptSucceeded), report
    return json.loads(report.result)


def test_a_function_gets_its_arguments_by_name_and_returns_its_result(house):
    assert value(call(house, "count", step=3))[1] == 3


def test_a_coroutine_function_is_awaited(house):
    assert value(call(house, "later", value=[1])) == [1]


def test_an_interpreter_is_used_again_and_output_is_kept_apart(house):
    efforts = [house.begin("python", {"call": "mine:count"})]
    first = value(house.reports.next())
    efforts.append(house.begin("python", {"call": "mine:count"}))
    second = value(house.reports.next())

    assert second == [first[0], 2]
    assert [house.output(effort) for effort in efforts] == [b"call 1\n", b"call 2\n"]
    assert [house.output(effort, "stderr") for effort in efforts] == [b"raw\n"] * 2


def test_an_interpreter_is_replaced_after_so_many_attempts(house):
    pids = [value(call(house, "count"))[0] for _ in range(7)]

    assert len(set(pids[:5])) == 1
    assert len(set(pids[5:])) == 1
    assert pids[4] != pids[5]


def test_parallel_calls_have_interpreters_of_their_own(house):
    for _ in range(4):
        house.begin("python", {"call": "mine:count"})
    results = [value(house.reports.next()) for _ in range(4)]

    assert len({pid for pid, _ in results}) == 4


def test_other_variables_mean_another_interpreter(house):
    call_it = {"call": "mine:count"}
    plain = value(house.run("python", call_it))
    declared = [value(house.run("python", call_it, env={"A": "1"})) for _ in range(2)]

    assert plain[0] != declared[0][0] == declared[1][0]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("leave_thread", {}), ("leave_process", {"mark": token()}), ("fail", {})],
)
def test_an_interpreter_is_replaced_when_something_may_be_left_in_it(house, name, arguments):
    before = value(call(house, "count"))[0]

    report = call(house, name, **arguments)

    assert value(report) == before if name != "fail" else report.failure.code == "exception"
    assert value(call(house, "count"))[1] == 1
    assert processes_with(arguments.get("mark", "nothing")) == []


def test_an_interpreter_is_replaced_after_a_stop(house):
    before = value(call(house, "count"))[0]
    effort = house.begin("python", {"call": "mine:forever"})
    eventually(lambda: house.output(effort) == b"on\n")

    house.stop(effort, StopReason.CANCELLED)

    assert isinstance(house.reports.next(), AttemptInterrupted)
    assert value(call(house, "count"))[0] != before


def test_an_interpreter_is_replaced_when_the_sources_have_changed(house):
    before = value(call(house, "count"))
    source = SOURCE.replace("calls = 0", "calls = 40")
    (house.folder / "mine.py").write_text(source + "\n# longer\n", encoding="utf-8")

    after = value(call(house, "count"))

    assert after[1] == 41
    assert after[0] != before[0]


def test_a_source_that_changes_while_it_runs_counts_as_changed(house):
    path = str(house.folder / "mine.py")

    value(call(house, "rewrite", path=path))

    assert value(call(house, "count"))[1] == 41


def test_an_interpreter_is_put_in_order_between_attempts(house):
    spoilt = value(call(house, "spoil"))

    effort = house.begin("python", {"call": "mine:look"})
    pid, folder, is_spoilt, task = value(house.reports.next())

    assert (pid, folder, is_spoilt) == (spoilt, str(house.folder), False)
    assert task.replace("-", "") == effort.instance.hex()
    assert house.output(effort) == b"here\n"


def test_no_more_interpreters_wait_than_allowed(tmp_path):
    write_source(tmp_path / "mine.py")
    with House(tmp_path, python_idle_max=2) as house:
        pids = [
            value(house.run("python", {"call": "mine:count"}, env={"N": str(n)}))[0]
            for n in range(4)
        ]
        eventually(
            lambda: [Path(f"/proc/{pid}").exists() for pid in pids] == [False] * 2 + [True] * 2
        )


def test_an_idle_interpreter_that_dies_is_not_missed(house):
    pid = value(call(house, "count"))[0]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{pid}").exists())

    assert value(call(house, "count"))[1] == 1


def test_a_class_keeps_its_fields_between_runs(house):
    first = call(house, "Counter")
    second = call(house, "Counter", kept=first.kept, by=5)

    assert (value(first), json.loads(first.kept)) == (1, {"value": 1, "seen": [1]})
    assert (value(second), json.loads(second.kept)) == (6, {"value": 6, "seen": [1, 6]})


def test_a_run_of_one_instance_leaves_nothing_in_the_class(house):
    assert [json.loads(call(house, "Counter").kept)["seen"] for _ in range(2)] == [[1], [1]]


def test_a_dataclass_with_a_coroutine_keeps_its_fields_too(house):
    first = call(house, "Careful")
    second = call(house, "Careful", kept=first.kept)

    assert [value(first), value(second)] == [2, 3]


def test_a_field_that_the_class_has_no_longer_is_left_out(house):
    report = call(house, "Counter", kept='{"value": 2, "gone": 1}')

    assert json.loads(report.kept) == {"value": 3, "seen": [3]}


def test_fields_that_are_not_json_are_refused(house):
    failure = call(house, "Forgetful").failure

    assert failure.code == "not_json"
    assert failure.message.startswith("the kept state is not JSON")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:f", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("mine:nobody", "AttributeError: module 'mine' has no attribute 'nobody'"),
        ("mine:count.deeper", "AttributeError: 'function' object has no attribute 'deeper'"),
    ],
)
def test_what_can_not_be_found_is_named(house, name, message):
    failure = house.run("python", {"call": name}).failure

    assert failure.message == message
    assert failure.code == "exception"


def test_an_argument_that_the_function_does_not_take_is_named(house):
    failure = call(house, "count", leap=1).failure

    assert failure.message == "TypeError: count() got an unexpected keyword argument 'leap'"


def test_the_program_in_the_interpreter_is_python_that_old_interpreters_read():
    path = Path(interpreters.__file__).with_name("child.py")

    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
