"""The frozen program as its users have it: a file that they run, and what it leaves behind."""

import http.client
import json
import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

import psutil
from cli.program import PATIENCE_S, Program, Running
from executors.house import eventually

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = {
    "file": ROOT / "dist" / "tipman",
    "folder": ROOT / "dist" / "tipman-folder" / "tipman",
}


class Frozen(Program):
    """Starts the frozen program in a folder of its own, as a shell does: as a group."""

    def __init__(self, file: Path, folder: Path) -> None:
        super().__init__(folder)
        self.file = file

    def spawn(self, *arguments, stdout, stderr=None, **variables):
        """Start it, its output going wherever the caller says."""
        return subprocess.Popen(
            self._command(arguments),
            cwd=self.folder,
            env=self._environment(variables),
            stdout=stdout,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )

    @contextmanager
    def serving(self, *arguments, **variables):
        """Lend a server on a free port, with its home in the folder."""
        with self.start("serve", "--port", "0", *arguments, **variables) as running:
            running.until("Tipman serves ")
            yield Server(running, self.folder / ".tipman" / "token")

    @property
    def left(self) -> list[Path]:
        """What lies in the folder for temporary files."""
        return list(self.temporary.iterdir())

    def _command(self, arguments):
        return [str(self.file), *map(str, arguments)]


class Server:
    """A running `tipman serve` of the frozen program."""

    def __init__(self, running: Running, token: Path) -> None:
        self.running = running
        said = next(line for line in running.stdout if line.startswith("Tipman serves "))
        self.url = said.split()[2].partition("#")[0].rstrip("/")
        self._token = token.read_text().strip()

    def ask(self, method, path, body=None):
        """Send one request; return its status, and the body as JSON where it is that."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        is_json = "json" in (response.getheader("Content-Type") or "")
        return response.status, json.loads(content) if is_json else content

    def submit(self, **task):
        """Submit a task; return it as it is once it has settled."""
        status, submitted = self.ask("POST", "/api/v1/tasks", task)
        assert status == 202, submitted
        return self.settled(submitted["uri"])

    def settled(self, uri):
        """Return a task once it has settled."""
        eventually(lambda: self.ask("GET", uri)[1]["settled"])
        return self.ask("GET", uri)[1]

    def press_ctrl_c(self):
        """Send what a terminal sends: to the whole group, of which people see the first."""
        os.killpg(self.running.process.pid, signal.SIGINT)

    def everything(self):
        """Return every process of it, tasks included."""
        visible = psutil.Process(self.running.process.pid)
        return [visible, *visible.children(recursive=True)]


def outlived(processes):
    """Return those of *processes* that do not end by themselves."""
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_S)
    return alive
