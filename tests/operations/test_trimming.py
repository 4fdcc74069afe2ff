"""Trimming: a schedule that goes on forgets what it decided long ago, and stays whole."""

import pytest
from core.house import ACTOR, PLAIN
from schedules.house import Timehouse
from tipman import trimming
from tipman.events import BackfillRequested, ScheduleDeleted
from tipman.schedules.backfills import Backfill
from tipman.verification import verify

TURN_S = 60
OFTEN = {"every_s": TURN_S, "overlap": "allow", "task": PLAIN}
_KEPT = "SELECT count(*) FROM kept WHERE kind = 'trimmed'"


@pytest.fixture
def house(url, tmp_path):
    opened = Timehouse(url, home=tmp_path / "home", retention_days=4 * TURN_S / 86_400)
    yield opened
    opened.close()


def live(house, count):
    """Let every run end as soon as it begins."""
    for _ in range(count):
        house.advance(TURN_S)
        for identifier in list(house.hand.open):
            house.succeed(identifier)


def whole(house):
    return verify(house.reader).is_whole


def turns(house, schedule):
    """Return the numbers of the slots that are left."""
    return [round(due / TURN_S) for due, *_ in house.decisions(schedule)]


def numbers(house, schedule):
    return [line["seq"] for line in house.log(schedule)]


def test_what_was_decided_long_ago_goes_with_its_runs(house):
    schedule = house.schedule(**OFTEN)
    live(house, 12)
    last = numbers(house, schedule)[-1]

    done = house.core.retention.prune()

    assert turns(house, schedule) == [*range(8, 13)]
    assert done.rows["slots"] == 7
    left = numbers(house, schedule)
    assert (left[0] > 1, left[-1]) == (True, last)
    assert left == [*range(left[0], last + 1)]
    assert whole(house)


def test_what_is_left_goes_on_and_is_trimmed_again(house):
    schedule = house.schedule(**OFTEN)
    for _ in range(3):
        live(house, 8)
        house.core.retention.prune()
        assert whole(house)

    house.crash()
    live(house, 2)

    assert turns(house, schedule) == [*range(20, 27)]
    assert whole(house)


def test_a_long_past_goes_in_parts_and_others_get_a_turn_between(house, monkeypatch):
    monkeypatch.setattr(trimming, "ROWS_MAX", 7)
    monkeypatch.setattr(trimming, "AT_ONCE", 2)
    schedules = [house.schedule(**OFTEN) for _ in range(5)]
    live(house, 12)

    house.core.retention.prune()

    assert {tuple(turns(house, each)) for each in schedules} == {tuple(range(8, 13))}
    assert whole(house)


def test_a_run_that_is_open_keeps_its_slot(house):
    schedule = house.schedule(**OFTEN)
    house.advance(TURN_S)
    (first,) = house.hand.open
    for _ in range(11):
        house.advance(TURN_S)
        for identifier in house.hand.open.keys() - {first}:
            house.succeed(identifier)

    house.core.retention.prune()

    assert turns(house, schedule) == [1, *range(8, 13)]
    house.succeed(first)
    assert whole(house)


def test_what_is_due_seldom_keeps_its_last_line(house):
    schedule = house.schedule(every_s=10 * TURN_S, task=PLAIN)
    house.advance(9 * TURN_S)

    house.core.retention.prune()

    assert house.names(schedule) == ["schedule.created"]
    assert whole(house)


def test_a_preview_says_how_much_would_go_and_removes_nothing(house):
    schedule = house.schedule(**OFTEN)
    live(house, 12)
    before = turns(house, schedule)

    preview = house.core.retention.preview()

    assert turns(house, schedule) == before
    done = house.core.retention.prune()
    assert {what: n for what, n in done.rows.items() if n} == preview.rows


def test_a_backfill_of_what_is_missing_does_not_do_again_what_was_forgotten(house):
    schedule = house.schedule(**OFTEN)
    live(house, 12)
    house.core.retention.prune()
    now = house.clock.wall_us()

    def filled(what):
        event = Backfill(now - 12 * TURN_S * 10**6, now, what, "forwards", 100)
        before = len(house.slots(schedule))
        house.publish(BackfillRequested(schedule, ACTOR, event))
        return len(house.slots(schedule)) - before

    assert filled("missing") == 0
    assert filled("failed") == 0
    assert filled("all") == 11


def test_a_schedule_that_ended_goes_with_all_that_is_known_of_it(house):
    schedule = house.schedule(**OFTEN)
    live(house, 12)
    house.core.retention.prune()
    assert house.reader.fetch(_KEPT)[0][0] == 1
    house.publish(ScheduleDeleted(schedule, ACTOR))

    house.advance(8 * TURN_S)
    house.succeed(house.task())
    house.core.retention.prune()

    assert not house.is_known(schedule)
    assert house.reader.fetch(_KEPT)[0][0] == 0
    assert whole(house)


def test_without_its_anchor_a_trimmed_log_is_no_whole_one(house):
    house.schedule(**OFTEN)
    live(house, 12)
    house.core.retention.prune()

    house.core.database.execute("DELETE FROM kept WHERE kind = 'trimmed'")

    assert not whole(house)
