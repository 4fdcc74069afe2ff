"""Migrations: each once, in order, however many processes start at the same moment."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from playhouse.migrations import Runner
from storage.databases import KINDS, TABLES, new_url
from tipman import migrations
from tipman.clock import ManualClock
from tipman.core import Core
from tipman.database import Database
from tipman.errors import EngineRunningError
from tipman.models import columns_of
from tipman.runtime import Engine
from tipman.schedules.views import stored
from tipman.settings import Settings

START = Path(__file__).with_name("start.py")
PROCESSES = 4


def core(url):
    return Core(url, Settings(), ManualClock(), lambda _: {}, node="here")


def opened(url):
    database = Database(url)
    database.open()
    return database


def test_a_new_database_lacks_every_migration(url):
    assert migrations.check(url) == migrations.known()
    assert migrations.known() == sorted(migrations.known())


def test_a_check_does_not_make_a_file(tmp_path):
    migrations.check(f"sqlite:///{tmp_path}/tipman.db")

    assert list(tmp_path.iterdir()) == []


def test_a_migrated_database_lacks_none(url):
    core(url).close()

    assert migrations.check(url) == []


def test_what_was_migrated_is_not_migrated_again(url):
    core(url).close()
    database = opened(url)
    history = database.fetch("SELECT * FROM schema_migration")

    migrations.migrate(database, migrations.known())
    core(url).close()

    assert database.fetch("SELECT * FROM schema_migration") == history
    database.close()


def test_the_tables_are_those_of_the_models(url):
    core(url).close()
    database = opened(url)

    for table in TABLES:
        name = table._meta.table_name
        # The name is our own.
        cursor = database.peewee.execute_sql(f'SELECT * FROM "{name}" LIMIT 0')  # noqa: S608
        assert set(columns_of(table)) <= {column[0] for column in cursor.description}, name
    database.close()


def test_the_indexes_are_those_of_the_models(url):
    core(url).close()
    database = opened(url)
    catalogue = (
        "SELECT name FROM sqlite_master WHERE type = 'index'"
        if database.is_sqlite
        else "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"
    )

    found = {name for (name,) in database.fetch(catalogue)}

    for table in TABLES:
        assert {index._name for index in table._meta.fields_to_index()} <= found, table
    database.close()


def test_where_schedules_stood_is_carried_over(url):
    database, schedule = opened(url), b"s" * 16
    runner = Runner(database.peewee, migrations.__path__[0], table_name="schema_migration")
    runner.up(migrations.known()[migrations.known().index("0010_standing") - 1])
    database.execute(
        "INSERT INTO instance (id, kind, namespace, name, submitted_at, state, configuration,"
        " sequence, attempt, chain) VALUES (?, 'schedule', 'default', '', 1, 'active', 'idle',"
        " 1, 0, ?)",
        (schedule, schedule),
    )
    database.execute(
        "INSERT INTO schedule (id, spec, task, revision, anchor_at, decided_until, next_at, runs,"
        " failures, manuals, backfills) VALUES (?, '{}', '[]', 1, 2, 3, 4, 5, 6, 7, 8)",
        (schedule,),
    )

    runner.up()

    record = stored(database, schedule).record
    database.close()
    assert (record.decided_until, record.next_at, record.runs) == (3, 4, 5)
    assert (record.anchor_at, record.failures, record.backfills) == (2, 6, 8)


def test_a_file_says_in_its_header_whose_it_is(tmp_path):
    core(f"sqlite:///{tmp_path}/tipman.db").close()

    header = (tmp_path / "tipman.db").read_bytes()[:100]

    assert header[68:72] == b"TIPM"


def test_every_start_has_a_number_larger_than_all_before(url):
    numbers = []
    for _ in range(3):
        one = core(url)
        numbers.append(one.epoch)
        one.close()

    assert numbers == [1, 2, 3]


def test_an_epoch_has_an_end_only_if_it_ended_in_order(url):
    first = core(url)
    first.scheduler.close()
    first.database.close()
    core(url).close()

    database = opened(url)
    rows = database.fetch("SELECT number, node, pid, ended_at IS NULL FROM epoch ORDER BY number")
    database.close()
    assert [tuple(row) for row in rows] == [
        (1, "here", os.getpid(), True),
        (2, "here", os.getpid(), False),
    ]


# Several processes at once.


def started_at_once(url):
    """Start engines in processes; return their pids and what they say, and let them end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, str(START), url],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env=environment,
                )
            )
            for _ in range(PROCESSES)
        ]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = {process.pid: process.stdout.readline().split() for process in processes}
        for process in processes:
            process.stdin.close()
    assert [process.returncode for process in processes] == [0] * PROCESSES
    return answers


@pytest.mark.parametrize("kind", KINDS)
def test_of_processes_that_start_at_once_one_has_the_database(tmp_path, kind):
    url = new_url(kind, tmp_path)

    answers = started_at_once(url)

    (winner,) = (pid for pid, answer in answers.items() if answer[0] == "epoch")
    others = [answer for pid, answer in answers.items() if pid != winner]
    assert answers[winner] == ["epoch", "1"]
    assert [code for code, _ in others] == ["engine_running"] * (PROCESSES - 1)
    # Who comes in the instant after the lock was taken finds no pid yet.
    assert {pid for _, pid in others} <= {str(winner), "None"}
    assert migrations.check(url) == []


def test_a_second_engine_is_refused_until_the_first_has_closed(tmp_path):
    url = new_url("sqlite", tmp_path)
    first = Engine(url, home=tmp_path).start()
    second = Engine(url, home=tmp_path)

    with pytest.raises(EngineRunningError) as refused:
        second.start()

    assert refused.value.pid == os.getpid()
    assert str(os.getpid()) in str(refused.value)
    first.close()
    assert second.start().epoch == 2
    second.close()
