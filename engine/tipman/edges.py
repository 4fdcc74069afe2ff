"""Edges: who waits for whom, staged by a drain, in memory, and in the database."""

from collections.abc import Iterator

from tipman.database import Database, Row
from tipman.instances import Instance
from tipman.models import INSERT_DEPENDENCY


class Edges:
    """The dependencies of tasks.

    A task that was submitted to this engine, and all that wait for it, need no query when it
    settles: its count of dependents tells whether memory knows them all.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dependents: dict[bytes, list[bytes]] = {}
        """By dependency, for instances in memory; all of them or only the latest."""
        self._new: dict[bytes, list[bytes]] = {}
        """As above, those that this drain has staged."""
        self._staged: list[Row] = []
        self._above: dict[bytes, list[bytes]] = {}
        """By dependent, what this drain has staged."""

    def add(self, dependent: bytes, dependencies: list[bytes]) -> None:
        """Stage the edges of a new task, in the order of its list."""
        if dependencies:
            self._above[dependent] = [*self._above.get(dependent, ()), *dependencies]
        for position, dependency in enumerate(dependencies):
            self._staged.append((dependent, position, dependency))
            self._new.setdefault(dependency, []).append(dependent)
            self._dependents.setdefault(dependency, []).append(dependent)

    def extend(self, dependent: Instance, dependencies: list[bytes]) -> None:
        """Stage more edges of a task that is there, after those that it has."""
        position = len(self.dependencies_of(dependent))
        self._above[dependent.id] = [*self._above.get(dependent.id, ()), *dependencies]
        for at, dependency in enumerate(dependencies, position):
            self._staged.append((dependent.id, at, dependency))
            self._new.setdefault(dependency, []).append(dependent.id)
            self._dependents.setdefault(dependency, []).append(dependent.id)

    def dependents_of(self, instance: Instance) -> list[bytes]:
        """Return who waits for it, in the order they were added, this drain's included."""
        if not instance.dependents:
            return []
        known = self._dependents.get(instance.id, [])
        if len(known) == instance.dependents:
            return known
        rows = self._database.fetch(
            "SELECT dependent FROM dependency WHERE dependency = ? ORDER BY dependent",
            (instance.id,),
        )
        return [bytes(row[0]) for row in rows] + self._new.get(instance.id, [])

    def dependencies_of(self, instance: Instance) -> list[bytes]:
        """Return what it waits for, in the order they were given."""
        rows = self._database.fetch(
            "SELECT dependency FROM dependency WHERE dependent = ? ORDER BY position",
            (instance.id,),
        )
        return [*(bytes(row[0]) for row in rows), *self.staged_of(instance.id)]

    def first_staged(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield who waits for whom in the first place, of what this drain has added so far."""
        for dependent, position, dependency in self._staged:
            if not position:
                yield dependent, dependency

    def staged(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield who waits for whom by edges that this drain has added so far."""
        for dependent, _, dependency in self._staged:
            yield dependent, dependency

    def staged_of(self, identifier: bytes) -> list[bytes]:
        """Return what an instance waits for by edges that this drain has added."""
        return self._above.get(identifier, [])

    def write(self) -> None:
        """Put what is staged into the open transaction."""
        if self._staged:
            self._database.insert(INSERT_DEPENDENCY, self._staged)

    def committed(self) -> None:
        """Forget what was staged, now that it is on disk."""
        if self._staged:
            self._new, self._staged, self._above = {}, [], {}

    def forget(self, identifier: bytes) -> None:
        """Drop from memory who waits for an instance that memory drops as well."""
        self._dependents.pop(identifier, None)
