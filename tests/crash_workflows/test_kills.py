"""Kill the engine with -9 while workflows run, and check what is left of them."""

import os
import shutil

import pytest
from crash import lanes
from crash.campaign import new_seed
from crash.nest import Nest
from crash_workflows.campaign import KEEPER, Life
from simulation.violation import ViolationError

KILLS = int(os.environ.get("TIPMAN_TEST_WORKFLOW_KILLS", "200"))
KILL_S_MAX = 6
ROUNDS_MAX = 50
LIVES_S = 2.0
CONTROLS = {
    "leftovers_in_memory": ("commit.after", "was told|is not|works, and nothing|waits for a run"),
    "effects_before_commit": ("commit.before", "is not in the log"),
}


@pytest.mark.timeout(120 + KILLS * KILL_S_MAX)
def test_runs_lose_nothing_and_do_nothing_twice_over_many_kills(record_property):
    seed = os.environ.get("TIPMAN_TEST_SEED") or new_seed()

    outcome = lanes.run(KILLS, seed, KEEPER, Life)

    record_property("campaign", str(outcome))
    print(outcome)  # noqa: T201 - shown with -s, and whenever it fails
    assert not outcome.found, str(outcome)
    assert outcome.kills == KILLS
    assert outcome.seen["runs succeeded"] > 0


@pytest.fixture
def life():
    nest = Nest(KEEPER)
    life = Life("control", nest)
    yield life
    nest.close()
    shutil.rmtree(life.folder)


def die_often(life, **orders):
    for number in range(ROUNDS_MAX):
        life.die(within_s=LIVES_S, nth=3 + 5 * (number % 10), **orders)


@pytest.mark.parametrize("sabotage", CONTROLS)
def test_a_protection_that_is_switched_off_is_missed(life, sabotage):
    place, seen = CONTROLS[sabotage]

    with pytest.raises(ViolationError, match=seen):
        die_often(life, sabotage=sabotage, aim=place, drain_events_max=2)
