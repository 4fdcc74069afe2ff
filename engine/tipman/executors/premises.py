"""What an attempt is given: its folder with the output files, and its main process.

Standard library only: the keepers use it.
"""

# Paths are text here: pathlib would add a tenth to the nursery's memory.
# ruff: noqa: PTH102, PTH108, PTH112, PTH123

import os
import signal
import socket
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from tipman.executors.output import OutputFile

CHILD_CHANNEL = 3
"""The descriptor under which an interpreter finds its channel when it starts."""

_DEFAULT_SIGNALS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
# Out of memory, the system shall rather take a task than the engine or its keepers.
_OOM_SCORE = b"500"


class AttemptFiles:
    """The folder of one attempt, only for the owner's eyes.

    Raises:
        OSError: it can not be made.
    """

    def __init__(self, folder: str, *, head_bytes: int, tail_bytes: int) -> None:
        self._folder = folder
        _make_folder(folder)
        self.streams = tuple(
            OutputFile(f"{folder}/{name}", head_bytes=head_bytes, tail_bytes=tail_bytes)
            for name in ("stdout", "stderr")
        )

    def write_context(self, text: str) -> None:
        """Write the JSON that the task finds by TIPMAN_CONTEXT."""
        path = f"{self._folder}/context.json"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)

    def open_stdin(self, text: str | None) -> int:
        """Return a descriptor from which *text* is read, and nothing for None."""
        if text is None:
            return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        path = f"{self._folder}/stdin"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.unlink(path)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape", closefd=False) as f:
            f.write(text)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def written(self, bytes_max: int) -> dict[str, str] | None:
        """Return what the task wrote to TIPMAN_RESULT: `text`, or `fault`; None for nothing."""
        what = "the file named by TIPMAN_RESULT"
        try:
            # Without waiting: it may be a pipe by now, which nobody writes to.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            with open(os.open(f"{self._folder}/result.json", flags), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return {"fault": f"{what} is no file any more"}
                content = file.read(bytes_max + 1)
            if len(content) > bytes_max:
                return {"fault": f"{what} is larger than {bytes_max} bytes"}
            return {"text": content.decode()}
        except FileNotFoundError:
            return None
        except OSError as error:
            return {"fault": f"{what} can not be read: {error.strerror}"}
        except UnicodeDecodeError as error:
            return {"fault": f"{what} is not UTF-8: {error}"}

    def close(self) -> list[str]:
        """End the streams; return why output is missing, if it is."""
        for stream in self.streams:
            stream.close()
        return [stream.fault for stream in self.streams if stream.fault is not None]


def _make_folder(folder: str) -> None:
    for path in (folder.rpartition("/")[0], folder):
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)


class MainProcess(NamedTuple):
    """A started process and this side's ends of what ties it to the keeper."""

    pid: int
    stdout: int
    stderr: int
    channel: int | None


def start_main(
    arguments: Sequence[str], env: Mapping[str, str], *, cwd: str, stdin: int, with_channel: bool
) -> MainProcess:
    """Start the program in a session of its own, with nothing open but what it is given.

    *stdin* is closed on this side. This process moves to *cwd*.

    Raises:
        OSError: no such folder, no such program, or it is none; the error names the file.
        ValueError: an argument or a variable that no process can be given.
    """
    theirs = {0: stdin}
    ours: list[int] = []
    try:
        os.chdir(cwd)
        program = _program(arguments[0], env.get("PATH", os.defpath))
        for number in (1, 2):
            reading, theirs[number] = os.pipe()
            ours.append(reading)
        if with_channel:
            mine, other = socket.socketpair()
            ours.append(mine.detach())
            theirs[CHILD_CHANNEL] = other.detach()
        pid = os.posix_spawn(
            program,
            list(arguments),
            dict(env),
            file_actions=[(os.POSIX_SPAWN_DUP2, end, number) for number, end in theirs.items()],
            setsid=True,
            setsigmask=[],
            setsigdef=_DEFAULT_SIGNALS,
        )
    except BaseException:
        for descriptor in ours:
            os.close(descriptor)
        raise
    finally:
        for descriptor in theirs.values():
            os.close(descriptor)
    _offer_to_oom_killer(pid)
    return MainProcess(pid, ours[0], ours[1], ours[2] if with_channel else None)


def _offer_to_oom_killer(pid: int) -> None:
    # Not everywhere, and a process may have ended already.
    with suppress(OSError):
        descriptor = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, _OOM_SCORE)
        finally:
            os.close(descriptor)


def _program(name: str, search_path: str) -> str:
    if "/" in name:
        return name
    for folder in search_path.split(os.pathsep):
        candidate = f"{folder or '.'}/{name}"
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    raise FileNotFoundError(2, "no such program on PATH", name)
