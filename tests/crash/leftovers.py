"""Processes that a killed engine left behind, looked for in /proc."""

import os
import re
import select
from pathlib import Path

PATIENCE_S = 8.0
ROUNDS_MAX = 8
NURSERY = re.compile(rb"(bootstrap|careless_nursery)\.py")


def wait_until_gone(folder, engine_pid):
    """Yield what is still there after a while: tasks of *folder*, a nursery of the engine."""
    for _ in range(ROUNDS_MAX):
        left = processes_of(folder, engine_pid)
        if not left:
            return
        for pid in left:
            _wait_for_end(pid)
    for pid, what in processes_of(folder, engine_pid).items():
        yield f"process {pid} outlived the engine: {what}"


def processes_of(folder, engine_pid):
    """Return process ids and command lines of what belongs to the engine."""
    marker = f"MARKS={folder}/".encode()
    nursery = f"\0{engine_pid}\0".encode()
    found = {}
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        try:
            command = (path / "cmdline").read_bytes()
            environment = (path / "environ").read_bytes()
        except OSError:
            continue  # It ended meanwhile.
        if marker in environment or (NURSERY.search(command) and nursery in command):
            found[int(path.name)] = command.replace(b"\0", b" ").decode("utf-8", "replace")
    return found


def _wait_for_end(pid):
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(PATIENCE_S * 1000 / ROUNDS_MAX)
    finally:
        os.close(descriptor)
