"""A process executor in a folder of its own, and a look at the processes it is responsible for."""

import itertools
import threading
from pathlib import Path

from executors.reported import PATIENCE_S, Reported, start, stop
from tipman.clock import SystemClock
from tipman.executors.output import parts_of
from tipman.executors.processes import ProcessExecutor, ProcessLimits
from tipman.ids import text_of

_tokens = itertools.count(1)


class House:
    """Starts attempts one after the other and waits for what is reported of them."""

    def __init__(self, folder, *, python=None, **limits):
        self.folder = folder
        self.attempts = folder / "attempts"
        self.reports = Reported()
        self.deaths = []
        self.death = threading.Event()
        self.executor = ProcessExecutor(
            self.reports,
            attempts=self.attempts,
            cwd=folder,
            python=python,
            limits=ProcessLimits(**limits),
            on_death=self._mourn,
        )
        self.executor.open()
        self._numbers = itertools.count(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.executor.close()
        assert self.executor.join(PATIENCE_S)

    def _mourn(self, why):
        self.deaths.append(why)
        self.death.set()

    def begin(self, kind, arguments, *, env=None, **given):
        effect = start(kind, arguments, number=next(self._numbers), **given)
        effect = effect._replace(env=env or {})
        self.executor.start(effect)
        return effect

    def stop(self, effect, reason, grace_s=10.0):
        number = int.from_bytes(effect.instance, "big")
        self.executor.stop(stop(reason, number=number, grace_s=grace_s))

    def run(self, kind, arguments, **given):
        self.begin(kind, arguments, **given)
        return self.reports.next()

    def files_of(self, effect):
        return self.attempts / text_of(effect.instance) / str(effect.attempt)

    def output(self, effect, stream="stdout"):
        try:
            parts = parts_of(str(self.files_of(effect) / stream))
        except FileNotFoundError:
            return b""
        return b"".join(part.data for part in parts)

    @property
    def nursery(self):
        return self.executor.nursery_pid


def eventually(condition):
    """Wait for something outside this process; there is nobody who would tell."""
    clock, never = SystemClock(), threading.Event()
    until = clock.monotonic() + PATIENCE_S
    while not condition():
        assert clock.monotonic() < until, "it never came true"
        never.wait(0.005)


def token():
    """Return an argument for `sleep` by which its process is found, and nobody else's."""
    here = f"{threading.get_native_id()}{next(_tokens):04d}"
    return f"86400.{here}"


def processes_with(word):
    """Return the processes, dead ones left out, that have *word* among their arguments."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                arguments = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if word.encode() in arguments:
                found.append(int(folder.name))
    return found


def parent_of(pid):
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return int(stat.rpartition(")")[2].split()[1])
