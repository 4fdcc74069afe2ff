"""A workflow file with a `schedule` makes the schedule that runs it, or changes it."""

import pytest
from core.engines import Shop
from storage.databases import new_url
from tipman.errors import ConflictError, InvalidError, KeyExistsError, NotFoundError
from tipman.registrations import WorkflowAdded

TASKS = [{"name": "nap", "type": "sleep", "arguments": {"duration_s": 0}}]


@pytest.fixture
def shop(tmp_path):
    opened = Shop(tmp_path, new_url("sqlite", tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def engine(shop):
    return shop.start()


def nightly(schedule, **more):
    return {"name": "nightly", "tasks": TASKS, "schedule": schedule, **more}


def schedules(engine):
    return [
        {name: item[name] for name in ("key", "workflow", "cron", "every_s", "timezone", "state")}
        for item in engine.schedules().items
    ]


def test_adding_a_file_makes_its_schedule_under_its_name(engine):
    engine.add_workflow(nightly({"cron": "0 2 * * *", "timezone": "Europe/Prague"}))

    assert schedules(engine) == [
        {
            "key": "nightly", "workflow": "nightly", "cron": "0 2 * * *", "every_s": None,
            "timezone": "Europe/Prague", "state": "active",
        }
    ]  # fmt: skip


def test_another_time_changes_the_schedule_and_makes_no_version(engine):
    engine.add_workflow(nightly({"cron": "0 2 * * *", "timezone": "Europe/Prague"}))

    again = engine.add_workflow(nightly({"every_s": 60}))

    assert (again.version, again.is_new) == (1, False)
    assert [(s["cron"], s["every_s"], s["timezone"]) for s in schedules(engine)] == [
        (None, 60, "UTC")
    ]


def test_the_same_file_again_changes_nothing_of_a_schedule(engine):
    file = nightly({"every_s": 60, "overlap": "skip"})
    engine.add_workflow(file)
    before = engine.schedules().items[0]

    engine.add_workflow(file)

    assert engine.schedules().items[0] == before


def test_what_a_file_does_not_change_is_left_alone_so_an_interval_goes_on(engine):
    engine.add_workflow(nightly({"every_s": 86_400}))
    (before,) = engine.schedules().items

    engine.add_workflow(nightly({"every_s": 86_400, "overlap": "queue_one"}))

    (after,) = engine.schedules().items
    assert (after["overlap"], after["revision"]) == ("queue_one", 2)
    assert after["next_at"] == before["next_at"]


def test_what_a_file_no_longer_says_of_catching_up_is_as_if_it_never_had(engine):
    engine.add_workflow(nightly({"every_s": 60, "catch_up": {"policy": "all", "max": 3}}))

    engine.add_workflow(nightly({"every_s": 60, "catch_up": {"window_s": 9}}))

    (found,) = engine.schedules().items
    assert found["catch_up"] == {"policy": "latest", "window_s": 9, "max": 100}


def test_a_schedule_that_somebody_paused_stays_so(engine):
    engine.add_workflow(nightly({"every_s": 60}))
    (found,) = engine.schedules().items
    handle = engine.find_schedule(found["key"])
    handle.pause()

    engine.add_workflow(nightly({"every_s": 90}))

    assert [(s["state"], s["every_s"]) for s in schedules(engine)] == [("paused", 90)]


def test_a_file_without_one_leaves_the_schedule_as_it_is(engine):
    engine.add_workflow(nightly({"every_s": 60}))

    engine.add_workflow({"name": "nightly", "tasks": TASKS, "slots": 1})

    assert [s["every_s"] for s in schedules(engine)] == [60]


def test_a_block_may_have_a_key_of_its_own(engine):
    engine.add_workflow(nightly({"every_s": 60, "key": "by-night"}))

    assert [s["key"] for s in schedules(engine)] == ["by-night"]


def test_a_key_of_another_schedule_is_refused(engine):
    engine.create_schedule({"key": "nightly", "every_s": 60, "task": TASKS[0] | {"name": "x"}})

    with pytest.raises(KeyExistsError, match="the key 'nightly' belongs to /api/v1/schedules/"):
        engine.add_workflow(nightly({"every_s": 60}))
    assert engine.workflows() == []


def test_a_schedule_in_its_own_namespace_runs_the_workflow_there(engine):
    engine.create_namespace("team")
    engine.add_workflow(nightly({"every_s": 60}), namespace="team")

    assert schedules_in(engine, "team") == ["nightly"]
    assert schedules_in(engine, "default") == []


def schedules_in(engine, namespace):
    return [item["key"] for item in engine.schedules(namespace=namespace).items]


def test_a_time_that_is_over_is_refused(engine):
    with pytest.raises(InvalidError, match="/schedule/at: is never due: all of it has passed"):
        engine.add_workflow(nightly({"at": "2000-01-01T00:00:00Z"}))
    assert engine.workflows() == []


def test_a_triggered_schedule_runs_the_newest_version(engine):
    engine.add_workflow(nightly({"every_s": 3600}))
    engine.add_workflow(nightly({"every_s": 3600}, slots=1))
    handle = engine.find_schedule("nightly")

    handle.trigger()

    (slot,) = engine.slots(handle.identifier).items
    run = engine.find_run(slot["instance"])
    assert run.wait(30).state == "succeeded"
    assert engine.run(run.identifier)["version"] == 2


def test_a_schedule_block_is_nothing_to_a_run(engine):
    run = engine.run_workflow(nightly({"every_s": 60}))

    assert run.wait(30).state == "succeeded"
    with pytest.raises(NotFoundError):
        engine.find_schedule("nightly")


def told(commits):
    return [sorted(line[2] for line in lines) for lines in commits if lines]


def test_a_version_and_its_schedule_are_one_transaction(engine):
    commits = []
    engine.listen(commits.append)

    engine.add_workflow(nightly({"every_s": 60}))
    engine.add_workflow(nightly({"every_s": 90}, slots=1))
    engine.unlisten(commits.append)

    assert told(commits) == [
        ["schedule.created", "workflow.added"],
        ["schedule.changed", "workflow.added"],
    ]


def test_a_schedule_that_is_refused_leaves_no_version(engine):
    needy = nightly({"every_s": 60}, input_schema={"required": ["day"]})

    with pytest.raises(InvalidError) as refused:
        engine.add_workflow(needy)

    assert all(fault.pointer.startswith("/schedule") for fault in refused.value.faults)
    with pytest.raises(NotFoundError):
        engine.workflow_version("nightly")
    assert schedules(engine) == []


def test_a_version_whose_schedule_was_changed_meanwhile_is_not_kept(engine):
    engine.add_workflow(nightly({"every_s": 60}))
    other = engine.workflow_of(nightly({"every_s": 90}, slots=1))
    stale = engine.arrangement_of(other)
    engine.change_schedule("nightly", {"overlap": "allow"})

    with pytest.raises(ConflictError, match="meanwhile"):
        engine.core.bus.publish(WorkflowAdded("nightly", "ann", "default", "c", "{}", stale))

    assert engine.workflow_version("nightly").version == 1
    assert [s["every_s"] for s in schedules(engine)] == [60]
