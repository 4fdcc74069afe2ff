"""The tables, as Peewee models, and the constant SQL of the hot path that is built from them.

Instants are integers, microseconds since 1970 UTC; ids are UUIDs in 16 bytes; JSON is text.
"""

from peewee import (
    SQL,
    BigIntegerField,
    BlobField,
    CompositeKey,
    IntegerField,
    Model,
    TextField,
)

from tipman.database import ROWS_AT_ONCE, Insert


class Position(BigIntegerField):
    """A number that the database gives, in the order of insertion."""

    field_type = "BIGAUTO"
    auto_increment = True


class Table(Model):
    """Base of all tables; bound to a database by whoever uses it."""

    class Meta:
        """Names as they are written, none made up."""

        legacy_table_names = False
        only_save_dirty = True


class Epoch(Table):
    """One row for each start of an engine; the newest row of a node is the engine that lives."""

    number = Position(primary_key=True)
    node = TextField()
    pid = IntegerField()
    version = TextField()
    started_at = BigIntegerField()
    ended_at = BigIntegerField(null=True)


class Instance(Table):
    """What lives: TIPMan's directory. `sequence` counts its log lines and guards every update.

    `wake_at` stands in an index, as it has to be found after a start. `times_out_at` is for the
    attempt that runs, which does not outlive its engine: that remembers whom it has to end.

    Of a schedule, `attempt`, `queued_at` and `started_at` say where it stands: see `Schedule`.

    From `state` on the columns change: up to `chain`, the last link over its log entries, with
    every step, the rest rarely.
    """

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
    times_out_at = BigIntegerField(null=True)
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
    schedule = BlobField(null=True)
    parent = BlobField(null=True)
    reason = TextField(null=True)
    held_by = BlobField(null=True)

    class Meta:
        """Partial indexes keep what has settled out of them."""

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
Instance.add_index(
    Instance.index(Instance.parent, where=SQL("parent IS NOT NULL"), name="instance_parent")
)
# Only what is open: a schedule asks what of it still runs, its slots know what ever ran.
Instance.add_index(
    Instance.index(
        Instance.schedule,
        where=SQL("schedule IS NOT NULL AND settled_at IS NULL"),
        name="instance_schedule",
    )
)
# For lists: what went well in the default namespace is in neither. A list after `IN` would be made
# into a table of its own, twice an update, which took half of its time.
Instance.add_index(
    Instance.index(
        Instance.id,
        where=SQL(
            "state = 'abandoned' OR state = 'cancelled' OR state = 'failed' OR state = 'skipped'"
        ),
        name="instance_unsuccessful",
    )
)
Instance.add_index(
    Instance.index(
        Instance.namespace,
        Instance.id,
        where=SQL("namespace <> 'default'"),
        name="instance_elsewhere",
    )
)


class Task(Table):
    """What a task instance was asked to do; never changes."""

    id = BlobField(primary_key=True)
    type = TextField()
    queue = TextField()
    priority = IntegerField()
    exclusive = TextField(null=True)
    arguments = TextField()
    options = TextField()

    class Meta:
        """Found by the id of its instance."""

        table_name = "task"
        without_rowid = True


class Dependency(Table):
    """An edge: *dependent* waits for *dependency*, which stands at *position* in its list."""

    dependent = BlobField()
    position = IntegerField()
    dependency = BlobField(index=True)

    class Meta:
        """Found from either end."""

        table_name = "dependency"
        primary_key = CompositeKey("dependent", "position")
        without_rowid = True


class Attempt(Table):
    """An attempt that has ended; the one that runs stands in its instance's row."""

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
        """Numbers count up through all openings."""

        table_name = "attempt"
        primary_key = CompositeKey("instance", "number")
        without_rowid = True


Attempt.add_index(
    Attempt.index(Attempt.result, where=SQL("substr(result, 1, 1) = '@'"), name="attempt_value")
)


class LogEntry(Table):
    """What one event did to an instance: one line of its log, or two.

    `announced` is what the step made true besides (`task.settled`), which is the next line: most
    steps of the hot path have one, and a column costs a tenth of a row. The view `log_line` has
    each line by itself; there `sequence` has no gaps within an instance.
    """

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
        """In the order of commits on SQLite."""

        table_name = "log_entry"
        indexes = ((("instance", "sequence"), True),)


class Kept(Table):
    """A value that outlives its tasks: a counter, or the fields of a class task."""

    namespace = TextField()
    kind = TextField()
    name = TextField()
    value = TextField()

    class Meta:
        """One value a name."""

        table_name = "kept"
        primary_key = CompositeKey("namespace", "kind", "name")
        without_rowid = True


