"""Editions: what is kept under names in numbered versions, read from committed rows only."""

from typing import NamedTuple

from tipman.database import Database, Row
from tipman.errors import NotFoundError


class Editions(NamedTuple):
    """A table of versions; its name is also what one of them is called in words."""

    table: str
    columns: str

    def newest(self, database: Database, namespace: str, *, after: str, limit: int) -> list[Row]:
        """Return the newest version of each name behind *after*, in the order of the names."""
        return database.fetch(
            f"SELECT {self.columns} FROM {self.table} AS e WHERE namespace = ? AND name > ?"  # noqa: S608 - our names
            f" AND version = (SELECT max(version) FROM {self.table} AS o"
            " WHERE o.namespace = e.namespace AND o.name = e.name) ORDER BY name LIMIT ?",
            (namespace, after, limit),
        )

    def one(self, database: Database, namespace: str, name: str, version: int | None) -> Row:
        """Return a version; with None the newest in use, else the newest.

        Raises:
            NotFoundError: there is none.
        """
        wanted = "" if version is None else " AND version = ?"
        rows = database.fetch(
            f"SELECT {self.columns} FROM {self.table} WHERE namespace = ? AND name = ?{wanted}"  # noqa: S608 - our names
            " ORDER BY CASE WHEN retired_at IS NULL THEN 0 ELSE 1 END, version DESC LIMIT 1",
            (namespace, name) if version is None else (namespace, name, version),
        )
        if not rows:
            what = name if version is None else f"{name}@{version}"
            raise NotFoundError(f"no {self.table} {what!r} in the namespace {namespace!r}")
        return rows[0]

    def numbers(self, database: Database, namespace: str, name: str) -> list[int]:
        """Return the numbers of all versions, oldest first."""
        rows = database.fetch(
            f"SELECT version FROM {self.table} WHERE namespace = ? AND name = ? ORDER BY version",  # noqa: S608 - our names
            (namespace, name),
        )
        return [int(row[0]) for row in rows]
