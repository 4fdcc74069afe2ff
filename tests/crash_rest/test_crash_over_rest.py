"""Kill the server with -9, again and again, and check from outside what is left."""

import os

import pytest
from binary.conftest import BUILDING_S
from crash import campaign
from crash_rest.campaign import FORKED, SOURCE, of_program

KILLS = int(os.environ.get("TIPMAN_TEST_KILLS", "200"))
FORKED_SHARE, SOURCE_SHARE, PROGRAM_SHARE = 0.84, 0.08, 0.08
KILLS_A_SECOND_MIN = 0.25
BEYOND_KILLS_S = 120


def check(course, share, record_property):
    seed = os.environ.get("TIPMAN_TEST_SEED") or campaign.new_seed()
    kills = round(KILLS * share)

    outcome = campaign.run(kills, seed, course)

    record_property("campaign", str(outcome))
    print(outcome)  # noqa: T201 - shown with -s, and whenever it fails
    assert not outcome.found, str(outcome)
    assert outcome.kills.total() == kills
    assert outcome.acknowledged > kills


@pytest.mark.timeout(BEYOND_KILLS_S + KILLS * FORKED_SHARE / KILLS_A_SECOND_MIN)
def test_nothing_acknowledged_is_lost_over_many_kills(record_property):
    check(FORKED, FORKED_SHARE, record_property)


@pytest.mark.timeout(BEYOND_KILLS_S + KILLS * SOURCE_SHARE / KILLS_A_SECOND_MIN)
def test_nothing_acknowledged_is_lost_by_a_server_started_from_the_source(record_property):
    check(SOURCE, SOURCE_SHARE, record_property)


@pytest.mark.timeout(BUILDING_S + BEYOND_KILLS_S + KILLS * PROGRAM_SHARE / KILLS_A_SECOND_MIN)
def test_nothing_acknowledged_is_lost_by_the_single_program(built, record_property):
    check(of_program(built["file"]), PROGRAM_SHARE, record_property)
