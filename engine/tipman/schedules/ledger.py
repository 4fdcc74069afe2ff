"""The ledger: schedules as the bus works with them, and what a drain changed of them.

The bus's thread alone changes anything here; it is written in the drain's transaction, so that a
decision, what it submits and the next deadline are on disk together or not at all.
"""

import json
from collections.abc import Iterable

from tipman.database import Database, Row
from tipman.schedules.models import (
    FREE_KEY,
    INSERT_PLAIN_SLOT,
    INSERT_SCHEDULE,
    INSERT_SLOT,
    OPEN_RUNS,
    RESPECIFY_SCHEDULE,
    SELECT_SCHEDULE,
    STRETCH_SLOT,
    SUPERSEDE_SLOT,
    UPDATE_SCHEDULE,
)
from tipman.schedules.records import OpenRun, Record, Slot


class Ledger:
    """Records and slots, with what is staged of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._records: dict[bytes, Record] = {}
        self._new: dict[bytes, Record] = {}
        self._new_places: list[tuple[str, bytes]] = []
        self._new_keys: dict[tuple[str, str], bytes] = {}
        self._touched: dict[bytes, Record] = {}
        self._respecified: dict[bytes, Record] = {}
        self._plain_slots: list[Row] = []
        self._slots: list[Row] = []
        self._stretched: list[Row] = []
        self._superseded: list[Row] = []
        self._freed: list[Row] = []
        self.rows_staged = 0
        """How many rows are staged beside those that every event has."""

    # Finding.

    def record(self, identifier: bytes) -> Record:
        """Return the record of a schedule that exists."""
        found = self._records.get(identifier)
        if found is None:
            self.prefetch((identifier,))
            found = self._records[identifier]
        return found

    def prefetch(self, identifiers: Iterable[bytes]) -> None:
        """Bring records into memory, with two queries for all of them."""
        missing = [i for i in dict.fromkeys(identifiers) if i not in self._records]
        if not missing:
            return
        for row in self._database.fetch_in(f"{SELECT_SCHEDULE} WHERE s.id IN (??)", missing):
            record = Record.from_row(row)
            self._records[record.id] = record
        runs = self._database.fetch_in(OPEN_RUNS, missing)
        for schedule, run, held, options in sorted(runs, key=lambda row: bytes(row[1])):
            due_at, backfill, manual = json.loads(options)["slot"]
            slot = OpenRun(due_at, backfill, manual, bool(held))
            self._records[bytes(schedule)].open[bytes(run)] = slot

    def find_key(self, namespace: str, key: str) -> bytes | None:
        """Return the id of the schedule that has this key."""
        staged = self._new_keys.get((namespace, key))
        if staged is not None:
            return staged
        rows = self._database.fetch(
            "SELECT id FROM instance WHERE kind = 'schedule' AND namespace = ? AND key = ?",
            (namespace, key),
        )
        found = bytes(rows[0][0]) if rows else None
        return None if (found,) in self._freed else found

    def count_open(self, namespace: str) -> int:
        """Return how many schedules of a namespace have not finished, those staged included."""
        rows = self._database.fetch(
            "SELECT count(*) FROM instance WHERE kind = 'schedule' AND namespace = ?"
            " AND settled_at IS NULL",
            (namespace,),
        )
        return int(rows[0][0]) + sum(place[0] == namespace for place in self._new_places)

    # Changing; only handlers call these, when nothing can fail any more.

    def add(self, record: Record, namespace: str) -> None:
        """Stage a new schedule."""
        self._records[record.id] = self._new[record.id] = record
        self._new_places.append((namespace, record.id))
        if record.key is not None:
            self._new_keys[namespace, record.key] = record.id

    def touch(self, record: Record) -> None:
        """Stage what few decisions change of a record; where it stands is its instance's."""
        if record.id not in self._new:
            self._touched[record.id] = record

    def respecify(self, record: Record) -> None:
        """Stage a new revision."""
        record.plan = None
        if record.id not in self._new:
            self._respecified[record.id] = record

    def decide(self, slot: Slot) -> None:
        """Stage a slot."""
        self.rows_staged += 1
        if slot.decision == "run" and not (slot.backfill or slot.manual):
            self._plain_slots.append((slot.schedule, slot.due_at, slot.instance, slot.decided_at))
        else:
            self._slots.append(slot)

    def stretch(self, record: Record, due_until: int, count: int, now: int) -> None:
        """Stage that the slot at `stretch_at` stands for *count* more instants."""
        self._stretched.append((due_until, count, now, record.id, record.stretch_at))

    def supersede(self, record: Record, run: OpenRun, by: bytes) -> None:
        """Stage that the run of a slot is not to start any more, because of another."""
        self._superseded.append((by, record.id, run.due_at, run.backfill, run.manual))

    def free_key(self, record: Record, namespace: str) -> None:
        """Stage that the key of a schedule that was deleted can be had again."""
        if record.key is not None:
            self._new_keys.pop((namespace, record.key), None)
            self._freed.append((record.id,))

    # Writing.

    def write_first(self) -> None:
        """Put into the open transaction what must be there before the directory is written."""
        if self._freed:
            self._database.execute_many(FREE_KEY, self._freed)

    def write(self) -> None:
        """Put all else that is staged into the open transaction."""
        run = self._database.execute_many
        if self._new:
            run(INSERT_SCHEDULE, [record.row() for record in self._new.values()])
        if self._respecified:
            for identifier in self._respecified:
                self._touched.pop(identifier, None)
            rows = [(*r.specified(), r.id) for r in self._respecified.values()]
            run(RESPECIFY_SCHEDULE, rows)
        if self._touched:
            run(UPDATE_SCHEDULE, [(*r.changing(), r.id) for r in self._touched.values()])
        if self._plain_slots:
            self._database.insert(INSERT_PLAIN_SLOT, self._plain_slots)
        if self._slots:
            self._database.insert(INSERT_SLOT, self._slots)
        for sql, rows in ((STRETCH_SLOT, self._stretched), (SUPERSEDE_SLOT, self._superseded)):
            if rows:
                run(sql, rows)

    def committed(self) -> None:
        """Forget what was staged, now that it is on disk."""
        if self._new or self._respecified:
            self._new, self._new_keys, self._respecified = {}, {}, {}
            self._new_places = []
        if self._touched or self.rows_staged:
            self._touched, self._plain_slots, self.rows_staged = {}, [], 0
            self._slots, self._stretched, self._superseded = [], [], []
        self._freed = []

    def forget(self, identifier: bytes) -> None:
        """Drop from memory what the directory drops as well."""
        if self._records:
            self._records.pop(identifier, None)