class Inbox(Table):
    """An internal event that a bounded drain has not reached; deleted by the one that does."""

    number = BigIntegerField(primary_key=True)
    event = TextField()

    class Meta:
        """In the order they were published."""

        table_name = "inbox"


TABLES: tuple[type[Table], ...] = (
    Epoch,
    Instance,
    Task,
    Dependency,
    Attempt,
    LogEntry,
    Kept,
    Inbox,
)


def columns_of(table: type[Table]) -> list[str]:
    """Return the columns of *table* that a row is given, in the model's order."""
    fields = table._meta.sorted_fields  # noqa: SLF001 - Peewee's documented way to the fields
    return [f.column_name for f in fields if not isinstance(f, Position)]


def insert_sql(table: str, columns: list[str], rows: int = 1) -> str:
    """Return an INSERT of *rows* rows, the parameters of each in the order of *columns*."""
    names = ", ".join(f'"{name}"' for name in columns)
    marks = "({})".format(", ".join("?" * len(columns)))
    values = ", ".join([marks] * rows)
    return f'INSERT INTO "{table}" ({names}) VALUES {values}'  # noqa: S608 - our names


def insert_of(table: str, columns: list[str]) -> Insert:
    """Return an INSERT of rows whose values are in the order of *columns*."""
    return Insert(insert_sql(table, columns), insert_sql(table, columns, ROWS_AT_ONCE))


def update_sql(table: str, changing: list[str], guard: list[str]) -> str:
    """Return a guarded UPDATE, its parameters first *changing*, then *guard*."""
    sets = ", ".join(f'"{name}" = ?' for name in changing)
    where = " AND ".join(f'"{name}" = ?' for name in guard)
    return f'UPDATE "{table}" SET {sets} WHERE {where}'  # noqa: S608 - our names


_INSTANCE = columns_of(Instance)
_STEADY = _INSTANCE[: _INSTANCE.index("state")]
_OFTEN = _INSTANCE[len(_STEADY) : _INSTANCE.index("history")]
_CHANGING = _INSTANCE[len(_STEADY) :]
_GUARD = ["id", "sequence"]
SELECT_INSTANCE = "SELECT {} FROM instance".format(  # noqa: S608 - our names
    ", ".join(f'"{name}"' for name in _INSTANCE)
)
OUTCOMES_BELOW = (
    "SELECT i.id, i.name, i.state, a.result FROM instance AS i LEFT JOIN attempt AS a"
    " ON a.instance = i.id AND a.number = i.attempt WHERE i.parent = ?"
)
UPDATE_OPTIONS = "UPDATE task SET options = ? WHERE id = ?"
INSERT_INSTANCE = insert_of("instance", _INSTANCE)
INSERT_PLAIN_INSTANCE = insert_of("instance", _STEADY + _OFTEN)
"""For an instance whose rarely changing columns are at their defaults: a third cheaper."""
INSERT_PLAIN_RUN = insert_of("instance", [*_STEADY, *_OFTEN, "schedule"])
"""The same for a run of a schedule."""
UPDATE_INSTANCE = update_sql("instance", _CHANGING, _GUARD)
UPDATE_PLAIN_INSTANCE = update_sql("instance", _OFTEN, _GUARD)
"""For an instance whose rarely changing columns have not changed."""
_BESIDES = [c for c in _OFTEN if c not in {"wake_at", "settled_at"}]
UPDATE_BUT_DEADLINE = update_sql("instance", _BESIDES, _GUARD)
"""The same for one whose deadline and end have not changed either: a quarter cheaper."""
UPDATE_COUNTED = update_sql(
    "instance", [*_BESIDES, "dependencies_remaining", "dependencies_unmet"], _GUARD
)
"""The same for one that has fewer to wait for, or more."""
_WITHIN = ["configuration", "sequence", "chain"]
UPDATE_WITHIN = update_sql("instance", _WITHIN, _GUARD)
"""For one that stayed in its state, and waits for what it waited for: no index is touched."""
UPDATE_REARMED = update_sql(
    "instance", ["wake_at", "attempt", "queued_at", "started_at", *_WITHIN], _GUARD
)
"""For a schedule that stayed in its state, with another deadline."""
INSERT_TASK = insert_of("task", columns_of(Task))
INSERT_DEPENDENCY = insert_of("dependency", columns_of(Dependency))
INSERT_ATTEMPT = insert_of("attempt", columns_of(Attempt))
INSERT_LOG_ENTRY = insert_of("log_entry", columns_of(LogEntry))
INSERT_INBOX = insert_of("inbox", columns_of(Inbox))
DELETE_INBOX = "DELETE FROM inbox WHERE number = ?"
UPSERT_KEPT = (
    insert_sql("kept", columns_of(Kept))
    + " ON CONFLICT (namespace, kind, name) DO UPDATE SET value = excluded.value"
)
