"""Clocks: suspends and jumps are written down and never make an instant fire twice."""

import pytest

MINUTE = {"every_s": 60, "overlap": "allow"}


def jumps(house):
    rows = house.reader.fetch(
        "SELECT e.data FROM log_entry AS e JOIN instance AS i ON i.id = e.instance"
        " WHERE i.kind = 'engine' ORDER BY e.sequence"
    )
    return [row[0] for row in rows]


def test_what_was_due_while_the_machine_slept_was_missed(house):
    schedule = house.schedule(**MINUTE)
    house.advance(10)

    house.clock.suspend(300)
    house.advance(30)

    assert house.decisions(schedule) == [
        (60, "missed", "asleep"),
        (120, "missed", "asleep"),
        (180, "missed", "asleep"),
        (240, "missed", "asleep"),
        (300, "run", None),
    ]
    assert jumps(house) == ['{"set_s":0.0,"slept_s":300.0}']


def test_a_clock_that_is_set_forward_misses_what_it_leaps_over(house):
    schedule = house.schedule(**MINUTE, catch_up={"policy": "none"})

    house.clock.jump(140)
    house.advance(30)

    assert {d[1:] for d in house.decisions(schedule)} == {("missed", "asleep")}
    assert jumps(house) == ['{"set_s":140.0,"slept_s":0.0}']
    house.advance(10)
    assert house.decisions(schedule)[-1] == (180, "run", None)


@pytest.mark.parametrize("back", [1, 45, 3_600])
def test_a_clock_that_is_set_back_waits(house, back):
    schedule = house.schedule(**MINUTE)
    house.advance(60)

    house.clock.jump(-back)
    for _ in range(round(back / 20) + 3):
        house.advance(20)

    dues = [due for due, *_ in house.decisions(schedule)]
    assert dues == sorted(set(dues))
    assert all(s["decided_at"] >= s["due_at"] for s in house.slots(schedule))
    assert len(jumps(house)) == 1


def test_a_schedule_made_after_the_clock_was_set_back_misses_nothing(house):
    house.clock.jump(-3_600)
    schedule = house.schedule(**MINUTE, catch_up={"policy": "none"})

    house.advance(60)
    house.advance(60)

    assert [d[1:] for d in house.decisions(schedule)] == [("run", None)] * 2


def test_clocks_that_drift_a_little_have_not_jumped(house):
    house.schedule(**MINUTE)

    for _ in range(20):
        house.clock.jump(0.1)
        house.advance(29)

    assert jumps(house) == []


def test_jumps_of_one_start_are_one_log(house):
    house.schedule(**MINUTE)
    for _ in range(3):
        house.clock.jump(100)
        house.advance(60)

    assert len(jumps(house)) == 3
    (count,) = house.reader.fetch("SELECT count(*) FROM instance WHERE kind = 'engine'")[0]
    assert count == 1
