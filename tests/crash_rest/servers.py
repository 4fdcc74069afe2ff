"""Servers to be killed: forked from a process that has all of it loaded, or started as users do.

Each says on a pipe, a FIFO in its folder, where it serves, and holds it open while it lives.
"""

import faulthandler
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from crash import nest
from crash.driver import VARIABLE

LOADED = (
    "playhouse.migrations",
    "tipman.executors.counter",
    "tipman.executors.inline",
    "tipman.executors.processes",
    "tipman.executors.sleep",
    "tipman_api.commands.serving",
    "tipman_api.serve",
    "uvicorn.protocols.http.httptools_impl",
)
"""What every server would load at its start."""
TESTS = Path(__file__).parents[1]
SAID = "said"
_SERVE = ("serve", "--home", ".", "--port", "0")
_WITH_TASKS = (*_SERVE, "--tasks", "crash_rest.served")


def variables(orders):
    """Return the environment of a server, its settings in it."""
    return {
        **{name: value for name, value in os.environ.items() if "TIPMAN" not in name},
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]).strip(":"),
        "PYTHONFAULTHANDLER": "1",
        "TIPMAN_SLOTS": "8",
        "TIPMAN_QUEUES": "narrow=2",
        "TIPMAN_GRACE_S": "0.3",
        "TIPMAN_DRAIN_S": "0.1",
        "TIPMAN_DURABILITY": orders.durability,
        VARIABLE: json.dumps(asdict(orders)),
    }


class Hatch:
    """How a forked server is started."""

    @staticmethod
    def load():
        """Load it here, once."""
        for module in LOADED:
            import_module(module)

    @staticmethod
    @contextmanager
    def open(orders):
        """Open the pipe that the child inherits; it closes when that one dies, however early."""
        with (Path(orders.folder) / SAID).open("w") as said:
            yield said.fileno()

    @staticmethod
    def main(orders, said):
        """Be the server."""
        from tipman_api.cli import exit_code_of_command

        os.chdir(orders.folder)
        os.environ.clear()
        os.environ.update(variables(orders))
        log = os.open("driver.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, opened in enumerate((nothing, said, log)):
            os.dup2(opened, descriptor)
            os.close(opened)
        # The interpreter has read its environment long before.
        faulthandler.enable(file=2)
        code = 1
        try:
            code = exit_code_of_command([*_WITH_TASKS])
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def forking():
    """Return a nest of servers."""
    return nest.Nest("crash_rest.servers")


class Starter:
    """Starts one server at a time by a command; it has what a nest has."""

    def __init__(self, *command):
        self._command = command
        self._process = None
        self.pid = None

    def start(self, orders):
        """Start a server."""
        folder = Path(orders.folder)
        with (folder / SAID).open("w") as said, (folder / "driver.log").open("a") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=folder,
                env=variables(orders),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=log,
            )
        self.pid = self._process.pid

    def kill(self):
        """Send SIGKILL to the process that one sees; one that is dead stays dead."""
        self._process.send_signal(signal.SIGKILL)

    def abort(self):
        """Send SIGABRT: one that still lives says where it stands, and dies."""
        self._process.send_signal(signal.SIGABRT)

    def bury(self):
        """Wait until it is dead and return its exit code, or minus the signal.

        One that does not end is aborted after a while, so that it can say where it stood.
        """
        for force in (self.abort, self.kill):
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(nest.PATIENCE_S)
            force()
        return self._process.wait(nest.PATIENCE_S)

    def close(self):
        """End one that still lives."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(nest.PATIENCE_S)


def source():
    """Return what starts servers from the source."""
    return Starter(sys.executable, "-m", "tipman_api", *_WITH_TASKS)


def program(file):
    """Return what starts servers from the single program, a *file*."""
    return Starter(str(file), *_SERVE)


if __name__ == "__main__":
    nest.serve(Hatch)
