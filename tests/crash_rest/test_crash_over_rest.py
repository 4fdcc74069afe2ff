"""Kill the server with -9, again and again, and check from outside what is left."""

import os

import pytest
from crash import campaign
from crash_rest.campaign import FORKED, PROGRAM, SOURCE
from crash_rest.servers import PROGRAM as PROGRAM_FILE

KILLS = int(os.environ.get("TIPMAN_TEST_KILLS", "200"))
SHARES = {"forked": (FORKED, 0.84), "source": (SOURCE, 0.08), "program": (PROGRAM, 0.08)}
KILLS_A_SECOND_MIN = 0.25
BEYOND_KILLS_S = 120


@pytest.mark.timeout(BEYOND_KILLS_S + KILLS / KILLS_A_SECOND_MIN)
@pytest.mark.parametrize("name", SHARES)
def test_nothing_acknowledged_over_rest_is_lost_over_many_kills(name, record_property):
    course, share = SHARES[name]
    if course is PROGRAM and not PROGRAM_FILE.exists():
        pytest.skip("`make binary` has not been run")
    seed = os.environ.get("TIPMAN_TEST_SEED") or campaign.new_seed()
    kills = round(KILLS * share)

    outcome = campaign.run(kills, seed, course)

    record_property("campaign", str(outcome))
    print(outcome)  # noqa: T201 - shown with -s, and whenever it fails
    assert not outcome.found, str(outcome)
    assert outcome.kills.total() == kills
    assert outcome.acknowledged > kills
