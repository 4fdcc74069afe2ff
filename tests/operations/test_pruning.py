"""Pruning: whole families, only what is old and settled, a few at a time, and what is left."""

import pytest
from core.house import PLAIN
from tipman import pruning
from tipman.errors import ConflictError, InvalidError, KeyExistsError
from tipman.ids import text_of
from tipman.pruning import absence, tombstone
from tipman.retention import PASS_EVERY_S
from tipman.run_events import RunForked

DAY_S = 86_400
WAIT = {"type": "wait", "arguments": {}}
TABLES = ("instance", "task", "attempt", "dependency", "log_entry", "workflow_run")


@pytest.fixture
def house(build, tmp_path):
    return build(home=tmp_path / "home", retention_days=30)


def settled(house, **fields):
    identifier = house.task(**fields)
    house.succeed(identifier)
    return identifier


def prune(house, days=31):
    """Let time pass, and something happen at its end; prune."""
    house.advance(days * DAY_S)
    settled(house, name="the last line of the log")
    return house.core.retention.prune()


def rows(house):
    return {
        table: house.reader.fetch(f"SELECT count(*) FROM {table}")[0][0]  # noqa: S608 - ours
        for table in TABLES
    }


def test_what_settled_long_ago_goes_with_all_its_rows(house):
    first = house.run({"name": "a", **WAIT}, {"name": "b", **WAIT, "dependencies": ["a"]})
    for name in "ab":
        house.ask("finish.reported", first[name])
    old = settled(house, key="nightly")

    done = prune(house)

    assert not house.is_known(old)
    assert not any(house.is_known(identifier) for identifier in first.values())
    assert rows(house) == {
        "instance": 1, "task": 1, "attempt": 1, "dependency": 0, "log_entry": 3, "workflow_run": 0,
    }  # fmt: skip
    assert done.rows["instances"] == 4
    assert done.rows["runs"] == 1


def test_what_settled_lately_stays(house):
    identifier = house.task()
    house.advance(40 * DAY_S)
    house.succeed(identifier)

    prune(house, days=29)

    assert house.is_known(identifier)


def test_what_is_open_stays_however_old(house):
    identifier = house.task(**WAIT)

    prune(house, days=400)

    assert house.state(identifier) == "awaiting"


def test_a_run_stays_whole_while_one_task_of_it_is_open(house):
    run = house.run({"name": "done", **WAIT}, {"name": "open", **WAIT})
    house.ask("finish.reported", run["done"])

    prune(house)
    assert house.is_known(run["done"])

    house.ask("finish.reported", run["open"])
    prune(house)
    assert not house.is_known(run["done"])
    assert not house.is_known(run["open"])


def test_what_something_open_waits_for_stays_and_goes_after_it(house):
    first = settled(house)
    second = house.task(**WAIT, dependencies=[text_of(first)])

    prune(house)
    assert house.is_known(first)

    house.ask("finish.reported", second)
    prune(house)
    assert not house.is_known(first)


def test_what_was_cancelled_while_it_waited_stays_until_nothing_will_tell_it(house):
    first = house.task(**WAIT)
    second = house.task(dependencies=[text_of(first)])
    house.cancel(second)

    prune(house)
    assert house.is_known(second)

    house.ask("finish.reported", first)
    prune(house)
    assert not house.is_known(second)


def test_a_key_is_free_once_its_task_was_pruned(house):
    settled(house, key="nightly")
    with pytest.raises(KeyExistsError):
        house.task(key="nightly")

    prune(house)

    assert house.state(house.task(key="nightly")) == "running"


def test_nothing_new_can_wait_for_what_was_pruned(house):
    old = settled(house)
    prune(house)

    with pytest.raises(InvalidError, match="unknown dependency"):
        house.task(dependencies=[text_of(old)])


def test_an_attempt_that_could_not_be_ended_keeps_its_task(house):
    identifier = house.task(timeout_s=1, retry={"attempts_max": 2, "delay_s": 0})
    attempt = house.hand.started[0]
    house.time_out(identifier, detached=True)
    house.succeed(identifier)

    prune(house)
    assert house.is_known(identifier)

    house.come_back(attempt)
    assert house.core.frontier.slots_taken == 0
    prune(house)
    assert not house.is_known(identifier)


def test_a_task_is_tried_again_though_what_it_waited_for_was_pruned(house):
    first = settled(house)
    house.advance(31 * DAY_S)
    second = house.task(type="eval", arguments="results", dependencies=[text_of(first)])
    house.fail(second)
    prune(house, days=1)
    assert not house.is_known(first)

    house.retry(second)

    assert house.state(second) == "running"
    assert house.hand.started[-1].context["results"] == {}


