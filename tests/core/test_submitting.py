"""Submissions: all or nothing, keys that are unique, and everything wrong refused."""

import pytest
from core.house import PLAIN
from tipman.errors import (
    CycleError,
    InvalidError,
    KeyExistsError,
    UnknownDependencyError,
)
from tipman.ids import text_of

NOBODY = text_of(bytes(15) + b"\1")


def count(house):
    return house.reader.fetch("SELECT count(*) FROM instance")[0][0]


def test_a_batch_answers_in_the_order_given(house):
    ids = house.submit(*({**PLAIN, "name": f"n{number}"} for number in range(20)))

    assert [house.view(i)["name"] for i in ids] == [f"n{number}" for number in range(20)]
    assert ids == sorted(ids)
    assert all(len(i) == 16 for i in ids)


def test_a_task_reads_as_it_was_submitted(house):
    identifier = house.task(
        key="pack@2", name="pack", queue="mail", priority=7, timeout_s=60, after_s=5
    )

    view = house.view(identifier)

    expected = {
        "id": text_of(identifier),
        "uri": f"/api/v1/tasks/{text_of(identifier)}",
        "kind": "task",
        "key": "pack@2",
        "name": "pack",
        "namespace": "default",
        "type": "sleep",
        "arguments": {"duration_s": 1},
        "queue": "mail",
        "priority": 7,
        "timeout_s": 60,
        "state": "delayed",
        "settled": False,
        "running": False,
        "attempt": 0,
        "attempts_max": 1,
        "submitted_at": "2023-11-14T22:13:20.000000Z",
        "due_at": "2023-11-14T22:13:25.000000Z",
        "started_at": None,
        "settled_at": None,
    }
    assert {name: view[name] for name in expected} == expected


BAD = {
    "known key": ({**PLAIN, "key": "taken"}, KeyExistsError),
    "unknown key": ({**PLAIN, "dependencies": ["nobody"]}, UnknownDependencyError),
    "unknown uuid": ({**PLAIN, "dependencies": [NOBODY]}, UnknownDependencyError),
    "unknown uri": (
        {**PLAIN, "dependencies": [f"/api/v1/tasks/{NOBODY}"]},
        UnknownDependencyError,
    ),
    "key twice": ({**PLAIN, "key": "one"}, InvalidError),
    "itself": ({**PLAIN, "key": "me", "dependencies": ["me"]}, CycleError),
}


@pytest.mark.parametrize(("bad", "error"), BAD.values(), ids=BAD)
def test_a_batch_with_a_bad_task_leaves_nothing_behind(house, bad, error):
    house.task(key="taken")
    before = count(house)

    with pytest.raises(error):
        house.submit({**PLAIN, "key": "one"}, bad, {**PLAIN, "dependencies": ["one"]})

    assert count(house) == before
    assert house.task(key="one"), "the key is still free"


def test_a_refused_batch_does_not_change_what_it_would_have_waited_for(house):
    known = house.task(key="known")
    before = house.view(known)

    with pytest.raises(UnknownDependencyError):
        house.submit({**PLAIN, "dependencies": ["known"]}, {**PLAIN, "dependencies": ["no"]})

    house.succeed(known)
    assert {**house.view(known), **_ended(before)} == {**before, **_ended(before)}


def _ended(view):
    return {name: view[name] for name in ("state", "settled", "running", "owner", "settled_at")}


def test_a_known_key_is_answered_with_its_address(house):
    holder = house.task(key="taken")

    with pytest.raises(KeyExistsError) as refused:
        house.task(key="taken")

    assert refused.value.uri == f"/api/v1/tasks/{text_of(holder)}"
    assert refused.value.code == "key_exists"


def test_a_key_stays_taken_when_its_task_has_settled(house):
    house.succeed(house.task(key="taken"))

    with pytest.raises(KeyExistsError):
        house.task(key="taken")


def test_two_submissions_of_one_key_in_one_drain_make_one_task(house):
    events = [
        house.submitter.batch([house.checked({**PLAIN, "key": "k"})], actor="a") for _ in range(2)
    ]
    receipts = [house.core.bus.publish_nowait(event) for event in events]
    house.rest()

    receipts[0].result(0)
    with pytest.raises(KeyExistsError):
        receipts[1].result(0)
    assert count(house) == 1


def test_an_unknown_dependency_is_named_with_its_place(house):
    with pytest.raises(UnknownDependencyError, match="'typo'") as refused:
        house.submit({**PLAIN, "key": "a"}, {**PLAIN, "dependencies": ["a", "typo"]})

    assert [f.pointer for f in refused.value.faults] == ["/tasks/1/dependencies/1"]


def test_an_unknown_uuid_is_named_with_its_place(house):
    with pytest.raises(UnknownDependencyError, match=NOBODY) as refused:
        house.submit({**PLAIN, "key": "a"}, {**PLAIN, "dependencies": ["a", NOBODY]})

    assert [f.pointer for f in refused.value.faults] == ["/tasks/1/dependencies/1"]


def test_a_cycle_is_named_whole(house):
    with pytest.raises(CycleError) as refused:
        house.submit(
            {**PLAIN, "key": "a", "dependencies": ["b"]},
            {**PLAIN, "key": "b", "dependencies": ["c"]},
            {**PLAIN, "key": "c", "dependencies": ["a"]},
            {**PLAIN, "key": "d", "dependencies": ["a"]},
        )

    ring = str(refused.value).removeprefix("tasks wait for one another: ").split(" -> ")
    assert sorted(ring[:-1]) == ["a", "b", "c"]
    assert ring[0] == ring[-1]
    pointers = [fault.pointer for fault in refused.value.faults]
    assert pointers == [f"/tasks/{'abc'.index(ring[0])}/dependencies"]


def test_an_empty_batch_is_refused(house):
    with pytest.raises(InvalidError):
        house.submit()


def test_a_workflow_waits_by_the_names_of_its_tasks(house):
    tasks = house.run(
        {**PLAIN, "name": "last", "dependencies": ["first"]}, {**PLAIN, "name": "first"}
    )

    assert house.state(tasks["last"]) == "waiting"
    house.succeed(tasks["first"])
    assert house.state(tasks["last"]) == "running"


def test_two_runs_of_one_workflow_do_not_meet(house):
    flow = ({**PLAIN, "name": "first"}, {**PLAIN, "name": "last", "dependencies": ["first"]})
    one, other = house.run(*flow), house.run(*flow)

    house.fail(one["first"])

    assert house.state(one["last"]) == "skipped"
    assert house.state(other["last"]) == "waiting"


def test_a_thousand_tasks_are_one_transaction(house):
    before = len(house.commits)

    house.submit(*[{**PLAIN, "after_s": 60}] * 1000)

    with_rows = [entries for entries in house.commits[before:] if entries]
    assert [len(entries) for entries in with_rows] == [1000]
