"""`map` tasks: a task for each value of a list, so many at once, and so many may fail."""

import json

import pytest
from core.house import BOOM, PLAIN
from tipman import listing
from tipman.events import StopReason
from tipman.handlers.mapping import ITEMS_AT_ONCE

EACH = {"type": "eval", "arguments": "result = item"}


def mapping(over, task=EACH, **arguments):
    return {"type": "map", "arguments": {"over": over, "task": task, **arguments}}


def items(house, identifier):
    """Return the ids of the items of a map by their indices."""
    rows = house.reader.fetch("SELECT id, name FROM instance WHERE parent = ?", (identifier,))
    found = {int(name.rsplit("[", 1)[1][:-1]): bytes(item) for item, name in rows}
    assert sorted(found) == list(range(len(rows))), "each item is there once"
    return [found[at] for at in range(len(rows))]


def test_each_value_has_an_item_and_the_results_are_in_order(house):
    (identifier,) = house.submit({"name": "each", **mapping(["a", "b", "c"])})

    found = items(house, identifier)
    assert house.state(identifier) == "awaiting"
    assert [house.view(item)["name"] for item in found] == ["each[0]", "each[1]", "each[2]"]
    for item in reversed(found):
        house.succeed(item, house.hand.open[item].context["item"].upper())

    assert house.state(identifier) == "succeeded"
    assert house.result(identifier) == ["A", "B", "C"]
    assert house.outcomes(identifier) == ["succeeded"]


def test_an_item_sees_its_value_its_index_and_what_the_map_sees(house):
    ids = house.run(
        {"name": "before", **EACH},
        {"name": "each", **mapping([10, 20]), "dependencies": ["before"]},
        input={"day": "monday"},
    )
    house.succeed(ids["before"], 3)

    second = items(house, ids["each"])[1]
    seen = house.hand.open[second].context

    assert (seen["item"], seen["index"]) == (20, 1)
    assert seen["context"]["day"] == "monday"
    assert seen["results"] == {"before": 3}


def test_expressions_of_an_item_are_filled_in_for_each(house):
    task = {"type": "sleep", "arguments": {"duration_s": "{item * 2 + index}"}}

    (identifier,) = house.submit(mapping([1, 2], task))

    started = [house.hand.open[item].arguments for item in items(house, identifier)]
    assert started == [{"duration_s": 2}, {"duration_s": 5}]


def test_an_empty_list_succeeds_with_an_empty_list(house):
    (identifier,) = house.submit(mapping([]))

    assert house.state(identifier) == "succeeded"
    assert house.result(identifier) == []


@pytest.mark.parametrize("over", ["{results.before}", {"context": "results.before"}])
def test_the_list_may_come_from_a_task_before(house, over):
    ids = house.run(
        {"name": "before", **EACH}, {"name": "each", **mapping(over), "dependencies": ["before"]}
    )

    house.succeed(ids["before"], [1, 2])

    assert len(items(house, ids["each"])) == 2


@pytest.mark.parametrize("over", ["{context.names}", {"context": "names"}])
def test_the_list_may_come_from_the_input(house, over):
    ids = house.run({"name": "each", **mapping(over)}, input={"names": ["x"]})

    assert len(items(house, ids["each"])) == 1


@pytest.mark.parametrize("names", ["x", {"a": 1}, 3, None])
def test_what_is_no_list_fails_it(house, names):
    ids = house.run({"name": "each", **mapping({"context": "names"})}, input={"names": names})

    assert house.state(ids["each"]) == "failed"
    assert house.error(ids["each"])["code"] == "not_a_list"


def test_a_key_that_the_context_does_not_have_fails_it_by_name(house):
    ids = house.run({"name": "each", **mapping({"context": "names"})})

    assert house.error(ids["each"])["message"] == "the context's 'names' is missing"


def test_an_expression_that_can_not_be_computed_fails_it(house):
    ids = house.run({"name": "each", **mapping("{context.names}")})

    assert house.error(ids["each"])["code"] == "expression"


