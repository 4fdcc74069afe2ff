"""Cron expressions: every word of the syntax, and every fault with its place."""

from datetime import UTC, datetime, timedelta

import pytest
from tipman.cron import cron_of
from tipman.cronwords import ALIASES, CHARACTERS_MAX, CronError, interval_of
from tipman.timetable import timetable_of

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def due(text, *, after=MONDAY, count=3, timezone="UTC"):
    """Return the next local times after a Monday, the first of June, without year and seconds."""
    table = timetable_of(cron=text, timezone=timezone, anchor_us=0)
    instant, found = (after - EPOCH) // MICROSECOND, []
    for _ in range(count):
        instant = table.next_after(instant)
        found.append(table.local(instant)[5:16].replace("T", " "))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 2 * * *", ["06-01 02:30", "06-02 02:30", "06-03 02:30"]),
        ("0 30 2 * * *", ["06-01 02:30", "06-02 02:30", "06-03 02:30"]),
        ("  30\t2  * * * ", ["06-01 02:30", "06-02 02:30", "06-03 02:30"]),
        ("* * * * *", ["06-01 00:01", "06-01 00:02", "06-01 00:03"]),
        ("*/20 * * * *", ["06-01 00:20", "06-01 00:40", "06-01 01:00"]),
        ("5/25 * * * *", ["06-01 00:05", "06-01 00:30", "06-01 00:55"]),
        ("10-30/10 4 * * *", ["06-01 04:10", "06-01 04:20", "06-01 04:30"]),
        ("10-10/5 4 * * *", ["06-01 04:10", "06-02 04:10", "06-03 04:10"]),
        ("7,3,5 4 * * *", ["06-01 04:03", "06-01 04:05", "06-01 04:07"]),
        ("0 9-17/4 * * *", ["06-01 09:00", "06-01 13:00", "06-01 17:00"]),
        ("0 0 15 JAN,jul,Dec *", ["07-15 00:00", "12-15 00:00", "01-15 00:00"]),
        ("0 0 1 nov-dec *", ["11-01 00:00", "12-01 00:00", "11-01 00:00"]),
        ("0 0 * * 0", ["06-07 00:00", "06-14 00:00", "06-21 00:00"]),
        ("0 0 * * 7", ["06-07 00:00", "06-14 00:00", "06-21 00:00"]),
        ("0 0 * * sun", ["06-07 00:00", "06-14 00:00", "06-21 00:00"]),
        ("0 0 * * SUN-SUN", ["06-07 00:00", "06-14 00:00", "06-21 00:00"]),
        ("0 0 * * FRI-SUN", ["06-05 00:00", "06-06 00:00", "06-07 00:00"]),
        ("0 0 * * 5-7", ["06-05 00:00", "06-06 00:00", "06-07 00:00"]),
        ("0 0 * * TUE#2", ["06-09 00:00", "07-14 00:00", "08-11 00:00"]),
        ("0 0 * * 2#5", ["06-30 00:00", "09-29 00:00", "12-29 00:00"]),
        ("0 0 * * 0#1,7#2", ["06-07 00:00", "06-14 00:00", "07-05 00:00"]),
        ("0 0 * * FRIL", ["06-26 00:00", "07-31 00:00", "08-28 00:00"]),
        ("0 0 * * 5l", ["06-26 00:00", "07-31 00:00", "08-28 00:00"]),
        ("0 0 L * *", ["06-30 00:00", "07-31 00:00", "08-31 00:00"]),
        ("0 0 LW * *", ["06-30 00:00", "07-31 00:00", "08-31 00:00"]),
        ("0 0 lw 2,5 *", ["02-26 00:00", "05-31 00:00", "02-29 00:00"]),
        ("0 0 15,L * *", ["06-15 00:00", "06-30 00:00", "07-15 00:00"]),
        ("0 0 ? * MON", ["06-08 00:00", "06-15 00:00", "06-22 00:00"]),
        ("0 0 13 * ?", ["06-13 00:00", "07-13 00:00", "08-13 00:00"]),
        ("0 0 29 2 *", ["02-29 00:00", "02-29 00:00", "02-29 00:00"]),
        ("0 0 31 * *", ["07-31 00:00", "08-31 00:00", "10-31 00:00"]),
    ],
)
def test_a_word_means_these_times(text, expected):
    assert due(text) == expected


