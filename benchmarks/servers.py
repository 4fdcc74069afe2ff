"""Servers under measurement: ours, empty and bare ones, and the single program, as processes."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_HERE = Path(__file__).resolve().parent
PROGRAM = _HERE.parent / "dist" / "tipman"
"""The single program, where it has been built."""
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
_TIMEOUT_S = 30
_LOOK_S = 0.001
_OK = 200


@dataclass(frozen=True)
class Server:
    """A server that runs, and what to know of it."""

    process: psutil.Process
    port: int
    headers: dict[str, str]
    """What every request needs."""
    start_s: float
    """From the start of the process to the first 200."""

    def ask(
        self,
        method: str,
        path: str,
        body: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> http.client.HTTPResponse:
        """Return the answer to one request on a connection of its own, not yet read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_S)
        typed = {} if body is None else {"content-type": "application/json"}
        connection.request(method, path, body, {**self.headers, **typed, **(headers or {})})
        return connection.getresponse()

    def cpu_s(self) -> float:
        """Return the CPU seconds that it has taken, all of its threads together."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def rss_mib(self) -> float:
        """Return its resident set."""
        return float(self.process.memory_info().rss) / 2**20


def ours(home: Path, **settings: Any) -> list[str]:
    """Return the command of our server on a home directory."""
    command = [sys.executable, "-m", "tipman_api", "serve", "--home", str(home), "--port", "0"]
    return [*command, "--tasks", str(_HERE / "served.py"), *_flags(settings)]


def program(home: Path) -> list[str]:
    """Return the command of the single program."""
    return [str(PROGRAM), "serve", "--home", str(home), "--port", "0"]


def peer(module: str, home: Path, *words: str) -> list[str]:
    """Return the command of a server that ours is measured against."""
    return [sys.executable, "-m", module, "--home", str(home), *words]


def _flags(settings: dict[str, Any]) -> list[str]:
    return [word for name, value in settings.items() for word in (f"--{name}", str(value))]


@contextmanager
def running(command: list[str], home: Path, **variables: str) -> Iterator[Server]:
    """Start a server, wait until it answers, and stop it at the end of the block.

    Raises:
        ValueError: it ended before; with what it complained of.
    """
    log = home.with_suffix(".log")
    with log.open("w", encoding="utf-8") as complaints:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=_HERE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env={**os.environ, **variables},
        )
    try:
        port = _port(process, log)
        _await_answer(port)
        taken_s = time.perf_counter() - began
        yield Server(psutil.Process(process.pid), port, _authorization(home), taken_s)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_TIMEOUT_S)
        finally:
            process.kill()
            if process.stdout is not None:
                process.stdout.close()


def _port(process: "subprocess.Popen[str]", log: Path) -> int:
    """Return the port that the server says it has."""
    if process.stdout is None:
        raise ValueError("a server needs a pipe for what it prints")
    for line in process.stdout:
        found = _ADDRESS.search(line)
        if found is not None:
            return int(found[1])
    raise ValueError(f"the server ended before it served: {log.read_text(encoding='utf-8')}")


def _await_answer(port: int) -> None:
    deadline = time.perf_counter() + _TIMEOUT_S
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", "/livez")
            if connection.getresponse().status == _OK:
                return
        except OSError:
            # It says where before it listens there.
            if time.perf_counter() > deadline:
                raise
        finally:
            connection.close()
        time.sleep(_LOOK_S)


def _authorization(home: Path) -> dict[str, str]:
    path = home / "token"
    if not path.exists():
        return {}
    return {"authorization": f"Bearer {path.read_text(encoding='ascii').strip()}"}
