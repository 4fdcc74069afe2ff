"""Forks: another run of the same, from any of its tasks, with finished work taken over."""

import json

import pytest
from core.house import ACTOR, PLAIN
from tipman.errors import InvalidError, KeyExistsError, NotFoundError, QuotaReachedError
from tipman.ids import IdSource
from tipman.jsontext import dumps
from tipman.run_events import RunForked
from workflows.runs import chain, plain, started, states

EVAL = {"type": "eval", "arguments": "result = context"}


def fork(house, run, from_task=None, given=None, key=None):
    """Fork a run; return the new one, and the ids of its tasks by name."""
    new = house.submitter.new_id()
    house.publish(RunForked(new, run, from_task, dumps(given or {}), key, ACTOR))
    return new, tasks(house, new)


def tasks(house, run):
    rows = house.reader.fetch(
        "SELECT name, id FROM instance WHERE run = ? AND parent IS NULL ORDER BY id", (run,)
    )
    return {name: bytes(identifier) for name, identifier in rows}


def diamond(house, **workflow):
    return started(
        house, plain("top"), plain("left", "top"), plain("right", "top"),
        plain("end", "left", "right"), **workflow,
    )  # fmt: skip


def test_what_lies_above_is_taken_over_with_its_result_and_not_run_again(house):
    run, ids = diamond(house)
    for name in ids:
        house.succeed(ids[name], name)

    new, copies = fork(house, run, "left")

    assert states(house, copies) == {
        "top": "succeeded", "left": "running", "right": "succeeded", "end": "waiting",
    }  # fmt: skip
    assert house.result(copies["top"]) == "top"
    assert house.outcomes(copies["top"]) == ["taken_over"]
    house.succeed(copies["left"])
    house.succeed(copies["end"])
    assert house.state(new) == "succeeded"
    assert house.started() == ["top", "left", "right", "end", "left", "end"]


def test_the_old_run_stays_as_it_is(house):
    run, ids = chain(house, "a", "b")
    house.succeed(ids["a"])
    house.fail(ids["b"])
    before = house.log(run)

    fork(house, run, "b")

    assert house.log(run) == before
    assert states(house, ids) == {"a": "succeeded", "b": "failed"}


def test_what_did_not_succeed_is_done_again_wherever_it_lies(house):
    run, ids = started(house, plain("a"), plain("b"), plain("c", "b"), plain("d", "a"))
    house.succeed(ids["a"])
    house.fail(ids["b"])
    house.succeed(ids["d"])

    _, copies = fork(house, run, "d")

    assert states(house, copies) == {
        "a": "succeeded", "b": "running", "c": "waiting", "d": "running",
    }  # fmt: skip


def test_without_a_task_everything_is_done_again(house):
    run, ids = chain(house, "a", "b")
    house.succeed(ids["a"])

    _, copies = fork(house, run)

    assert states(house, copies) == {"a": "running", "b": "waiting"}


def test_a_run_that_goes_on_can_be_forked(house):
    run, ids = chain(house, "a", "b")
    house.succeed(ids["a"])

    new, copies = fork(house, run, "b")

    assert (house.state(run), house.state(new)) == ("running", "running")
    assert states(house, copies) == {"a": "succeeded", "b": "running"}


def test_the_rest_sees_the_new_input_and_what_was_passed_on(house):
    run, ids = started(
        house, {"name": "a", **EVAL}, {"name": "b", **EVAL, "dependencies": ["a"]},
        {"name": "c", **EVAL, "dependencies": ["b"]}, input={"day": "monday", "by": "x"},
    )  # fmt: skip
    house.succeed(ids["a"], {"rows": 3})
    house.succeed(ids["b"], {"sum": 6})

    _, copies = fork(house, run, "c", {"day": "tuesday", "by": "x"})

    seen = house.hand.open[copies["c"]].context
    assert seen["context"] == {"day": "tuesday", "by": "x", "rows": 3, "sum": 6}
    assert seen["results"] == {"b": {"sum": 6}}


