"""Catch-up: instants that nobody was there for are run or missed, and each has its row."""

import pytest
from tipman.clock import MICROSECONDS, rfc3339
from tipman.registrations import NamespaceChanged


def down(house, seconds):
    """Let no engine run for a while, then start one."""
    house.clock.jump(seconds)
    house.crash()
    house.rest()
    house.advance(0)


MINUTE = {"every_s": 60, "overlap": "allow"}


@pytest.mark.parametrize(
    ("catch_up", "ran"),
    [
        ({"policy": "none"}, []),
        ({"policy": "latest"}, [300]),
        ({"policy": "latest", "window_s": 200}, [300]),
        ({"policy": "latest", "window_s": 10}, []),
        ({"policy": "earliest"}, [60]),
        ({"policy": "earliest", "window_s": 150}, [180]),
        ({"policy": "all"}, [60, 120, 180, 240, 300]),
        ({"policy": "all", "max": 2}, [240, 300]),
        ({"policy": "all", "window_s": 150}, [180, 240, 300]),
    ],
)
def test_the_policy_says_what_is_run_after_all(house, catch_up, ran):
    schedule = house.schedule(**MINUTE, catch_up=catch_up)

    down(house, 320)

    decisions = house.decisions(schedule)
    assert [due for due, *_ in decisions] == [60, 120, 180, 240, 300]
    assert [due for due, decision, _ in decisions if decision == "run"] == ran
    assert {d for _, d, _ in decisions} <= {"run", "missed"}


def test_what_is_too_old_was_missed_because_of_the_window(house):
    schedule = house.schedule(**MINUTE, catch_up={"policy": "latest", "window_s": 150})

    down(house, 320)

    assert house.decisions(schedule) == [
        (60, "missed", "window"),
        (120, "missed", "window"),
        (180, "missed", "down"),
        (240, "missed", "down"),
        (300, "run", None),
    ]


def test_a_schedule_goes_on_at_its_own_beat_after_a_downtime(house):
    schedule = house.schedule(**MINUTE)
    down(house, 130)

    house.advance(50)

    assert [d[:2] for d in house.decisions(schedule)] == [
        (60, "missed"),
        (120, "run"),
        (180, "run"),
    ]


def test_overlap_holds_for_what_is_caught_up(house):
    schedule = house.schedule(every_s=60, catch_up={"policy": "all"})

    down(house, 190)

    assert [d[1:] for d in house.decisions(schedule)] == [
        ("run", None),
        ("skipped", "overlap"),
        ("skipped", "overlap"),
    ]


def test_of_what_is_caught_up_at_once_each_takes_the_place_of_the_one_before(house):
    """They are decided in one drain, in which nobody has been told yet."""
    schedule = house.schedule(
        **MINUTE | {"overlap": "latest"}, catch_up={"policy": "all"}, runs_max=3
    )

    down(house, 310)

    slots = house.slots(schedule)
    assert [slot["decision"] for slot in slots] == ["run", *["skipped"] * 3, "run"]
    after = [slot["instance"] for slot in slots[2:]]
    assert [slot["blocking"] for slot in slots[1:4]] == after
    for slot in (slots[0], slots[-1]):
        house.succeed(slot["instance"])
    house.advance(60)
    assert [slot["decision"] for slot in house.slots(schedule)][5:] == ["run"]
    house.succeed(house.slots(schedule)[-1]["instance"])
    assert house.reader.fetch("SELECT state FROM instance WHERE id = ?", (schedule,)) == [
        ("finished",)
    ]


def test_what_is_caught_up_runs_one_after_the_other_where_it_may_queue(house):
    schedule = house.schedule(every_s=60, overlap="queue_all", catch_up={"policy": "all"})

    down(house, 190)
    for _ in range(3):
        house.succeed(next(iter(house.hand.open)))

    assert [d[1:] for d in house.decisions(schedule)] == [("run", None)] * 3
    runs = [slot["instance"] for slot in house.slots(schedule)]
    assert house.states(*runs) == ["succeeded"] * 3


@pytest.mark.parametrize("jitter_s", [0, 50])
def test_the_window_is_counted_from_the_start_whatever_waits_for_its_jitter(house, jitter_s):
    # As many schedules as it takes for one whose last instant waits and another's that does not.
    asked = {"policy": "all", "window_s": 150}
    schedules = [house.schedule(**MINUTE, jitter_s=jitter_s, catch_up=asked) for _ in range(30)]

    down(house, 325)

    waited = set()
    for schedule in schedules:
        decisions = house.decisions(schedule)
        waited.add(len(decisions) == 4)
        ran = [due for due, decision, _ in decisions if decision == "run"]
        assert ran == [due for due in (180, 240, 300) if due in [d[0] for d in decisions]]
        assert [d[1:] for d in decisions[:2]] == [("missed", "window")] * 2
    assert waited == ({True, False} if jitter_s else {False})


def test_a_crash_in_the_middle_goes_on_where_it_stood(house, monkeypatch):
    schedule = house.schedule(**MINUTE, catch_up={"policy": "all"})
    monkeypatch.setattr("tipman.bus.EVENTS_MAX", 1)
    house.drains_max = 1
    down(house, 320)
    done = len(house.slots(schedule))
    assert 0 < done < 5

    house.drains_max = None
    down(house, 60)

    assert [due for due, *_ in house.decisions(schedule)] == [60, 120, 180, 240, 300, 360]
    assert {d for _, d, _ in house.decisions(schedule)} == {"run"}
    assert len({s["instance"] for s in house.slots(schedule)}) == 6


