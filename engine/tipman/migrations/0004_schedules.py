"""The tables of schedules, and which of them an instance is a run of.

A copy on purpose: the models may change, what this migration did may not.
"""

from peewee import (
    SQL,
    BigIntegerField,
    BlobField,
    CompositeKey,
    IntegerField,
    Model,
    SqliteDatabase,
    TextField,
)


class Table(Model):
    class Meta:
        legacy_table_names = False
        only_save_dirty = True


class Schedule(Table):
    id = BlobField(primary_key=True)
    key = TextField(null=True)
    spec = TextField()
    task = TextField()
    revision = IntegerField()
    anchor_at = BigIntegerField()
    decided_until = BigIntegerField()
    next_at = BigIntegerField(null=True)
    runs = IntegerField()
    failures = IntegerField()
    manuals = IntegerField()
    backfills = IntegerField()
    stretch_at = BigIntegerField(null=True)
    backlog_until = BigIntegerField(null=True)
    wanted_from = BigIntegerField(null=True)
    wanted_until = BigIntegerField(null=True)
    paused_until = BigIntegerField(null=True)

    class Meta:
        table_name = "schedule"
        without_rowid = True


class Slot(Table):
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
        table_name = "slot"
        primary_key = CompositeKey("schedule", "due_at", "backfill", "manual")
        without_rowid = True


_OF_INSTANCE = """
CREATE INDEX instance_schedule ON instance (schedule)
WHERE schedule IS NOT NULL AND settled_at IS NULL
"""


def up(migrator, db):
    """Create the tables, and a column of the directory with its index."""
    tables = [Schedule, Slot]
    is_sqlite = isinstance(db, SqliteDatabase)
    if not is_sqlite:
        for table in tables:
            table._meta.without_rowid = False  # noqa: SLF001 - a word that only SQLite knows
    with db.bind_ctx(tables, bind_refs=False, bind_backrefs=False):
        db.create_tables(tables, safe=False)
    db.execute_sql(f"ALTER TABLE instance ADD COLUMN schedule {'BLOB' if is_sqlite else 'BYTEA'}")
    db.execute_sql(_OF_INSTANCE)
