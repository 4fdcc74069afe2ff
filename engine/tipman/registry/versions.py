"""Versions of what is kept under names: numbered from 1, never changed, never deleted."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tipman.database import Database, Row

Stage = Callable[[str, Row], None]
"""Puts a statement with its row among the changes of a drain."""


class Version(NamedTuple):
    """A version: its number, its content's hash, and whether it is retired."""

    number: int
    content: str
    is_retired: bool


class Versions:
    """The versions in one table; of each name, what the event in hand asked for."""

    def __init__(self, database: Database, table: str, insert: str, stage: Stage) -> None:
        self._database = database
        self._stage = stage
        self._insert = insert
        # The names of our own tables are all that is written into these.
        self._select = (
            f"SELECT version, content, retired_at FROM {table}"  # noqa: S608 - see above
            " WHERE namespace = ? AND name = ? ORDER BY version"
        )
        self._names = f"SELECT DISTINCT name FROM {table} WHERE namespace = ?"  # noqa: S608 - as above
        self._retire = (
            f"UPDATE {table} SET retired_at = ?"  # noqa: S608 - as above
            " WHERE namespace = ? AND name = ? AND version = ?"
        )
        self._known: dict[tuple[str, str], list[Version]] = {}

    def of(self, namespace: str, name: str) -> Sequence[Version]:
        """Return the versions of a name, oldest first, this drain's included."""
        versions = self._known.get((namespace, name))
        if versions is None:
            rows = self._database.fetch(self._select, (namespace, name))
            versions = [Version(number, content, at is not None) for number, content, at in rows]
            self._known[namespace, name] = versions
        return versions

    def same(self, namespace: str, name: str, content: str) -> int | None:
        """Return the number of the newest version in use with this content."""
        versions = reversed(self.of(namespace, name))
        return next(
            (v.number for v in versions if v.content == content and not v.is_retired), None
        )

    def next_number(self, namespace: str, name: str) -> int:
        """Return the number of the next version; none is used twice."""
        versions = self.of(namespace, name)
        return versions[-1].number + 1 if versions else 1

    def add(self, namespace: str, name: str, version: Version, row: Row) -> None:
        """Stage a version with its whole row."""
        self.of(namespace, name)
        self._known[namespace, name].append(version)
        self._stage(self._insert, row)

    def retire(self, namespace: str, name: str, number: int | None, now_us: int) -> Sequence[int]:
        """Stage that a version, or with None every one, is out of use; return which were not."""
        self.of(namespace, name)
        retired = []
        versions = self._known[namespace, name]
        for at, version in enumerate(versions):
            if not version.is_retired and number in {None, version.number}:
                versions[at] = version._replace(is_retired=True)
                self._stage(self._retire, (now_us, namespace, name, version.number))
                retired.append(version.number)
        return retired

    def retire_all(self, namespace: str, now_us: int) -> None:
        """Stage that nothing in a namespace is in use any more."""
        names = {name for place, name in self._known if place == namespace}
        rows = self._database.fetch(self._names, (namespace,))
        for name in names.union(row[0] for row in rows):
            self.retire(namespace, name, None, now_us)

    def committed(self) -> None:
        """Forget what was known: it is on disk."""
        self._known.clear()
