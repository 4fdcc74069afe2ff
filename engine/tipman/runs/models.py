"""The tables of runs, as Peewee models, and the constant SQL that is built from them."""

from peewee import SQL, BigIntegerField, BlobField, IntegerField, TextField

from tipman.models import Table, columns_of, insert_of


class WorkflowRun(Table):
    """What a run is of; never changes. Where it stands says the instance of the same id.

    `version` is null for a workflow that is not registered, `content` a hash of what decides how
    it goes, `settings` JSON text of what the workflow says of all its tasks. `parent` is the task
    that started it, `depth` how many runs it lies within, `origin` the run it was forked from.
    """

    id = BlobField(primary_key=True)
    name = TextField()
    content = TextField()
    input = TextField()
    submitted_at = BigIntegerField()
    version = IntegerField(null=True)
    settings = TextField()
    parent = BlobField(null=True)
    depth = IntegerField()
    origin = BlobField(null=True)

    class Meta:
        """Found by its id, or by what it is a run of."""

        table_name = "workflow_run"
        without_rowid = True
        indexes = ((("name", "content"), False),)


class Context(Table):
    """What a task passes on, as JSON text; a row only where there is something."""

    instance = BlobField(primary_key=True)
    text = TextField()

    class Meta:
        """Found by the id of its task."""

        table_name = "context"
        without_rowid = True


Context.add_index(
    Context.index(Context.text, where=SQL("substr(text, 1, 1) = '@'"), name="context_value")
)


TABLES: tuple[type[Table], ...] = (WorkflowRun, Context)

_COLUMNS = columns_of(WorkflowRun)
SELECT_RUN = "SELECT {} FROM workflow_run".format(  # noqa: S608 - our names
    ", ".join(f'"{name}"' for name in _COLUMNS)
)
INSERT_RUN = insert_of("workflow_run", _COLUMNS)
COUNT_NODES = (
    "SELECT run, state, count(*) FROM instance WHERE parent IS NULL AND run IN (??)"
    " GROUP BY run, state"
)
SELECT_PLACE = "SELECT id, configuration FROM instance WHERE id IN (??)"
COUNT_AFTERMATH = (
    "SELECT parent, count(*) FROM instance WHERE settled_at IS NULL AND parent IN (??)"
    " GROUP BY parent"
)
UPSERT_CONTEXT = (
    "INSERT INTO context (instance, text) VALUES (?, ?)"
    " ON CONFLICT (instance) DO UPDATE SET text = excluded.text"
)
