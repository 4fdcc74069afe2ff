"""The tables of runs: every one takes and gives back what it should."""

import peewee
import pytest
from storage.test_tables import ODD, insert, rows_of
from tipman.models import columns_of
from tipman.runs.models import TABLES, Context, WorkflowRun

ID, OTHER = bytes(range(16)), bytes(range(240, 256))
LATE = 2**63 - 1
ROWS = {
    WorkflowRun: {
        "id": ID, "name": ODD, "content": "c", "input": ODD, "submitted_at": LATE, "version": 2,
        "settings": ODD, "parent": OTHER, "depth": 3, "origin": None,
    },
    Context: {"instance": ID, "text": ODD},
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
