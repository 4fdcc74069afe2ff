"""Namespaces: what is in one knows nothing of the others, and holds them up by a slot at most."""

import itertools

import pytest
from core.house import ACTOR, PLAIN, WAIT
from tipman.errors import (
    ConflictError,
    InvalidError,
    KeyExistsError,
    NotFoundError,
    QuotaReachedError,
    UnknownDependencyError,
)
from tipman.registrations import NamespaceChanged, NamespaceCreated, NamespaceDeleted, TokenCreated

MANY = 10_000


def create(house, name, *, open_tasks_max=None, slots_max=None):
    house.publish(NamespaceCreated(name, ACTOR, open_tasks_max, slots_max))


def change(house, name, **quotas):
    house.publish(NamespaceChanged(name, ACTOR, quotas))


def delete(house, name):
    house.publish(NamespaceDeleted(name, ACTOR))


def end_first(house):
    """End the attempt that began first."""
    house.succeed(next(iter(house.hand.open)))


def namespaces_in_order(house):
    return [attempt.namespace for attempt in house.hand.started]


# Being there.


def test_the_default_namespace_is_always_there(house):
    assert house.view(house.task())["namespace"] == "default"

    with pytest.raises(ConflictError, match="always exists"):
        delete(house, "default")


def test_a_submission_to_no_namespace_is_refused_as_a_whole(house):
    with pytest.raises(InvalidError) as refused:
        house.submit(PLAIN, {**PLAIN, "namespace": "nowhere"})

    assert [fault.pointer for fault in refused.value.faults] == ["/tasks/1/namespace"]
    assert house.started() == []


def test_a_name_is_taken_once_and_free_again_when_its_namespace_is_gone(house):
    create(house, "team")
    with pytest.raises(KeyExistsError) as refused:
        create(house, "team")
    assert refused.value.uri == "/api/v1/namespaces/team"

    delete(house, "team")
    with pytest.raises(InvalidError, match="no namespace 'team'"):
        house.task(namespace="team")
    create(house, "team")

    assert house.view(house.task(namespace="team"))["state"] == "running"


def test_what_is_made_and_used_in_one_drain_is_known(house):
    event = house.submitter.batch([house.checked({**PLAIN, "namespace": "team"})], actor=ACTOR)

    house.publish(NamespaceCreated("team", ACTOR, None, None), event)

    assert house.state(event.instance) == "running"


def test_namespaces_and_their_quotas_are_there_after_a_start(house):
    create(house, "team", open_tasks_max=2, slots_max=1)
    house.submit(*[{**PLAIN, "namespace": "team"}] * 2)

    house.crash()

    with pytest.raises(QuotaReachedError):
        house.task(namespace="team")
    assert len(house.hand.open) == 1


def test_a_namespace_with_something_open_is_not_deleted(house):
    create(house, "team")
    task = house.task(namespace="team")
    with pytest.raises(ConflictError, match="1 open tasks") as refused:
        delete(house, "team")
    assert refused.value.state == "in_use"

    house.succeed(task)
    delete(house, "team")

    assert house.view(task)["namespace"] == "team", "what has settled stays readable"


def test_a_namespace_that_does_not_exist_can_not_be_changed_or_deleted(house):
    for act in (change, delete):
        with pytest.raises(NotFoundError):
            act(house, "nowhere")


def test_with_a_namespace_go_its_counters_and_its_tokens(house):
    create(house, "team")
    counter = {"type": "counter", "arguments": {"name": "visits"}, "namespace": "team"}
    house.publish(TokenCreated("theirs", ACTOR, bytes(32), "read", "team"))
    (first,) = house.submit(counter)
    house.succeed(first)
    delete(house, "team")
    create(house, "team")

    (second,) = house.submit(counter)
    house.succeed(second)

    assert house.result(second) == {"value": 1}
    assert house.core.directory.registry.tokens == {}


# What is apart.


