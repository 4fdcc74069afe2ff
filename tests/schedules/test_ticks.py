"""Ticks: what is due at one instant is decided before it, committed on it, and seen not sooner."""

import threading
from datetime import datetime

import pytest
from core.house import BOOM, PLAIN
from schedules.leads import fix_lead
from tipman import Engine, current_attempt, task
from tipman.clock import MICROSECONDS, SystemClock, microseconds_of, rfc3339
from tipman.deadlines import LEAD_US_MAX, TICK_MIN, Lead
from tipman.errors import UnavailableError
from tipman.events import TimersFired

MINUTE = {"every_s": 60}
NEAR_S = 59.95
"""Shortly before the first instant, and later than what is due then begins to be prepared."""
MANY = TICK_MIN + 10
_ran: list[tuple[str, int]] = []


@pytest.fixture
def house(house):
    fix_lead(house.core, 100_000)
    return house


def watch_waits(house, seen):
    """Have *seen* called whenever the bus waits for an instant, before it comes."""
    wait = house.clock.wait

    def watched(seconds):
        seen()
        wait(seconds)

    house.clock.wait = watched


def at_s(house):
    """Return the seconds since the start by the wall clock."""
    return house.clock.wall_us() / MICROSECONDS - 1_700_000_000


def test_nothing_of_a_tick_is_seen_before_its_instant(house):
    schedules = [house.schedule(**MINUTE) for _ in range(3)]
    before = []

    def look():
        before.append((at_s(house), list(map(house.decisions, schedules)), house.started()))

    watch_waits(house, look)

    house.advance(NEAR_S)

    assert before == [(pytest.approx(NEAR_S), [[]] * 3, [])]
    assert at_s(house) == 60
    for schedule in schedules:
        assert house.decisions(schedule) == [(60, "run", None)]
        (slot,) = house.slots(schedule)
        assert slot["decided_at"] == slot["due_at"]
        assert house.view(slot["instance"])["started_at"] == "2023-11-14T22:14:20.000000Z"
    assert len(house.started()) == 3


def test_what_is_prepared_goes_on_from_one_instant_to_the_next(house):
    schedule = house.schedule(**MINUTE)

    for _ in range(4):
        house.advance(60 - at_s(house) % 60 - 0.05)
        for run in list(house.hand.open):
            house.succeed(run)

    assert house.decisions(schedule) == [(60 * n, "run", None) for n in range(1, 5)]


def test_whose_run_goes_on_is_decided_when_the_time_has_come(house):
    schedule = house.schedule(**MINUTE)
    house.advance(60)
    (run,) = house.hand.open

    house.advance(NEAR_S)

    assert at_s(house) == pytest.approx(60 + NEAR_S)
    assert house.decisions(schedule) == [(60, "run", None)]
    house.succeed(run)
    house.advance(0.05)
    assert house.decisions(schedule) == [(60, "run", None), (120, "run", None)]


def test_those_that_run_do_not_keep_others_from_being_prepared(house):
    busy, idle = house.schedule(**MINUTE), house.schedule(**MINUTE)
    house.advance(60)
    house.succeed(house.slots(idle)[0]["instance"])

    house.advance(NEAR_S)

    assert at_s(house) == 120
    assert house.decisions(idle)[1:] == [(120, "run", None)]
    house.advance(0)
    assert house.decisions(busy)[1:] == [(120, "skipped", "overlap")]


def test_who_waits_already_goes_first(house):
    schedule = house.schedule(**MINUTE)
    house.clock.advance(NEAR_S)

    submitted = house.task()

    assert house.view(submitted)["submitted_at"] == "2023-11-14T22:14:19.950000Z"
    assert house.decisions(schedule) == [(60, "run", None)]


def test_a_schedule_that_is_paused_meanwhile_fires_nothing(house):
    schedule = house.schedule(**MINUTE)
    house.clock.advance(NEAR_S)

    house.ask("pause.requested", schedule)
    house.advance(1)

    assert house.slots(schedule) == []
    house.ask("resume.requested", schedule)
    assert house.decisions(schedule) == [(60, "skipped", "paused")]


def test_a_clock_that_is_set_back_meanwhile_waits(house):
    schedule = house.schedule(**MINUTE)
    house.clock.advance(NEAR_S)

    house.clock.jump(-3_600)
    house.rest()

    assert house.slots(schedule) == []
    for _ in range(130):
        house.advance(29.9)
    dues = [s["due_at"] for s in house.slots(schedule)]
    assert len(dues) == len(set(dues)) > 0
    assert all(s["decided_at"] >= s["due_at"] for s in house.slots(schedule))


def test_a_clock_that_is_set_back_during_the_wait_fires_it_once(house):
    schedule = house.schedule(**MINUTE)
    watch_waits(house, lambda: house.clock.jump(-3_600))

    house.advance(NEAR_S)
    del house.clock.wait
    for _ in range(130):
        house.advance(29.9)

    assert house.decisions(schedule)[0] == (60, "run", None)
    dues = [due for due, *_ in house.decisions(schedule)]
    assert dues == sorted(set(dues))


