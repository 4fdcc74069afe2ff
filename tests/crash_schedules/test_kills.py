"""Kill the engine with -9 while 200 schedules fire every second, and check what is left."""

import os
import shutil

import pytest
from crash import lanes
from crash.campaign import new_seed
from crash.nest import Nest
from crash_schedules.campaign import KEEPER, Life
from simulation.violation import ViolationError

KILLS = int(os.environ.get("TIPMAN_TEST_SCHEDULE_KILLS", "20"))
KILL_S_MAX = 6
ROUNDS_MAX = 30
LIVES_S = 4.0
CONTROLS = {
    "arm_later": ("arm.before", "decided twice"),
    "effects_before_commit": ("commit.before", "not submitted by any slot"),
}


@pytest.mark.timeout(120 + KILLS * KILL_S_MAX)
def test_each_instant_has_one_decision_over_many_kills(record_property):
    seed = os.environ.get("TIPMAN_TEST_SEED") or new_seed()

    outcome = lanes.run(KILLS, seed, KEEPER, Life)

    record_property("campaign", str(outcome))
    print(outcome)  # noqa: T201 - shown with -s, and whenever it fails
    assert not outcome.found, str(outcome)
    assert outcome.kills == KILLS
    assert outcome.seen["run"] > KILLS


def die_often(life, **orders):
    for number in range(ROUNDS_MAX):
        life.die(within_s=LIVES_S, nth=1 + number, **orders)


@pytest.fixture
def life():
    nest = Nest(KEEPER)
    life = Life("control", nest)
    yield life
    nest.close()
    shutil.rmtree(life.folder)


@pytest.mark.parametrize("sabotage", CONTROLS)
def test_a_protection_that_is_switched_off_is_missed(life, sabotage):
    place, seen = CONTROLS[sabotage]
    # The schedules are made first, and their engine dies of nothing that is aimed.
    life.die(within_s=LIVES_S)

    with pytest.raises(ViolationError, match=seen):
        die_often(life, sabotage=sabotage, aim=place)