def test_keys_counters_and_classes_are_of_their_namespace(house):
    create(house, "team")
    ids = [house.task(key="nightly", namespace=name) for name in ("default", "team")]
    counters = [
        house.task(type="counter", arguments={"name": "n"}, namespace=name)
        for name in ("default", "team", "team")
    ]
    for counter in counters:
        house.succeed(counter)
    classes = [house.class_task("Till", namespace=name) for name in ("default", "team")]

    assert len(set(ids)) == 2
    assert [house.result(counter)["value"] for counter in counters] == [1, 1, 2]
    assert house.states(*classes) == ["running", "running"]


def test_a_dependency_by_key_is_looked_for_in_its_own_namespace(house):
    create(house, "team")
    house.task(key="first")

    with pytest.raises(InvalidError, match="unknown dependency 'first'"):
        house.submit({**WAIT, "namespace": "team", "dependencies": ["first"]})


def test_a_dependency_by_id_is_of_the_same_namespace(house):
    create(house, "team")
    first = house.view(house.task())["id"]

    with pytest.raises(UnknownDependencyError, match=first):
        house.submit({**WAIT, "namespace": "team", "dependencies": [first]})


def test_a_batch_may_have_one_key_in_two_namespaces(house):
    create(house, "team")
    (one, _, other, dependent) = house.submit(
        *({**WAIT, "namespace": name, **fields}
          for name in ("default", "team")
          for fields in ({"key": "first"}, {"key": "second", "dependencies": ["first"]}))
    )  # fmt: skip

    house.ask("finish.reported", one)
    assert house.state(dependent) == "waiting"
    house.ask("finish.reported", other)

    assert house.state(dependent) == "awaiting"


# Turns.


def test_ten_thousand_of_one_hold_another_up_by_one_slot_at_most(build):
    house = build(slots=2)
    create(house, "small")
    house.submit(*[PLAIN] * MANY)
    before = len(house.hand.started)

    house.task(namespace="small", name="late")
    end_first(house)

    assert house.started()[before:] == ["late"], "the very next slot is theirs"


def test_a_namespace_that_comes_again_and_again_does_not_take_every_slot(build):
    house = build(slots=1)
    create(house, "eager")
    house.submit(*[PLAIN] * 6)
    for _ in range(5):
        house.task(namespace="eager")
        end_first(house)

    order = namespaces_in_order(house)[1:]
    assert order == ["eager", "default"] * 2 + ["eager"]


def test_namespaces_take_turns_whatever_their_priorities(build):
    house = build(slots=1)
    for name in ("a", "b"):
        create(house, name)
    house.task()
    for priority in range(3):
        house.task(namespace="a", priority=1000)
        house.task(namespace="b", priority=-priority)
        house.task()
    while house.hand.open:
        end_first(house)

    order = namespaces_in_order(house)[1:]
    assert all(len(set(order[at : at + 3])) == 3 for at in range(0, 9, 3)), order


def test_without_turns_the_other_would_wait_for_all(build):
    """The negative control: in one namespace the late one waits for what came before it."""
    house = build(slots=1)
    house.submit(*[PLAIN] * 10)

    house.task(name="late")
    end_first(house)

    assert house.started()[-1] != "late"


def test_within_a_namespace_priority_and_age_decide(build):
    house = build(slots=1)
    create(house, "team")
    house.task()
    for name, priority in (("low", -1), ("old", 0), ("new", 0), ("high", 1)):
        house.task(namespace="team", name=name, priority=priority)
    while house.hand.open:
        end_first(house)

    assert house.started()[1:] == ["high", "old", "new", "low"]


def test_a_namespace_whose_queue_is_full_does_not_hold_up_another(build):
    house = build(slots=2, queues={"mail": 1})
    create(house, "team")
    house.submit(*[{**PLAIN, "queue": "mail"}] * 3)

    house.task(namespace="team", queue="mail", name="theirs")
    other = house.task(namespace="team", name="other")

    assert house.state(other) == "running"


