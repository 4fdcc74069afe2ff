"""Verification: whatever an engine leaves is whole, and every change by hand is found."""

import pytest
from tipman import verification
from tipman.database import Database
from tipman.ids import text_of
from tipman.verification import FAULTS_MAX, verify

WAIT = {"type": "wait", "arguments": {}}


@pytest.fixture
def lived(house):
    """Return a house in which all sorts of things have happened."""
    house.succeed(house.task(key="plain"))
    again = house.task(retry={"attempts_max": 2, "delay_s": 1})
    house.fail(again)
    house.advance(2)
    house.fail(again)
    house.retry(again)
    house.succeed(again)
    first = house.task(**WAIT)
    second = house.task(dependencies=[text_of(first)])
    house.ask("fail.reported", first)
    house.retry(first)
    house.suspend(second)
    house.resume(second)
    house.ask("finish.reported", first)
    house.cancel(second)
    house.task(**WAIT)
    house.rest()
    return house


def write(house, sql, parameters=()):
    database = Database(house.url)
    database.open()
    assert database.execute(sql, parameters) > 0
    database.close()


def faults(house):
    return [fault.text for fault in verify(house.reader).faults]


def entry(house, number=3):
    """Return the key of an entry in the middle of the longest log."""
    [(instance, _)] = house.reader.fetch(
        "SELECT instance, count(*) FROM log_entry GROUP BY instance"
        " ORDER BY count(*) DESC, instance LIMIT 1"
    )
    rows = house.reader.fetch(
        "SELECT position FROM log_entry WHERE instance = ? ORDER BY sequence", (instance,)
    )
    return rows[number][0]


def test_what_engines_leave_is_whole(lived):
    found = verify(lived.reader)

    assert found.faults == []
    assert found.is_whole
    assert found.instances == 5
    assert found.entries == lived.reader.fetch("SELECT count(*) FROM log_entry")[0][0]


def test_an_empty_database_is_whole(house):
    assert verify(house.reader).view() == {
        "ok": True, "instances": 0, "entries": 0, "faults_found": 0, "faults": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sequence", "sequence + 1000"),
        ("name", "'attempt.succeded'"),
        ("at", "at + 1"),
        ("actor", "'somebody'"),
        ("before", "'queued'"),
        ("after", "'failed'"),
        ("data", "'{}'"),
        ("data", "NULL"),
        ("announced", "'task.settled.'"),
        ("position", "position - 1000000"),
    ],
)
def test_a_change_of_any_column_of_a_line_is_found(lived, column, value):
    place = entry(lived)

    change = f'UPDATE log_entry SET "{column}" = {value} WHERE position = ?'  # noqa: S608 - ours
    write(lived, change, (place,))

    assert len({fault.instance for fault in verify(lived.reader).faults}) == 1


def test_a_line_that_was_taken_out_is_found(lived):
    write(lived, "DELETE FROM log_entry WHERE position = ?", (entry(lived),))

    assert len(faults(lived)) == 1


@pytest.mark.parametrize("number", [0, -1])
def test_a_line_that_was_taken_from_an_end_is_found(lived, number):
    write(lived, "DELETE FROM log_entry WHERE position = ?", (entry(lived, number),))

    assert faults(lived)


def test_a_line_that_was_taken_out_and_closed_up_is_found(lived):
    """The numbers and the states agree again; the chain does not."""
    [(owner,)] = lived.reader.fetch("SELECT id FROM instance WHERE key = 'plain'")
    lived.core.bus.report(fenced(lived, owner))
    lived.rest()
    assert verify(lived.reader).is_whole
    write(lived, "DELETE FROM log_entry WHERE name = 'attempt.fenced' AND instance = ?", (owner,))
    write(lived, "UPDATE instance SET sequence = sequence - 1 WHERE id = ?", (owner,))

    [fault] = faults(lived)
    assert "chain" in fault


def fenced(house, identifier):
    from tipman.events import AttemptSucceeded

    return AttemptSucceeded(identifier, 7, house.core.epoch, "null")


def test_a_line_that_was_put_in_is_found(lived):
    place = entry(lived, -1)
    write(
        lived,
        'INSERT INTO log_entry (position, instance, sequence, name, at, actor, "before", "after")'
        " SELECT position + 1000, instance, sequence + CASE WHEN announced IS NULL THEN 1 ELSE 2"
        " END, 'x', at, 'y', \"after\", \"after\" FROM log_entry WHERE position = ?",
        (place,),
    )

    assert faults(lived)


def test_two_lines_that_changed_places_are_found(lived):
    first, second = entry(lived, 2), entry(lived, 3)
    numbers = lived.reader.fetch(
        "SELECT sequence FROM log_entry WHERE position IN (?, ?) ORDER BY position",
        (first, second),
    )
    for place, number in ((first, -1), (second, numbers[0][0]), (first, numbers[1][0])):
        write(lived, "UPDATE log_entry SET sequence = ? WHERE position = ?", (number, place))

    assert faults(lived)


