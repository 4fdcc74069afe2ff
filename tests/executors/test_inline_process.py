"""Functions with a process of their own, from the registry to a child interpreter and back."""

import importlib
import json
import os

import pytest
from executors.house import House
from executors.reported import Reported, start, stop
from tipman.clock import ManualClock
from tipman.events import AttemptInterrupted
from tipman.executors.inline import InlineExecutor

CHORES = """
import os
import time

from tipman.executors.functions import Registry

tasks = Registry()


@tasks.task(process=True)
def add(a, b=1):
    return {"sum": a + b, "pid": os.getpid()}


@tasks.task(process=True)
def collect(_in, out):
    out["got"] = _in


@tasks.task(process=True)
class Counter:
    value: int = 0

    def run(self, by=1):
        self.value += by
        return self.value


@tasks.task(process=True)
def sulk():
    while True:
        time.sleep(3600)
"""


@pytest.fixture
def house(tmp_path, monkeypatch):
    (tmp_path / "tipman_test_chores.py").write_text(CHORES, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with House(tmp_path) as house:
        yield house


@pytest.fixture
def run(house):
    tasks = importlib.import_module("tipman_test_chores").tasks
    executor = InlineExecutor(
        Reported(), ManualClock(), threads_max=1, tasks=tasks, processes=house.executor
    )

    def run(name, *, kept=None, end=None, **args):
        executor.start(start("inline", {"task": name, "args": args}, kept=kept))
        if end is not None:
            executor.stop(end)
        return house.reports.next()

    yield run
    executor.close()


def test_it_runs_in_another_process(run):
    result = json.loads(run("add", a=2).result)

    assert result["sum"] == 3
    assert result["pid"] != os.getpid()


def test_in_and_out_work_there_too(run):
    assert json.loads(run("collect", x=1).result) == {"got": {"x": 1}}


def test_a_class_keeps_its_fields_there_too(run):
    first = run("Counter", by=2)
    second = run("Counter", by=3, kept=first.kept)

    assert (first.result, json.loads(first.kept)) == ("2", {"value": 2})
    assert (second.result, json.loads(second.kept)) == ("5", {"value": 5})


def test_one_that_does_not_listen_is_ended_all_the_same(run):
    report = run("sulk", end=stop(grace_s=0))

    assert isinstance(report, AttemptInterrupted)
    assert not report.detached
