"""Ids: UUID version 7 in 16 bytes, in order of their making."""

import os
import re
from _thread import allocate_lock
from collections.abc import Callable

_COUNTER_BITS = 18
_RANDOM_BYTES = 7
_COUNTER_LOW_BITS = 6
"""So much of the counter stands after the variant, the rest between version and variant."""
_COUNTER_LOW = (1 << _COUNTER_LOW_BITS) - 1
_VERSION_AND_VARIANT = 0x70_00_80
_HYPHENATED = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class EntropyPool:
    """Random bytes of the system, fetched many at a time.

    Each fetch lets other threads go first, which costs a busy server more than the bytes do.
    """

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        self._bytes = b""
        self._used = 0

    def __call__(self, count: int) -> bytes:
        """Return so many bytes that nobody had before; one thread at a time may ask."""
        end = self._used + count
        if end > len(self._bytes):
            self._bytes, self._used, end = os.urandom(max(self._size, count)), 0, count
        found = self._bytes[self._used : end]
        self._used = end
        return found


class IdSource:
    """Makes ids that sort in the order they were made, also within one millisecond.

    *unix_ms* gives the wall clock in milliseconds and *entropy* random bytes, so that a seeded
    source repeats itself. When the clock steps back the last time is kept.

    Source: RFC 9562, sections 5.7 and 6.2 (method 1, a counter after the time).
    """

    def __init__(
        self, unix_ms: Callable[[], int], entropy: Callable[[int], bytes] | None = None
    ) -> None:
        self._unix_ms = unix_ms
        self._entropy = entropy or EntropyPool()
        self._last_ms = 0
        self._counter = 0
        self._time = bytes(6)
        self._random = self._entropy(_RANDOM_BYTES)
        self._lock = allocate_lock()

    def __call__(self) -> bytes:
        """Return a new id, 16 bytes; any thread may ask."""
        with self._lock:
            now = self._unix_ms()
            if now > self._last_ms:
                self._random = self._entropy(_RANDOM_BYTES)
                self._begin(now)
            else:
                self._counter += 1
                if self._counter >> _COUNTER_BITS:
                    self._begin(self._last_ms + 1)
            high, low = self._counter >> _COUNTER_LOW_BITS, self._counter & _COUNTER_LOW
            middle = _VERSION_AND_VARIANT | high << 8 | low
            return self._time + middle.to_bytes(3, "big") + self._random

    def _begin(self, unix_ms: int) -> None:
        self._last_ms, self._counter = unix_ms, 0
        self._time = (unix_ms & 0xFFFFFFFFFFFF).to_bytes(6, "big")


def text_of(identifier: bytes) -> str:
    """Return the id as people see it.

    >>> text_of(bytes.fromhex("0192f5a0b1c27d3e8f00112233445566"))
    '0192f5a0-b1c2-7d3e-8f00-112233445566'
    """
    pairs = identifier.hex("-", 2)
    return f"{pairs[:4]}{pairs[5:29]}{pairs[30:34]}{pairs[35:]}"


def made_at(identifier: bytes) -> int:
    """Return when an id of ours was made, in µs since 1970, exact to the millisecond.

    >>> made_at(bytes.fromhex("0192f5a0b1c27d3e8f00112233445566"))
    1730697802178000
    """
    return int.from_bytes(identifier[:6], "big") * 1000


def parse(text: str) -> bytes | None:
    """Return the 16 bytes of a UUID in its hyphenated form, None for any other text.

    >>> parse("0192f5a0-b1c2-7d3e-8f00-112233445566").hex()
    '0192f5a0b1c27d3e8f00112233445566'
    >>> parse("nightly") is None
    True
    """
    if _HYPHENATED.fullmatch(text) is None:
        return None
    return bytes.fromhex(text.replace("-", ""))