def test_only_so_many_items_run_at_once(build):
    house = build(slots=10)
    (identifier,) = house.submit(mapping([1, 2, 3, 4], parallel_max=2))
    found = items(house, identifier)

    assert house.states(*found) == ["running", "running", "queued", "queued"]
    assert "its map" in house.explain(found[2])["waiting_for"][0]["text"]
    house.succeed(found[0])
    assert house.states(*found) == ["succeeded", "running", "running", "queued"]
    house.crash()
    assert house.states(*found).count("running") == 2


def test_items_that_take_no_slot_are_begun_in_turn(house):
    (identifier,) = house.submit(mapping([1, 2, 3], {"type": "wait"}, parallel_max=2))

    assert len(items(house, identifier)) == 2
    house.ask("finish.reported", items(house, identifier)[0], "one")
    assert len(items(house, identifier)) == 3
    house.crash()
    for item in items(house, identifier)[1:]:
        house.ask("finish.reported", item, "more")

    assert house.result(identifier) == ["one", "more", "more"]


def test_items_that_take_no_slot_are_begun_again_in_turn(house):
    (identifier,) = house.submit(
        mapping([1, 2, 3], {"type": "wait"}, parallel_max=1, failures_max=1)
    )
    for reason in ("no", "no"):
        house.ask("fail.reported", items(house, identifier)[-1], reason)
    first, second = items(house, identifier)
    assert house.state(identifier) == "failed"

    house.retry(identifier)

    assert house.states(first, second) == ["awaiting", "failed"]
    house.crash()
    house.ask("finish.reported", first, 1)
    assert house.states(first, second) == ["succeeded", "awaiting"]
    house.ask("finish.reported", second, 2)
    house.ask("finish.reported", items(house, identifier)[2], 3)
    assert house.result(identifier) == [1, 2, 3]


def test_failures_that_are_allowed_leave_a_null(house):
    (identifier,) = house.submit(mapping([1, 2, 3, 4], failures_max="25%"))
    found = items(house, identifier)

    house.fail(found[1])
    for item in (found[0], found[2], found[3]):
        house.succeed(item, "fine")

    assert house.state(identifier) == "succeeded"
    assert house.result(identifier) == ["fine", None, "fine", "fine"]


def test_more_failures_than_allowed_end_it_at_once(house):
    (identifier,) = house.submit(mapping([1, 2, 3], failures_max=1))
    found = items(house, identifier)
    house.succeed(found[0], "fine")
    house.fail(found[1])
    assert house.state(identifier) == "awaiting"
    (other,) = house.submit(mapping([1, 2, 3]))
    third = items(house, other)

    house.fail(third[1])

    assert house.configuration(other) == "closing"
    assert house.configuration(third[0]) == "cancelling"
    assert "then it fails" in house.explain(other)["waiting_for"][0]["text"]
    end(house, third[0], third[2])
    assert house.states(*third) == ["cancelled", "failed", "cancelled"]
    assert house.state(other) == "failed"
    assert house.error(other)["code"] == "too_many_failures"
    assert house.state(identifier) == "awaiting"


def end(house, *identifiers):
    """Let attempts that are being ended end."""
    for identifier in identifiers:
        house.interrupt(identifier, StopReason.CANCELLED)


def test_a_retry_opens_only_what_failed(house):
    (identifier,) = house.submit(mapping([1, 2, 3], failures_max=1))
    found = items(house, identifier)
    house.succeed(found[0], "kept")
    house.fail(found[1])
    house.fail(found[2])
    assert house.state(identifier) == "failed"
    assert house.result(identifier) == ["kept", None, None]

    house.retry(identifier)

    assert house.states(identifier, *found) == ["awaiting", "succeeded", "running", "running"]
    house.succeed(found[1], "again")
    house.succeed(found[2], "too")
    assert house.result(identifier) == ["kept", "again", "too"]
    assert [len(house.attempts(item)) for item in found] == [1, 2, 2]
    assert house.outcomes(identifier) == ["failed", "succeeded"]


