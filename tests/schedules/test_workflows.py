"""Schedules of workflows: each of their slots is a run."""

import pytest
from schedules.house import Timehouse
from tipman.definitions import workflow_of
from tipman.definitions.contents import kept
from tipman.ids import text_of
from tipman.registrations import NamespaceChanged, WorkflowAdded, WorkflowRetired
from tipman.runs import views
from tipman.schedules import views as schedule_views

FLOW = {
    "name": "flow",
    "input": {"day": "today"},
    "input_schema": {"type": "object", "properties": {"day": {"type": "string"}}},
    "tasks": [
        {"name": "a", "type": "exec", "arguments": "true"},
        {"name": "b", "type": "exec", "arguments": "true", "dependencies": ["a"]},
    ],
}
EVERY_MINUTE = {"every_s": 60, "task": None, "workflow": "flow"}


@pytest.fixture
def house(build):
    """A house that knows a workflow."""
    house = build()
    add(house)
    return house


@pytest.fixture
def build(tmp_path):
    made = []

    def make(**settings):
        made.append(Timehouse(f"sqlite:///{tmp_path / 'tipman.db'}", **settings))
        return made[-1]

    yield make
    for house in made:
        assert house.failure is None
        house.close()


def add(house, **changes):
    source, content = kept(workflow_of({**FLOW, **changes}, default_name=""))
    house.publish(WorkflowAdded("flow", "tester", "default", content, source))


def runs(house, schedule):
    return [slot["instance"] for slot in house.slots(schedule) if slot["decision"] == "run"]


def tasks(house, run):
    rows = house.reader.fetch("SELECT name, id FROM instance WHERE run = ? ORDER BY id", (run,))
    return {name: bytes(identifier) for name, identifier in rows}


def end(house, run, *, fails=()):
    """End a run's tasks, one after the other."""
    for name, task in tasks(house, run).items():
        if house.state(task) == "running":
            (house.fail if name in fails else house.succeed)(task)


def test_a_slot_of_a_workflow_is_a_run_of_its_newest_version(house):
    schedule = house.schedule(**EVERY_MINUTE, input={"day": "monday"})
    add(house, slots=2)

    house.advance(60)

    (run,) = runs(house, schedule)
    rows = house.reader.fetch("SELECT version, input FROM workflow_run WHERE id = ?", (run,))
    assert rows == [(2, '{"day":"monday"}')]
    assert house.state(run) == "running"
    assert house.state(schedule) == "active"
    assert house.leaf(schedule) == "running"


def test_a_schedule_is_idle_again_when_its_run_has_settled(house):
    schedule = house.schedule(**EVERY_MINUTE)
    house.advance(60)
    (run,) = runs(house, schedule)

    end(house, run)

    assert house.state(run) == "succeeded"
    assert house.leaf(schedule) == "idle"


def test_a_run_that_is_still_open_blocks_the_next(house):
    schedule = house.schedule(**EVERY_MINUTE)
    house.advance(60)

    house.advance(60)

    _, second = house.slots(schedule)
    assert (second["decision"], second["reason"]) == ("skipped", "overlap")
    assert second["blocking"] == runs(house, schedule)[0]


def test_a_run_waits_for_its_turn_and_nothing_of_it_starts(house):
    schedule = house.schedule(**EVERY_MINUTE, overlap="queue_one")
    house.advance(60)
    house.advance(60)
    first, second = runs(house, schedule)
    assert house.state(second) == "suspended"
    assert {house.state(task) for task in tasks(house, second).values()} == {"suspended"}

    end(house, first)

    assert house.state(second) == "running"
    end(house, second)
    assert house.state(second) == "succeeded"


def test_a_run_waits_for_its_turn_across_a_crash(house):
    schedule = house.schedule(**EVERY_MINUTE, overlap="queue_all")
    house.advance(60)
    house.advance(60)
    house.crash()
    first, second = runs(house, schedule)
    assert house.state(second) == "suspended"

    end(house, first)
    assert house.state(second) == "running"
    end(house, second)

    assert house.states(first, second) == ["succeeded", "succeeded"]
    assert house.leaf(schedule) == "idle"


def test_a_newer_run_takes_the_place_of_one_that_waits(house):
    schedule = house.schedule(**EVERY_MINUTE, overlap="latest")
    for _ in range(3):
        house.advance(60)

    _, second, third = house.slots(schedule)
    assert (second["decision"], second["reason"]) == ("skipped", "superseded")
    assert house.state(second["instance"]) == "cancelled"
    assert house.state(third["instance"]) == "suspended"


def test_a_run_that_is_in_the_way_is_cancelled(house):
    schedule = house.schedule(**EVERY_MINUTE, overlap="cancel_running")
    house.advance(60)
    house.advance(60)
    first, second = runs(house, schedule)
    assert house.hand.stops

    for task in tasks(house, first).values():
        if house.state(task) == "running":
            house.interrupt(task, house.hand.stops[0].reason)

    assert house.states(first, second) == ["cancelled", "running"]


