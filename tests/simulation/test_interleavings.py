"""Seeded interleavings of the core, its clients, its executors, its clock and its deaths."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from simulation import controls
from simulation.campaign import Campaign, folder_in_memory
from simulation.interleavings import SEEDS, failed
from simulation.plan import plan_of
from simulation.seeds import failures
from simulation.violation import ViolationError

TESTS = Path(__file__).parent.parent
TWICE = range(30)
CONTROL_SEEDS = 400


@pytest.fixture
def memory():
    with folder_in_memory() as folder:
        yield folder


@pytest.mark.timeout(3600)
def test_every_promise_holds_in_every_interleaving_with_crashes():
    found = failures(failed)

    assert not found, found


def test_the_same_seed_gives_the_same_rows_and_the_same_log(memory):
    campaign = Campaign(memory)

    for seed in TWICE:
        assert campaign.run(plan_of(seed)) == campaign.run(plan_of(seed)), f"seed {seed}"


def test_the_same_seed_gives_the_same_log_in_another_process():
    seeds = [str(seed) for seed in TWICE[:10]]

    digests = {hash_seed: _digests(seeds, hash_seed) for hash_seed in ("0", "1", "4242")}

    assert len(set(digests.values())) == 1
    assert len(digests["0"].split()) == len(seeds)


def _digests(seeds, hash_seed):
    """Run seeds in an interpreter in which strings hash to other numbers."""
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    run = subprocess.run(
        [sys.executable, "-m", "simulation.digests", *seeds],
        env=environment, cwd=TESTS, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return run.stdout


def test_seeds_differ_in_what_happens(memory):
    campaign = Campaign(memory)

    digests = {campaign.run(plan_of(seed)) for seed in range(20)}

    # Two in which everything was lost may be the same.
    assert len(digests) > 15


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
    campaign = Campaign(memory, controls.WithoutQueueLimits)
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
