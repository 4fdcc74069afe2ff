"""The tables of what is served: namespaces, definitions, tokens and kept answers.

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


class Namespace(Table):
    name = TextField(primary_key=True)
    open_tasks_max = IntegerField(null=True)
    slots_max = IntegerField(null=True)
    created_at = BigIntegerField()

    class Meta:
        table_name = "namespace"
        without_rowid = True


class Definition(Table):
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
        table_name = "definition"
        primary_key = CompositeKey("namespace", "name", "version")
        without_rowid = True


class Token(Table):
    secret = BlobField(primary_key=True)
    name = TextField()
    scope = TextField()
    namespace = TextField(null=True)
    created_by = TextField()
    created_at = BigIntegerField()
    revoked_at = BigIntegerField(null=True)

    class Meta:
        table_name = "token"
        without_rowid = True


Token.add_index(
    Token.index(Token.name, unique=True, where=SQL("revoked_at IS NULL"), name="token_name")
)


class KeptAnswer(Table):
    key = BlobField(primary_key=True)
    content = BlobField()
    status = IntegerField()
    location = TextField(null=True)
    ids = BlobField()
    body = TextField(null=True)
    kept_at = BigIntegerField(index=True)

    class Meta:
        table_name = "kept_answer"


def up(migrator, db):
    """Create every table with its indexes."""
    tables = [Namespace, Definition, Token, KeptAnswer]
    if not isinstance(db, SqliteDatabase):
        for table in tables:
            table._meta.without_rowid = False  # noqa: SLF001 - a word that only SQLite knows
    with db.bind_ctx(tables, bind_refs=False, bind_backrefs=False):
        db.create_tables(tables, safe=False)
