"""A process that has everything imported and forks one child after the other: a quick start.

It has no threads, so a fork of it is as good as a new process. A line in is `{"start": orders}`,
answered with `{"pid": …}`, or `{"bury": true}`, answered with `{"status": …}` once that child is
dead: until then its process id belongs to nobody else, so killing by id is safe.
"""

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from crash import driver

TESTS = Path(__file__).parents[1]
PATIENCE_S = 60
"""How long a child may take to end."""


class DriverHatch:
    """How a driver is started: its socket is there before it is, so that clients may knock."""

    @staticmethod
    def load():
        """Load here, once, what every child would load at its first task."""
        import asyncio  # noqa: F401 - loaded here, forked later

        import playhouse.migrations  # noqa: F401 - loaded here, forked later
        import tipman.executors.counter
        import tipman.executors.inline
        import tipman.executors.processes
        import tipman.executors.sleep  # noqa: F401 - loaded here, forked later

    @staticmethod
    @contextmanager
    def open(orders):
        """Make what the child inherits."""
        with driver.listener_at(Path(orders.folder) / "socket") as listener:
            yield listener

    @staticmethod
    def main(orders, listener):
        """Be the child."""
        driver.main(orders, listener)


def serve(hatch):
    """Fork one child after the other, as standard input asks."""
    hatch.load()
    child = 0
    for line in sys.stdin:
        message = json.loads(line)
        if "start" in message:
            child = _fork(hatch, driver.Orders(**message["start"]))
            answer = {"pid": child}
        else:
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            child = 0
            answer = {"status": status}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    if child:
        os.kill(child, signal.SIGKILL)


def _fork(hatch, orders):
    with hatch.open(orders) as inherited:
        child = os.fork()
        if child == 0:
            try:
                hatch.main(orders, inherited)
            finally:
                os._exit(1)
    return child


class Nest:
    """The harness's side: one child at a time."""

    def __init__(self, module="crash.nest"):
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(_paths())},
        )
        self.pid = None

    def start(self, orders):
        """Start a child; clients may connect at once, they are heard when the engine runs."""
        self.pid = self._ask({"start": asdict(orders)})["pid"]

    def kill(self):
        """Send SIGKILL; a child that is dead already stays dead."""
        os.kill(self.pid, signal.SIGKILL)

    def bury(self):
        """Wait until the child is dead and return its exit code, or minus the signal.

        One that does not end is aborted after a while, so that it can say where it stood.
        """
        self._say({"bury": True})
        if not select.select([self._process.stdout], [], [], PATIENCE_S)[0]:
            os.kill(self.pid, signal.SIGABRT)
        return self._heard()["status"]

    def close(self):
        """End the nest, and a child that still lives with it."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, message):
        self._say(message)
        return self._heard()

    def _say(self, message):
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _heard(self):
        return json.loads(self._process.stdout.readline())


def _paths():
    return [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]


if __name__ == "__main__":
    serve(DriverHatch)
