"""What the measured server runs: imported into it by `tipman serve --tasks`."""

import sqlite3
from functools import partial

from metering import durability
from tipman import task

_opened: list[sqlite3.Connection] = []


class _Remembered(sqlite3.Connection):
    def __init__(self, *args: object, **kwargs: object) -> None:
        # Whatever came is passed on as it came.
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        _opened.append(self)


# Replaced on purpose: what is in force can be asked only of the writing connection itself.
sqlite3.connect = partial(sqlite3.connect, factory=_Remembered)  # type: ignore[assignment]


@task
def noop(i: int) -> int:
    """Do nothing."""
    return i


@task
def in_force() -> str:
    """Return the durability of the connection that writes."""
    found = set()
    for connection in _opened:
        try:
            read_only = connection.execute("PRAGMA query_only").fetchone() == (1,)
        except sqlite3.ProgrammingError:
            continue  # it was closed, so it is not the one that writes
        if not read_only:
            found.add(durability(connection))
    return "+".join(sorted(found))
