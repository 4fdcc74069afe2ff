"""Processes that a killed engine left behind, looked for in /proc."""

import os
import re
import select
import signal
import time
from contextlib import suppress
from pathlib import Path

NURSERY = re.compile(rb"(bootstrap|careless_nursery)\.py")


def outliving(folder, engine_pid, within_s):
    """Yield what is still there after a while: tasks of *folder*, a nursery of the engine."""
    end = time.perf_counter() + within_s
    while left := processes_of(folder, engine_pid):
        if time.perf_counter() > end:
            break
        for pid in left:
            wait_for_end(pid, end - time.perf_counter())
    for pid, what in left.items():
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
            # A server works in its folder, and so does all that it starts.
            is_here = (path / "cwd").readlink().is_relative_to(folder)
        except OSError:
            continue  # It ended meanwhile.
        if is_here or marker in environment or (NURSERY.search(command) and nursery in command):
            found[int(path.name)] = command.replace(b"\0", b" ").decode("utf-8", "replace")
    return found


def wait_for_end(pid, within_s):
    """Wait until a process is dead, buried or not."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(max(within_s, 0) * 1000)
    finally:
        os.close(descriptor)


def end(folder, engine_pid):
    """Kill what was left behind; it carries the name of the folder, so it is ours."""
    for pid in processes_of(folder, engine_pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