def test_a_retry_of_one_item_opens_its_map(house):
    ids = house.run({"name": "each", **mapping([1, 2])}, {**PLAIN, "name": "after",
                    "dependencies": ["each"]})  # fmt: skip
    found = items(house, ids["each"])
    house.fail(found[0])
    end(house, found[1])
    assert house.states(ids["each"], ids["after"]) == ["failed", "skipped"]

    house.retry(found[0])

    assert house.states(ids["each"], ids["after"]) == ["awaiting", "waiting"]
    assert house.states(*found) == ["running", "cancelled"]
    house.succeed(found[0], 1)
    assert house.state(ids["each"]) == "failed", "the other was cancelled"
    house.retry(ids["each"])
    house.succeed(found[1], 2)
    assert house.result(ids["each"]) == [1, 2]
    assert house.state(ids["after"]) == "running"


def test_failures_that_were_allowed_can_be_tried_again(house):
    ids = house.run({"name": "each", **mapping([1, 2], failures_max=1)}, {**PLAIN, "name": "after",
                    "dependencies": ["each"]})  # fmt: skip
    found = items(house, ids["each"])
    house.fail(found[0])
    house.succeed(found[1], "kept")
    assert house.result(ids["each"]) == [None, "kept"]

    house.retry(ids["each"])

    assert house.states(ids["each"], *found) == ["awaiting", "running", "succeeded"]
    assert house.state(ids["after"]) == "running", "what ran stays"
    house.succeed(found[0], "again")
    assert house.result(ids["each"]) == ["again", "kept"]
    house.succeed(ids["after"])
    assert house.conflict("retry.requested", ids["each"]) == "succeeded"


def test_a_policy_of_the_map_tries_what_failed_again(house):
    retry = {"attempts_max": 2, "delay_s": 10, "on": ["*"]}
    (identifier,) = house.submit({**mapping([1, 2]), "retry": retry})
    found = items(house, identifier)
    house.succeed(found[0], "kept")
    house.fail(found[1])
    assert house.state(identifier) == "backing_off"

    house.advance(10)
    house.succeed(found[1], "again")

    assert house.result(identifier) == ["kept", "again"]


def test_the_policy_and_the_time_out_of_the_task_hold_for_each_item(house):
    task = {**EACH, "retry": {"attempts_max": 2, "delay_s": 5}, "timeout_s": 30}
    (identifier,) = house.submit(mapping([1], task))
    (item,) = items(house, identifier)

    house.fail(item, BOOM)
    assert house.state(item) == "backing_off"
    house.advance(5)
    house.advance(30)
    house.time_out(item)

    assert house.outcomes(item) == ["failed", "timed_out"]
    assert house.state(identifier) == "failed"


def test_cancelling_a_map_ends_its_items_first(house):
    ids = house.run({"name": "each", **mapping([1, 2])})
    found = items(house, ids["each"])

    house.cancel(ids["each"])

    assert house.configuration(ids["each"]) == "withdrawing"
    house.cancel(ids["each"])
    end(house, found[0])
    assert house.configuration(ids["each"]) == "withdrawing"
    end(house, found[1])
    assert house.states(ids["each"], *found) == ["cancelled"] * 3


def test_a_map_that_runs_out_of_time_ends_its_items_first(house):
    (identifier,) = house.submit({**mapping([1, 2]), "timeout_s": 60})
    found = items(house, identifier)
    house.succeed(found[0], "in time")

    house.advance(60)
    assert house.configuration(identifier) == "closing"
    end(house, found[1])

    assert house.error(identifier)["code"] == "timeout"
    assert house.result(identifier) == ["in time", None]


