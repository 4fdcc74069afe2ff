"""Writers: which tasks of a run gave which keys of the context a value.

A key that one task alone has written is in conflict nowhere, so a task needs no look at what it
sees unless two of its run wrote the same key, or it reads its context.
"""

import json
from collections.abc import Collection

from tipman.database import Database

KEYS_MAX = 1_000_000
"""Keys that are remembered, of all runs; others are read again."""

_ADDED = (
    "SELECT i.id, i.name, a.result, c.text FROM instance AS i JOIN task AS t ON t.id = i.id"
    " LEFT JOIN attempt AS a ON a.instance = i.id AND a.number = i.attempt"
    " LEFT JOIN context AS c ON c.instance = i.id"
    " WHERE i.run = ? AND i.state = 'succeeded' AND i.parent IS NULL"
    " AND (c.text IS NOT NULL OR t.type IN ('eval', 'inline', 'map', 'python'))"
)


class Writers:
    """What the bus knows of the keys of runs; read from rows when a run is first asked about.

    A run to whose context a task has added has a row of its own among the contexts.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writers: dict[bytes, dict[str, bytes]] = {}
        self._contested: set[bytes] = set()
        self._size = 0

    def has_any(self, run: bytes) -> bool:
        """Tell whether a task of the run has added anything."""
        return bool(self._of(run))

    def is_contested(self, run: bytes) -> bool:
        """Tell whether two tasks of the run wrote the same key."""
        if run not in self._writers:
            self._of(run)
        return run in self._contested

    def note(self, run: bytes, task: bytes, keys: Collection[str]) -> None:
        """Take note of what a task has added."""
        writers = self._of(run)
        before = len(writers)
        for key in keys:
            if writers.setdefault(key, task) != task:
                self._contested.add(run)
        self._size += len(writers) - before

    def _of(self, run: bytes) -> dict[str, bytes]:
        found = self._writers.get(run)
        if found is None:
            while self._size > KEYS_MAX and self._writers:
                self._forget(next(iter(self._writers)))
            found = self._writers[run] = {}
            self._size += 1
            if self._database.fetch("SELECT 1 FROM context WHERE instance = ?", (run,)):
                whole = self._database.values.whole
                for task, name, result, kept in self._database.fetch(_ADDED, (run,)):
                    added = None if kept is None else json.loads(whole(kept)).get("added")
                    value = json.loads(whole(result or "null")) if added is None else added
                    self.note(run, bytes(task), keys_of(name, value))
        return found

    def _forget(self, run: bytes) -> None:
        self._size -= 1 + len(self._writers.pop(run))
        self._contested.discard(run)


def keys_of(name: str, value: object) -> Collection[str]:
    """Return the keys that a value adds: those of an object, the task's name for any other.

    >>> list(keys_of("test", {"n": 1})), list(keys_of("test", 3)), list(keys_of("test", None))
    (['n'], ['test'], [])
    """
    if value is None:
        return ()
    return value if isinstance(value, dict) else (name,)
