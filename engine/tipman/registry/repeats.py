"""Repeats: how a write that comes twice under one key is made once, and answered twice the same.

Whoever takes a write from outside says who asks for what (`repeat_of`) and how an outcome is
answered. The bus keeps the answer in the write's own transaction, for a day.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tipman.clock import MICROSECONDS
from tipman.database import Database
from tipman.errors import IdempotencyMismatchError
from tipman.registry.records import Answer

KEPT_S = 24 * 3600
"""Seconds for which an answer is kept."""
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Repeat:
    """A write that may come again: hashes of who asks where under which key, and of what."""

    key: bytes
    content: bytes


@dataclass(frozen=True, slots=True)
class Memo:
    """A repeat, and what it is answered once its event's outcome is known."""

    repeat: Repeat
    answer: Callable[[Any], Answer]
    """Is given what the handler answered; runs on the bus's thread, and can not fail."""


def repeat_of(
    *, token: str, namespace: str, method: str, path: str, key: str, body: bytes
) -> Repeat:
    """Return the repeat of a write: the same for the same caller, place and key."""
    who = b"\0".join(part.encode() for part in (token, namespace, method, path, key))
    return Repeat(sha256(who).digest(), sha256(body).digest())


def recall(database: Database, repeat: Repeat, *, now_us: int) -> Answer | None:
    """Return what this write was answered before, None if it was not or too long ago.

    Raises:
        IdempotencyMismatchError: the key was used for a write that asked for something else.
    """
    rows = database.fetch(
        "SELECT content, status, location, ids, body FROM kept_answer"
        " WHERE key = ? AND kept_at > ?",
        (repeat.key, now_us - KEPT_S * MICROSECONDS),
    )
    if not rows:
        return None
    content, status, location, ids, body = rows[0]
    if bytes(content) != repeat.content:
        raise IdempotencyMismatchError(
            "this Idempotency-Key was used within a day with another body; take a new key"
        )
    ids = bytes(ids)
    parts = tuple(ids[at : at + _ID_BYTES] for at in range(0, len(ids), _ID_BYTES))
    return Answer(status, location, parts, body)


class Repeats:
    """Which writes are in progress, so that their repeats can wait for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[bytes, list[Callable[[], None]]] = {}

    def enter(self, repeat: Repeat, wake: Callable[[], None]) -> bool:
        """Return whether the caller is the first; else *wake* is called when the first leaves."""
        with self._lock:
            waiting = self._waiting.get(repeat.key)
            if waiting is None:
                self._waiting[repeat.key] = []
                return True
            waiting.append(wake)
            return False

    def leave(self, repeat: Repeat) -> None:
        """Let those look again who wait for the caller's write; it was made or refused."""
        with self._lock:
            waiting = self._waiting.pop(repeat.key)
        for wake in waiting:
            wake()
