"""Large values: in files by their content, whole for whoever reads, gone when nobody refers."""

import json
import sqlite3

import pytest
from core.house import PLAIN, WAIT, House
from tipman import backup, pruning, queries
from tipman.checkup import examine
from tipman.clock import ManualClock
from tipman.errors import DatabaseError
from tipman.events import AttemptSucceeded
from tipman.jsontext import dumps
from tipman.values import LARGE, MARK, Values

TEXT = dumps("x" * LARGE)
ADDS = {"type": "eval", "arguments": "result = 1"}


@pytest.fixture
def beside(tmp_path):
    """Return a house on a file of its own, and the folder of its large values."""
    house = House(f"sqlite:///{tmp_path / 'tipman.db'}", home=tmp_path)
    yield house, tmp_path / "values"
    house.close()


def files(folder):
    return sorted(path for path in folder.glob("*/*")) if folder.exists() else []


def node(name, *needs):
    return {**ADDS, "name": name, "dependencies": list(needs)}


def kept_result(house, identifier):
    return house.reader.fetch("SELECT result FROM attempt WHERE instance = ?", (identifier,))[0][0]


def test_a_large_text_becomes_a_reference_and_is_found_whole(tmp_path):
    values = Values(tmp_path / "values")

    reference = values.kept(TEXT)

    (file,) = files(tmp_path / "values")
    assert reference == MARK + file.name
    assert (file.parent.name, file.read_text()) == (file.name[:2], TEXT)
    assert Values(tmp_path / "values").whole(reference) == TEXT
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_small_text_stays_and_so_does_every_text_without_a_folder(tmp_path):
    assert Values(tmp_path / "values").kept('"small"') == '"small"'
    assert Values(None).kept(TEXT) == TEXT
    assert files(tmp_path / "values") == []


def test_no_value_is_taken_for_a_reference():
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(MARK + "0" * 64)


def test_the_same_content_stands_once(tmp_path):
    values = Values(tmp_path / "values")

    assert values.kept(TEXT) == values.kept(TEXT)
    assert len(files(tmp_path / "values")) == 1


def test_a_value_that_is_missing_or_damaged_is_named(tmp_path):
    values = Values(tmp_path / "values")
    reference = values.kept(TEXT)
    (file,) = files(tmp_path / "values")

    file.write_text("other")
    with pytest.raises(DatabaseError, match=f"damaged: {file}"):
        values.whole(reference)
    file.unlink()
    with pytest.raises(DatabaseError, match=f"can not be read: {file}"):
        values.whole(reference)


def test_a_large_result_is_read_whole_by_tasks_and_people(beside):
    house, folder = beside
    run = house.run(node("a"), node("b", "a"), input={"day": "today"})

    house.succeed(run["a"], {"text": "x" * LARGE})

    assert kept_result(house, run["a"]).startswith(MARK)
    assert len(files(folder)) == 1
    assert house.hand.open[run["b"]].context == {
        "context": {"day": "today", "text": "x" * LARGE}, "results": {"a": {"text": "x" * LARGE}},
    }  # fmt: skip
    view = house.view(run["a"])
    assert view["result"] == {"text": "x" * LARGE}
    assert view["context"] == {"day": "today", "text": "x" * LARGE}
    assert house.result(run["a"]) == view["result"]
    assert house.attempts(run["a"])[0]["result"] == view["result"]
    assert queries.tasks(house.reader, [run["a"]], epoch=1)[0]["result"] == view["result"]


def test_a_large_result_is_read_whole_after_a_crash(beside):
    house, _ = beside
    run = house.run(node("a"), node("b", "a"))
    house.succeed(run["a"], {"text": "x" * LARGE})

    house.crash()

    assert house.hand.open[run["b"]].context["context"] == {"text": "x" * LARGE}
    assert house.result(run["a"]) == {"text": "x" * LARGE}


def with_a_value_lost(beside, *tasks):
    """Return a house and a run of tasks for which a large value was lost while no engine ran."""
    house, folder = beside
    run = house.run(node("a"), *({"after_s": 60, **task} for task in tasks), node("other", "a"))
    house.succeed(run["a"], {"text": "x" * LARGE})
    for file in files(folder):
        file.unlink()
    house.crash()
    house.advance(60)
    return house, run