def test_what_was_taken_over_is_there_after_a_crash(house):
    run, ids = started(
        house, {"name": "a", **EVAL}, plain("b", "a"), {"name": "c", **EVAL, "dependencies": ["b"]}
    )
    house.succeed(ids["a"], {"rows": 3})
    house.succeed(ids["b"])
    house.succeed(ids["c"])

    new, copies = fork(house, run, "b")
    house.crash()
    house.succeed(copies["b"])

    assert house.hand.open[copies["c"]].context["context"]["rows"] == 3
    house.succeed(copies["c"])
    assert house.state(new) == "succeeded"


def test_a_fork_says_what_it_is_of(house):
    run, ids = chain(house, "a", "b")
    house.succeed(ids["a"])

    new, copies = fork(house, run, "b", key="again")

    rows = house.reader.fetch("SELECT name, origin FROM workflow_run WHERE id = ?", (new,))
    assert [(name, bytes(origin)) for name, origin in rows] == [("flow", run)]
    first = house.log(copies["a"])[0]["data"]
    assert first["origin"].replace("-", "") == ids["a"].hex()
    with pytest.raises(KeyExistsError):
        fork(house, run, "b", key="again")


def test_tasks_that_were_added_are_forked_too_and_forks_are(house):
    run, ids = chain(house, "a", "b")
    house.succeed(ids["a"], 1)
    _, copies = fork(house, run, "b")

    newest = next(iter(house.reader.fetch("SELECT max(id) FROM workflow_run")))[0]
    house.succeed(copies["b"])
    _, again = fork(house, bytes(newest), "b")

    assert states(house, again) == {"a": "succeeded", "b": "running"}
    assert house.result(again["a"]) == 1


def test_the_settings_of_the_workflow_hold_for_its_forks(build):
    house = build(slots=9)
    run, ids = started(
        house, plain("a"), plain("b", "a"), plain("c", "a"), slots=1, hooks={"failed": PLAIN}
    )
    house.succeed(ids["a"])

    new, copies = fork(house, run, "b")

    assert sorted(states(house, copies).values()) == ["queued", "running", "succeeded"]
    while house.state(new) == "running" and (mine := {*copies.values()} & {*house.hand.open}):
        house.fail(mine.pop())
    assert [a.name for a in house.hand.open.values() if a.name.startswith("hooks")] == [
        "hooks.failed"
    ]


def test_what_was_taken_over_is_not_undone_by_the_fork(house):
    run, ids = started(house, plain("a", compensate=PLAIN), plain("b", "a", compensate=PLAIN),
                       plain("c", "b"))  # fmt: skip
    house.succeed(ids["a"])
    house.succeed(ids["b"])

    new, copies = fork(house, run, "b")
    house.succeed(copies["b"])
    house.fail(copies["c"])

    rows = house.reader.fetch("SELECT name FROM instance WHERE parent = ?", (new,))
    assert rows == [("b.undo",)]


def test_only_what_is_to_be_done_counts_for_the_quota(house):
    run, ids = chain(house, "a", "b", "c")
    for name in ids:
        house.succeed(ids[name])
    namespace = house.core.directory.registry.namespaces["default"]
    house.core.directory.registry.put_namespace(namespace.__class__("default", 2, None, 0))

    with pytest.raises(QuotaReachedError):
        fork(house, run, "a")
    _, copies = fork(house, run, "b")

    assert house.core.directory.registry.open_tasks["default"] == 2
    house.succeed(copies["b"])
    house.succeed(copies["c"])
    assert house.core.directory.registry.open_tasks["default"] == 0


def test_a_fork_from_nowhere_is_refused(house):
    run, _ = chain(house, "fetch", "pack")

    with pytest.raises(InvalidError, match="did you mean `pack`") as refusal:
        fork(house, run, "pakc")
    assert refusal.value.faults[0].pointer == "/from_task"
    with pytest.raises(NotFoundError):
        fork(house, IdSource(lambda: 0)())