def test_of_what_was_missed_around_an_excluded_day_most_is_counted_and_not_looked_at(
    house, monkeypatch
):
    monkeypatch.setattr("tipman.schedules.decisions.CHUNK", 100)
    schedule = house.schedule(every_s=60, exclude=["2023-11-25"], catch_up={"policy": "none"})

    down(house, 20 * 86_400)

    slots = house.slots(schedule)
    missed = [slot for slot in slots if slot["decision"] == "missed"]
    assert [len(missed), len(slots)] == [2, 2 + 1_440]
    assert sum(slot["count"] for slot in slots) == 20 * 1_440
    assert missed[0]["due_until"] < slots[1]["due_at"] <= slots[-2]["due_at"] < missed[1]["due_at"]
    assert house.names(schedule).count("slot.decided") - 1_440 < 40


def test_what_was_missed_by_the_thousand_is_one_row(house):
    schedule = house.schedule(every_s=1, overlap="allow", catch_up={"policy": "none"})

    down(house, 5_000.5)

    (slot,) = house.slots(schedule)
    assert (slot["decision"], slot["reason"], slot["count"]) == ("missed", "down", 5_000)
    assert slot["due_until"] - slot["due_at"] == 4_999 * MICROSECONDS


def test_a_thousand_are_a_row_each(house):
    schedule = house.schedule(every_s=1, overlap="allow", catch_up={"policy": "none"})

    down(house, 1_000.5)

    assert [s["count"] for s in house.slots(schedule)] == [1] * 1_000


def test_a_long_row_ends_before_an_excluded_day_and_begins_anew_after_it(house):
    # The house begins on 14 November 2023 at 22:13:20 UTC.
    schedule = house.schedule(
        every_s=10, overlap="allow", catch_up={"policy": "none"}, exclude=["2023-11-16"]
    )

    down(house, 3 * 86_400)

    slots = house.slots(schedule)
    long = [s for s in slots if s["count"] > 1]
    assert [s["reason"] for s in long] == ["down", "down"]
    assert {s["reason"] for s in slots if s["count"] == 1} == {"excluded"}
    assert sum(s["count"] for s in slots) == 3 * 8_640


def test_a_schedule_made_with_a_beginning_in_the_past_owes_nothing(house):
    starts_at = rfc3339(house.clock.wall_us() - 1_000 * MICROSECONDS)
    schedule = house.schedule(every_s=60, starts_at=starts_at)

    house.advance(60)

    ((due, decision, _),) = house.decisions(schedule)
    assert (due, decision) == (20, "run")


def test_a_decision_never_comes_before_its_instant(house):
    schedule = house.schedule(**MINUTE, jitter_s=30)

    for _ in range(20):
        house.advance(30)

    slots = house.slots(schedule)
    assert len(slots) == 9 or len(slots) == 10
    assert all(0 <= s["decided_at"] - s["due_at"] < 60 * MICROSECONDS for s in slots)


def test_a_clock_that_is_set_back_fires_nothing_twice(house):
    schedule = house.schedule(**MINUTE)
    house.advance(60)
    house.clock.jump(-45)

    house.advance(45)
    assert len(house.slots(schedule)) == 1

    house.advance(60)
    assert [d[:2] for d in house.decisions(schedule)] == [(60, "run"), (120, "run")]


def test_what_is_due_at_once_comes_into_memory_at_once(house):
    schedules = [house.schedule(every_s=60) for _ in range(20)]
    house.crash()

    house.advance(60)

    assert all(house.decisions(s) == [(60, "run", None)] for s in schedules)


def test_what_is_due_at_once_is_read_with_a_query_for_all_of_it(house):
    if not house.core.database.is_sqlite:
        pytest.skip("the driver tells of statements on SQLite alone")
    schedules = [house.schedule(every_s=60) for _ in range(20)]
    house.crash()
    asked = []
    house.core.database.peewee.connection().set_trace_callback(asked.append)

    house.clock.advance(60)
    house.core.bus.drain()

    assert sum("FROM instance WHERE id IN" in statement for statement in asked) == 1
    assert sum("WHERE s.id IN" in statement for statement in asked) == 1
    assert all(len(house.slots(schedule)) == 1 for schedule in schedules)


def test_a_schedule_whose_code_is_gone_is_left_alone(house):
    schedule = house.schedule(every_s=60)
    house.core.handlers.firing.has_code = lambda task: task.type != "sleep"

    house.advance(60)

    assert house.decisions(schedule) == [(60, "skipped", "orphaned")]
    house.core.handlers.firing.has_code = lambda _task: True
    house.advance(60)
    assert house.decisions(schedule)[-1] == (120, "run", None)


def test_a_namespace_that_is_full_makes_an_instant_skip(house):
    house.publish(NamespaceChanged("default", "tester", {"open_tasks_max": 1}))
    house.task(type="wait", arguments={})
    schedule = house.schedule(every_s=60)

    house.advance(60)

    assert house.decisions(schedule) == [(60, "skipped", "quota")]
