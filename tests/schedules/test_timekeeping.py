"""Schedules of an engine: made, changed, looked at and ended through its own methods."""

import pytest
from core.engines import Shop
from storage.databases import new_url
from tipman import Engine
from tipman.clock import ManualClock, SystemClock
from tipman.errors import ConflictError, InvalidError, KeyExistsError, NotFoundError

SLEEP = {"type": "sleep", "arguments": {"duration_s": 0}}
HOURLY = {"every_s": 3600, "task": SLEEP}


@pytest.fixture
def engine(tmp_path):
    shop = Shop(tmp_path, new_url("sqlite", tmp_path))
    yield shop.start()
    shop.close()


def test_a_schedule_reads_as_it_was_made(engine):
    handle = engine.create_schedule({**HOURLY, "key": "hourly", "overlap": "queue_one"})

    view = handle.view()

    assert view["uri"] == handle.uri
    assert (view["kind"], view["key"], view["name"]) == ("schedule", "hourly", "hourly")
    assert (view["state"], view["every_s"], view["overlap"]) == ("active", 3600, "queue_one")
    assert view["task"] == SLEEP
    assert view["catch_up"] == {"policy": "latest", "window_s": 3600, "max": 100}
    assert view["next_at"] == handle.upcoming(limit=1)[0]["due_at"]


def test_a_key_belongs_to_one_schedule_until_that_is_deleted(engine):
    first = engine.create_schedule({**HOURLY, "key": "hourly"})
    with pytest.raises(KeyExistsError, match=first.uri):
        engine.create_schedule({**HOURLY, "key": "hourly"})

    first.delete()

    second = engine.create_schedule({**HOURLY, "key": "hourly"})
    assert engine.find_schedule("hourly").id == second.id
    assert (first.view()["state"], first.view()["key"]) == ("finished", "hourly")


def test_what_can_not_be_a_schedule_is_refused_whole(engine):
    with pytest.raises(InvalidError) as refusal:
        engine.create_schedule({"cron": "61 * * * *", "timezone": "Mars/Base", "task": SLEEP})

    assert {fault.pointer for fault in refusal.value.faults} == {"/cron", "/timezone"}
    assert engine.schedules().items == []


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"at": "2020-01-01T00:00:00Z"}, "/at"),
        ({"every_s": 60, "jitter_s": 60}, "/jitter_s"),
        ({"cron": "* * * * *", "jitter_s": 60}, "/jitter_s"),
        ({"every_s": 60, "ends_at": "2020-01-01T00:00:00Z"}, "/ends_at"),
        ({"every_s": 60, "task": None, "definition": "nowhere"}, "/definition"),
        ({"every_s": 60, "namespace": "nowhere"}, "/namespace"),
    ],
)
def test_what_only_the_engine_knows_is_refused_too(engine, given, pointer):
    with pytest.raises(InvalidError) as refusal:
        engine.create_schedule({"task": SLEEP, **given})

    assert [fault.pointer for fault in refusal.value.faults] == [pointer]


def test_a_change_takes_the_place_of_another_trigger(engine):
    handle = engine.create_schedule({**HOURLY, "jitter_s": 1})

    handle.change(cron="0 2 * * *", timezone="Europe/Prague", jitter_s=None)

    view = handle.view()
    assert (view["every_s"], view["cron"], view["jitter_s"]) == (None, "0 2 * * *", 0)
    assert view["revision"] == 2
    assert handle.upcoming(limit=1)[0]["local"][11:19] == "02:00:00"


def test_names_can_not_be_changed(engine):
    handle = engine.create_schedule(HOURLY)

    with pytest.raises(InvalidError, match="/key"):
        handle.change(key="other")


def test_a_paused_schedule_waits_for_somebody(engine):
    handle = engine.create_schedule({**HOURLY, "paused": True})
    assert handle.upcoming() == []
    assert handle.explain()["waiting_for"][0]["text"] == "resume.requested"
    with pytest.raises(ConflictError):
        handle.pause()

    handle.resume()

    assert handle.explain()["waiting_for"][0]["kind"] == "timer"