def test_a_task_whose_cause_was_pruned_can_not_be_retried_and_says_so(house):
    first = house.task(**WAIT)
    house.ask("fail.reported", first)
    house.advance(31 * DAY_S)
    second = house.task(dependencies=[text_of(first)])
    assert house.state(second) == "skipped"
    prune(house, days=1)
    assert not house.is_known(first)

    with pytest.raises(ConflictError, match="pruned"):
        house.retry(second)


def test_positions_of_the_log_go_on(house):
    settled(house)
    last = house.reader.fetch("SELECT max(position) FROM log_entry")[0][0]
    house.advance(31 * DAY_S)

    house.core.retention.prune()
    settled(house)

    positions = house.reader.fetch("SELECT position FROM log_entry ORDER BY position")
    assert positions[-1][0] > last


def test_a_large_family_goes_in_parts_and_others_get_a_turn_between(house, monkeypatch):
    monkeypatch.setattr(pruning, "BATCH", 3)
    run = house.run(*({"name": f"t{n}", **WAIT} for n in range(8)))
    for identifier in run.values():
        house.ask("finish.reported", identifier)
    house.advance(31 * DAY_S)
    settled(house)
    sizes = []
    remove = house.core.retention._remove
    monkeypatch.setattr(
        house.core.retention, "_remove", lambda batch: sizes.append(batch) or remove(batch)
    )

    house.core.retention.prune()

    assert [sum(len(family.ids) for family in batch) for batch in sizes] == [3, 3, 3]
    assert not any(house.is_known(identifier) for identifier in run.values())


def test_of_more_than_are_kept_the_oldest_go(build, tmp_path):
    house = build(home=tmp_path / "home", retention_tasks_max=5)
    tasks = []
    for _ in range(12):
        tasks.append(settled(house))
        house.clock.advance(1)

    house.core.retention.prune()

    assert [house.is_known(identifier) for identifier in tasks] == [False] * 7 + [True] * 5


def test_a_preview_says_what_would_go_and_removes_nothing(build, tmp_path):
    house = build(home=tmp_path / "home", retention_tasks_max=3, retention_days=1)
    for _ in range(4):
        settled(house)
    house.advance(2 * DAY_S)
    for _ in range(5):
        settled(house)
        house.clock.advance(1)
    before = rows(house)

    preview = house.core.retention.preview()

    assert rows(house) == before
    done = house.core.retention.prune()
    assert preview.rows == {what: count for what, count in done.rows.items() if count}
    assert done.rows["instances"] == 6


def test_what_was_reopened_meanwhile_stays(house):
    identifier = house.task(**WAIT)
    house.ask("fail.reported", identifier)
    house.advance(31 * DAY_S)
    [batch] = pruning.batches(pruning.families(house.reader, house.clock.wall_us() - DAY_S))

    house.retry(identifier)
    house.core.retention._remove(batch)

    assert house.state(identifier) == "awaiting"


def test_a_pass_comes_every_hour(build, tmp_path):
    house = build(home=tmp_path / "home", retention_days=0.1)
    house.core.retention.start()
    old = settled(house)
    house.advance(2.3 * 3600)
    settled(house)
    assert house.is_known(old)

    house.advance(3600)

    assert not house.is_known(old)


def test_passes_go_on_though_there_was_no_thread_for_the_alarm(build, tmp_path, monkeypatch):
    house = build(home=tmp_path / "home", retention_days=0.1)
    refused = []
    call_later = house.clock.call_later

    def crowded(delay_s, call):
        if delay_s == PASS_EVERY_S and not refused:
            refused.append(delay_s)
            raise RuntimeError("can't start new thread")
        return call_later(delay_s, call)

    monkeypatch.setattr(house.clock, "call_later", crowded)
    house.core.retention.start()
    old = settled(house)
    house.advance(2.3 * 3600)
    settled(house)

    house.advance(3600)

    assert refused
    assert not house.is_known(old)


def test_a_pass_comes_early_when_many_have_settled(build, tmp_path):
    house = build(home=tmp_path / "home", retention_tasks_max=10)
    house.core.retention.start()
    tasks = [settled(house) for _ in range(400)]

    house.advance(0.001)

    assert sum(map(house.is_known, tasks)) <= 210


def test_the_folders_of_attempts_go_too(house):
    old, new = settled(house), house.task(**WAIT)
    folders = [house.settings.home / "attempts" / text_of(each) for each in (old, new)]
    for folder in folders:
        (folder / "1").mkdir(parents=True)
        (folder / "1" / "stdout").write_text("words")

    prune(house)

    assert [folder.exists() for folder in folders] == [False, True]


