"""Standard output, in bytes, and words beside it: the work goes on when its readers leave."""

import os
import select
import stat
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from tipman_api.tables import printable

_CHUNK_BYTES = 65_536
_STANDARD_STREAMS = ("stdin", "stdout", "stderr")
_losses: list[OSError] = []
"""Why something that was to be printed is not where it should be."""


class Outlet:
    """Writes to a stream until it can no more: after that everything is swallowed.

    A reader that left (`| head`) is no error; any other reason is said once on standard error.
    """

    def __init__(self, stream: BinaryIO, losses: list[OSError] | None = None) -> None:
        self._stream = stream
        self._losses = [] if losses is None else losses
        self.is_open = True
        """Whether what is written goes anywhere, as far as a write has told."""
        self._at_line_start = True

    def line(self, text: str) -> None:
        """Write a line of text, on a line of its own."""
        self.end_line()
        self.write(text.encode("utf-8", "backslashreplace") + b"\n")

    def end_line(self) -> None:
        """Be at the start of a line."""
        if not self._at_line_start:
            self.write(b"\n")

    def write(self, data: bytes) -> None:
        """Write bytes as they are."""
        if not self.is_open or not data:
            return
        try:
            self._stream.write(data)
        except OSError as error:
            self._failed(error)
        self._at_line_start = data.endswith(b"\n")

    def copy(self, path: Path) -> None:
        """Write what is in a file, if there is such a file."""
        if not self.is_open:
            return
        with suppress(FileNotFoundError), path.open("rb") as file:
            while data := file.read(_CHUNK_BYTES):
                self.write(data)

    def flush(self) -> None:
        """Let out what was written."""
        if self.is_open:
            try:
                self._stream.flush()
            except OSError as error:
                self._failed(error)

    def give_up(self) -> None:
        """Write nothing more; what is left in buffers is flushed at exit, into nothing."""
        self.is_open = False
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def _failed(self, error: OSError) -> None:
        self.give_up()
        if not isinstance(error, BrokenPipeError):
            self._losses.append(error)
            reason = error.strerror or error
            say(f"tipman: standard output can not be written: {reason}")


def say(words: str) -> None:
    """Say lines on standard error, with nothing in them that a terminal would obey.

    What can not be said (a full disk, a reader that left) changes nothing of what is done.
    """
    shown = "\n".join("\t".join(map(printable, line.split("\t"))) for line in words.split("\n"))
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{shown}\n")
        sys.stderr.flush()


def end_with_reader() -> None:
    """End this process, as a success, once nobody reads its standard output any more.

    For what only prints, and would wait for long until a write tells it; only of a pipe or a
    socket can that be known.
    """
    mode = os.fstat(sys.stdout.fileno()).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        import threading  # noqa: PLC0415 - who prints and ends does without

        threading.Thread(target=_await_reader, name="tipman-reader", daemon=True).start()


def _await_reader() -> None:
    looking = select.poll()
    looking.register(sys.stdout.fileno(), 0)
    looking.poll()
    # Nothing is left to be written or cleared away; the main thread waits for a server.
    os._exit(0)


def standard_output() -> Outlet:
    """Return the outlet of this process; what is lost of it is no success."""
    return Outlet(sys.stdout.buffer, _losses)


def has_lost() -> bool:
    """Tell whether something is lost that was to be printed, and not for want of a reader."""
    return bool(_losses)


def keep_standard_streams() -> None:
    """Open what the caller closed of the standard streams, onto nothing; let both take any text.

    Otherwise the next file that is opened, a database say, gets the number of one of them, and
    with it whatever is printed.
    """
    for number, name in enumerate(_STANDARD_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is the one that was looked at.
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # What a terminal of another encoding lacks is written otherwise, and ends nothing.
            stream.reconfigure(errors="backslashreplace")
