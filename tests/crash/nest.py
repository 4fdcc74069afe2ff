"""A process that has everything imported and forks one child after the other: a quick start.

It has no threads, so a fork of it is as good as a new process. A line in is `{"start": orders}`,
answered with `{"pid": …}`, or `{"bury": true}`, answered with `{"status": …}` once that child is
dead: until then its process id belongs to nobody else, so killing by id is safe.
"""

import faulthandler
import json
import os
import select
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from crash import driver

TESTS = Path(__file__).parents[1]
PATIENCE_S = 60
"""How long a child may take to end, and whoever starts it to answer."""


class StuckError(Exception):
    """Somebody neither answers nor ends; where it stood was written to its standard error."""


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
    # Aborted because it is stuck, it says where it stands.
    faulthandler.enable()
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

    def __init__(self, module="crash.nest", *, patience_s=PATIENCE_S):
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(_paths())},
        )
        self.patience_s = patience_s
        self.pid = None
        self._is_buried = True

    def start(self, orders):
        """Start a child; clients may connect at once, they are heard when the engine runs."""
        self._say({"start": asdict(orders)})
        if not self._is_answered():
            self._give_up("no child was started")
        self.pid, self._is_buried = self._heard()["pid"], False

    def kill(self):
        """Send SIGKILL; a child that is dead already stays dead."""
        os.kill(self.pid, signal.SIGKILL)

    def abort(self):
        """Send SIGABRT: a child that still lives says where it stands, and dies."""
        os.kill(self.pid, signal.SIGABRT)

    def bury(self):
        """Wait until the child is dead and return its exit code, or minus the signal.

        One that does not end is aborted after a while, so that it can say where it stood.
        """
        self._say({"bury": True})
        for force in (self.abort, self.kill):
            if self._is_answered():
                break
            force()
        else:
            self._give_up(f"process {self.pid} does not end")
        self._is_buried = True
        return self._heard()["status"]

    def close(self):
        """End the nest, and a child that still lives with it."""
        self._process.stdin.close()
        try:
            self._process.wait(self.patience_s)
        except subprocess.TimeoutExpired:
            self._give_up("the nest does not end")
        finally:
            self._process.stdout.close()

    def _give_up(self, what):
        """End everything by force.

        Raises:
            StuckError: always.
        """
        if not self._is_buried:
            with suppress(ProcessLookupError):
                self.kill()
        self._process.send_signal(signal.SIGABRT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self.patience_s)
        self._process.kill()
        self._process.wait(self.patience_s)
        raise StuckError(what)

    def _is_answered(self):
        return bool(select.select([self._process.stdout], [], [], self.patience_s)[0])

    def _say(self, message):
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _heard(self):
        return json.loads(self._process.stdout.readline())


def _paths():
    return [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]


if __name__ == "__main__":
    serve(DriverHatch)