def test_a_trigger_submits_at_once(engine):
    handle = engine.create_schedule({**HOURLY, "paused": True})

    handle.trigger()

    (slot,) = handle.slots().items
    run = engine.find(slot["instance"])
    run.wait(10)
    assert slot["manual"]
    assert engine.task(run)["schedule"] == handle.uri
    assert handle.slots().items[0]["result"] == run.result


def test_slots_come_in_pages(engine):
    handle = engine.create_schedule({**HOURLY, "overlap": "allow"})
    for _ in range(5):
        handle.trigger()

    first = handle.slots(limit=3)
    second = handle.slots(limit=3, after=first.next)

    dues = [slot["due_at"] for slot in (*first.items, *second.items)]
    assert len(set(dues)) == 5
    assert dues == sorted(dues, reverse=True)
    assert second.next is None


def test_schedules_come_in_pages_newest_first(engine):
    made = [engine.create_schedule(HOURLY).id for _ in range(5)]
    engine.find_schedule(made[1]).pause()

    first = engine.schedules(limit=3)
    second = engine.schedules(limit=3, after=first.next)

    assert [item["id"] for item in (*first.items, *second.items)] == made[::-1]
    assert second.next is None
    assert [item["id"] for item in engine.schedules(states=["paused"]).items] == [made[1]]


def test_what_comes_next_of_all_is_in_order(engine):
    slow = engine.create_schedule(HOURLY)
    quick = engine.create_schedule({**HOURLY, "every_s": 1000})

    items = engine.all_upcoming(limit=4)

    assert [item["schedule"] for item in items] == [quick.uri] * 3 + [slow.uri]


def test_a_schedule_that_does_not_exist_is_not_found(engine):
    for reference in ("nowhere", "0192f5a0-b1c2-7d3e-8f00-112233445566", "\0"):
        with pytest.raises(NotFoundError):
            engine.find_schedule(reference)


def test_a_task_is_no_schedule_and_a_schedule_no_task(engine):
    task = engine.submit_task({"type": "wait"})
    schedule = engine.create_schedule(HOURLY)

    with pytest.raises(NotFoundError):
        engine.delete_schedule(task.identifier)
    with pytest.raises(ConflictError, match="is a schedule"):
        engine.send(schedule.id, "cancel.requested")
    with pytest.raises(ConflictError, match="is a task"):
        engine.send(task.id, "trigger.requested")


class Tally:
    """Fields are kept between runs."""

    value: int = 0

    def run(self, by: int = 1) -> int:
        self.value += by
        return self.value


def test_a_class_is_scheduled_and_keeps_its_fields(engine):
    tally = engine._tasks.task(name="tally")(Tally)
    handle = engine.schedule(tally, every_s=3600, arguments={"by": 2})
    for _ in range(2):
        handle.trigger()
        engine.find(handle.slots().items[0]["instance"]).wait(30)

    assert [slot["result"] for slot in handle.slots().items] == [4, 2]
    with pytest.raises(InvalidError):
        engine.schedule(tally, every_s=3600, arguments={"unknown": 2})


def test_a_schedule_by_definition_stays_with_its_version(engine):
    engine.add_definition("nap", SLEEP)
    handle = engine.create_schedule({"every_s": 3600, "definition": "nap"})
    engine.add_definition("nap", {**SLEEP, "arguments": {"duration_s": 0.001}})

    handle.change(every_s=60)
    handle.trigger()

    run = engine.find(handle.slots().items[0]["instance"])
    assert engine.task(run)["definition"] == "nap@1"
    assert not handle.view()["orphan"]
    engine.retire_definition("nap", 1)
    assert handle.view()["orphan"]
    run.wait(30)
    handle.trigger()
    assert handle.slots().items[0]["reason"] == "orphaned"