def test_the_slots_of_a_queue_are_of_all_and_taken_in_turns(build):
    house = build(slots=2, queues={"mail": 1})
    create(house, "team")
    house.submit(*[{**PLAIN, "queue": "mail"}] * 3)
    house.task(namespace="team", queue="mail", name="theirs")
    house.submit(*[{**PLAIN, "namespace": "team"}] * 3)

    end_first(house)

    assert house.started()[-1] == "theirs", "whatever else of theirs has started meanwhile"


def test_every_slot_is_used_while_any_namespace_has_work(build):
    house = build(slots=3)
    for name, slots_max in (("a", 1), ("b", 2), ("c", None)):
        create(house, name, slots_max=slots_max)
    house.submit(
        *({**PLAIN, "namespace": n, "queue": q} for n, q in itertools.product("abc", "xy"))
    )
    house.submit(*[{**PLAIN, "namespace": "c"}] * 10)

    while house.core.frontier:
        assert len(house.hand.open) == 3
        end_first(house)


# Quotas.


def test_a_namespace_takes_no_more_slots_than_its_quota(build):
    house = build(slots=4)
    create(house, "team", slots_max=2)
    ids = house.submit(*[{**PLAIN, "namespace": "team"}] * 4)

    assert house.states(*ids) == ["running"] * 2 + ["queued"] * 2
    reason = house.explain(ids[3])["waiting_for"][0]["text"]
    assert reason == "a slot of namespace team, all 2 are taken"
    house.succeed(ids[0])

    assert house.states(*ids[1:]) == ["running", "running", "queued"]


def test_a_larger_quota_of_slots_starts_what_waits_and_a_smaller_one_ends_nothing(build):
    house = build(slots=4)
    create(house, "team", slots_max=1)
    ids = house.submit(*[{**PLAIN, "namespace": "team"}] * 5)

    change(house, "team", slots_max=3)
    assert house.states(*ids) == ["running"] * 3 + ["queued"] * 2
    change(house, "team", slots_max=1)
    for identifier in ids[:2]:
        house.succeed(identifier)
    assert house.states(*ids[2:]) == ["running", "queued", "queued"]
    change(house, "team", slots_max=None)

    assert house.states(*ids[2:]) == ["running"] * 3


def test_a_submission_beyond_the_quota_of_open_tasks_is_refused_as_a_whole(house):
    create(house, "team", open_tasks_max=3)
    first = house.task(namespace="team")
    house.task(namespace="team")

    with pytest.raises(QuotaReachedError, match="may have 3 open tasks and has 2"):
        house.submit(*[{**PLAIN, "namespace": "team"}] * 2, PLAIN)
    assert len(house.hand.started) == 2, "nothing of it was kept, not what has room elsewhere"
    house.submit({**PLAIN, "namespace": "team"})
    house.succeed(first)

    assert house.state(house.task(namespace="team")) == "running"


def test_what_is_skipped_at_once_takes_no_place(house):
    create(house, "team", open_tasks_max=2)
    failed = house.task(namespace="team", key="failed")
    house.fail(failed)
    for _ in range(3):
        house.submit({**PLAIN, "namespace": "team", "dependencies": ["failed"]})

    assert house.core.directory.registry.open_tasks["team"] == 0


def test_a_retry_is_let_in_and_counts(house):
    create(house, "team", open_tasks_max=1)
    first = house.task(namespace="team")
    house.fail(first)
    house.task(namespace="team")

    house.retry(first)

    assert house.state(first) == "running"
    assert house.core.directory.registry.open_tasks["team"] == 2
    with pytest.raises(QuotaReachedError):
        house.task(namespace="team")


def test_the_quota_holds_among_submissions_of_one_drain(house):
    create(house, "team", open_tasks_max=2)
    events = [
        house.submitter.batch([house.checked({**PLAIN, "namespace": "team"})], actor=ACTOR)
        for _ in range(5)
    ]
    receipts = [house.core.bus.publish_nowait(event) for event in events]
    house.rest()

    refused = [house.is_known(event.instance) for event in events]
    assert refused == [True, True, False, False, False]
    for receipt in receipts[2:]:
        with pytest.raises(QuotaReachedError):
            receipt.result(0)
