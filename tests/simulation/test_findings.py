"""What the simulation has found, each by the shortest way to it."""

import pytest
from simulation.campaign import Campaign, folder_in_memory
from simulation.plan import plan_of
from simulation.world import World
from tipman.definitions import task_of
from tipman.events import (
    AttemptFailed,
    AttemptInterrupted,
    CancelRequested,
    Failure,
    ResumeRequested,
    RetryRequested,
    SuspendRequested,
)
from tipman.frontier import Entry, Frontier


@pytest.fixture
def world():
    with folder_in_memory() as folder:
        campaign = Campaign(folder)
        (folder / "life").mkdir()
        world = World(plan_of(0).only(()), folder / "life", campaign.template)
        yield world
        world.abandon()


def submit(world, **dependencies):
    """Hand in one batch of tasks, whom each waits for by its key; return their ids."""
    tasks = [
        task_of(
            {
                "key": key,
                "type": "sleep",
                "arguments": {"duration_s": 1},
                "dependencies": list(needs),
            }
        )
        for key, needs in dependencies.items()
    ]
    event = world.submitter.batch(tasks, actor="test")
    world.submit(event)
    world.look()
    return [submission.instance for submission in event.submissions]


def ask(world, kind, instance, data=None):
    world.publish(kind(instance, "test", data))
    world.look()


def fail(world, instance):
    number, execution = next(
        item for item in world.executions.open.items() if item[0][0] == instance
    )
    del world.executions.open[number]
    world.report(AttemptFailed(*number, execution.effect.epoch, Failure("exception", "it raised")))
    world.look()


def succeed(world):
    while world.executions.attached:
        world.succeed(world.executions.attached[0])
        world.look()


def test_tasks_of_a_batch_that_wait_for_one_that_is_skipped_at_once_are_skipped_too(world):
    (first,) = submit(world, first=())
    fail(world, first)

    submit(world, skipped=["first"], later=["skipped"], last=["skipped", "later"])

    assert sorted(world.states().values()) == ["failed", "skipped", "skipped", "skipped"]


def test_a_skipped_diamond_that_reopens_waits_once_for_each_of_its_corners(world):
    (top, *_) = submit(world, top=(), left=["top"], right=["left"], bottom=["left", "right"])
    fail(world, top)

    ask(world, RetryRequested, top)
    succeed(world)

    assert set(world.states().values()) == {"succeeded"}


def test_a_task_stays_skipped_until_all_that_failed_has_been_tried_again(world):
    one, other, both = submit(world, one=(), other=(), both=["one", "other"])
    fail(world, one)
    fail(world, other)

    ask(world, RetryRequested, one)
    succeed(world)

    assert world.states()[both] == "skipped"
    ask(world, RetryRequested, other)
    succeed(world)
    assert set(world.states().values()) == {"succeeded"}


@pytest.mark.parametrize("earlier", [SuspendRequested, CancelRequested])
@pytest.mark.parametrize("in_flight", ["finish", "stop"])
def test_a_task_whose_attempt_is_being_ended_is_not_suspended_before_it_has(
    world, earlier, in_flight
):
    (task,) = submit(world, task=())

    ask(world, earlier, task)
    ask(world, SuspendRequested, task, {"in_flight": in_flight})

    assert world.states()[task] == "running"


def test_a_suspended_task_that_is_resumed_runs_in_one_attempt(world):
    (task,) = submit(world, task=())
    ask(world, SuspendRequested, task, {"in_flight": "stop"})
    ((number, execution),) = world.executions.open.items()
    del world.executions.open[number]
    world.report(AttemptInterrupted(*number, execution.effect.epoch, execution.stop.reason))
    world.look()

    ask(world, ResumeRequested, task)

    assert list(world.executions.open) == [(task, 2)]


def test_a_task_queued_again_after_the_clock_was_set_back_has_the_age_of_its_row():
    frontier = Frontier(1, {})
    frontier.push(Entry(0, 100, b"again", "default", None, "default"))
    frontier.remove(b"again", 100)
    frontier.push(Entry(0, 70, b"other", "default", None, "default"))

    frontier.push(Entry(0, 50, b"again", "default", None, "default"))

    assert frontier.pop().instance == b"again"
