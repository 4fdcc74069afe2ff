"""TIPMan, the directory of everything that lives: instances by id, in memory and in the database.

Memory is a cache of rows. The bus's thread alone reads and changes instances here; a drain's
changes are staged and `write` puts them into the transaction with a handful of statements.
"""

import json
from collections.abc import Iterable
from itertools import chain
from typing import Any

from tipman.chain import link
from tipman.database import Database, Row
from tipman.deadlines import Deadlines
from tipman.definitions import Task, task_from_row
from tipman.edges import Edges
from tipman.errors import NotFoundError
from tipman.events import Event, Failure
from tipman.ids import text_of
from tipman.instances import Instance
from tipman.lineage import Lineage, StagedSource
from tipman.models import (
    DELETE_INBOX,
    INSERT_ATTEMPT,
    INSERT_INBOX,
    INSERT_LOG_ENTRY,
    INSERT_TASK,
    SELECT_INSTANCE,
    UPDATE_OPTIONS,
    UPSERT_KEPT,
)
from tipman.registry.register import Registry
from tipman.relatives import Relatives
from tipman.runs.ledger import Runs
from tipman.runs.offspring import Offspring
from tipman.schedules.ledger import Ledger
from tipman.schedules.models import FREE_KEY
from tipman.writing import insert_new, update, update_within

CACHE_MAX = 100_000
"""Instances kept in memory; the least recently loaded that do not run are dropped first."""


