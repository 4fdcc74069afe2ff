"""Runs of workflows, and which instances belong to them, frozen as they were in version 0.1."""

from peewee import BigIntegerField, BlobField, Model, SqliteDatabase, TextField


class WorkflowRun(Model):
    id = BlobField(primary_key=True)
    name = TextField()
    content = TextField()
    input = TextField()
    submitted_at = BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "workflow_run"
        without_rowid = True
        indexes = ((("name", "content"), False),)


def up(migrator, db):
    """Create the table, and give every instance room for its run."""
    if not isinstance(db, SqliteDatabase):
        WorkflowRun._meta.without_rowid = False  # noqa: SLF001 - a word that only SQLite knows
    with db.bind_ctx([WorkflowRun], bind_refs=False, bind_backrefs=False):
        db.create_tables([WorkflowRun], safe=False)
    migrator.migrate(migrator.add_column("instance", "run", BlobField(null=True)))
    db.execute_sql("CREATE INDEX instance_run ON instance (run) WHERE run IS NOT NULL")
