"""How the frozen program ends: by a key, a signal, or by force, and what is left then."""

import signal
from threading import Event

import pytest
from binary.frozen import outlived
from executors.house import eventually, processes_with, token

# The first of them may have to wait until the program is built.
pytestmark = [pytest.mark.binary, pytest.mark.timeout(900)]

PATIENCE_S = 60


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_visible_process_ends_it_well(tipman, number):
    with tipman.serving() as server:
        everything = server.everything()
        server.running.signal(number)
        code = server.running.wait()

    assert code == 0
    assert "Traceback" not in "".join(server.running.stderr)
    assert outlived(everything) == []
    assert tipman.left == []


def test_one_press_of_ctrl_c_is_heard_once(tipman):
    gate = tipman.folder / "gate"
    with tipman.serving(TIPMAN_DRAIN_S="60") as server:
        line = f"touch begun; while [ ! -e {gate} ]; do sleep 0.02; done"
        _, task = server.ask("POST", "/api/v1/tasks", {"type": "exec", "arguments": line})
        eventually((tipman.folder / "begun").exists)
        server.press_ctrl_c()
        # Heard twice, it would have ended the task before it can.
        eventually(lambda: _refuses(server))
        Event().wait(0.1)
        gate.touch()
        assert server.running.wait() == 0

    with tipman.serving() as server:
        assert server.settled(task["uri"])["state"] == "succeeded"
        assert server.ask("GET", task["uri"])[1]["attempt"] == 1


def _refuses(server):
    try:
        server.ask("GET", "/livez")
    except OSError:
        return True
    return False


def test_killing_the_visible_process_leaves_nothing_behind_and_loses_nothing(tipman):
    mark = token()
    tree = f"(setsid sleep {mark} &); touch shell; sleep {mark}"
    code = f"import subprocess\nopen('code', 'w')\nsubprocess.run(['sleep', '{mark}'])"
    with tipman.serving() as server:
        keys = [f"k{number}" for number in range(20)]
        for key in keys:
            body = {"type": "exec", "arguments": "true", "key": key}
            assert server.ask("POST", "/api/v1/tasks", body)[0] == 202
        for kind, arguments in (("exec", tree), ("eval", code)):
            body = {"type": kind, "arguments": arguments, "key": kind}
            assert server.ask("POST", "/api/v1/tasks", body)[0] == 202
        eventually(lambda: len(processes_with(mark)) == 3)
        everything = server.everything()
        # Bootloader or engine, nursery, a keeper and a tree for either task: much to be left.
        assert len(everything) > 7
        server.running.signal(signal.SIGKILL)
        server.running.wait()

    assert outlived(everything) == []
    assert processes_with(mark) == []
    eventually(lambda: tipman.left == [])

    with tipman.serving(TIPMAN_DRAIN_S="0", TIPMAN_GRACE_S="0") as server:
        for key in keys:
            assert server.settled(f"/api/v1/tasks/{key}")["state"] == "succeeded"
        # What ran was lost with its engine, and runs again.
        eventually(lambda: len(processes_with(mark)) == 3)
        assert server.ask("GET", "/api/v1/tasks/exec")[1]["attempt"] == 2


def test_killing_a_command_leaves_nothing_behind(one_file):
    with one_file.serving(TIPMAN_DRAIN_S="0", TIPMAN_GRACE_S="0") as server:
        task = {"type": "exec", "arguments": "echo begun; exec sleep 600", "key": "long"}
        assert server.ask("POST", "/api/v1/tasks", task)[0] == 202
        with one_file.start("logs", "-f", "long") as following:
            following.until("begun")
            assert len(one_file.left) == 2
            following.signal(signal.SIGKILL)
            following.wait()

        eventually(lambda: len(one_file.left) == 1)
        assert server.ask("GET", "/livez")[0] == 200
