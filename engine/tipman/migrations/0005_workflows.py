"""The tables of workflows, what more is kept of their runs, and who is told of an end.

A copy on purpose: the models may change, what this migration did may not.
"""

from peewee import (
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


class Workflow(Table):
    namespace = TextField()
    name = TextField()
    version = IntegerField()
    content = TextField()
    source = TextField()
    created_by = TextField()
    created_at = BigIntegerField()
    retired_at = BigIntegerField(null=True)

    class Meta:
        table_name = "workflow"
        primary_key = CompositeKey("namespace", "name", "version")
        without_rowid = True


class Context(Table):
    instance = BlobField(primary_key=True)
    text = TextField()

    class Meta:
        table_name = "context"
        without_rowid = True


_OF_RUN = (
    "ALTER TABLE workflow_run ADD COLUMN version INTEGER",
    "ALTER TABLE workflow_run ADD COLUMN settings TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE workflow_run ADD COLUMN parent %(blob)s",
    "ALTER TABLE workflow_run ADD COLUMN depth INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE workflow_run ADD COLUMN origin %(blob)s",
    "ALTER TABLE instance ADD COLUMN parent %(blob)s",
    "ALTER TABLE instance ADD COLUMN reason TEXT",
    "ALTER TABLE instance ADD COLUMN held_by %(blob)s",
    "CREATE INDEX instance_parent ON instance (parent) WHERE parent IS NOT NULL",
)


def up(migrator, db):
    """Create the tables, and the columns of runs and of the directory with their index."""
    tables = [Workflow, Context]
    is_sqlite = isinstance(db, SqliteDatabase)
    if not is_sqlite:
        for table in tables:
            table._meta.without_rowid = False  # noqa: SLF001 - a word that only SQLite knows
    with db.bind_ctx(tables, bind_refs=False, bind_backrefs=False):
        db.create_tables(tables, safe=False)
    for statement in _OF_RUN:
        db.execute_sql(statement % {"blob": "BLOB" if is_sqlite else "BYTEA"})