def test_seconds_stand_first():
    table = timetable_of(cron="*/25 59 23 * * *", anchor_us=0)

    found = [table.local(us)[11:19] for us in table.between(0, 86_400_000_000)]
    assert found == ["23:59:00", "23:59:25", "23:59:50"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Both are given: one of them is enough.
        ("0 0 13 * FRI", ["06-05 00:00", "06-12 00:00", "06-13 00:00"]),
        ("0 0 L * MON#1", ["06-30 00:00", "07-06 00:00", "07-31 00:00"]),
        # One starts with a star, even with a step: both are needed.
        ("0 0 */2 * FRI", ["06-05 00:00", "06-19 00:00", "07-03 00:00"]),
        ("0 0 8-14 * */7", ["06-14 00:00", "07-12 00:00", "08-09 00:00"]),
        ("0 0 ? * FRI", ["06-05 00:00", "06-12 00:00", "06-19 00:00"]),
    ],
)
def test_a_day_of_month_and_a_day_of_week_are_joined_as_in_vixie_cron(text, expected):
    assert due(text) == expected


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_an_alias_is_its_expression_whatever_its_case(alias):
    assert due(f" {alias.upper()} ") == due(ALIASES[alias])


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("@every 90s", 90_000_000),
        (" @EVERY   1h30m ", 5_400_000_000),
        ("@every 1.5h", 5_400_000_000),
        ("@every\t500ms", 500_000),
        ("@every 2d", 172_800_000_000),
        ("@every 0.1s", 100_000),
        ("@daily", None),
        ("* * * * *", None),
        ("", None),
    ],
)
def test_every_is_an_interval(text, microseconds):
    assert interval_of(text) == microseconds


