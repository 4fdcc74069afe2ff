"""Relatives: what belongs together in the directory, as it is when a drain has come so far.

Rows tell of what was committed, memory of what this drain has made or changed of it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from tipman.database import Database, Row
from tipman.instances import Instance
from tipman.models import SELECT_INSTANCE

_ENDS = (
    "SELECT instance, max(position) FROM log_entry WHERE 'task.settled' IN (name, announced)"
    " AND instance IN (??) GROUP BY instance"
)


class Relatives:
    """The part of the directory that finds instances by whom they belong to."""

    _database: Database
    _cache: dict[bytes, Instance]
    _new: dict[bytes, Instance]
    _touched: dict[bytes, Instance]
    _tasks: list[Row]
    _attempts: list[Row]
    _log: list[Row]

    def _remember(self, instance: Instance) -> Instance:
        self._cache[instance.id] = instance
        return instance

    def where(self, condition: str, parameters: tuple[Any, ...]) -> Iterator[Instance]:
        """Yield instances by a condition on committed rows, as memory has them."""
        for row in self._database.fetch(f"{SELECT_INSTANCE} WHERE {condition}", parameters):
            cached = self._cache.get(bytes(row[0]))
            yield self._remember(Instance.from_row(row)) if cached is None else cached

    def staged(self) -> Iterator[Instance]:
        """Yield the instances that this drain has made or changed so far."""
        yield from self._new.values()
        yield from self._touched.values()

    def staged_tasks(self) -> Iterator[Row]:
        """Yield the rows of the task table that this drain has made so far."""
        yield from self._tasks

    def open_in(self, run: bytes) -> list[Instance]:
        """Return what of a run has not settled, oldest first, this drain's changes included."""
        condition = "run = ? AND settled_at IS NULL"
        found = {instance.id: instance for instance in self.where(condition, (run,))}
        found.update((instance.id, instance) for instance in self.staged() if instance.run == run)
        return [found[key] for key in sorted(found) if not found[key].is_settled]

    def open_runs(self, namespace: str) -> int:
        """Return how many runs of a namespace have not settled, this drain's included."""
        condition = "kind = 'run' AND namespace = ? AND settled_at IS NULL"
        found = {each.id: each for each in self.where(condition, (namespace,))}
        staged = (i for i in self.staged() if i.kind == "run" and i.namespace == namespace)
        found.update((each.id, each) for each in staged)
        return sum(not each.is_settled for each in found.values())

    def by_end(self, instances: Iterable[Instance]) -> list[Instance]:
        """Return tasks that have settled in the order in which they did."""
        found = {instance.id: instance for instance in instances}
        rows = self._database.fetch_in(_ENDS, list(found))
        order = {bytes(identifier): (0, position) for identifier, position in rows}
        for position, entry in enumerate(self._log):
            if entry[0] in found and "task.settled" in (entry[2], entry[8]):
                order[entry[0]] = (1, position)
        return sorted(found.values(), key=lambda instance: order.get(instance.id, (0, 0)))
