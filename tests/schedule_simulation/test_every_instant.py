"""Schedules under crashes, sleep and set clocks: every instant decided once, and not early."""

import os
import re

import pytest
from schedule_simulation import controls
from schedule_simulation.campaign import SEEDS, Campaign, failed
from schedule_simulation.plan import long_plan_of, plan_of
from simulation.campaign import folder_in_memory
from simulation.seeds import failures
from simulation.violation import ViolationError

CONTROL_SEEDS = 200
YEARS = int(os.environ.get("TIPMAN_TEST_SCHEDULE_YEARS", "0"))


@pytest.fixture
def memory():
    with folder_in_memory() as folder:
        yield folder


@pytest.mark.timeout(7200)
def test_each_due_instant_has_one_decision_whatever_happens():
    found = failures(failed)

    assert not found, found


@pytest.mark.timeout(7200)
@pytest.mark.skipif(not YEARS, reason="takes some minutes: TIPMAN_TEST_SCHEDULE_YEARS")
def test_each_due_instant_has_one_decision_over_years(tmp_path):
    campaign = Campaign(tmp_path)

    failure = campaign.failure(long_plan_of(YEARS, schedules=1_000, days=365 * YEARS))

    assert failure is None, str(failure)


def test_the_same_seed_gives_the_same_rows_and_the_same_log(memory):
    campaign = Campaign(memory)

    for seed in range(5):
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


def test_without_the_key_an_instant_is_seen_to_be_decided_twice(memory):
    campaign = Campaign(memory, controls.WithoutTheKey)

    ends = map(campaign.failure, map(plan_of, range(CONTROL_SEEDS)))

    assert any("decided twice" in str(failure) for failure in ends)


def test_a_plan_that_fails_is_shown_with_a_command_that_repeats_it(memory, monkeypatch):
    campaign = Campaign(memory, controls.ForgettingRuns)
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
