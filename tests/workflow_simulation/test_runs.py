"""Random graphs under random rules, outcomes, requests and crashes: every run comes to its end."""

import re

import pytest
from simulation.campaign import folder_in_memory
from simulation.seeds import failures
from simulation.violation import ViolationError
from workflow_simulation import controls
from workflow_simulation.campaign import SEEDS, Campaign, failed
from workflow_simulation.plan import plan_of

CONTROL_SEEDS = 400


@pytest.fixture
def memory():
    with folder_in_memory() as folder:
        yield folder


@pytest.mark.timeout(3600)
def test_every_run_does_what_its_workflow_says_and_settles_or_names_who_must_decide():
    found = failures(failed)

    assert not found, found


def test_the_same_seed_gives_the_same_rows_and_the_same_log(memory):
    campaign = Campaign(memory)

    for seed in range(10):
        assert campaign.run(plan_of(seed)) == campaign.run(plan_of(seed)), f"seed {seed}"


@pytest.mark.parametrize("make_world", controls.ALL, ids=lambda world: world.__name__)
def test_a_protection_that_is_switched_off_is_missed(memory, make_world):
    whole, without = Campaign(memory), Campaign(memory, make_world)

    caught = (
        failure
        for plan in map(plan_of, range(CONTROL_SEEDS))
        if (failure := without.failure(plan)) is not None and whole.failure(plan) is None
    )

    assert isinstance(next(caught, None), ViolationError)


def test_a_plan_that_fails_is_shown_with_a_command_that_repeats_it(memory, monkeypatch):
    campaign = Campaign(memory, controls.LosingDecrements)
    plan, failure = next(
        (plan, failure)
        for plan in map(plan_of, range(CONTROL_SEEDS))
        if (failure := campaign.failure(plan)) is not None
    )

    shown = SEEDS.explained(campaign, plan, failure)

    for name, value in re.findall(r"(TIPMAN_TEST_\w+)=(\S+)", shown):
        monkeypatch.setenv(name, value)
    (repeated,) = SEEDS.plans()
    assert campaign.failure(repeated) is not None
    assert len(repeated.steps) < len(plan.steps)
