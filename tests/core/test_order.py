"""The order in which tasks start: slots, queues, priority, age, and classes one at a time."""

import itertools

from core.house import PLAIN


def run_all(house):
    """End every attempt, oldest first, until nothing runs."""
    while house.hand.open:
        house.succeed(next(iter(house.hand.open)))


def named(*names, **fields):
    return [{**PLAIN, "name": name, **fields} for name in names]


def test_no_more_attempts_run_than_there_are_slots(build):
    house = build(slots=3)
    ids = house.submit(*[PLAIN] * 5)

    assert house.states(*ids) == ["running"] * 3 + ["queued"] * 2
    house.succeed(ids[1])

    assert house.states(*ids) == ["running", "succeeded", "running", "running", "queued"]
    assert house.explain(ids[4])["waiting_for"][0]["text"] == "a slot, all 3 are taken"


def test_the_highest_priority_starts_first_then_the_longest_queued(build):
    house = build(slots=1)
    house.submit(*named("first"))
    house.submit(
        *named("low", priority=-5), *named("a", "b"), *named("urgent", "urgent too", priority=9)
    )
    house.advance(1)
    house.submit(*named("c"), *named("latest but urgent", priority=9))

    run_all(house)

    assert house.started() == [
        "first", "urgent", "urgent too", "latest but urgent", "a", "b", "c", "low",
    ]  # fmt: skip


def test_who_waited_longer_in_the_queue_starts_first_not_who_is_older(build):
    house = build(slots=1)
    house.submit(*named("blocker"), *named("older", after_s=10))
    house.advance(5)
    house.submit(*named("younger"))
    house.advance(20)

    run_all(house)

    assert house.started() == ["blocker", "younger", "older"]


def test_a_queue_has_slots_of_its_own_within_all(build):
    house = build(slots=3, queues={"mail": 1})
    mails = house.submit(*named("m1", "m2", queue="mail", priority=5))
    others = house.submit(*named("o1", "o2", "o3"))

    assert house.states(*mails) == ["running", "queued"]
    assert house.states(*others) == ["running", "running", "queued"]
    assert "queue mail" in house.explain(mails[1])["waiting_for"][0]["text"]
    house.succeed(mails[0])

    assert house.states(*mails, *others) == [
        "succeeded",
        "running",
        "running",
        "running",
        "queued",
    ]


def test_a_full_queue_does_not_hold_up_another(build):
    house = build(slots=2, queues={"mail": 1})
    house.submit(*named("m1", "m2", "m3", queue="mail", priority=1000), *named("other"))

    assert house.started() == ["m1", "other"]


def test_a_queue_without_a_limit_takes_from_all(build):
    house = build(slots=4)

    house.submit(*named("a", "b", queue="unheard of"), *named("c", "d"))

    assert len(house.hand.open) == 4


def test_a_class_runs_one_attempt_at_a_time_and_others_pass_it(build):
    house = build(slots=3)
    first, second = house.class_task("Till", name="t1"), house.class_task("Till", name="t2")
    other, plain = house.class_task("Shop", name="s"), house.task(name="plain")

    assert house.states(first, second, other, plain) == ["running", "queued", "running", "running"]
    assert house.explain(second)["waiting_for"][0]["text"] == "another run of default/Till"
    house.fail(first)

    assert house.state(second) == "running"


def test_the_runs_of_a_class_keep_the_order_of_the_queue(build):
    house = build(slots=4)
    for name, priority in (("a", 0), ("b", 0), ("c", 5), ("d", -5)):
        house.class_task("Till", name=name, priority=priority)

    run_all(house)

    assert house.started() == ["a", "c", "b", "d"]


def test_a_parked_run_of_a_class_can_be_cancelled_and_queued_again(build):
    house = build(slots=4)
    first, second, third = (house.class_task("Till", name=n) for n in ("1", "2", "3"))
    house.cancel(second)
    house.retry(second)
    house.suspend(third)
    house.resume(third)

    house.succeed(first)
    house.succeed(second)

    assert house.started() == ["1", "2", "3"]
    assert len(house.hand.open) == 1


def test_what_left_the_queue_and_came_back_starts_once(build):
    house = build(slots=1)
    blocker, identifier = house.submit(*named("blocker", "task"))
    for _ in range(3):
        house.suspend(identifier)
        house.resume(identifier)
    house.cancel(identifier)
    house.retry(identifier)

    house.succeed(blocker)
    house.succeed(identifier)

    assert house.started() == ["blocker", "task"]
    assert house.core.frontier.slots_taken == 0


def test_nothing_starts_once_the_engine_is_stopping(build):
    house = build(slots=1)
    first, second = house.submit(PLAIN, PLAIN)
    house.core.handlers.stop_starting()

    house.succeed(first)

    assert house.states(first, second) == ["succeeded", "queued"]


def test_every_slot_is_used_while_there_is_work(build):
    house = build(slots=4, queues={"a": 2, "b": 2})
    house.submit(
        *({**PLAIN, "queue": q, "priority": p} for q, p in itertools.product("abc", range(8)))
    )

    while house.core.frontier:
        assert len(house.hand.open) == 4
        house.succeed(next(iter(house.hand.open)))
