"""The tables: every one takes and gives back what it should, and refuses the rest."""

import peewee
import pytest
from tipman.models import (
    TABLES,
    Attempt,
    Dependency,
    Epoch,
    Inbox,
    Instance,
    Kept,
    LogEntry,
    Task,
    columns_of,
    insert_sql,
)

ID, OTHER = bytes(range(16)), bytes(range(240, 256))
ODD = "emoji 🦊, ünï, quote ' \" \\ % ?, tab\t, line\n, \x01, \U0010ffff"
LATE = 2**63 - 1
ROWS = {
    Epoch: {"node": ODD, "pid": 1, "version": "0", "started_at": LATE, "ended_at": None},
    Instance: {
        "id": ID, "kind": "task", "namespace": ODD, "key": "k", "name": ODD,
        "submitted_at": LATE, "state": "running", "configuration": "executing",
        "sequence": 2**31 - 1, "attempt": 3, "epoch": LATE, "wake_at": LATE,
        "times_out_at": LATE, "queued_at": 1, "started_at": -1, "settled_at": None,
        "chain": OTHER, "history": ODD, "opening": 2,
        "attempts_used": 3, "lost": 4, "dependencies_remaining": 5, "dependencies_unmet": 6,
        "dependents": 7, "cause": OTHER, "due_at": LATE, "early": ODD, "run": OTHER,
        "schedule": OTHER, "parent": OTHER, "reason": ODD,
        "held_by": OTHER,
    },
    Task: {
        "id": ID, "type": "exec", "queue": ODD, "priority": -1000, "exclusive": ODD,
        "arguments": ODD, "options": "{}",
    },
    Dependency: {"dependent": ID, "position": 0, "dependency": OTHER},
    Attempt: {
        "instance": ID, "number": 1, "opening": 1, "epoch": LATE, "started_at": 1,
        "ended_at": LATE, "outcome": "failed", "result": None, "error": ODD,
    },
    LogEntry: {
        "instance": ID, "sequence": 1, "name": "n", "at": LATE, "actor": ODD, "before": "",
        "after": "queued", "data": ODD, "announced": None,
    },
    Kept: {"namespace": ODD, "kind": "class", "name": ODD, "value": ODD * 1000},
    Inbox: {"number": LATE, "event": ODD},
}  # fmt: skip
SAME_KEY = [
    (Instance, {"id": OTHER}),
    (Instance, {"key": "another"}),
    (Task, {}),
    (Dependency, {}),
    (Attempt, {}),
    (LogEntry, {}),
    (Kept, {}),
    (Inbox, {}),
]


def insert(database, table, row):
    with database.peewee.bind_ctx([table]), database.transaction():
        table.insert(row).execute()


def rows_of(database, table):
    with database.peewee.bind_ctx([table]):
        return list(table.select().dicts())


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_a_row_comes_back_as_it_went_in(database, table):
    row = ROWS[table]
    assert set(row) == set(columns_of(table)), "every column is tried"

    insert(database, table, row)

    (found,) = rows_of(database, table)
    assert {name: _plain(found[name]) for name in row} == row


def _plain(value):
    return bytes(value) if isinstance(value, memoryview) else value


@pytest.mark.parametrize(("table", "change"), SAME_KEY)
def test_a_key_that_is_unique_is_taken_once(database, table, change):
    insert(database, table, ROWS[table])

    with pytest.raises(peewee.IntegrityError):
        insert(database, table, {**ROWS[table], **change})

    assert len(rows_of(database, table)) == 1


def test_instances_without_a_key_do_not_collide(database):
    insert(database, Instance, {**ROWS[Instance], "key": None})

    insert(database, Instance, {**ROWS[Instance], "key": None, "id": OTHER})

    assert len(rows_of(database, Instance)) == 2


@pytest.mark.parametrize("change", [{"namespace": "other"}, {"kind": "run"}])
def test_a_key_is_unique_in_its_namespace_and_kind_only(database, change):
    insert(database, Instance, ROWS[Instance])

    insert(database, Instance, {**ROWS[Instance], "id": OTHER, **change})

    assert len(rows_of(database, Instance)) == 2


def test_columns_that_rarely_change_have_the_defaults_that_are_left_out(database):
    left_out = {
        "history", "opening", "attempts_used", "lost", "dependencies_remaining",
        "dependencies_unmet", "dependents", "cause", "due_at", "early", "run",
    }  # fmt: skip
    row = {name: value for name, value in ROWS[Instance].items() if name not in left_out}

    database.execute_many(insert_sql("instance", list(row)), [tuple(row.values())])

    (found,) = rows_of(database, Instance)
    assert (found["opening"], found["dependents"], found["lost"]) == (1, 0, 0)
    assert found["cause"] is found["early"] is found["run"] is None


def test_ids_are_stored_in_sixteen_bytes(house):
    first = house.task()
    house.submit({"type": "wait", "dependencies": [house.view(first)["id"]]})
    house.succeed(first)

    for table, column in (
        ("instance", "id"), ("task", "id"), ("attempt", "instance"),
        ("dependency", "dependent"), ("dependency", "dependency"), ("log_entry", "instance"),
    ):  # fmt: skip
        # The names are those above.
        rows = house.reader.fetch(f"SELECT DISTINCT length({column}) FROM {table}")  # noqa: S608
        assert rows == [(16,)], (table, column)


def test_a_value_kept_under_a_name_that_exists_takes_its_place(house):
    one, other = (house.class_task("Till") for _ in range(2))

    house.succeed(one, kept="1")
    house.succeed(other, kept="2")

    assert house.reader.fetch("SELECT kind, name, value FROM kept") == [("class", "Till", "2")]


def test_the_log_shows_an_announcement_as_a_line_of_its_own(database):
    insert(database, LogEntry, {**ROWS[LogEntry], "announced": "task.queued"})

    lines = database.fetch(
        'SELECT sequence, name, actor, "before", "after", data FROM log_line ORDER BY sequence'
    )

    assert lines == [
        (1, "n", ODD, "", "queued", ODD),
        (2, "task.queued", "engine", "queued", "queued", None),
    ]
