"""Kill the engine with -9 while 200 schedules fire every second, and check what is left."""

import os

import pytest
from crash.campaign import new_seed
from crash_schedules import campaign

KILLS = int(os.environ.get("TIPMAN_TEST_SCHEDULE_KILLS", "20"))
KILL_S_MAX = 6


@pytest.mark.timeout(120 + KILLS * KILL_S_MAX)
def test_each_instant_has_one_decision_over_many_kills(record_property):
    seed = os.environ.get("TIPMAN_TEST_SEED") or new_seed()

    outcome = campaign.run(KILLS, seed)

    record_property("campaign", str(outcome))
    print(outcome)  # noqa: T201 - shown with -s, and whenever it fails
    assert not outcome.found, str(outcome)
    assert outcome.kills == KILLS
    assert outcome.slots["run"] > KILLS