def test_folders_that_a_crash_left_go_with_the_next_pass(house, monkeypatch):
    old = settled(house)
    folder = house.settings.home / "attempts" / text_of(old)
    folder.mkdir(parents=True)
    with monkeypatch.context() as dying:
        dying.setattr(house.core.retention, "_remove_folders", lambda _ids: None)
        prune(house)
    assert folder.exists()

    house.crash()
    house.core.retention.prune()

    assert not folder.exists()


def test_an_id_that_nobody_has_was_pruned_or_never_there(house):
    old = settled(house)
    assert "never existed" in absence(house.reader, bytes([0xFF] * 16))
    assert "never existed" in absence(house.reader, old)

    prune(house)

    assert "pruned" in absence(house.reader, old)
    assert "never existed" in absence(house.reader, bytes([0xFF] * 16))
    assert tombstone(house.reader).newest == old


def test_counters_and_fields_of_classes_stay(house):
    identifier = house.class_task("Visits")
    house.succeed(identifier, kept='{"value":3}')
    prune(house)

    house.class_task("Visits")

    assert house.hand.started[-1].kept == '{"value":3}'


def test_an_engine_prunes_while_it_serves(shop):
    engine = shop.start(retention_tasks_max=50)
    engine.submit_many(shop.echo, [{"value": n} for n in range(500)])[-1].wait(30)
    last = engine.submit(shop.echo, value="last").wait(30)

    engine.prune()

    assert engine.task(last)["result"] == "last"
    with engine.reading() as database:
        assert pruning.settled_count(database) <= 50


def test_without_the_second_look_an_open_task_loses_what_it_waits_for(house, monkeypatch):
    """A negative control: what keeps rows is what the tests above rely on."""
    first = settled(house)
    house.task(**WAIT, dependencies=[text_of(first)])
    monkeypatch.setattr(pruning, "_KEPT", ())

    prune(house)

    assert not house.is_known(first)


def below(house, identifier):
    """Return the ids of what has this parent."""
    rows = house.reader.fetch(
        "SELECT id FROM instance WHERE parent = ? ORDER BY id", (identifier,)
    )
    return [bytes(row[0]) for row in rows]


def test_a_run_goes_with_its_hooks_its_compensations_and_what_was_passed_on(house):
    undo = {"compensate": PLAIN}
    run = house.run(
        {"name": "a", "type": "eval", "arguments": "result = {'n': 1}", **undo},
        {"name": "b", **WAIT, "dependencies": ["a"]},
        hooks={"settled": PLAIN},
    )
    house.succeed(run["a"], {"n": 1})
    house.ask("fail.reported", run["b"])
    while house.hand.open:
        house.succeed(next(iter(house.hand.open)))

    done = prune(house)

    assert {name: done.rows[name] for name in ("instances", "runs", "contexts")} == {
        "instances": 5, "runs": 1, "contexts": 1,
    }  # fmt: skip
    assert rows(house)["instance"] == 1


def test_a_run_that_a_task_started_goes_with_the_run_of_that_task(house):
    house.register("inner", {"name": "x", **WAIT})
    run = house.run({"name": "call", "type": "workflow", "arguments": {"name": "inner"}})
    (child,) = below(house, run["call"])
    rows_of_child = house.reader.fetch("SELECT id FROM instance WHERE run = ?", (child,))
    leaf = bytes(rows_of_child[0][0])

    prune(house)
    assert house.is_known(leaf)
    house.ask("finish.reported", leaf)
    assert house.state(run["call"]) == "succeeded"

    prune(house, days=1)
    assert house.is_known(leaf)
    prune(house)
    assert not any(map(house.is_known, (leaf, child, run["call"])))
    assert rows(house)["workflow_run"] == 0


def test_a_map_that_belongs_to_no_run_goes_with_its_items(house):
    each = {"type": "eval", "arguments": "result = item"}
    mapped = house.task(type="map", arguments={"over": [1, 2], "task": each})
    items = below(house, mapped)
    house.succeed(items[0], 1)

    prune(house)
    assert house.is_known(items[0])
    house.succeed(items[1], 2)

    prune(house)
    assert not any(map(house.is_known, (mapped, *items)))


def test_a_run_that_was_forked_goes_before_its_fork(house):
    run = house.run({"name": "a", **WAIT}, {"name": "b", **WAIT, "dependencies": ["a"]})
    for name in "ab":
        house.ask("finish.reported", run[name])
    origin = bytes(house.reader.fetch("SELECT id FROM workflow_run")[0][0])
    house.publish(RunForked(house.submitter.new_id(), origin, "b", "{}", None, "tester"))

    prune(house)

    assert not house.is_known(run["a"])
    assert rows(house)["workflow_run"] == 1
