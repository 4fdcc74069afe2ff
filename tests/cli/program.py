"""The program `tipman` as its users have it: a process with arguments, output and an exit code."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Self

import yaml

PATIENCE_S = 60


def write_workflow(path: Path, *tasks: Mapping[str, object], **more: object) -> Path:
    """Write a workflow file and return its path."""
    path.write_text(yaml.safe_dump({**more, "tasks": list(tasks)}, sort_keys=False))
    return path


def shell(name: str, line: str, *dependencies: str, **more: object) -> dict[str, object]:
    """Return an `exec` task."""
    task = {"name": name, "type": "exec", "arguments": line, **more}
    return {**task, "dependencies": list(dependencies)} if dependencies else task


class Program:
    """Starts `tipman` in a folder of its own, with its temporary files in another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.temporary = folder / "temporary"
        self.folder.mkdir()
        self.temporary.mkdir()

    def __call__(self, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self._command(arguments),
            cwd=self.folder,
            env=self._environment(variables),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def start(self, *arguments: object, **variables: str) -> "Running":
        """Start it, and read what it prints while it runs."""
        pipe = subprocess.PIPE
        return Running(self.spawn(*arguments, stdout=pipe, stderr=pipe, **variables))

    def spawn(
        self, *arguments: object, stdout: int, stderr: int | None = None, **variables: str
    ) -> "subprocess.Popen[str]":
        """Start it, its output going wherever the caller says."""
        return subprocess.Popen(
            self._command(arguments),
            cwd=self.folder,
            env=self._environment(variables),
            stdout=stdout,
            stderr=stderr,
            text=True,
        )

    def script(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line of the shell in which `tipman` is the program."""
        tipman = f'tipman() {{ "{sys.executable}" -m tipman_api "$@"; }}; '
        return subprocess.run(
            ["bash", "-c", tipman + line],
            cwd=self.folder,
            env=self._environment({}),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    @staticmethod
    def _command(arguments: tuple[object, ...]) -> list[str]:
        return [sys.executable, "-m", "tipman_api", *map(str, arguments)]

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "TIPMAN" not in name}
        told = {"TMPDIR": str(self.temporary), "PYTHONFAULTHANDLER": "1"}
        return {**kept, **told, **variables}


class Running:
    """A started program; its streams are read at once, so that it never waits for us."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self._news: SimpleQueue[bool] = SimpleQueue()
        """For each line False, for each end of a stream True."""
        self._ends_seen = 0
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((process.stdout, self.stdout), (process.stderr, self.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def until(self, line: str) -> None:
        """Wait until a line that starts so was printed, on either stream."""
        self._wait(lambda one: one.startswith(line), line)

    def until_says(self, words: str) -> None:
        """Wait until a line with these words was printed, on either stream."""
        self._wait(lambda one: words in one, words)

    def _wait(self, is_it: Callable[[str], bool], words: str) -> None:
        while not any(map(is_it, (*self.stdout, *self.stderr))):
            told = f"no {words!r}: {self.stdout} {self.stderr}"
            assert self._ends_seen < len(self._readers), told
            try:
                self._ends_seen += self._news.get(timeout=PATIENCE_S)
            except Empty:
                raise AssertionError(told) from None

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Return its exit code, its output having been read whole."""
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            # It says where it stands before it dies of this.
            self.process.send_signal(signal.SIGABRT)
            self.process.wait(PATIENCE_S)
            self._join()
            raise AssertionError(f"it did not end: {self.stdout} {self.stderr}") from None
        self._join()
        return code

    def _join(self) -> None:
        for reader in self._readers:
            reader.join(PATIENCE_S)

    def _read(self, stream: "subprocess.TextIO", lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))
            self._news.put(False)
        self._news.put(True)
