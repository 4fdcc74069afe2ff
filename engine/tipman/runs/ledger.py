"""The ledger of runs: their records as the bus works with them, and what a drain adds.

The bus's thread alone changes anything here. Counts are derived from committed rows when a run
comes into memory, which is before the first change of a drain is counted; from then on every
change is counted as it is staged, so a drain that fails must not go on.
"""

from collections.abc import Iterable

from tipman.database import Database
from tipman.runs.models import (
    COUNT_AFTERMATH,
    COUNT_NODES,
    INSERT_RUN,
    SELECT_PLACE,
    SELECT_RUN,
    UPSERT_CONTEXT,
)
from tipman.runs.records import Record

RECORDS_MAX = 10_000
"""Records kept in memory; more than that only of runs that have something open."""


class Runs:
    """Records of runs, and the contexts that tasks pass on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._records: dict[bytes, Record | None] = {}
        self._new: list[Record] = []
        self._contexts: dict[bytes, str] = {}

    # Finding.

    def find(self, run: bytes) -> Record | None:
        """Return the record of a run, None where there is none."""
        if run not in self._records:
            self.prefetch((run,))
        return self._records[run]

    def record(self, run: bytes) -> Record:
        """Return the record of a run that exists."""
        found = self.find(run)
        if found is None:
            raise LookupError(run.hex())
        return found

    def prefetch(self, runs: Iterable[bytes]) -> None:
        """Bring records into memory, with a query a table for all of them."""
        missing = [run for run in dict.fromkeys(runs) if run not in self._records]
        if not missing:
            return
        self._records.update(dict.fromkeys(missing))
        for row in self._database.fetch_in(f"{SELECT_RUN} WHERE id IN (??)", missing):
            record = Record.from_row(row)
            self._records[record.id] = record
        self._place(missing)
        for run, state, nodes in self._database.fetch_in(COUNT_NODES, missing):
            counted = self._records[bytes(run)]
            if counted is not None:
                counted.count(state, nodes)

    def _place(self, runs: list[bytes]) -> None:
        """Note where the instances of runs stand, and what is open after their ends."""
        for run, configuration in self._database.fetch_in(SELECT_PLACE, runs):
            record = self._records[bytes(run)]
            if record is not None:
                record.configuration = configuration
                record.has_begun = configuration not in {"queued", "suspended"}
        for run, tasks in self._database.fetch_in(COUNT_AFTERMATH, runs):
            record = self._records[bytes(run)]
            if record is not None:
                record.aftermath = tasks

    def contexts_of(self, tasks: Iterable[bytes]) -> dict[bytes, str]:
        """Return the JSON texts of what tasks pass on, of those that pass on anything."""
        wanted = list(tasks)
        found = {task: self._contexts[task] for task in wanted if task in self._contexts}
        missing = [task for task in wanted if task not in found]
        if missing:
            rows = self._database.fetch_in(
                "SELECT instance, text FROM context WHERE instance IN (??)", missing
            )
            whole = self._database.values.whole
            found.update({bytes(task): whole(text) for task, text in rows})
        return found

    def staged_context(self, task: bytes) -> str | None:
        """Return what this drain keeps of a task's context, as JSON text."""
        return self._contexts.get(task)

    # Changing; only handlers call these, when nothing can fail any more.

    def add(self, record: Record) -> None:
        """Stage a new run, no node of which is counted yet."""
        self._records[record.id] = record
        self._new.append(record)

    def keep_context(self, task: bytes, text: str) -> None:
        """Stage what a task passes on, as JSON text."""
        self._contexts[task] = text

    # Writing.

    def write(self) -> None:
        """Put what is staged into the open transaction."""
        if self._new:
            self._database.insert(INSERT_RUN, [record.row() for record in self._new])
        if self._contexts:
            kept = self._database.values.kept
            rows = [(task, kept(text)) for task, text in self._contexts.items()]
            self._database.execute_many(UPSERT_CONTEXT, rows)

    @property
    def rows_staged(self) -> int:
        """How many rows `write` would write."""
        return len(self._new) + len(self._contexts)

    def committed(self) -> None:
        """Forget what was staged, now that it is on disk."""
        if self._new:
            self._new = []
        if self._contexts:
            self._contexts = {}
        if len(self._records) > RECORDS_MAX:
            self._shrink()

    def forget(self, identifier: bytes) -> None:
        """Drop the record of a run whose instance memory drops as well."""
        self._records.pop(identifier, None)

    def _shrink(self) -> None:
        idle = [run for run, record in self._records.items() if record is None or not record.open]
        for run in idle[: len(self._records) - RECORDS_MAX // 2]:
            del self._records[run]