def test_a_fork_is_like_no_other_run_where_its_input_is_another(house):
    run, ids = chain(house, "a", input={"n": 1})
    house.succeed(ids["a"])

    same, _ = fork(house, run, None, {"n": 1})
    other, _ = fork(house, run, None, {"n": 2})

    contents = dict(house.reader.fetch("SELECT id, content FROM workflow_run"))
    by_id = {bytes(identifier): content for identifier, content in contents.items()}
    assert by_id[same] == by_id[run] != by_id[other]
    rows = house.reader.fetch("SELECT input FROM workflow_run WHERE id = ?", (other,))
    assert json.loads(rows[0][0]) == {"n": 2}


# Maps.


def each(over, task=EVAL, **arguments):
    return {"name": "each", "type": "map", "arguments": {"over": over, "task": task, **arguments}}


def items(house, identifier):
    rows = house.reader.fetch("SELECT name, id FROM instance WHERE parent = ?", (identifier,))
    found = {name: bytes(item) for name, item in rows}
    return [found[f"each[{at}]"] for at in range(len(found))]


def failed_map(house, **arguments):
    """Let a run fail as the second of three items did."""
    run, ids = started(house, each(["a", "b", "c"], **arguments), plain("end", "each"))
    while house.hand.open:
        # Last, as the others are cancelled with it.
        attempt = min(house.hand.open.values(), key=lambda each: each.name == "each[1]")
        if attempt.name == "each[1]":
            house.fail(attempt.instance)
        else:
            house.succeed(attempt.instance, attempt.name)
    return run, ids


@pytest.mark.parametrize("arguments", [{}, {"parallel_max": 1}])
def test_of_a_failed_map_only_what_did_not_succeed_is_done_again(house, arguments):
    run, ids = failed_map(house, **arguments)
    ran = {a.name for a in house.hand.started}
    old = items(house, ids["each"])

    new, copies = fork(house, run, "end")

    assert ran >= {"each[0]", "each[1]"}
    assert [a.name for a in house.hand.open.values()] == ["each[1]"]
    first, second, *_ = items(house, copies["each"])
    assert house.outcomes(first) == ["taken_over"]
    assert house.log(first)[0]["data"]["origin"].replace("-", "") == old[0].hex()
    house.succeed(second, "again")
    while house.state(copies["each"]) == "awaiting":
        (item,) = house.hand.open
        house.succeed(item, "each[2]")
    assert house.result(copies["each"]) == ["each[0]", "again", "each[2]"]
    house.succeed(copies["end"])
    assert house.state(new) == "succeeded"


def test_items_are_taken_over_for_the_same_values_alone(house):
    over = {"context": "names"}
    given = {"names": ["a", "b", 1]}
    run, ids = started(house, each(over), plain("end", "each"), input=given)
    for item in items(house, ids["each"])[::2]:
        house.succeed(item, "old")
    house.fail(items(house, ids["each"])[1])

    _, copies = fork(house, run, "end", {"names": ["a", "b", True, "d"]})

    outcomes = [house.outcomes(item) for item in items(house, copies["each"])]
    assert outcomes == [["taken_over"], [], [], []]


def test_a_map_that_the_fork_begins_from_is_done_anew(house):
    run, _ = failed_map(house)

    _, copies = fork(house, run, "each")

    assert [house.outcomes(item) for item in items(house, copies["each"])] == [[], [], []]


def test_items_that_were_taken_over_count_for_no_quota_and_are_there_once_after_a_crash(house):
    run, _ = failed_map(house)
    namespace = house.core.directory.registry.namespaces["default"]
    house.core.directory.registry.put_namespace(namespace.__class__("default", 3, None, 0))

    _, copies = fork(house, run, "end")
    house.crash()

    assert [house.state(item) for item in items(house, copies["each"])] == [
        "succeeded", "running", "succeeded",
    ]  # fmt: skip
    assert house.core.directory.registry.open_tasks["default"] == 3


def test_the_retry_of_a_forked_map_opens_only_what_failed_again(house):
    run, _ = failed_map(house)
    new, copies = fork(house, run, "end")
    first, second, third = items(house, copies["each"])
    house.fail(second)

    house.retry(new)

    assert [a.instance for a in house.hand.open.values()] == [second]
    assert house.outcomes(first) == house.outcomes(third) == ["taken_over"]