def test_a_run_counts_as_a_failure_and_pauses_its_schedule(house):
    schedule = house.schedule(**EVERY_MINUTE, pause_after_failures=1)
    house.advance(60)

    end(house, runs(house, schedule)[0], fails=("a",))

    assert house.state(schedule) == "paused"


def test_a_run_that_is_tried_again_is_open_again(house):
    schedule = house.schedule(**EVERY_MINUTE)
    house.advance(60)
    (run,) = runs(house, schedule)
    end(house, run, fails=("a",))
    assert house.leaf(schedule) == "idle"

    house.retry(run)

    assert house.leaf(schedule) == "running"


def test_what_is_retired_leaves_its_instants_out(house):
    schedule = house.schedule(**EVERY_MINUTE)
    house.publish(WorkflowRetired("flow", "tester", "default", None))

    house.advance(60)

    assert house.decisions(schedule) == [(60, "skipped", "orphaned")]


def test_an_input_that_the_newest_version_refuses_leaves_its_instants_out(house):
    schedule = house.schedule(**EVERY_MINUTE, input={"day": "monday"})
    schema = {"type": "object", "properties": {"day": {"type": "integer"}}}
    add(house, input={"day": 1}, input_schema=schema)

    house.advance(60)

    assert house.decisions(schedule) == [(60, "skipped", "invalid_input")]


def test_a_version_that_is_named_stays_the_one_that_runs(house):
    schedule = house.schedule(**{**EVERY_MINUTE, "workflow": "flow@1"})
    add(house, slots=2)

    house.advance(60)

    (run,) = runs(house, schedule)
    assert house.reader.fetch("SELECT version FROM workflow_run WHERE id = ?", (run,)) == [(1,)]


def test_tasks_of_a_run_know_when_it_was_due(house):
    house.schedule(**EVERY_MINUTE)

    house.advance(60)

    assert house.hand.started[0].env["TIPMAN_DUE_AT"] == "2023-11-14T22:14:20.000000Z"


def test_a_run_that_waits_says_for_what_and_one_that_was_superseded_by_what(house):
    schedule = house.schedule(**EVERY_MINUTE, overlap="latest")
    for _ in range(3):
        house.advance(60)
    _, second, third = (slot["instance"] for slot in house.slots(schedule))

    waits = views.waits_of(house.reader, third, limit=10)
    error = views.view(house.reader, second)["error"]

    assert [reason["kind"] for reason in waits.reasons] == ["schedule"]
    assert (waits.tasks, waits.total) == ([], 0)
    assert (error["code"], error["cause"]) == ("superseded", f"/api/v1/runs/{text_of(third)}")


def test_a_run_that_was_cancelled_before_its_turn_runs_at_once_when_it_is_tried_again(house):
    schedule = house.schedule(**EVERY_MINUTE, overlap="queue_one")
    house.advance(60)
    house.advance(60)
    first, second = runs(house, schedule)
    house.cancel(second)
    assert house.state(second) == "cancelled"

    house.retry(second)

    assert house.states(first, second) == ["running", "running"]
    end(house, second)
    assert house.state(second) == "succeeded"


def test_a_run_that_somebody_lets_go_on_does_not_wait_for_its_turn(house):
    schedule = house.schedule(**EVERY_MINUTE, overlap="queue_one")
    house.advance(60)
    house.advance(60)
    first, second = runs(house, schedule)

    house.resume(second)

    assert house.state(second) == "running"
    end(house, first)
    assert house.state(second) == "running"
    end(house, second)
    assert house.leaf(schedule) == "idle"


def test_a_quota_leaves_out_what_has_no_room(build):
    house = build()
    add(house)
    house.publish(NamespaceChanged("default", "tester", {"open_tasks_max": 1}))
    schedule = house.schedule(**EVERY_MINUTE)

    house.advance(60)

    assert house.decisions(schedule) == [(60, "skipped", "quota")]


def test_what_was_due_while_nobody_was_there_is_caught_up_by_runs(house):
    schedule = house.schedule(**EVERY_MINUTE, overlap="queue_all", catch_up={"policy": "all"})
    house.clock.advance(180)

    house.crash()

    assert len(runs(house, schedule)) == 3
    for run in runs(house, schedule):
        end(house, run)
    assert {house.state(run) for run in runs(house, schedule)} == {"succeeded"}


def test_explain_names_the_open_run_of_a_schedule(house):
    schedule = house.schedule(**EVERY_MINUTE)
    house.advance(60)

    found = schedule_views.stored(house.reader, schedule)
    open_ = schedule_views.open_runs(house.reader, [schedule])[schedule]
    waiting = schedule_views.explain(found, open_, is_orphan=False)["waiting_for"]

    uri = f"/api/v1/runs/{text_of(runs(house, schedule)[0])}"
    assert [(each["kind"], each["uri"]) for each in waiting[1:]] == [("run", uri)]
