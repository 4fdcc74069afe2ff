"""Families: a run with all that belongs to it, in its own graph and in runs that it started."""

from collections.abc import Sequence
from typing import NamedTuple

from tipman.database import Database, Row
from tipman.errors import NotFoundError


class Member(NamedTuple):
    """A task or a run that belongs to a run; `run` is whose task it is, `parent` who is told."""

    id: bytes
    kind: str
    name: str
    state: str
    run: bytes | None
    parent: bytes | None


_COLUMNS = "id, kind, name, state, run, parent"


def open_run(database: Database, name: str, content: str) -> bytes:
    """Return the newest run of a workflow, started by itself, that has not settled.

    Raises:
        NotFoundError: there is none.
    """
    rows = database.fetch(
        "SELECT r.id FROM workflow_run AS r JOIN instance AS i ON i.id = r.id"
        " WHERE r.name = ? AND r.content = ? AND r.parent IS NULL AND i.settled_at IS NULL"
        " ORDER BY r.id DESC LIMIT 1",
        (name, content),
    )
    if not rows:
        raise NotFoundError(f"no open run of {name!r} with this content")
    return bytes(rows[0][0])


def members(database: Database, run: bytes) -> list[Member]:
    """Return all that belongs to a run: its tasks, then those of the runs that they started.

    Each run stands before its tasks, which are in the order they were submitted.
    """
    found: list[Member] = []
    runs = [run]
    while runs:
        tasks = [
            member
            for each in runs
            for member in _read(
                database.fetch(
                    f"SELECT {_COLUMNS} FROM instance WHERE run = ? ORDER BY id",  # noqa: S608 - our names
                    (each,),
                )
            )
        ]
        children = _read(
            database.fetch_in(
                f"SELECT {_COLUMNS} FROM instance WHERE kind = 'run' AND parent IN (??)",  # noqa: S608 - our names
                [task.id for task in tasks],
            )
        )
        found += tasks + children
        runs = [child.id for child in children]
    return found


def known(database: Database, identifiers: Sequence[bytes]) -> list[Member]:
    """Return those of these instances that there are, in the order they were submitted."""
    rows = database.fetch_in(
        f"SELECT {_COLUMNS} FROM instance WHERE id IN (??)",  # noqa: S608 - our names
        list(identifiers),
    )
    return sorted(_read(rows))


def _read(rows: Sequence[Row]) -> list[Member]:
    return [
        Member(
            bytes(identifier),
            kind,
            name,
            state,
            None if run is None else bytes(run),
            None if parent is None else bytes(parent),
        )
        for identifier, kind, name, state, run, parent in rows
    ]