class TIPMan(Relatives):
    """The Task In Progress Manager: finds instances, and gathers what a drain changed of them.

    `now` is the wall clock at the event in hand, in µs; `epoch` the number of this start.
    """

    def __init__(self, database: Database, epoch: int) -> None:
        self._database = self.database = database
        self.epoch = epoch
        self.edges = Edges(database)
        self.registry = Registry(database)
        self.schedules = Ledger(database)
        self.runs = Runs(database)
        self.returned: dict[tuple[bytes, int], str | None] = {}
        self.lineage = Lineage(StagedSource(database, self), database)
        self.offspring = Offspring(database)
        self.deadlines = Deadlines()
        self.now = 0
        self._cache: dict[bytes, Instance] = {}
        self._tolerated = 0
        self._new: dict[bytes, Instance] = {}
        self._touched: dict[bytes, Instance] = {}
        self._shifted: dict[bytes, Instance] = {}
        self._rearmed: dict[bytes, Instance] = {}
        self._new_keys: dict[tuple[str, str, str], bytes] = {}
        self._freed: list[Row] = []
        self.options: dict[bytes, str] = {}
        """JSON text of the options of tasks on disk that this drain has given others."""
        self._kept: dict[tuple[str, str, str], str] = {}
        self._tasks: list[Row] = []
        self._attempts: list[Row] = []
        self._log: list[Row] = []
        self._inbox: list[Row] = []
        self._handled: list[Row] = []
        self.raised: list[Event] = []
        """Events that handlers published, for the bus to take."""

    # Finding.

    def find(self, identifier: bytes) -> Instance | None:
        """Return the instance, from memory or else from the database; None if there is none."""
        found = self._cache.get(identifier)
        if found is None:
            self.prefetch((identifier,))
            found = self._cache.get(identifier)
        return found

    def cached(self, identifier: bytes) -> Instance | None:
        """Return an instance that is in memory; what has settled is not."""
        return self._cache.get(identifier)

    def load(self, identifier: bytes) -> Instance:
        """Return the instance.

        Raises:
            NotFoundError: it never existed, or was pruned.
        """
        found = self.find(identifier)
        if found is None:
            raise NotFoundError(f"no task at /api/v1/tasks/{text_of(identifier)}")
        return found

    def prefetch(self, identifiers: Iterable[bytes]) -> None:
        """Bring instances into memory with one query for all of them."""
        missing = [i for i in dict.fromkeys(identifiers) if i not in self._cache]
        if missing:
            rows = self._database.fetch_in(f"{SELECT_INSTANCE} WHERE id IN (??)", missing)
            for row in rows:
                self._remember(Instance.from_row(row))

    def find_keys(
        self, names: Iterable[tuple[str, str]], kind: str = "task"
    ) -> dict[tuple[str, str], bytes]:
        """Return the ids of the instances that have these keys, each in its namespace."""
        found: dict[tuple[str, str], bytes] = {}
        missing: dict[str, list[str]] = {}
        for name in names:
            staged = self._new_keys.get((kind, *name))
            if staged is not None:
                found[name] = staged
            else:
                missing.setdefault(name[0], []).append(name[1])
        for namespace, keys in missing.items():
            rows = self._database.fetch_in(
                "SELECT key, id FROM instance WHERE kind = ? AND namespace = ? AND key IN (??)",
                keys,
                before=(kind, namespace),
            )
            found.update({(namespace, key): bytes(identifier) for key, identifier in rows})
        return found

    def task_of(self, instance: Instance) -> Task:
        """Return what a task instance was asked to do."""
        if instance.task is None:
            rows = self._database.fetch(
                "SELECT type, arguments, options FROM task WHERE id = ?", (instance.id,)
            )
            type_, arguments, options = rows[0]
            names = (instance.name, instance.key, instance.namespace)
            instance.task = task_from_row(type_, arguments, options, *names)
            instance.arguments = arguments
        return instance.task

    def results_of(self, instances: Iterable[Instance]) -> dict[str, Any]:
        """Return the results of the last attempts, by the names of their tasks."""
        numbers = {i.id: (i.name, i.attempt) for i in instances}
        staged = [(row[0], row[1], row[7]) for row in self._attempts if row[0] in numbers]
        rows = self._database.fetch_in(
            "SELECT instance, number, result FROM attempt WHERE instance IN (??)", list(numbers)
        )
        results: dict[str, Any] = dict.fromkeys((name for name, _ in numbers.values()))
        for identifier, number, result in (*rows, *staged):
            name, last = numbers[bytes(identifier)]
            if number == last and result is not None:
                results[name] = json.loads(self._database.values.whole(result))
        return results

    def kept(self, namespace: str, kind: str, name: str) -> str | None:
        """Return the JSON text that was kept under this name."""
        staged = self._kept.get((namespace, kind, name))
        if staged is not None:
            return staged
        rows = self._database.fetch(
            "SELECT value FROM kept WHERE namespace = ? AND kind = ? AND name = ?",
            (namespace, kind, name),
        )
        return str(rows[0][0]) if rows else None

    # Changing; only handlers call these, when nothing can fail any more.

    def add(self, instance: Instance, task_row: Row, dependencies: list[bytes]) -> None:
        """Stage a new task instance with its task and its edges."""
        self.add_row(instance)
        self._tasks.append(task_row)
        self.edges.add(instance.id, dependencies)

    def add_row(self, instance: Instance) -> None:
        """Stage a new instance of whatever kind."""
        self._cache[instance.id] = self._new[instance.id] = instance
        if instance.key is not None:
            self._new_keys[instance.kind, instance.namespace, instance.key] = instance.id

    def give_options(self, instance: Instance, task: Task) -> None:
        """Stage that a task has the options of *task*, which is like it otherwise."""
        instance.task = task
        if instance.id not in self._new:
            self.options[instance.id] = task.options
            return
        at = next(at for at, row in enumerate(self._tasks) if row[0] == instance.id)
        self._tasks[at] = (*self._tasks[at][:-1], task.options)

    def free_key(self, instance: Instance) -> None:
        """Stage that the key of an instance which has ended can be had again."""
        self._new_keys.pop((instance.kind, instance.namespace, str(instance.key)), None)
        self._freed.append((instance.id,))
        instance.key = None

    def touch(self, instance: Instance) -> None:
        """Stage the instance's row."""
        if instance.id not in self._new:
            self._touched[instance.id] = instance

    def shift(self, instance: Instance) -> None:
        """Stage, of the instance's row, what a step changes that stays within its state."""
        if instance.id not in self._new:
            self._shifted[instance.id] = instance

    def rearm(self, instance: Instance) -> None:
        """Stage where a schedule stands that took a step within its state, and its deadline."""
        if instance.id not in self._new:
            # Were it not shifted as well, nobody would write it.
            self._shifted[instance.id] = self._rearmed[instance.id] = instance

    def log(
        self,
        instance: Instance,
        name: str,
        before: str,
        data: str | None,
        actor: str = "engine",
        announced: str | None = None,
    ) -> None:
        """Stage the instance's next log line, or two; *data* is JSON text."""
        sequence = instance.sequence + 1
        instance.sequence = sequence if announced is None else sequence + 1
        after = instance.configuration
        entry = (sequence, name, self.now, actor, before, after, data, announced)
        instance.chain = link(instance.chain, entry)
        self._log.append((instance.id, *entry))

    def close_attempt(
        self, instance: Instance, outcome: str, result: str | None, failure: Failure | None
    ) -> None:
        """Stage the row of the attempt that has just ended."""
        began_at = self.now if instance.started_at is None else instance.started_at
        error = None if failure is None else failure_text(failure)
        owner = (instance.id, instance.attempt, instance.opening, instance.epoch or self.epoch)
        self.returned[instance.id, instance.attempt] = result
        if result is not None:
            result = self._database.values.kept(result)
        self._attempts.append((*owner, began_at, self.now, outcome, result, error))

    def record_failure(self, event: Event, error: Exception) -> None:
        """Stage a log line about an event whose handler failed, if its instance is known."""
        instance = self._cache.get(event.instance)
        if instance is not None:
            data = {"event": event.wire, "error": f"{type(error).__name__}: {error}"}
            self.touch(instance)
            before = instance.configuration
            self.log(instance, "event.failed", before, json.dumps(data, ensure_ascii=True))

    def keep(self, namespace: str, kind: str, name: str, value: str) -> None:
        """Stage a value that outlives the task."""
        self._kept[namespace, kind, name] = value

    def leave(self, number: int, event: str) -> None:
        """Stage an internal event, as JSON text, that this drain will not reach."""
        self._inbox.append((number, event))

    def handled(self, number: int) -> None:
        """Stage the removal of an internal event that was left by an earlier drain."""
        self._handled.append((number,))

    # Writing.

    def write(self) -> None:
        """Put all that is staged into the open transaction."""
        run, insert = self._database.execute_many, self._database.insert
        self.deadlines.gather(
            chain(self._new.values(), self._touched.values(), self._rearmed.values())
        )
        self.schedules.write_first()
        if self._freed or self.options:
            run(FREE_KEY, self._freed)
            run(UPDATE_OPTIONS, [(text, identifier) for identifier, text in self.options.items()])
        self.runs.write()
        if self._new:
            insert_new(self._database, self._new.values())
            insert(INSERT_TASK, self._tasks)
        self.edges.write()
        self.schedules.write()
        if self._touched:
            update(self._database, self._touched.values())
        if self._shifted:
            shifted = [i for key, i in self._shifted.items() if key not in self._touched]
            update_within(self._database, shifted, self._rearmed)
        if self._attempts:
            insert(INSERT_ATTEMPT, self._attempts)
        if self._log:
            insert(INSERT_LOG_ENTRY, self._log)
        if self._kept:
            run(UPSERT_KEPT, [(*name, value) for name, value in self._kept.items()])
        if self._inbox:
            insert(INSERT_INBOX, self._inbox)
        if self._handled:
            run(DELETE_INBOX, self._handled)

    @property
    def is_dirty(self) -> bool:
        """Whether anything is staged."""
        return bool(self._log or self._touched or self._new or self._handled or self._inbox)

    @property
    def rows_staged(self) -> int:
        """How many rows `write` would write, about; every event has its log entry."""
        return 3 * len(self._log) + self.schedules.rows_staged + self.runs.rows_staged

    def committed(self) -> list[Row]:
        """Forget what was staged, now that it is on disk; return its log entries."""
        for instance in self._touched.values():
            self._stored(instance)
        for instance in self._shifted.values():
            self._stored(instance)
        for instance in self._new.values():
            self._stored(instance)
        lines = self._log
        self._new, self._touched, self._new_keys = {}, {}, {}
        self._shifted, self._rearmed = {}, {}
        self._kept, self._tasks, self._attempts, self.returned = {}, [], [], {}
        self._freed, self.options = [], {}
        self.runs.committed()
        self.edges.committed()
        self.schedules.committed()
        self._log, self._inbox, self._handled = [], [], []
        if len(self._cache) > max(CACHE_MAX, self._tolerated):
            self._shrink()
        return lines

    def _stored(self, instance: Instance) -> None:
        instance.stored_sequence = instance.sequence
        if instance.settled_at is not None:
            self._drop(instance.id)

    def forget(self, identifiers: Iterable[bytes]) -> None:
        """Drop instances from memory whose rows were removed between two drains."""
        for identifier in identifiers:
            self._drop(identifier)

    def _drop(self, identifier: bytes) -> None:
        self._cache.pop(identifier, None)
        self.edges.forget(identifier)
        self.schedules.forget(identifier)
        self.runs.forget(identifier)
        self.offspring.forget(identifier)

    def _shrink(self) -> None:
        idle = (i.id for i in self._cache.values() if i.state not in {"running", "queued"})
        for identifier in [i for i, _ in zip(idle, range(CACHE_MAX // 2), strict=False)]:
            self._drop(identifier)
        # Where most are queued or running, another look is worth it only when many more came.
        left = len(self._cache)
        self._tolerated = left + left // 2 if left > CACHE_MAX else 0


def failure_text(failure: Failure) -> str:
    """Return a failure as the JSON text of a row."""
    fields: dict[str, object] = {"code": failure.code, "message": failure.message}
    if failure.traceback is not None:
        fields["traceback"] = failure.traceback
    return json.dumps(fields, ensure_ascii=False)
