"""The tables of the registry, as Peewee models, and the constant SQL built from them.

Names are text everywhere; secrets and repeats are hashes in 32 bytes.
"""

from peewee import SQL, BigIntegerField, BlobField, CompositeKey, IntegerField, TextField

from tipman.models import Table, columns_of, insert_sql


class Namespace(Table):
    """A part of the engine that knows nothing of the others; None as a quota means no limit."""

    name = TextField(primary_key=True)
    open_tasks_max = IntegerField(null=True)
    slots_max = IntegerField(null=True)
    created_at = BigIntegerField()

    class Meta:
        """Found by its name."""

        table_name = "namespace"
        without_rowid = True


class Definition(Table):
    """A version of a named task; only `retired_at` ever changes, and no row is ever deleted.

    `content` is a hash of `task` and `parameters`, which are JSON text as it was given.
    """

    namespace = TextField()
    name = TextField()
    version = IntegerField()
    content = TextField()
    task = TextField()
    parameters = TextField()
    created_by = TextField()
    created_at = BigIntegerField()
    retired_at = BigIntegerField(null=True)

    class Meta:
        """Versions count up from 1 within a name."""

        table_name = "definition"
        primary_key = CompositeKey("namespace", "name", "version")
        without_rowid = True


class Workflow(Table):
    """A version of a workflow; only `retired_at` ever changes, and no row is ever deleted.

    `source` is JSON text of the workflow as it was given, `content` a hash of what of it decides
    how its runs go.
    """

    namespace = TextField()
    name = TextField()
    version = IntegerField()
    content = TextField()
    source = TextField()
    created_by = TextField()
    created_at = BigIntegerField()
    retired_at = BigIntegerField(null=True)

    class Meta:
        """Versions count up from 1 within a name."""

        table_name = "workflow"
        primary_key = CompositeKey("namespace", "name", "version")
        without_rowid = True


class Token(Table):
    """Who may call from outside. The secret itself is kept nowhere, `secret` is its SHA-256."""

    secret = BlobField(primary_key=True)
    name = TextField()
    scope = TextField()
    namespace = TextField(null=True)
    created_by = TextField()
    created_at = BigIntegerField()
    revoked_at = BigIntegerField(null=True)

    class Meta:
        """A name is free again once its token is revoked."""

        table_name = "token"
        without_rowid = True


Token.add_index(
    Token.index(Token.name, unique=True, where=SQL("revoked_at IS NULL"), name="token_name")
)


class KeptAnswer(Table):
    """What a write with an idempotency key was answered; `content` is a hash of what it asked.

    `ids` are those of the instances it made, 16 bytes each, one after the other.
    """

    key = BlobField(primary_key=True)
    content = BlobField()
    status = IntegerField()
    location = TextField(null=True)
    ids = BlobField()
    body = TextField(null=True)
    kept_at = BigIntegerField(index=True)

    class Meta:
        """Found by the hash of who asked for what under which key."""

        table_name = "kept_answer"


TABLES: tuple[type[Table], ...] = (Namespace, Definition, Workflow, Token, KeptAnswer)


UPSERT_NAMESPACE = (
    insert_sql("namespace", columns_of(Namespace))
    + " ON CONFLICT (name) DO UPDATE SET open_tasks_max = excluded.open_tasks_max,"
    " slots_max = excluded.slots_max"
)
DELETE_NAMESPACE = "DELETE FROM namespace WHERE name = ?"
DELETE_KEPT = "DELETE FROM kept WHERE namespace = ?"
INSERT_DEFINITION = insert_sql("definition", columns_of(Definition))
INSERT_WORKFLOW = insert_sql("workflow", columns_of(Workflow))
INSERT_TOKEN = insert_sql("token", columns_of(Token))
REVOKE_TOKEN = "UPDATE token SET revoked_at = ? WHERE secret = ?"  # noqa: S105 - no password
UPSERT_ANSWER = (
    insert_sql("kept_answer", columns_of(KeptAnswer))
    + " ON CONFLICT (key) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in columns_of(KeptAnswer)[1:])
)
DELETE_OLD_ANSWERS = (
    "DELETE FROM kept_answer WHERE key IN"
    " (SELECT key FROM kept_answer WHERE kept_at <= ? ORDER BY kept_at LIMIT ?)"
)
