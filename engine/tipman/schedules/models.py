"""The tables of schedules, as Peewee models, and the constant SQL built from them.

Instants are integers, microseconds since 1970 UTC; ids are UUIDs in 16 bytes; JSON is text.
"""

from peewee import SQL, BigIntegerField, BlobField, CompositeKey, IntegerField, TextField

from tipman.database import ROWS_AT_ONCE, Insert
from tipman.models import Table, columns_of, insert_of, insert_sql, update_sql


class Schedule(Table):
    """What a schedule is beside its row in the directory; few decisions change it.

    What each of them changes stands in that other row, which it changes anyway: `started_at` is
    the instant up to which every one has its slot, `queued_at` the first after it, `attempt` the
    number of runs that came with their time.

    `key` stays here when the schedule is deleted and its key in the directory is free again.
    `spec` is as it was asked for, `task` what it submits. `stretch_at` names the slot that the
    next missed or paused instant belongs to, while it is one row for many. Of the instants whose
    time had come, jitter included, when somebody was there again at `backlog_until`, those from
    `wanted_from` to `wanted_until` are caught up, the rest is missed. Those up to `paused_until`
    were due while it was paused.
    """

    id = BlobField(primary_key=True)
    key = TextField(null=True)
    spec = TextField()
    task = TextField()
    revision = IntegerField()
    anchor_at = BigIntegerField()
    failures = IntegerField()
    manuals = IntegerField()
    backfills = IntegerField()
    stretch_at = BigIntegerField(null=True)
    backlog_until = BigIntegerField(null=True)
    wanted_from = BigIntegerField(null=True)
    wanted_until = BigIntegerField(null=True)
    paused_until = BigIntegerField(null=True)

    class Meta:
        """Found by the id of its instance."""

        table_name = "schedule"
        without_rowid = True


class Slot(Table):
    """What was decided for an instant, or for `count` of them from `due_at` to `due_until`.

    `backfill` and `manual` are 0, or the number of the backfill or the trigger that asked for it.
    """

    schedule = BlobField()
    due_at = BigIntegerField()
    backfill = IntegerField()
    manual = IntegerField()
    decision = TextField()
    reason = TextField(null=True)
    instance = BlobField(null=True)
    blocking = BlobField(null=True)
    decided_at = BigIntegerField()
    due_until = BigIntegerField(null=True)
    count = IntegerField(constraints=[SQL("DEFAULT 1")])

    class Meta:
        """One decision for an instant."""

        table_name = "slot"
        primary_key = CompositeKey("schedule", "due_at", "backfill", "manual")
        without_rowid = True


TABLES: tuple[type[Table], ...] = (Schedule, Slot)

COLUMNS = columns_of(Schedule)
CHANGING = COLUMNS[COLUMNS.index("failures") :]
SPECIFIED = COLUMNS[COLUMNS.index("spec") :]
_FIXED = COLUMNS[: -len(CHANGING)]
_STANDING = ["i.started_at", "i.queued_at", "i.attempt"]
RECORD = ", ".join([f"s.{name}" for name in _FIXED] + _STANDING + [f"s.{n}" for n in CHANGING])
"""What makes a `Record`: of the row of a schedule, `s`, and of its instance's, `i`."""
SELECT_SCHEDULE = f"SELECT {RECORD} FROM schedule AS s JOIN instance AS i ON i.id = s.id"  # noqa: S608 - our names
INSERT_SCHEDULE = insert_sql("schedule", COLUMNS)
UPDATE_SCHEDULE = update_sql("schedule", CHANGING, ["id"])
RESPECIFY_SCHEDULE = update_sql("schedule", SPECIFIED, ["id"])
INSERT_SLOT = insert_of("slot", columns_of(Slot))
_INTO_SLOT = (
    "INSERT INTO slot (schedule, due_at, backfill, manual, decision, instance, decided_at, count)"
    " VALUES "
)
_PLAIN_SLOT = "(?, ?, 0, 0, 'run', ?, ?, 1)"
INSERT_PLAIN_SLOT = Insert(
    _INTO_SLOT + _PLAIN_SLOT, _INTO_SLOT + ", ".join([_PLAIN_SLOT] * ROWS_AT_ONCE)
)
"""For the slot of a run that came with its time: schedule, due_at, instance, decided_at."""
STRETCH_SLOT = (
    "UPDATE slot SET due_until = ?, count = count + ?, decided_at = ?"
    " WHERE schedule = ? AND due_at = ? AND backfill = 0 AND manual = 0"
)
SUPERSEDE_SLOT = (
    "UPDATE slot SET decision = 'skipped', reason = 'superseded', blocking = ?"
    " WHERE schedule = ? AND due_at = ? AND backfill = ? AND manual = ?"
)
FREE_KEY = "UPDATE instance SET key = NULL WHERE id = ?"
OPEN_RUNS = (
    "SELECT i.schedule, i.id, i.dependencies_remaining, coalesce(t.options, r.settings)"
    " FROM instance AS i LEFT JOIN task AS t ON t.id = i.id"
    " LEFT JOIN workflow_run AS r ON r.id = i.id"
    " WHERE i.settled_at IS NULL AND i.schedule IN (??)"
)
"""Runs of schedules that have not settled: with what says of each which slot it is of."""