def test_suspending_a_map_holds_its_items(house):
    (identifier,) = house.submit(mapping([1, 2], {"type": "wait"}))
    found = items(house, identifier)

    house.suspend(identifier)
    assert house.states(identifier, *found) == ["suspended"] * 3
    house.crash()
    house.resume(identifier)

    assert house.states(identifier, *found) == ["awaiting"] * 3


def test_what_settled_meanwhile_counts_when_it_is_resumed(house):
    (identifier,) = house.submit(mapping([1, 2]))
    found = items(house, identifier)
    house.suspend(identifier)
    for item in found:
        house.succeed(item, "done")
    assert house.state(identifier) == "suspended"

    house.resume(identifier)

    assert house.result(identifier) == ["done", "done"]


def test_a_suspended_map_can_be_cancelled(house):
    (identifier,) = house.submit(mapping([1, 2], {"type": "wait"}))
    house.suspend(identifier)

    house.cancel(identifier)

    assert house.states(identifier, *items(house, identifier)) == ["cancelled"] * 3


def test_a_map_may_go_over_maps(house):
    inner = mapping("{item}", {"type": "eval", "arguments": "result = item"})
    (identifier,) = house.submit(mapping([[1, 2], [], [3]], inner))
    for map_item in items(house, identifier):
        for item in items(house, map_item):
            house.succeed(item, house.hand.open[item].context["item"])

    assert house.result(identifier) == [[1, 2], [], [3]]


def test_a_run_counts_the_map_and_not_its_items(house):
    ids = house.run({"name": "each", **mapping([1, 2], failures_max=1)})
    (run,) = {house.view(i)["run"] for i in items(house, ids["each"])}
    assert run is not None
    found = items(house, ids["each"])

    house.fail(found[0])
    house.succeed(found[1])

    rows = house.reader.fetch("SELECT state FROM instance WHERE kind = 'run'")
    assert rows == [("succeeded",)]


def test_a_map_goes_on_after_a_crash(house):
    (identifier,) = house.submit(mapping([1, 2, 3]))
    found = items(house, identifier)
    house.succeed(found[0], 1)

    house.crash()
    for item in found[1:]:
        house.succeed(item, 2)

    assert house.result(identifier) == [1, 2, 2]


def test_the_list_is_in_the_context_under_the_name_of_the_map(house):
    after = {"name": "after", "type": "eval", "arguments": "pass", "dependencies": ["each"]}
    ids = house.run({"name": "each", **mapping([1, 2])}, after)
    for at, item in enumerate(items(house, ids["each"])):
        house.succeed(item, {"at": at})

    seen = house.hand.open[ids["after"]].context

    assert seen["context"] == {"each": [{"at": 0}, {"at": 1}]}
    assert seen["results"] == {"each": [{"at": 0}, {"at": 1}]}


def test_a_map_over_what_two_tasks_contradict_each_other_about_fails(house):
    def add(name):
        return {"name": name, "type": "eval", "arguments": "result = {'names': [item]}"}

    ids = house.run(
        add("a"), add("b"),
        {"name": "each", **mapping({"context": "names"}), "dependencies": ["a", "b"]},
    )  # fmt: skip
    house.succeed(ids["a"], {"names": [1]})
    house.succeed(ids["b"], {"names": [2]})

    assert house.error(ids["each"])["code"] == "merge_conflict"
    assert "`a` and `b`" in house.error(ids["each"])["message"]


def test_an_approval_after_a_contradiction_fails_as_any_task_would(house):
    def add(name):
        return {"name": name, "type": "eval", "arguments": "pass"}

    ids = house.run(
        add("a"), add("b"), {"name": "ask", "type": "approval", "dependencies": ["a", "b"]}
    )
    house.succeed(ids["a"], {"n": 1})
    house.succeed(ids["b"], {"n": 2})

    assert house.error(ids["ask"])["code"] == "merge_conflict"


