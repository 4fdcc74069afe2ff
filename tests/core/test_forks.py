"""Forks of a process with an engine: the engine stays the parent's, and no one waits for it."""

import subprocess
import sys

import pytest

FORK = """
import os, sys
from tipman import Engine, task
from tipman.errors import TipmanError

@task
def echo(value):
    return value

engine = Engine("sqlite:///a.db", home="home").start()
handle = engine.submit_task({"type": "sleep", "arguments": {"duration_s": 60}, "key": "long"})
if os.fork() == 0:
    try:
        %s
    except TipmanError as error:
        print(type(error).__name__, error, flush=True)
    engine.close()
    os._exit(0)
os.wait()
assert engine.submit(echo, value=7).result == 7
assert handle.state == "running"
assert engine.verify().is_whole
engine.close(drain_s=0)
print("whole")
"""
ELSEWHERE = "UnavailableError the engine runs in the process that this one was forked from"


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("engine.submit(echo, value=1)", ELSEWHERE),
        ("engine.submit_nowait(echo, value=1)", ELSEWHERE),
        ("handle.wait()", ELSEWHERE),
        ("engine.cancel(handle)", ELSEWHERE),
        ("handle.state", ELSEWHERE),
        ("engine.start()", "EngineRunningError another engine (pid"),
        ("pass", ""),
    ],
)
def test_a_fork_can_not_use_the_engine_of_its_parent_and_does_it_no_harm(tmp_path, act, said):
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK % act],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    *in_the_fork, in_the_parent = ended.stdout.splitlines()
    assert "".join(in_the_fork).startswith(said)
    assert in_the_parent == "whole"
