"""The tables of the registry: every one takes and gives back what it should."""

import peewee
import pytest
from storage.test_tables import ODD, insert, rows_of
from tipman.models import columns_of
from tipman.registry.models import TABLES, Definition, KeptAnswer, Namespace, Token, Workflow

HASH, OTHER_HASH = bytes(range(32)), bytes(range(224, 256))
LATE = 2**63 - 1
ROWS = {
    Namespace: {
        "name": ODD, "open_tasks_max": 2**31 - 1, "slots_max": None, "created_at": LATE,
    },
    Definition: {
        "namespace": ODD, "name": ODD, "version": 1, "content": "c", "task": ODD,
        "parameters": "{}", "created_by": ODD, "created_at": LATE, "retired_at": None,
    },
    Workflow: {
        "namespace": ODD, "name": ODD, "version": 1, "content": "c", "source": ODD,
        "created_by": ODD, "created_at": LATE, "retired_at": None,
    },
    Token: {
        "secret": HASH, "name": ODD, "scope": "admin", "namespace": None, "created_by": ODD,
        "created_at": LATE, "revoked_at": None,
    },
    KeptAnswer: {
        "key": HASH, "content": OTHER_HASH, "status": 202, "location": ODD, "ids": bytes(48),
        "body": None, "kept_at": LATE,
    },
}  # fmt: skip


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_a_row_comes_back_as_it_went_in(database, table):
    row = ROWS[table]
    assert set(row) == set(columns_of(table)), "every column is tried"

    insert(database, table, row)

    (found,) = rows_of(database, table)
    plain = {
        name: bytes(value) if isinstance(value, memoryview) else value
        for name, value in found.items()
    }
    assert plain == row


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_a_key_is_taken_once(database, table):
    insert(database, table, ROWS[table])

    with pytest.raises(peewee.IntegrityError):
        insert(database, table, ROWS[table])

    assert len(rows_of(database, table)) == 1


def test_a_name_has_one_token_that_is_not_revoked(database):
    insert(database, Token, {**ROWS[Token], "revoked_at": 1})
    insert(database, Token, {**ROWS[Token], "secret": OTHER_HASH})

    with pytest.raises(peewee.IntegrityError):
        insert(database, Token, {**ROWS[Token], "secret": bytes(32)})

    assert len(rows_of(database, Token)) == 2