def test_the_items_of_a_map_are_listed_by_it_and_name_it(house):
    (identifier,) = house.submit({"name": "each", **mapping([1, 2])})
    found = items(house, identifier)
    house.task()

    wanted = listing.Filter(kind="task", parent=identifier)
    listed = listing.page(house.reader, wanted, cursor=None, limit=10, epoch=house.core.epoch)

    assert [json.loads(item)["name"] for item in listed.items] == ["each[1]", "each[0]"]
    assert house.view(found[0])["parent"] == house.view(identifier)["uri"]
    assert house.view(identifier)["parent"] is None


def test_a_map_that_was_half_made_when_the_engine_died_has_each_item_once(house):
    count = ITEMS_AT_ONCE * 5
    many = {"name": "each", **mapping(list(range(count)), {"type": "wait"})}
    event = house.submitter.batch([house.checked(many)], actor="tester")
    identifier = event.submissions[0].instance
    house.core.bus.publish_nowait(event)

    house.core.bus.drain()
    assert 0 < len(items(house, identifier)) < count
    house.crash()

    assert len(items(house, identifier)) == count
    assert house.explain(identifier)["waiting_for"][-1]["text"].startswith("9,980 more")


def test_retrying_the_run_opens_only_the_items_that_failed(house):
    ids = house.run({"name": "each", **mapping([1, 2], failures_max=0)}, {**PLAIN, "name": "well"})
    (run,) = house.reader.fetch("SELECT run FROM instance WHERE id = ?", (ids["each"],))[0]
    found = items(house, ids["each"])
    house.succeed(ids["well"])
    house.succeed(found[0], "kept")
    house.fail(found[1])
    assert house.state(run) == "failed"

    house.retry(run)

    assert house.states(*found, ids["well"]) == ["succeeded", "running", "succeeded"]
    house.succeed(found[1], "again")
    assert house.result(ids["each"]) == ["kept", "again"]
    assert house.state(run) == "succeeded"


def test_suspending_the_run_holds_the_items_and_resuming_lets_them_go(house):
    ids = house.run({"name": "each", **mapping([1, 2], {"type": "wait"})})
    (run,) = house.reader.fetch("SELECT run FROM instance WHERE id = ?", (ids["each"],))[0]
    found = items(house, ids["each"])

    house.suspend(run)
    assert house.states(ids["each"], *found) == ["suspended"] * 3
    house.resume(run)

    assert house.states(ids["each"], *found) == ["awaiting"] * 3
    assert house.state(run) == "running"


def test_nothing_of_a_cancelled_run_is_open_when_it_has_settled(house):
    ids = house.run({"name": "each", **mapping([1, 2])})
    (run,) = house.reader.fetch("SELECT run FROM instance WHERE id = ?", (ids["each"],))[0]

    house.cancel(run)
    assert house.state(run) == "running"
    house.interrupt_cancelled(*items(house, ids["each"]))

    assert house.states(run, ids["each"], *items(house, ids["each"])) == ["cancelled"] * 4


def test_large_results_are_in_the_list_as_they_are(house):
    (identifier,) = house.submit(mapping([1, 2]))

    for item in items(house, identifier):
        house.succeed(item, "x" * 100_000)

    assert house.result(identifier) == ["x" * 100_000] * 2


def test_a_hook_may_go_over_a_list_and_the_run_waits_for_its_items(house):
    hook = mapping([1, 2], {"type": "wait"})
    ids = house.run({"name": "only", **PLAIN}, hooks={"settled": hook})
    (run,) = house.reader.fetch("SELECT run FROM instance WHERE id = ?", (ids["only"],))[0]

    house.succeed(ids["only"])
    (hooked,) = house.reader.fetch(
        "SELECT i.id FROM instance AS i JOIN task AS t ON t.id = i.id WHERE t.type = 'map'"
    )[0]
    first, second = items(house, hooked)
    house.ask("finish.reported", first)
    house.crash()
    assert house.state(run) == "running"
    house.ask("finish.reported", second)

    assert house.states(hooked, run) == ["succeeded", "succeeded"]