def test_a_crash_before_the_instant_leaves_nothing(house):
    schedule = house.schedule(**MINUTE)

    class Killed(BaseException):
        """As far as the engine gets."""

    def die():
        raise Killed

    watch_waits(house, die)
    with pytest.raises(Killed):
        house.advance(NEAR_S)

    house.crash()

    assert house.slots(schedule) == []
    house.advance(60)
    assert house.decisions(schedule) == [(60, "run", None)]


def test_failures_count_from_one_prepared_instant_to_the_next(house):
    schedule = house.schedule(**MINUTE, pause_after_failures=2)

    for _ in range(3):
        house.advance(60 - at_s(house) % 60 - 0.05)
        for run in list(house.hand.open):
            house.fail(run, BOOM)

    assert len(house.slots(schedule)) == 2
    assert house.state(schedule) == "paused"


def test_a_bus_that_is_closed_prepares_nothing(house):
    schedule = house.schedule(**MINUTE)
    house.clock.advance(NEAR_S)

    house.core.bus.close(UnavailableError("the engine has stopped"))
    late = house.core.bus.ticks.put(TimersFired(schedule, (schedule,)), house.clock.wall_us() + 9)

    assert not house.core.bus.drain()
    for receipt in (late, *(receipt for _, receipt in house.core.scheduler._told)):
        with pytest.raises(UnavailableError):
            receipt.result(0)


@pytest.mark.parametrize(("ends_at", "rings_in"), [(59.5, 0.5), (59.95, 0.9)])
def test_an_attempt_that_is_ended_before_does_not_move_the_beginning(house, ends_at, rings_in):
    house.schedule(**MINUTE)
    attempt = house.task(timeout_s=ends_at)

    house.advance(59)

    assert house.clock.next_alarm_s() == pytest.approx(rings_in)
    house.advance(1)
    assert [stop.instance for stop in house.hand.stops] == [attempt]


def test_what_falls_into_a_queue_with_few_slots_waits_for_them(build):
    house = build(slots=2)
    fix_lead(house.core, 100_000)
    schedules = [house.schedule(**MINUTE, task=PLAIN) for _ in range(5)]

    house.advance(NEAR_S)

    assert len(house.started()) == 2
    assert [house.decisions(each) for each in schedules] == [[(60, "run", None)]] * 5


# How long before.


def test_a_lead_is_as_long_as_so_many_take_and_the_rest_of_a_tick():
    lead = Lead()
    lead.took(1_000, 0.06)

    assert lead.us(1_000) == pytest.approx(180_000)
    assert lead.us(500) == pytest.approx(90_000)
    assert lead.us(TICK_MIN - 1) == 0


def test_the_first_tick_has_a_lead_too():
    assert 0 < Lead().us(1_000) < LEAD_US_MAX


def test_a_lead_grows_at_once_and_shrinks_slowly():
    lead = Lead()
    for seconds in (0.06, 0.04):
        lead.took(1_000, seconds)

    assert lead.us(1_000) == pytest.approx(165_000)


def test_few_decisions_teach_nothing_and_no_lead_is_too_long():
    lead = Lead()
    lead.took(TICK_MIN - 1, 5.0)
    assert lead.us(1_000) == Lead().us(1_000)

    lead.took(TICK_MIN, 5.0)

    assert lead.us(TICK_MIN) == LEAD_US_MAX


# In an engine with threads, by the clock of the machine.


@task
def tick() -> None:
    """Tell when it ran."""
    _ran.append((current_attempt().id, SystemClock().wall_us()))


def test_many_schedules_are_prepared_once_it_is_known_how_long_that_takes(tmp_path):
    _ran.clear()
    prepared = threading.Semaphore(0)
    with Engine(f"sqlite:///{tmp_path / 'tipman.db'}", slots=MANY) as engine:
        ticks = engine.core.bus.ticks
        put = ticks.put

        def watched(event, at):
            receipt = put(event, at)
            prepared.release()
            return receipt

        ticks.put = watched
        starts_at = rfc3339(SystemClock().wall_us() + MICROSECONDS)
        for _ in range(MANY):
            engine.schedule(tick, every_s=0.5, starts_at=starts_at)
        for _ in range(3):
            assert prepared.acquire(timeout=60)
        due_at = {
            slot["instance"].rpartition("/")[2]: microseconds_of(
                datetime.fromisoformat(slot["due_at"])
            )
            for schedule in engine.schedules(limit=MANY).items
            for slot in engine.slots(engine.find_schedule(schedule["id"]).identifier).items
            if slot["instance"] is not None
        }

    late = [ran - due_at[run] for run, ran in _ran if run in due_at]
    assert late
    assert min(late) >= 0