@pytest.mark.parametrize(
    ("text", "field", "token", "position", "said"),
    [
        ("61 * * * *", "minute", "61", 1, "a number from 0 to 59"),
        ("60 0 0 * * *", "second", "60", 1, "a number from 0 to 59"),
        ("0  25 * * *", "hour", "25", 4, "a number from 0 to 23"),
        ("0 24 * * *", "hour", "24", 3, "did you mean `0`?"),
        ("0 0 0 * *", "day of month", "0", 5, "a number from 1 to 31"),
        ("0 0 1,32 * *", "day of month", "32", 7, "a number from 1 to 31"),
        ("0 0 1 13 *", "month", "13", 7, "a name from JAN to DEC"),
        ("0 0 * * 1-8", "day of week", "8", 11, "a name from SUN to SAT"),
        ("0 0 * FBE *", "month", "FBE", 7, "did you mean `FEB`?"),
        ("0 0 * * MONDAY", "day of week", "MONDAY", 9, "did you mean `MON`?"),
        ("0 0 * * JAN", "day of week", "JAN", 9, "are the fields in order?"),
        ("MON 0 * * *", "minute", "MON", 1, "are the fields in order?"),
        ("-5 * * * *", "minute", "-5", 1, "half a range"),
        ("5- * * * *", "minute", "5-", 1, "half a range"),
        ("1-2-3 * * * *", "minute", "1-2-3", 1, "not a range"),
        ("0 22-2 * * *", "hour", "22-2", 3, "did you mean `22-23,0-2`?"),
        ("0 0 * * FRI-MON", "day of week", "FRI-MON", 9, "did you mean `5-6,0-1`?"),
        ("0 0 * DEC-JAN *", "month", "DEC-JAN", 7, "did you mean `12,1`?"),
        ("*/0 * * * *", "minute", "0", 3, "a step is a number from 1 to 60"),
        ("*/90 * * * *", "minute", "90", 3, "a step is a number from 1 to 60"),
        ("0 */x * * *", "hour", "x", 5, "a step is a number from 1 to 24"),
        ("*/ * * * *", "minute", "*/", 1, "a step is a number"),
        ("*/2/3 * * * *", "minute", "*/2/3", 1, "more than one step"),
        ("1,,2 * * * *", "minute", "", 3, "a value is missing"),
        ("1, * * * *", "minute", "", 3, "a value is missing"),
        ("? * * * *", "minute", "?", 1, "write `*`"),
        ("0 0 * ? *", "month", "?", 7, "write `*`"),
        ("0 0 15W * *", "day of month", "15W", 5, "only `L` and `LW`"),
        ("0 0 L-3 * *", "day of month", "L", 5, "only `L` and `LW`"),
        ("L * * * *", "minute", "L", 1, "a number from 0 to 59"),
        ("0 0 * * L", "day of week", "L", 9, "the last of which day? write `FRIL`"),
        ("0 0 * * XL", "day of week", "X", 9, "a number from 0 to 7"),
        ("0 0 * * MON#6", "day of week", "6", 13, "which MON of the month? 1 to 5"),
        ("0 0 * * 1#2#3", "day of week", "2", 11, "which 1 of the month? 1 to 5"),
        ("0 0 * * #2", "day of week", "", 9, "a value is missing"),
        ("0 0 1#2 * *", "day of month", "1#2", 5, "a number from 1 to 31"),
        ("٣ * * * *", "minute", "٣", 1, "a number from 0 to 59"),
        ("1e1 * * * *", "minute", "1e1", 1, "a number from 0 to 59"),
        ("so not a cron expr", "minute", "so", 1, "a number from 0 to 59"),
        ("0 0 31 2 *", "day of month", "31", 5, "can never hold: no year has such a day"),
        ("0 0 30 2 *", "day of month", "30", 5, "with month `2`"),
        ("0 0 0 30,31 FEB *", "day of month", "30,31", 7, "with month `FEB`"),
        ("0 0 31 4,6,9,11 *", "day of month", "31", 5, "the last day of a month is `L`"),
        ("0 0 LW * */6", "day of month", "LW", 5, "with day of week `*/6`"),
        ("0 0 */30 2 7#5", "day of month", "*/30", 5, "month `2` and day of week `7#5`"),
        ("* * * *", None, "", 8, "ends with 4 of its fields; write five"),
        ("0 0 0 * * * 2026", None, "2026", 13, "7 fields are too many; write five"),
        ("", None, "", 1, "is empty; write five fields"),
        (" \t ", None, "", 1, "is empty; write five fields"),
        ("@dayly", None, "@dayly", 1, "did you mean `@daily`?"),
        (" @often", None, "@often", 2, "known are @yearly"),
        ("@reboot", None, "@reboot", 1, "not a time of the calendar"),
        ("@every", None, "", 7, "no duration; write it as in `90s`"),
        ("@every 90", None, "90", 8, "did you mean `90s`?"),
        ("@every 1h 30m", None, "1h 30m", 8, "no duration"),
        ("@every -5s", None, "-5s", 8, "no duration"),
        ("@every 5parsecs", None, "5parsecs", 8, "no duration"),
        ("*" * (CHARACTERS_MAX + 1), None, "", 1, "up to 1000 characters"),
    ],
)
def test_a_fault_is_named_with_its_field_and_place(text, field, token, position, said):
    with pytest.raises(CronError) as caught:
        timetable_of(cron=text, anchor_us=0)

    error = caught.value
    assert (error.field, error.token, error.position) == (field, token, position)
    assert said in str(error)
    assert [fault.pointer for fault in error.faults] == ["/cron"]
    assert text[position - 1 :].startswith(token)


def test_a_fault_reads_as_a_sentence():
    with pytest.raises(CronError) as caught:
        cron_of("61 * * * *")

    expected = "minute `61` at character 1 of `61 * * * *`: there must be a number from 0 to 59"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("0 0 29 2 *", "1999-12-31", "2000-02-29"),
        ("0 0 29 2 *", "2096-03-01", "2104-02-29"),
        ("0 0 */28 2 SUN#5", "2088-03-01", "2128-02-29"),
    ],
)
def test_the_rarest_days_are_found_over_a_century_that_has_no_leap_year(text, after, expected):
    table = timetable_of(cron=text, anchor_us=0)
    asked = (datetime.fromisoformat(after).replace(tzinfo=UTC) - EPOCH) // MICROSECOND

    found = table.next_after(asked)
    assert table.local(found).startswith(expected)
    assert table.previous_before(found + 1) == found


def test_reading_the_same_expression_twice_makes_it_once():
    assert cron_of("7 7 * * *") is cron_of("7 7 * * *")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("* * * * * *", 1),
        ("*/20 * * * * *", 20),
        ("0 * * * *", 3600),
        ("0,50 * * * *", 600),
        ("0 2 * * *", 86_400),
        ("0 1,23 * * *", 7200),
        ("0 0 1 1 *", 86_400),
    ],
)
def test_two_times_are_at_least_so_far_apart(text, seconds):
    assert cron_of(text).apart_s == seconds
