"""Engines with threads, tasks of their own, and gates that hold a task until it is let go."""

import threading
from contextlib import contextmanager

from tipman.clock import SystemClock
from tipman.executors.functions import Registry
from tipman.runtime import Engine

PATIENCE_S = 30.0
"""Longer than anything here takes on a busy machine; nothing waits so long unless it hangs."""


class Gate:
    """Where a task waits: `arrived` when it is there, until `open` is set."""

    def __init__(self):
        self.arrived = threading.Event()
        self.opened = threading.Event()

    def wait(self):
        self.arrived.set()
        assert self.opened.wait(PATIENCE_S), "nobody opened the gate"

    def has_come(self):
        assert self.arrived.wait(PATIENCE_S), "nobody came to the gate"

    def open(self):
        self.opened.set()


class Shop:
    """A folder, a registry of tasks, and the engines on one database, one after the other."""

    def __init__(self, folder, url):
        self.folder = folder
        self.url = url
        self.tasks = Registry()
        self.gate = Gate()
        self._engines = []
        self.hold = self.tasks.task(name="hold")(self._hold)
        self.echo = self.tasks.task(name="echo")(_echo)
        self.fail = self.tasks.task(name="fail")(_fail)

    def _hold(self, value=None):
        self.gate.wait()
        return value

    def engine(self, **flags):
        given = {"grace_s": 0.05, "drain_s": PATIENCE_S, "durability": "normal", **flags}
        engine = Engine(self.url, home=self.folder / "home", tasks=self.tasks, **given)
        self._engines.append(engine)
        return engine

    def start(self, **flags):
        return self.engine(**flags).start()

    def close(self):
        self.gate.open()
        for engine in self._engines:
            engine.close(drain_s=0)


def _echo(value=None):
    return value


def _fail(words):
    raise ValueError(words)


@contextmanager
def in_thread(function, *args, **kwargs):
    """Run *function* beside the block; when the block ends it must end too, and not badly."""
    errors = []

    def run():
        try:
            function(*args, **kwargs)
        except BaseException as error:
            errors.append(error)
            raise

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield thread
    thread.join(PATIENCE_S)
    assert not thread.is_alive(), "it hangs"
    assert errors == []


def eventually(condition):
    """Wait for something that nobody announces."""
    clock, never = SystemClock(), threading.Event()
    until = clock.monotonic() + PATIENCE_S
    while not condition():
        assert clock.monotonic() < until, "it never came true"
        never.wait(0.002)
