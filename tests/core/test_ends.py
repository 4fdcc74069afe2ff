"""Every way an attempt can end, in every state that a running task can be in."""

from contextlib import closing

import pytest
from core.house import House
from storage.databases import new_url
from tipman.events import StopReason

DELAYED = {"retry": {"attempts_max": 2, "delay_s": 100}}
AT_ONCE = {"retry": {"attempts_max": 2, "delay_s": 0}}


def executing(house, fields):
    return house.task(timeout_s=5, **fields)


def finishing(house, fields):
    identifier = executing(house, fields)
    house.suspend(identifier)
    return identifier


def parking(house, fields):
    identifier = executing(house, fields)
    house.suspend(identifier, {"in_flight": "stop"})
    return identifier


def ending(house, fields):
    identifier = executing(house, fields)
    house.advance(5)
    return identifier


def cancelling(house, fields):
    identifier = executing(house, fields)
    house.cancel(identifier)
    return identifier


def succeed(house, identifier):
    house.succeed(identifier)


def fail(house, identifier):
    house.fail(identifier)


def time_out(house, identifier):
    house.time_out(identifier)


def interrupt(house, identifier):
    house.interrupt(identifier, StopReason.INTERRUPTED)


def lose(house, _):
    house.crash()


GOES_ON = {"executing": "executing", "ending": "executing", "finishing": "suspended",
           "parking": "suspended"}  # fmt: skip
BACKS_OFF = {**GOES_ON, "executing": "backing_off", "ending": "backing_off"}
ENDS = {
    "succeeds": (succeed, {}, {}, "succeeded"),
    "fails for good": (fail, {}, {}, "failed"),
    "fails and is retried later": (fail, DELAYED, {}, BACKS_OFF),
    "fails and is retried at once": (fail, AT_ONCE, {}, GOES_ON),
    "times out for good": (time_out, {}, {}, "failed"),
    "times out and is retried later": (time_out, DELAYED, {}, BACKS_OFF),
    "times out and is retried at once": (time_out, AT_ONCE, {}, GOES_ON),
    "is interrupted": (interrupt, {}, {}, GOES_ON),
    "is lost": (lose, {}, {}, GOES_ON),
    "is lost once too often": (lose, {}, {"lost_max": 1}, "abandoned"),
    "is lost and must fail then": (lose, {"on_lost": "fail"}, {}, "failed"),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("state", [executing, finishing, parking, ending, cancelling])
def test_an_attempt_ends_where_the_state_of_its_task_leads(tmp_path, state, end):
    ends, fields, settings, expected = ENDS[end]
    if not isinstance(expected, str):
        expected = expected.get(state.__name__)
    if state is cancelling:
        expected = "cancelled"
    with closing(House(new_url("sqlite", tmp_path), **settings)) as house:
        identifier = state(house, fields)
        assert house.configuration(identifier) == state.__name__

        ends(house, identifier)

        assert house.configuration(identifier) == expected
        assert len(house.attempts(identifier)) == 1
        assert house.core.frontier.slots_taken == (expected == "executing")
        settled = house.names(identifier).count("task.settled")
        assert settled == house.view(identifier)["settled"]
        assert (house.view(identifier)["attempt"] == 2) == (expected == "executing")