READERS = (
    node("reader", "a"),
    {"name": "reader", "type": "exec", "arguments": "make", "dependencies": ["a"]},
    {"name": "reader", "type": "wait", "arguments": {"note": "{text}"}, "dependencies": ["a"]},
    {
        "name": "reader", "type": "map", "dependencies": ["a"],
        "arguments": {"over": [1], "task": {"type": "eval", "arguments": "result = 1"}},
    },
)  # fmt: skip


@pytest.mark.parametrize("reader", READERS, ids=lambda task: task["type"])
def test_a_value_that_is_lost_fails_its_readers_and_not_the_engine(beside, reader):
    house, run = with_a_value_lost(beside, reader, {**PLAIN, "name": "free"})

    assert house.state(run["reader"]) == "failed"
    error = house.error(run["reader"])
    assert error["code"] == "value"
    assert "can not be read" in error["message"]
    assert house.state(run["free"]) == "running"
    assert house.failure is None


def test_a_rule_that_can_not_be_judged_for_a_lost_value_is_told_of(beside, caplog):
    when = {"context": {"key": "text", "operator": "exists"}}
    gate = {**WAIT, "name": "gate"}
    ruled = {**PLAIN, "name": "ruled", "dependencies": ["a", "gate"], "when": when}
    house, run = with_a_value_lost(beside, gate, ruled)

    house.ask("finish.reported", run["gate"])

    assert house.failure is None
    assert "dependency.settled can not be handled" in caplog.text
    assert house.names(run["ruled"])[-1] == "event.failed"


def test_what_an_exec_task_adds_may_be_large(beside):
    house, folder = beside
    run = house.run({"name": "a", "type": "exec", "arguments": "make"}, node("b", "a"))
    start = house.hand.open[run["a"]]
    owner = (start.instance, start.attempt, start.epoch)

    house.report(AttemptSucceeded(*owner, '{"exit_code": 0}', None, dumps({"t": "x" * LARGE})))

    assert house.hand.open[run["b"]].context["context"] == {"t": "x" * LARGE}
    assert len(files(folder)) == 1


def test_a_backup_is_whole_by_itself(beside, tmp_path):
    house, _ = beside
    run = house.run(node("a"))
    house.succeed(run["a"], "x" * LARGE)

    made = backup.back_up(house.reader, tmp_path / "copy.db", ManualClock())

    copy = sqlite3.connect(made.path)
    assert copy.execute("SELECT result FROM attempt").fetchall() == [(TEXT,)]
    copy.close()


def test_a_value_goes_when_the_last_that_refers_to_it_was_pruned(beside):
    house, folder = beside
    first, second = house.submit(ADDS, ADDS)
    house.submit(PLAIN)
    for identifier in (first, second):
        house.succeed(identifier, "x" * LARGE)

    house.crash()
    house.clock.advance(40 * 86_400)
    house.core.retention.prune()

    assert not house.is_known(first)
    assert files(folder) == []


def test_a_value_stays_while_a_row_refers_to_it(beside):
    house, folder = beside
    (identifier,) = house.submit(ADDS)
    house.succeed(identifier, "x" * LARGE)
    house.crash()

    house.core.retention.prune()
    house.core.retention.prune()

    assert len(files(folder)) == 1
    assert house.result(identifier) == "x" * LARGE


def test_a_value_stays_that_is_about_to_be_referred_to(beside):
    house, folder = beside
    database = house.core.database
    database.values.kept(TEXT)

    found = list(database.values.references())
    assert pruning.sweep(database, found) == 0
    database.values.turn()
    assert pruning.sweep(database, found) == 0
    database.values.turn()

    assert pruning.sweep(database, found) == 1
    assert files(folder) == []


def test_the_doctor_names_values_that_are_missing(beside):
    house, folder = beside
    (identifier,) = house.submit(ADDS)
    house.succeed(identifier, "x" * LARGE)
    assert found(house, "values").state == "ok"

    (file,) = files(folder)
    file.unlink()

    missing = found(house, "values")
    assert missing.state == "fault"
    assert file.name in missing.detail


def found(house, name):
    checks = examine(house.settings, house.clock, reader=house.core.database.reader).checks
    return next(check for check in checks if check.name == name)
