"""Timetables: zones, changing clocks, intervals, windows, exclusions, and what is refused."""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import available_timezones

import pytest
from tipman.errors import InvalidError
from tipman.timetable import LAST_US, jitter_us, timetable_of
from tipman.zones import zone_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US


def at(text):
    """Return an instant written in RFC 3339."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def table_of(**given):
    return timetable_of(**{"anchor_us": 0, **given})


def due(table, start, end):
    """Return what is due in a span with both ends, local and with its note."""
    found = table.between(at(start) - 1, at(end))
    return [(table.local(us), table.note(us)) for us in found]


def test_a_time_that_does_not_exist_is_due_when_the_gap_ends():
    table = table_of(cron="30 2 * * *", timezone="Europe/Prague")

    assert due(table, "2026-03-28T00:00Z", "2026-03-30T12:00Z") == [
        ("2026-03-28T02:30:00+01:00", None),
        ("2026-03-29T03:00:00+02:00", "gap"),
        ("2026-03-30T02:30:00+02:00", None),
    ]


def test_all_times_of_a_gap_are_due_once_together():
    table = table_of(cron="0,15,30 2,3 * * *", timezone="Europe/Prague")

    assert due(table, "2026-03-29T00:00Z", "2026-03-29T12:00Z") == [
        ("2026-03-29T03:00:00+02:00", "gap"),
        ("2026-03-29T03:15:00+02:00", None),
        ("2026-03-29T03:30:00+02:00", None),
    ]


def test_a_time_that_exists_twice_is_due_the_first_time():
    table = table_of(cron="30 2 * * *", timezone="Europe/Prague")

    assert due(table, "2026-10-24T12:00Z", "2026-10-26T12:00Z") == [
        ("2026-10-25T02:30:00+02:00", "fold"),
        ("2026-10-26T02:30:00+01:00", None),
    ]


def test_wildcards_follow_elapsed_time():
    hourly = table_of(cron="30 * * * *", timezone="Europe/Prague")

    assert due(hourly, "2026-03-29T00:00Z", "2026-03-29T02:00Z") == [
        ("2026-03-29T01:30:00+01:00", None),
        ("2026-03-29T03:30:00+02:00", None),
    ]
    assert due(hourly, "2026-10-24T23:45Z", "2026-10-25T02:00Z") == [
        ("2026-10-25T02:30:00+02:00", "fold"),
        ("2026-10-25T02:30:00+01:00", "fold"),
    ]


def test_seconds_do_not_make_a_time_of_the_day_a_wildcard():
    table = table_of(cron="*/30 59 2 * * *", timezone="Europe/Prague")

    assert due(table, "2026-03-29T00:00Z", "2026-03-29T12:00Z") == [
        ("2026-03-29T03:00:00+02:00", "gap")
    ]


def test_half_an_hour_is_enough_of_a_change():
    table = table_of(cron="15 2 * * *", timezone="Australia/Lord_Howe")

    assert due(table, "2026-04-04T00:00Z", "2026-04-05T00:00Z") == [
        ("2026-04-05T02:15:00+10:30", None)
    ]
    assert due(table, "2026-10-03T00:00Z", "2026-10-04T00:00Z") == [
        ("2026-10-04T02:30:00+11:00", "gap")
    ]
    twice = table_of(cron="45 1 * * *", timezone="Australia/Lord_Howe")
    assert due(twice, "2026-04-04T00:00Z", "2026-04-05T00:00Z") == [
        ("2026-04-05T01:45:00+11:00", "fold")
    ]


def test_a_day_that_was_not_is_due_when_the_next_begins():
    table = table_of(cron="0 12 * * *", timezone="Pacific/Apia")

    assert due(table, "2011-12-29T12:00Z", "2012-01-01T12:00Z") == [
        ("2011-12-29T12:00:00-10:00", None),
        ("2011-12-31T00:00:00+14:00", "gap"),
        ("2011-12-31T12:00:00+14:00", None),
        ("2012-01-01T12:00:00+14:00", None),
    ]


def test_an_interval_does_not_drift_over_a_million_turns():
    table = table_of(every_s=0.1, anchor_us=7)

    assert table.next_after(7) == 100_007
    assert table.next_after(-DAY_US) == 100_007
    assert table.next_after(7 + 10**11) == 7 + 10**11 + 100_000
    assert table.previous_before(100_007) is None
    assert table.previous_before(100_008) == 100_007
    assert table.count_between(7, 7 + 10**11) == 10**6
    assert table.note(100_007) is None


def test_every_in_an_expression_is_an_interval():
    assert table_of(cron="@every 1m30s").rule == table_of(every_s=90).rule


def test_an_instant_years_ahead_is_due_once():
    instant = at("2199-01-01T00:00Z")
    table = table_of(at_us=instant, timezone="Europe/Prague")

    assert table.next_after(0) == instant
    assert table.next_after(instant) is None
    assert table.previous_before(instant) is None
    assert table.previous_before(instant + 1) == instant
    assert table.count_between(0, LAST_US) == 1
    assert table.local(instant) == "2199-01-01T01:00:00+01:00"
    assert table.apart_us() is None


def test_the_window_has_its_start_and_not_its_end():
    table = table_of(
        cron="0 0 * * *", starts_at_us=at("2026-01-02T00:00Z"), ends_at_us=at("2026-01-04T00:00Z")
    )

    assert table.next_after(0) == at("2026-01-02T00:00Z")
    assert table.next_after(at("2026-01-02T00:00Z")) == at("2026-01-03T00:00Z")
    assert table.next_after(at("2026-01-03T00:00Z")) is None
    assert table.previous_before(LAST_US) == at("2026-01-03T00:00Z")
    assert table.previous_before(at("2026-01-02T00:00Z")) is None
    assert table.count_between(0, LAST_US) == 2


def test_calendar_time_ends_with_the_year_9998():
    table = table_of(cron="0 0 31 12 *", timezone="Pacific/Kiritimati")
    last = table.previous_before(LAST_US)

    assert table.local(last) == "9998-12-31T00:00:00+14:00"
    assert table.next_after(last) is None
    assert table.next_after(10**30) is None
    assert table.previous_before(10**30) == last
    assert table_of(every_s=86_400).next_after(LAST_US) is None


def test_nothing_is_due_before_1970():
    table = table_of(cron="0 0 * * *")

    assert table.previous_before(0) is None
    assert table.previous_before(-(10**30)) is None
    assert table.next_after(-(10**30)) == 0


def test_excluded_dates_are_those_of_the_zone():
    table = table_of(
        cron="0 */8 * * *",
        timezone="Asia/Tokyo",
        excluded=[date(2026, 12, 24), date(2026, 12, 25)],
    )
    first, last = at("2026-12-24T00:00+09:00"), at("2026-12-25T16:00+09:00")

    assert table.excluded_until(first - 1) is None
    assert table.excluded_until(first) == at("2026-12-26T00:00+09:00")
    assert table.excluded_until(last) == at("2026-12-26T00:00+09:00")
    assert table.excluded_until(at("2026-12-26T00:00+09:00")) is None
    assert table.next_after(first - 1) == first
    assert table.open_after(first - 1) == at("2026-12-26T00:00+09:00")
    assert table.open_before(last + 1) == at("2026-12-23T16:00+09:00")


def test_passing_over_excluded_seconds_is_not_done_one_by_one():
    days = [date(2026, 1, 1) + timedelta(days=day) for day in range(365)]
    table = table_of(cron="* * * * * *", timezone="America/St_Johns", excluded=days)

    found = table.open_after(at("2026-01-01T00:00:00-03:30"))
    assert table.local(found) == "2027-01-01T00:00:00-03:30"
    assert table.local(table.open_before(found)) == "2025-12-31T23:59:59-03:30"


def test_a_date_is_excluded_whatever_its_clocks_do():
    # A minute past midnight the clocks go back by an hour: the 29th is over, and then is not.
    table = table_of(cron="* * * * *", timezone="America/St_Johns", excluded=[date(2006, 10, 28)])
    midnight = at("2006-10-29T00:00-02:30")

    assert table.excluded_until(midnight - 1) == midnight
    assert table.excluded_until(midnight) is None
    assert table.excluded_until(midnight + 60 * SECOND_US) == at("2006-10-29T00:00-03:30")


@pytest.mark.parametrize(
    "given",
    [
        {"cron": "*/7 * * * *"},
        {"cron": "30 1,2 * * *"},
        {"cron": "*/20 1-3 * * * *"},
        {"every_s": 1234.5, "anchor_us": 99},
        {"at_us": 1_790_000_000 * SECOND_US},
    ],
    ids=str,
)
def test_counting_is_walking(given):
    table = table_of(timezone="Europe/Prague", starts_at_us=1_760_000_000 * SECOND_US, **given)
    chance = random.Random(4)

    for _ in range(50):
        start = chance.randrange(1_755_000_000, 1_795_000_000) * SECOND_US + chance.choice((0, 1))
        end = start + chance.randrange(-DAY_US, 5 * DAY_US)
        assert table.count_between(start, end) == len(list(table.between(start, end)))


def test_a_century_of_seconds_is_counted_by_its_days():
    table = table_of(cron="* * * * * *", timezone="Europe/Prague")

    assert table.count_between(0, 36_525 * DAY_US) == 36_525 * 86_400


def test_jitter_is_the_same_every_time_and_spreads():
    spread = [jitter_us(bytes(16), turn * DAY_US, jitter_s=60) for turn in range(1000)]

    assert spread == [jitter_us(bytes(16), turn * DAY_US, jitter_s=60) for turn in range(1000)]
    assert 0 <= min(spread) < 1_000_000
    assert 59_000_000 < max(spread) < 60_000_000
    assert spread[0] != jitter_us(bytes(15) + b"1", 0, jitter_s=60)
    assert jitter_us(bytes(16), -1, jitter_s=0) == 0


@pytest.mark.parametrize(
    ("given", "pointer", "said"),
    [
        ({}, "", "has one of `cron`, `every_s` and `at`"),
        ({"cron": "@daily", "every_s": 5}, "", "has one of"),
        ({"every_s": 0}, "/every_s", "from 0.001 s to"),
        ({"every_s": -5}, "/every_s", "from 0.001 s to"),
        ({"every_s": 1e-9}, "/every_s", "from 0.001 s to"),
        ({"every_s": 1e300}, "/every_s", "a hundred years"),
        ({"every_s": float("nan")}, "/every_s", "finite"),
        ({"every_s": float("inf")}, "/every_s", "finite"),
        ({"cron": "@every 0s"}, "/cron", "from `1ms` to"),
        ({"at_us": LAST_US}, "/at", "the years 1970 to 9998"),
        ({"at_us": -1}, "/at", "the years 1970 to 9998"),
        ({"cron": "@daily", "ends_at_us": LAST_US}, "/ends_at", "the years 1970 to 9998"),
        ({"cron": "@daily", "starts_at_us": 5, "ends_at_us": 5}, "/ends_at", "later than"),
        ({"cron": "@daily", "excluded": range(1001)}, "/exclude", "up to 1,000"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(given, pointer, said):
    with pytest.raises(InvalidError, match=said) as caught:
        table_of(**given)

    assert [fault.pointer for fault in caught.value.faults] == [pointer]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Europe/Prag", "did you mean `Europe/Prague`?"),
        ("europe/prague", "did you mean `Europe/Prague`?"),
        ("Prague", "did you mean `Europe/Prague`?"),
        ("New York", "did you mean `America/New_York`?"),
        ("utc", "did you mean `UTC`?"),
        ("Mars/Olympus_Mons", "write it as in `Europe/Prague`"),
        ("", "write it as in"),
        ("+02:00", "write it as in"),
        ("../etc/passwd", "write it as in"),
        ("/etc/localtime", "unknown time zone"),
        ("Europe", "unknown time zone"),
        ("right/UTC", "unknown time zone"),
        ("localtime", "unknown time zone"),
        ("Europe/Prague\0", "unknown time zone"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_one_most_like_it(name, said):
    with pytest.raises(InvalidError) as caught:
        table_of(cron="@daily", timezone=name)

    assert said in str(caught.value)
    assert [fault.pointer for fault in caught.value.faults] == ["/timezone"]


def test_all_changes_of_all_zones_are_found():
    for name in sorted(available_timezones() - {"Factory", "localtime"})[::12]:
        zone, second = zone_of(name), 1_100_000_000
        while second < 1_200_000_000:
            stretch = zone.stretch(second)
            hours = range(second, min(stretch.end, 1_200_000_000), 21_600)
            offsets = {zone.local(hour * SECOND_US).utcoffset() for hour in hours}
            assert offsets == {timedelta(seconds=stretch.offset)}, name
            second = stretch.end


@pytest.mark.parametrize(
    ("zone", "begins"),
    [
        # Clocks went back from a minute past midnight.
        ("America/St_Johns", "2010-10-01T00:00Z"),
        # A whole day was left out.
        ("Pacific/Apia", "2011-12-01T00:00Z"),
        ("Pacific/Kiritimati", "2011-12-01T00:00Z"),
        ("UTC", "2011-12-01T00:00Z"),
    ],
)
def test_nothing_is_excluded_up_to_where_it_is_said_to_be_open(zone, begins):
    source, begins = random.Random(zone), at(begins)
    for _ in range(200):
        days = [begins + source.randrange(60) * DAY_US for _ in range(3)]
        excluded = [(EPOCH + timedelta(microseconds=day)).date() for day in days]
        table = table_of(every_s=600, timezone=zone, excluded=excluded)
        first = begins + source.randrange(60 * 86_400) * SECOND_US
        if table.excluded_until(first) is not None:
            continue

        until = table.open_until(first)

        assert until >= first
        nearby = range(first, min(until, first + 70 * DAY_US) + 1, 600 * SECOND_US)
        assert all(table.excluded_until(each) is None for each in nearby)


def test_a_day_that_comes_again_when_clocks_go_back_is_not_taken_for_over():
    # On 2010-11-07 at 00:01 it was 23:01 of the 6th again.
    table = table_of(every_s=60, timezone="America/St_Johns", excluded=[date(2010, 11, 6)])
    first = at("2010-11-07T02:30:30Z")
    assert table.local(first).startswith("2010-11-07T00:00:30")

    assert table.open_until(first) == first
    assert table.excluded_until(at("2010-11-07T02:40Z")) is not None
