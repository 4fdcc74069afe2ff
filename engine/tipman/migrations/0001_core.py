"""The tables of the core, frozen as they were in version 0.1.

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


class Position(BigIntegerField):
    field_type = "BIGAUTO"
    auto_increment = True


class Table(Model):
    class Meta:
        legacy_table_names = False
        only_save_dirty = True


class Epoch(Table):
    number = Position(primary_key=True)
    node = TextField()
    pid = IntegerField()
    version = TextField()
    started_at = BigIntegerField()
    ended_at = BigIntegerField(null=True)


class Instance(Table):
    id = BlobField(primary_key=True)
    kind = TextField()
    namespace = TextField()
    key = TextField(null=True)
    name = TextField()
    submitted_at = BigIntegerField()
    state = TextField()
    configuration = TextField()
    sequence = IntegerField()
    attempt = IntegerField()
    epoch = BigIntegerField(null=True)
    wake_at = BigIntegerField(null=True)
    queued_at = BigIntegerField(null=True)
    started_at = BigIntegerField(null=True)
    settled_at = BigIntegerField(null=True)
    chain = BlobField()
    history = TextField(null=True)
    opening = IntegerField(constraints=[SQL("DEFAULT 1")])
    attempts_used = IntegerField(constraints=[SQL("DEFAULT 0")])
    lost = IntegerField(constraints=[SQL("DEFAULT 0")])
    dependencies_remaining = IntegerField(constraints=[SQL("DEFAULT 0")])
    dependencies_unmet = IntegerField(constraints=[SQL("DEFAULT 0")])
    dependents = IntegerField(constraints=[SQL("DEFAULT 0")])
    cause = BlobField(null=True)
    due_at = BigIntegerField(null=True)
    early = TextField(null=True)
    run = BlobField(null=True)

    class Meta:
        table_name = "instance"
        without_rowid = True


Instance.add_index(
    Instance.index(
        Instance.namespace,
        Instance.kind,
        Instance.key,
        unique=True,
        where=SQL("key IS NOT NULL"),
        name="instance_key",
    )
)
# One index finds both what is due and, after a start, all that is open.
Instance.add_index(
    Instance.index(Instance.wake_at, where=SQL("settled_at IS NULL"), name="instance_open")
)


Instance.add_index(Instance.index(Instance.run, where=SQL("run IS NOT NULL"), name="instance_run"))


class WorkflowRun(Table):
    id = BlobField(primary_key=True)
    name = TextField()
    content = TextField()
    input = TextField()
    submitted_at = BigIntegerField()

    class Meta:
        table_name = "workflow_run"
        without_rowid = True
        indexes = ((("name", "content"), False),)


class Task(Table):
    id = BlobField(primary_key=True)
    type = TextField()
    queue = TextField()
    priority = IntegerField()
    exclusive = TextField(null=True)
    arguments = TextField()
    options = TextField()

    class Meta:
        table_name = "task"
        without_rowid = True


class Dependency(Table):
    dependent = BlobField()
    position = IntegerField()
    dependency = BlobField(index=True)

    class Meta:
        table_name = "dependency"
        primary_key = CompositeKey("dependent", "position")
        without_rowid = True


class Attempt(Table):
    instance = BlobField()
    number = IntegerField()
    opening = IntegerField()
    epoch = BigIntegerField()
    started_at = BigIntegerField()
    ended_at = BigIntegerField()
    outcome = TextField()
    result = TextField(null=True)
    error = TextField(null=True)

    class Meta:
        table_name = "attempt"
        primary_key = CompositeKey("instance", "number")
        without_rowid = True


class LogEntry(Table):
    position = Position(primary_key=True)
    instance = BlobField()
    sequence = IntegerField()
    name = TextField()
    at = BigIntegerField()
    actor = TextField()
    before = TextField()
    after = TextField()
    data = TextField(null=True)
    announced = TextField(null=True)

    class Meta:
        table_name = "log_entry"
        indexes = ((("instance", "sequence"), True),)


class Kept(Table):
    namespace = TextField()
    kind = TextField()
    name = TextField()
    value = TextField()

    class Meta:
        table_name = "kept"
        primary_key = CompositeKey("namespace", "kind", "name")
        without_rowid = True


class Inbox(Table):
    number = BigIntegerField(primary_key=True)
    event = TextField()

    class Meta:
        table_name = "inbox"


_LOG_LINE = """
CREATE VIEW log_line AS
SELECT position, instance, sequence, name, at, actor, "before", "after", data FROM log_entry
UNION ALL
SELECT position, instance, sequence + 1, announced, at, 'engine', "after", "after", NULL
FROM log_entry WHERE announced IS NOT NULL
"""


def up(migrator, db):
    """Create every table with its indexes."""
    tables = [Epoch, Instance, WorkflowRun, Task, Dependency, Attempt, LogEntry, Kept, Inbox]
    if not isinstance(db, SqliteDatabase):
        for table in tables:
            table._meta.without_rowid = False  # noqa: SLF001 - a word that only SQLite knows
    with db.bind_ctx(tables, bind_refs=False, bind_backrefs=False):
        db.create_tables(tables, safe=False)
    db.execute_sql(_LOG_LINE)
