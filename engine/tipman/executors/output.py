"""What an attempt wrote: one file a stream, its first and its last part kept, the cut marked.

The file holds the stream byte for byte until it grows too long. Then it holds the first
`head_bytes`, a line such as ``[tipman: 123456 bytes cut after the first 1048576]`` between two
newlines, and the end: `tail_bytes` once the stream has ended, more while it runs. A cut replaces
the whole file in one step, so whoever reads, in mid-run or after a crash, finds it complete.
Standard library only: the keepers write with it.
"""

# Paths are text here: pathlib would add a tenth to the nursery's memory.
# ruff: noqa: PTH104, PTH123

import os
import re
from typing import NamedTuple

_MARK = re.compile(rb"\n\[tipman: (\d+) bytes cut after the first (\d+)\]\n")
_COPY_BYTES = 1_048_576
_LAST_LINE_BYTES = 4096
_CREATE = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC


class OutputFile:
    """Writes one stream; a disk that fails loses output, never blocks the task: see `fault`."""

    def __init__(self, path: str, *, head_bytes: int, tail_bytes: int) -> None:
        self._path = path
        self._head_bytes = head_bytes
        self._tail_bytes = tail_bytes
        # A cut copies head and tail; waiting for as much new output halves the speed at worst.
        self._slack_bytes = 2 * (head_bytes + tail_bytes)
        self._descriptor = os.open(path, _CREATE, 0o600)
        self._size = 0
        self._mark_bytes = 0
        self._cut_bytes = 0
        self.fault: str | None = None
        """Why output is missing, None while all is well."""

    def write(self, data: bytes) -> None:
        """Append *data* to the stream."""
        if self.fault is not None:
            return
        try:
            rest = memoryview(data)
            while rest:
                written = os.write(self._descriptor, rest)
                self._size += written
                rest = rest[written:]
            if self._size > self._head_bytes + self._mark_bytes + self._slack_bytes:
                self._cut()
        except OSError as error:
            self.fault = f"{self._path}: {error.strerror}"

    def last_line(self) -> str:
        """Return the last line that is not blank, at most some kilobytes of it, as text."""
        start = max(self._size - _LAST_LINE_BYTES, 0)
        try:
            data = os.pread(self._descriptor, _LAST_LINE_BYTES, start)
        except OSError:
            return ""
        return text_of_bytes(data).rstrip().rpartition("\n")[2].strip()

    def close(self) -> None:
        """End the stream: what lies between its kept parts is cut."""
        if self._size > self._head_bytes + self._mark_bytes + self._tail_bytes:
            try:
                self._cut()
            except OSError as error:
                self.fault = self.fault or f"{self._path}: {error.strerror}"
        os.close(self._descriptor)

    def _cut(self) -> None:
        tail_start = self._size - self._tail_bytes
        cut_bytes = self._cut_bytes + tail_start - self._head_bytes - self._mark_bytes
        mark = b"\n[tipman: %d bytes cut after the first %d]\n" % (cut_bytes, self._head_bytes)
        fresh = os.open(self._path + ".new", _CREATE, 0o600)
        try:
            _copy(self._descriptor, fresh, start=0, length=self._head_bytes)
            os.write(fresh, mark)
            _copy(self._descriptor, fresh, start=tail_start, length=self._tail_bytes)
            os.rename(self._path + ".new", self._path)
        except OSError:
            os.close(fresh)
            raise
        os.close(self._descriptor)
        self._descriptor = fresh
        self._cut_bytes, self._mark_bytes = cut_bytes, len(mark)
        self._size = self._head_bytes + len(mark) + self._tail_bytes


def _copy(source: int, target: int, *, start: int, length: int) -> None:
    end = start + length
    while start < end:
        data = os.pread(source, min(_COPY_BYTES, end - start), start)
        start += os.write(target, data)


class Part(NamedTuple):
    """A run of bytes of a stream."""

    offset: int
    """Where it stands in the stream; what lies before it and after the last part was cut."""
    data: bytes


def parts_of(path: str, offset: int = 0) -> list[Part]:
    """Return what is kept of the stream from *offset* on: at most two parts, in order.

    A follower asks again with the end of the last part.

    Raises:
        FileNotFoundError: the attempt never started, or its files were pruned.
    """
    with open(path, "rb") as file:
        content = file.read()
    mark = mark_in(content)
    if mark is None:
        return [Part(offset, content[offset:])] if offset < len(content) else []
    head, tail = content[: mark.start()], content[mark.end() :]
    tail_offset = len(head) + int(mark[1])
    found = [Part(offset, head[offset:])] if offset < len(head) else []
    skipped = max(offset - tail_offset, 0)
    return [*found, Part(tail_offset + skipped, tail[skipped:])] if tail[skipped:] else found


def mark_in(content: bytes) -> re.Match[bytes] | None:
    """Return where a file says what was cut of it: group 1 the bytes, group 2 after how many."""
    # A task may print such a line itself; only ours stands where it says.
    for mark in _MARK.finditer(content):
        if mark.start() == int(mark[2]):
            return mark
    return None


def text_of_bytes(data: bytes) -> str:
    r"""Return output as text that any database takes: bad bytes and NUL as escapes.

    >>> text_of_bytes(b"caf\xc3\xa9 \xff \x00")
    'café \\xff \\x00'
    """
    return data.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
