"""Kill the engine with -9, again and again, and check from outside what is left."""

import os

import pytest
from crash import campaign

KILLS = int(os.environ.get("TIPMAN_TEST_KILLS", "200"))
KILLS_A_SECOND_MIN = 0.5
BEYOND_KILLS_S = 120


@pytest.mark.timeout(BEYOND_KILLS_S + KILLS / KILLS_A_SECOND_MIN)
def test_nothing_acknowledged_is_lost_and_nothing_runs_twice_over_many_kills(record_property):
    seed = os.environ.get("TIPMAN_TEST_SEED") or campaign.new_seed()

    outcome = campaign.run(KILLS, seed)

    record_property("campaign", str(outcome))
    print(outcome)  # noqa: T201 - shown with -s, and whenever it fails
    assert not outcome.found, str(outcome)
    assert outcome.kills.total() == KILLS
    assert outcome.acknowledged > KILLS
