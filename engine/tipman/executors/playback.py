"""Playback: a stream of an attempt, read while the attempt still writes it.

It reads on in the file that it has open, and changes to the new one when a cut has replaced that:
whoever keeps up with the writer misses nothing, not even what the cut leaves out.
"""

import os
from collections.abc import Iterator
from typing import NamedTuple, Self

from tipman.executors.output import Part, mark_in

_CONTINUING, _CONTINUES = 0xC0, 0x80
_LENGTHS = {0x18: 2, 0x19: 2, 0x1A: 2, 0x1B: 2, 0x1C: 3, 0x1D: 3, 0x1E: 4}
"""How long a character is, by the first five bits of its first byte; others begin none."""
_OPEN = os.O_RDONLY | os.O_CLOEXEC


class _Layout(NamedTuple):
    """Where the parts of a file that was cut stand in it, and in the stream."""

    head_bytes: int
    tail_start: int
    tail_offset: int


class Playback:
    """Reads from *offset* of the stream on; one thread at a time may use it.

    Characters of UTF-8 come whole, as far as they were kept whole, so every offset between two
    parts is a place where text can be taken up again.
    """

    def __init__(self, path: str, offset: int = 0) -> None:
        self._path = path
        self.offset = offset
        """How far the stream has been read."""
        self._descriptor = -1
        self._layout: _Layout | None = None
        self._is_final = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def finish(self) -> None:
        """Note that the attempt has ended: what is there now is all, broken characters too."""
        self._is_final = True

    def parts(self, count: int, size: int) -> list[Part]:
        """Return up to *count* next parts of at most *size* bytes, at least 4; none for no more.

        A part that begins after the end of the one before tells of a cut between them.
        """
        return [part for _, part in zip(range(count), self._parts(size), strict=False)]

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _parts(self, size: int) -> Iterator[Part]:
        while (self._descriptor >= 0 or self._open()) and (part := self._next(size)):
            yield part

    def _next(self, size: int) -> Part | None:
        part = self._read(size)
        if part is not None or not self._was_replaced():
            return part
        # It may have been written to between the two looks; now nobody writes to it any more.
        part = self._read(size)
        if part is not None:
            return part
        self.close()
        return self._read(size) if self._open() else None

    def _open(self) -> bool:
        try:
            descriptor = os.open(self._path, _OPEN)
        except FileNotFoundError:
            return False
        self._descriptor = descriptor
        content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        mark = mark_in(content)
        if mark is None:
            self._layout = None
        else:
            tail_offset = mark.start() + int(mark[1])
            self._layout = _Layout(mark.start(), mark.end(), tail_offset)
        return True

    def _was_replaced(self) -> bool:
        ours = os.fstat(self._descriptor)
        try:
            # Text, as all paths of the executors.
            there = os.stat(self._path)  # noqa: PTH116
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    def _read(self, size: int) -> Part | None:
        start, place, most = self._span(size)
        data = os.pread(self._descriptor, most, place)
        end = start + len(data)
        is_broken_off = self._layout is not None and end == self._layout.head_bytes
        if not is_broken_off and not (self._is_final and len(data) < most):
            data = data[: whole_characters(data)]
        if not data:
            return None
        self.offset = start + len(data)
        return Part(start, data)

    def _span(self, size: int) -> tuple[int, int, int]:
        """Return from where in the stream, from where in the file, and how much is to be read."""
        layout, start = self._layout, self.offset
        if layout is None:
            return start, start, size
        if start < layout.head_bytes:
            return start, start, min(size, layout.head_bytes - start)
        start = max(start, layout.tail_offset)
        return start, layout.tail_start + start - layout.tail_offset, size


def whole_characters(data: bytes) -> int:
    r"""Return how many bytes there are before a character of UTF-8 that is not complete.

    >>> [whole_characters(data) for data in (b"a", b"a\xc3", b"a\xc3\xa9", b"\xff\xff", b"")]
    [1, 1, 3, 2, 0]

    Source: RFC 3629, section 3.
    """
    for back in range(1, min(len(data), 3) + 1):
        byte = data[-back]
        if byte & _CONTINUING != _CONTINUES:
            is_complete = _LENGTHS.get(byte >> 3, 1) <= back
            return len(data) if is_complete else len(data) - back
    return len(data)
