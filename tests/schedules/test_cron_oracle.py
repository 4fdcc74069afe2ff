"""Random expressions in many zones, against an oracle that looks at each minute."""

import os
import random
from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError
from schedules import oracle
from tipman.cron import cron_of
from tipman.cronwords import CronError
from tipman.timetable import timetable_of

EXPRESSIONS = int(os.environ.get("TIPMAN_TEST_CRON_SPECS", "20000"))
SEED = int(os.environ.get("TIPMAN_TEST_CRON_SEED", "20111230"))
YEARS_AHEAD = EXPRESSIONS // 100
EXPRESSIONS_A_WINDOW = 120
ZONES = [
    "Europe/Prague",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "Africa/Casablanca",  # winter time in summer, around Ramadan
    "Asia/Kolkata",  # never
    "Pacific/Apia",  # a day that was not
    "America/St_Johns",  # a minute past midnight, once by two hours
    "America/Havana",  # at midnight
    "America/Sao_Paulo",  # at midnight, southern, until 2019
    "Antarctica/Troll",  # two hours
    "Pacific/Chatham",  # at a quarter to
    "Asia/Gaza",  # on days that are hard to foresee
    "Pacific/Kwajalein",  # another day that was not
    "UTC",
]
DAYS_THAT_WERE_NOT = [("Pacific/Apia", 2011), ("Pacific/Kwajalein", 1993)]
SECOND_US = 1_000_000
MONTHS, WEEKDAYS = oracle.MONTHS, oracle.WEEKDAYS


@cache
def changes(zone, year):
    return oracle.changes_of(zone, year)


def any_window(chance):
    """Return three days around a change of clocks, or six hours by the second, or just days."""
    if chance.random() < 0.05:
        zone, year = chance.choice(DAYS_THAT_WERE_NOT)
    else:
        zone, year = chance.choice(ZONES), chance.choice((1972, 1988, 2007, 2018, 2026, 2060))
    found = changes(zone, year)
    if found and chance.random() < 0.8:
        middle = chance.choice(found)
        if chance.random() < 0.15:
            return oracle.window_of(zone, middle - 7200, middle + 7200, 1)
        return oracle.window_of(zone, middle - 129_600, middle + 129_600, 60)
    first = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    days = [first + day * 86_400 for day in range(365)]
    quiet = [day for day in days if all(abs(day - change) > 400_000 for change in found)]
    start = chance.choice(quiet)
    return oracle.window_of(zone, start, start + 259_200, 60)


def any_field(chance, low, high, *, star, near=()):
    """Return a field of one to three items, likely to hold one of the values that are near."""
    if chance.random() < star:
        return "*"
    return ",".join(
        any_item(chance, low, high, near) for _ in range(chance.choice((1, 1, 1, 2, 3)))
    )