def test_a_log_that_was_given_to_another_task_is_found(lived):
    ids = [r[0] for r in lived.reader.fetch("SELECT id FROM instance ORDER BY id")]
    one, other = ids[0], ids[-1]
    for owner, heir in ((one, bytes(16)), (other, one), (bytes(16), other)):
        write(lived, "UPDATE log_entry SET instance = ? WHERE instance = ?", (heir, owner))

    assert {fault.instance for fault in verify(lived.reader).faults} == {bytes(one), bytes(other)}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("state", "'failed'"),
        ("configuration", "'queued'"),
        ("sequence", "sequence + 1"),
        ("opening", "opening + 1"),
        ("settled_at", "NULL"),
        ("chain", "id"),
    ],
)
def test_a_row_that_its_log_does_not_lead_to_is_found(lived, column, value):
    change = f"UPDATE instance SET {column} = {value} WHERE key = 'plain'"  # noqa: S608 - ours
    write(lived, change)

    assert faults(lived)


STRAYS = {
    "task": "(id, type, queue, priority, arguments, options) VALUES (?, 'x', 'x', 0, '', '')",
    "attempt": "(instance, number, opening, epoch, started_at, ended_at, outcome)"
    " VALUES (?, 1, 1, 1, 0, 0, 'x')",
    "dependency": "(dependent, position, dependency) VALUES (?, 0, ?)",
    "log_entry": '(instance, sequence, name, at, actor, "before", "after")'
    " VALUES (?, 1, '', 0, '', '', '')",
}


@pytest.mark.parametrize("table", STRAYS)
def test_rows_of_nobody_are_found(lived, table):
    for owner in (bytes(16), b"\xff" * 16):
        values = (owner,) * STRAYS[table].count("?")
        write(lived, f"INSERT INTO {table} {STRAYS[table]}", values)

    assert len(faults(lived)) == 2


def test_an_instance_without_a_log_is_found(lived):
    [(owner,)] = lived.reader.fetch("SELECT id FROM instance WHERE key = 'plain'")
    write(lived, "DELETE FROM log_entry WHERE instance = ?", (owner,))

    [fault] = faults(lived)
    assert "no log" in fault


def test_text_that_can_not_be_read_is_found_and_the_rest_looked_at(lived):
    if not lived.core.database.is_sqlite:
        return
    write(
        lived,
        "UPDATE log_entry SET actor = CAST(x'ff' AS TEXT) WHERE position = ?",
        (entry(lived),),
    )

    found = verify(lived.reader)
    assert len(found.faults) == 1
    assert "can not be read" in found.faults[0].text
    assert found.instances == 5


def test_nothing_is_missed_where_parts_meet(lived, monkeypatch):
    monkeypatch.setattr(verification, "_INSTANCES_AT_ONCE", 2)
    monkeypatch.setattr(verification, "_ENTRIES_AT_ONCE", 3)
    assert verify(lived.reader).is_whole

    for (position,) in lived.reader.fetch("SELECT position FROM log_entry"):
        write(lived, "UPDATE log_entry SET at = at + 1 WHERE position = ?", (position,))
        assert len(faults(lived)) == 1, position
        write(lived, "UPDATE log_entry SET at = at - 1 WHERE position = ?", (position,))


def test_pruning_breaks_no_chain(lived):
    lived.advance(40 * 86_400)
    lived.succeed(lived.task())

    done = lived.core.retention.prune()

    assert done.rows["instances"] > 0
    assert verify(lived.reader).is_whole


def test_of_many_faults_the_first_are_kept_and_all_are_counted(house):
    for _ in range(FAULTS_MAX + 5):
        house.task(**WAIT)
    write(house, "UPDATE instance SET chain = id")

    found = verify(house.reader)

    assert len(found.faults) == FAULTS_MAX
    assert found.faults_found == FAULTS_MAX + 5


def running(house):
    """Return a run that goes on, and its tasks by name."""
    ids = house.run({"name": "a", **WAIT}, {"name": "b", **WAIT, "dependencies": ["a"]})
    return bytes(house.reader.fetch("SELECT id FROM workflow_run")[0][0]), ids


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        (
            "UPDATE instance SET settled_at = 1 WHERE kind = 'run'",
            "it has settled, and a task of it is open",
        ),
        (
            "UPDATE instance SET settled_at = 1 WHERE kind = 'task'",
            "it is running, and no task of it is open",
        ),
        (
            "UPDATE instance SET dependencies_remaining = 2 WHERE name = 'b'",
            "it counts other dependencies as open than are",
        ),
        ("DELETE FROM instance WHERE run IS NULL", "there is a row of `workflow_run` and no"),
    ],
)
def test_a_run_that_contradicts_its_tasks_is_found(house, sql, fault):
    running(house)
    assert faults(house) == []

    if sql.startswith("DELETE"):
        write(house, "UPDATE instance SET run = NULL WHERE run IS NOT NULL")
    write(house, sql)

    assert any(text.startswith(fault) for text in faults(house))


def test_what_is_on_its_way_contradicts_nothing(house):
    running(house)
    write(house, "UPDATE instance SET dependencies_remaining = 2 WHERE name = 'b'")
    write(house, "INSERT INTO inbox (number, event) VALUES (1, '{}')")

    assert faults(house) == []
    write(house, "DELETE FROM inbox")