def test_a_run_finds_in_its_environment_when_it_was_due(engine):
    task = {"type": "exec", "arguments": "printf %s $TIPMAN_DUE_AT"}
    handle = engine.create_schedule({"every_s": 3600, "task": task})
    handle.trigger()
    (slot,) = handle.slots().items

    run = engine.find(slot["instance"]).wait(30)

    assert engine.output_path(run, 1, "stdout").read_text() == slot["due_at"]


def test_nothing_is_to_be_caught_up_while_the_engine_lives(engine):
    handle = engine.create_schedule(HOURLY)

    assert engine.preview_catch_up(handle.identifier) == {"due": 0, "runs": []}


def test_an_interval_counts_from_a_start_that_is_asked_for_also_one_that_has_passed(engine):
    handle = engine.create_schedule({**HOURLY, "starts_at": "2026-01-01T00:10:00Z"})

    handle.change(starts_at="2026-01-01T00:20:00Z")

    assert {item["due_at"][13:] for item in handle.upcoming(limit=2)} == {":20:00.000000Z"}
    handle.change(overlap="allow")
    assert handle.view()["next_at"][13:] == ":20:00.000000Z"


def test_a_schedule_that_is_an_orphan_says_so_where_it_says_what_it_waits_for(engine):
    engine.add_definition("nap", SLEEP)
    handle = engine.create_schedule({"every_s": 3600, "definition": "nap"})
    engine.retire_definition("nap", 1)

    (reason,) = handle.explain()["waiting_for"]

    assert reason["text"] == "its next instant, which is skipped while what it submits is gone"


@pytest.mark.parametrize(("runs_max", "runs"), [(None, 9), (2, 2)])
def test_no_more_would_be_caught_up_than_there_may_be_runs(tmp_path, runs_max, runs):
    url, clock = f"sqlite:///{tmp_path / 'few.db'}", ManualClock(SystemClock().wall_us())
    policies = {"overlap": "allow", "runs_max": runs_max, "catch_up": {"policy": "all"}}
    with Engine(url, clock=clock, home=tmp_path) as engine:
        handle = engine.create_schedule({"every_s": 60, "task": SLEEP, **policies})
    clock.jump(570)

    engine = Engine(url, clock=clock, home=tmp_path)
    engine.open()
    shown = engine.preview_catch_up(handle.identifier)
    engine.close()

    assert (shown["due"], len(shown["runs"])) == (9, runs)


def test_a_backfill_that_is_tried_dry_changes_nothing(engine):
    handle = engine.create_schedule({**HOURLY, "starts_at": "2026-01-01T00:00:00Z"})
    past = {"since": "2026-01-02T00:00:00Z", "until": "2026-01-02T03:00:00Z"}

    dry = engine.backfill(handle, {**past, "dry_run": True})
    assert handle.slots().items == []
    done = engine.backfill(handle, past)

    assert [i["due_at"] for i in dry["items"]] == [i["due_at"] for i in done["items"]]
    assert len(done["items"]) == 3
    assert {i["instance"] for i in dry["items"]} == {None}
    assert {slot["backfill"] for slot in handle.slots().items} == {done["backfill"]}


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"until": "2025-01-01T00:00:00Z"}, "/until"),
        ({"until": "2999-01-01T00:00:00Z"}, "/until"),
        ({"what": "some"}, "/what"),
        ({"concurrency": 0}, "/concurrency"),
    ],
)
def test_a_backfill_that_makes_no_sense_is_refused(engine, more, pointer):
    handle = engine.create_schedule(HOURLY)
    given = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", **more}

    with pytest.raises(InvalidError) as refusal:
        engine.backfill(handle, given)

    assert [fault.pointer for fault in refusal.value.faults] == [pointer]


def test_a_namespace_with_schedules_is_not_deleted(engine):
    engine.create_namespace("team")
    handle = engine.create_schedule({**HOURLY, "namespace": "team"})
    with pytest.raises(ConflictError, match="1 schedule"):
        engine.delete_namespace("team")

    handle.delete()

    engine.delete_namespace("team")
