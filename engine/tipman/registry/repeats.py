"""Repeats: how a write that comes twice under one key is made once, and answered twice the same.

Whoever takes a write from outside says who asks for what (`repeat_of`) and how an outcome is
answered. The bus keeps the answer in the write's own transaction, for a day.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias

from tipman.clock import MICROSECONDS
from tipman.database import Database
from tipman.errors import IdempotencyMismatchError
from tipman.registry.records import Answer

KEPT_S = 24 * 3600
"""Seconds for which an answer is kept."""
_ID_BYTES = 16

Tell: TypeAlias = Callable[[Answer | None], None]


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
    """Which writes with a key are in progress, so that their repeats can wait for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[bytes, list[tuple[bytes, Tell]]] = {}

    def enter(self, repeat: Repeat, tell: Tell) -> bool:
        """Return whether the caller is alone with this key, and must `leave`.

        Else *tell* is called once, by the thread that leaves: with the answer, or with None when
        the caller is to try again.
        """
        with self._lock:
            waiting = self._waiting.get(repeat.key)
            if waiting is None:
                self._waiting[repeat.key] = []
                return True
            waiting.append((repeat.content, tell))
            return False

    def leave(self, repeat: Repeat, answer: Answer | None) -> None:
        """Let go of a key, its write answered so, or with None refused."""
        with self._lock:
            waiting = self._waiting.pop(repeat.key)
        for content, tell in waiting:
            tell(answer if content == repeat.content else None)
