"""Kill the engine with -9 while workflows run, and check what is left of them."""

import os

import pytest
from crash.campaign import new_seed
from crash_workflows import campaign

KILLS = int(os.environ.get("TIPMAN_TEST_WORKFLOW_KILLS", "200"))
KILL_S_MAX = 6


@pytest.mark.timeout(120 + KILLS * KILL_S_MAX)
def test_runs_lose_nothing_and_do_nothing_twice_over_many_kills(record_property):
    seed = os.environ.get("TIPMAN_TEST_SEED") or new_seed()

    outcome = campaign.run(KILLS, seed)

    record_property("campaign", str(outcome))
    print(outcome)  # noqa: T201 - shown with -s, and whenever it fails
    assert not outcome.found, str(outcome)
    assert outcome.kills == KILLS
    assert outcome.ends["runs succeeded"] > 0