def any_item(chance, low, high, near):
    value = chance.choice(near) if near and chance.random() < 0.7 else chance.randint(low, high)
    step = chance.randint(1, max((high - low) // 2, 1))
    match chance.randrange(6):
        case 0:
            return f"*/{step}"
        case 1:
            return f"{chance.randint(low, value)}-{chance.randint(value, high)}"
        case 2:
            return f"{chance.randint(low, value)}-{chance.randint(value, high)}/{step}"
        case 3:
            return f"{value}/{step}"
        case _:
            return str(value)


def any_day(chance, days):
    if chance.random() < 0.1:
        return chance.choice(("L", "LW", "L,15", "1,LW", "?"))
    return any_field(chance, 1, 31, star=0.5, near=[day.day for day in days])


def any_month(chance, days):
    if chance.random() < 0.1:
        return "-".join(sorted(chance.sample(MONTHS, 2), key=MONTHS.index))
    return any_field(chance, 1, 12, star=0.7, near=[day.month for day in days])


def any_weekday(chance, days):
    day = chance.choice(days).isoweekday() % 7
    match chance.randrange(16):
        case 0:
            return f"{WEEKDAYS[day]}#{chance.randint(1, 5)}"
        case 1:
            return f"{day}#{chance.randint(1, 5)},{chance.choice(WEEKDAYS)}"
        case 2:
            return f"{chance.choice((day, WEEKDAYS[day].lower()))}L"
        case 3:
            return f"{WEEKDAYS[day]}-SUN"
        case 4:
            return "?"
        case _:
            return any_field(chance, 0, 7, star=0.6, near=[day])


def any_expression(chance, window):
    """Return an expression that has to do with what a window shows."""
    days, hours = map(sorted, map(set, zip(*window.new.of, strict=True)))
    middle = oracle.local_time(ZoneInfo(window.zone), (window.start + window.end) // 2)
    fields = [
        any_field(chance, 0, 59, star=0.2, near=(0, 30, middle.minute)),
        any_field(
            chance, 0, 23, star=0.25, near=[*hours, *[middle.hour, (middle.hour - 1) % 24] * 9]
        ),
        any_day(chance, days),
        any_month(chance, days),
        any_weekday(chance, days),
    ]
    if window.end - window.start < 86_400:
        fields.insert(0, any_field(chance, 0, 59, star=0.3, near=(0,)))
    elif chance.random() < 0.1:
        fields.insert(0, "0")
    return " ".join(fields)


def any_instants(chance, window, due):
    """Return instants to ask about: anywhere, around the middle, at and beside what is due."""
    middle = (window.start + window.end) // 2
    seconds = [chance.randrange(window.start, window.end) for _ in range(3)]
    seconds += [middle + chance.randint(-5400, 5400) for _ in range(3)]
    seconds += chance.choices(due, k=3) if due else []
    beside = (0, 0, 1, -1, SECOND_US - 1)
    return [second * SECOND_US + chance.choice(beside) for second in seconds]


def differences(text, window, answers, due, instants):
    """Yield, as a line that can be run, each answer about an instant that the oracle denies."""
    due = [second * SECOND_US for second in due]
    for asked in instants:
        after, before = bisect_right(due, asked), bisect_left(due, asked)
        expected = {
            "next_after": due[after] if after < len(due) else None,
            "previous_before": due[before - 1] if before > 0 else None,
        }
        for question, answer in expected.items():
            said = getattr(answers, question)(asked)
            if within(window, said) != answer:
                yield f"{asking(text, window)}.{question}({asked}) is {said}, not {answer}"


def within(window, instant):
    inside = instant is not None and window.start * SECOND_US <= instant < window.end * SECOND_US
    return instant if inside else None


def asking(text, window):
    return f"timetable_of(cron={text!r}, timezone={window.zone!r}, anchor_us=0)"


def wrong_counts(text, window, answers, due):
    """Yield where a count or a walk over the window is not what the oracle saw."""
    span = window.start * SECOND_US - 1, window.end * SECOND_US - 1
    if answers.count_between(*span) != len(due):
        yield f"{asking(text, window)}.count_between{span} is not {len(due)}"
    if len(due) <= 20 and list(answers.between(*span)) != [at * SECOND_US for at in due]:
        yield f"list({asking(text, window)}.between{span}) is not that of {due}"


def wrong_notes(text, window, answers, due, moved):
    """Yield where a note does not say what the clocks did."""
    for second in due[:40]:
        note = "gap" if second in moved else "fold" if second in window.twice else None
        if answers.note(second * SECOND_US) != note:
            yield f"{asking(text, window)}.note({second * SECOND_US}) is not {note!r}"


def findings(chance, window):
    """Return what is wrong with one random expression, None if it was refused rightly."""
    text = any_expression(chance, window)
    expression = oracle.Expression(text)
    try:
        answers = timetable_of(cron=text, timezone=window.zone, anchor_us=0)
    except CronError as error:
        return [f"{error}: it can"] if oracle.holds_ever(expression) else None
    due = window.due(expression)
    return [
        *differences(text, window, answers, due, any_instants(chance, window, due)),
        *wrong_counts(text, window, answers, due),
        *wrong_notes(text, window, answers, due, window.moved(expression)),
    ]


def judged(chance, findings_of, count):
    """Return how many expressions were judged, and what is wrong with them."""
    wrong, tried = [], 0
    while tried < count:
        window = any_window(chance)
        for _ in range(min(EXPRESSIONS_A_WINDOW, count)):
            found = findings_of(chance, window)
            if found is not None:
                wrong += found[:3]
                tried += 1
    return tried, wrong


@pytest.mark.timeout(3600)
def test_no_random_expression_is_due_at_another_instant_than_the_clocks_show():
    tried, wrong = judged(random.Random(SEED), findings, EXPRESSIONS)

    assert tried >= EXPRESSIONS
    assert not wrong, f"seed {SEED}\n" + "\n".join(wrong[:20])


def rare_expression(chance):
    """Return an expression that holds on few days of a year, or of a lifetime."""
    match chance.randrange(5):
        case 0:
            days = "29 2 *"
        case 1:
            days = f"* 2 {chance.choice(WEEKDAYS)}#5"
        case 2:
            days = f"*/{chance.randint(10, 28)} {chance.randint(1, 12)} {chance.randint(0, 7)}"
        case 3:
            days = f"{chance.randint(1, 31)} {chance.choice(MONTHS)} ?"
        case _:
            days = f"LW {chance.randint(1, 12)} *"
    minute = chance.choice(("30", "*/20", "0,45", "*"))
    return f"{minute} {chance.randint(0, 4)} {days}"


def first_due(expression, zone, asked, direction):
    """Return the first due second that way; looks for dates first, then at that date's minutes."""
    day = datetime.fromtimestamp(asked // SECOND_US, tz=ZoneInfo(zone)).date()
    step = timedelta(days=direction)
    search = oracle.date_after if direction > 0 else oracle.date_before
    day = search(expression, day - step, 41 * 366)
    while day is not None:
        midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        window = oracle.window_of(zone, midnight - 57_600, midnight + 57_600 + 86_400, 60)
        due = [second * SECOND_US for second in window.due(expression)]
        fitting = [at for at in due if (at - asked) * direction > 0]
        if fitting:
            return fitting[0 if direction > 0 else -1]
        day = search(expression, day + step, 41 * 366)
    return None


@pytest.mark.timeout(3600)
def test_rare_dates_are_found_years_ahead_and_years_ago():
    chance, wrong = random.Random(SEED), []

    for _ in range(YEARS_AHEAD):
        text, zone = rare_expression(chance), chance.choice(ZONES)
        expression = oracle.Expression(text)
        if not oracle.holds_ever(expression):
            with pytest.raises(CronError, match="can never hold"):
                cron_of(text)
            continue
        asked = chance.randrange(2_000_000_000, 4_000_000_000) * SECOND_US
        answers = timetable_of(cron=text, timezone=zone, anchor_us=0)
        said = answers.next_after(asked), answers.previous_before(asked)
        expected = tuple(first_due(expression, zone, asked, way) for way in (1, -1))
        if said != expected:
            wrong.append(f"{text!r} in {zone} around {asked}: {said}, not {expected}")

    assert not wrong, f"seed {SEED}\n" + "\n".join(wrong[:20])


class CronsimAlone:
    """The library, asked without our care for zones."""

    def __init__(self, text, zone):
        self.text, self.info = text.replace("?", "*"), ZoneInfo(zone)

    def next_after(self, asked):
        return self.one(asked, reverse=False)

    def previous_before(self, asked):
        return self.one(asked, reverse=True)

    def one(self, asked, *, reverse):
        at = oracle.EPOCH + timedelta(microseconds=asked)
        found = next(CronSim(self.text, at.astimezone(self.info), reverse=reverse), None)
        return found and (found.astimezone(UTC) - oracle.EPOCH) // timedelta(microseconds=1)


class SecondTime:
    """Our search, but times that exist twice are due the second time."""

    def __init__(self, text, zone):
        self.cron, self.info = cron_of(text), ZoneInfo(zone)

    def next_after(self, asked):
        local = asked // SECOND_US - 86_400
        while (found := self.instant(local)) <= asked:
            local = self.cron.first(local) + 1
        return found

    def instant(self, local):
        wall = oracle.EPOCH + timedelta(seconds=self.cron.first(local))
        at = wall.replace(tzinfo=self.info, fold=1)
        return (at.astimezone(UTC) - oracle.EPOCH) // timedelta(microseconds=1)

    def previous_before(self, asked):
        found = self.next_after(asked - 3 * 86_400 * SECOND_US)
        while (later := self.next_after(found)) < asked:
            found = later
        return found if found < asked else None


def autumn(zone):
    change = changes(zone, 2026)[0 if zone.startswith("Australia") else -1]
    return oracle.window_of(zone, change - 129_600, change + 129_600, 60)


def test_the_oracle_sees_that_the_library_alone_is_wrong_by_half_an_hour():
    window, chance, wrong = autumn("Australia/Lord_Howe"), random.Random(SEED), []

    for _ in range(200):
        text = any_expression(chance, window)
        try:
            answers, due = CronsimAlone(text, window.zone), window.due(oracle.Expression(text))
            instants = any_instants(chance, window, due)
            wrong += differences(text, window, answers, due, instants)
        except CronSimError:
            continue

    assert wrong


@pytest.mark.parametrize("zone", ["Europe/Prague", "Australia/Lord_Howe"])
def test_the_oracle_sees_a_time_of_the_day_that_is_due_the_second_time(zone):
    window, text = autumn(zone), "45 1,2 * * *"
    asked = [second * SECOND_US for second in range(window.start, window.end, 1800)]
    due = window.due(oracle.Expression(text))

    answers = timetable_of(cron=text, timezone=zone, anchor_us=0)
    assert not list(differences(text, window, answers, due, asked))
    assert list(differences(text, window, SecondTime(text, zone), due, asked))
