"""Contexts at work: what tasks see, what they add, and where two of them contradict each other."""

import itertools

import pytest
from core.house import PLAIN
from tipman import queries
from tipman.events import AttemptSucceeded
from tipman.ids import text_of
from tipman.jsontext import dumps
from tipman.lineage import Lineage, Source

ADDS = {"type": "eval", "arguments": "result = 1"}


def node(name, *needs, **fields):
    return {**ADDS, "name": name, "dependencies": list(needs), **fields}


def sees(house, identifier):
    return dict(house.hand.open[identifier].context)


def context(house, identifier):
    return sees(house, identifier)["context"]


def write(house, identifier, added):
    """End an `exec` attempt that wrote to TIPMAN_RESULT."""
    start = house.hand.open[identifier]
    owner = (start.instance, start.attempt, start.epoch)
    house.report(AttemptSucceeded(*owner, '{"exit_code": 0}', None, dumps(added)))


def test_a_task_sees_the_input_and_what_those_before_it_added(house):
    run = house.run(node("a"), node("b", "a"), node("c", "b"), input={"day": "today"})

    house.succeed(run["a"], {"n": 1})
    house.succeed(run["b"], 7)

    assert sees(house, run["c"]) == {
        "context": {"day": "today", "n": 1, "b": 7}, "results": {"b": 7},
    }  # fmt: skip


def test_null_adds_nothing(house):
    run = house.run(node("a"), node("b", "a"), input={"day": "today"})

    house.succeed(run["a"], None)

    assert sees(house, run["b"]) == {"context": {"day": "today"}, "results": {"a": None}}


def test_what_a_task_adds_over_the_input_wins(house):
    run = house.run(node("a"), node("b", "a"), node("c"), input={"n": 0})

    house.succeed(run["a"], {"n": 1})

    assert (context(house, run["b"]), context(house, run["c"])) == ({"n": 1}, {"n": 0})


def test_an_exec_task_adds_what_it_writes_and_its_result_stays(house):
    run = house.run(
        node("a", type="exec", arguments="make"), node("b", "a", type="exec", arguments="make")
    )

    write(house, run["a"], {"coverage": 91})

    assert house.result(run["a"]) == {"exit_code": 0}
    assert sees(house, run["b"]) == {
        "context": {"coverage": 91}, "results": {"a": {"exit_code": 0}},
    }  # fmt: skip


def test_an_exec_task_that_writes_no_object_adds_it_under_its_name(house):
    run = house.run(node("a", type="exec", arguments="make"), node("b", "a"))

    write(house, run["a"], [1, 2])

    assert context(house, run["b"]) == {"a": [1, 2]}


def test_other_types_add_nothing_but_their_results_are_seen(house):
    run = house.run({**PLAIN, "name": "a"}, node("b", "a"))

    house.succeed(run["a"], {"slept_s": 1})

    assert sees(house, run["b"]) == {"context": {}, "results": {"a": {"slept_s": 1}}}


def test_a_dependency_that_did_not_succeed_passes_on_what_it_saw(house):
    run = house.run(node("a"), node("b", "a"), node("c", "b", when="always"))
    house.succeed(run["a"], {"n": 1})

    house.fail(run["b"], result='{"m": 2}')

    assert sees(house, run["c"]) == {"context": {"n": 1}, "results": {"b": {"m": 2}}}


def test_an_edge_that_carries_order_adds_neither_context_nor_result(house):
    tasks = (node("a"), node("b"), node("c", "b"))
    tasks[2]["dependencies"] = ["b", {"task": "a", "carry": "order"}]
    run = house.run(*tasks)

    house.succeed(run["a"], {"n": 1})
    house.succeed(run["b"], {"m": 2})

    assert sees(house, run["c"]) == {"context": {"m": 2}, "results": {"b": {"m": 2}}}


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_the_merge_does_not_depend_on_who_ended_first(house, order):
    run = house.run(node("a"), node("b"), node("c", "a", "b"), merge={"n": "last", "*": "concat"})

    for name in order:
        house.succeed(run[name], {"n": name, "log": [name]})

    assert context(house, run["c"]) == {"n": "b", "log": ["a", "b"]}
    (started,) = [line for line in house.log(run["c"]) if line["name"] == "attempt.started"]
    assert started["data"]["merged"] == [
        {"key": "n", "policy": "last", "tasks": ["a", "b"]},
        {"key": "log", "policy": "concat", "tasks": ["a", "b"]},
    ]


@pytest.mark.parametrize("kind", ["eval", "sleep"])
def test_a_conflict_fails_the_task_that_meets_it_and_names_key_and_tasks(house, kind):
    task = {**PLAIN, "name": "c", "dependencies": ["a", "b"]} if kind == "sleep" else None
    run = house.run(node("a"), node("b"), task or node("c", "a", "b"))

    house.succeed(run["a"], {"n": 1})
    house.succeed(run["b"], {"n": 2})

    assert house.state(run["c"]) == "failed"
    error = house.error(run["c"])
    assert error["code"] == "merge_conflict"
    assert error["message"].startswith("`a` and `b` both gave 'n' a value")


def test_a_run_with_a_conflict_stays_repairable(house):
    run = house.run(
        node("a"), node("b"), node("c", "a", "b"), node("d", "c", when="always"),
        input={"day": "today"},
    )  # fmt: skip
    house.succeed(run["a"], {"n": 1, "x": 1})
    house.succeed(run["b"], {"n": 2})

    # Who comes after it sees all but what is in conflict.
    assert context(house, run["d"]) == {"day": "today", "x": 1}
    house.retry(run["c"])
    assert house.error(run["c"])["code"] == "merge_conflict"


def test_who_depends_on_the_other_is_in_no_conflict_with_it(house):
    run = house.run(node("a"), node("b", "a"), node("c", "a", "b"))

    house.succeed(run["a"], {"n": 1})
    house.succeed(run["b"], {"n": 2})

    assert context(house, run["c"]) == {"n": 2}


def test_rules_and_tasks_see_the_same_merge(house):
    rule = {"context": {"key": "n", "operator": "equals", "value": 2}}
    run = house.run(node("a"), node("b"), node("c", "a", "b", when=rule), merge="last")

    house.succeed(run["b"], {"n": 2})
    house.succeed(run["a"], {"n": 1})

    assert context(house, run["c"]) == {"n": 2}


def test_a_rule_over_a_conflict_lets_the_task_fail_by_it(house):
    rule = {"context": {"key": "n", "operator": "equals", "value": 2}}
    run = house.run(node("a"), node("b"), node("c", "a", "b", when=rule))

    house.succeed(run["a"], {"n": 1})
    house.succeed(run["b"], {"n": 2})

    assert house.error(run["c"])["code"] == "merge_conflict"


def test_expressions_are_filled_from_the_context(house):
    task = {
        "name": "b", "type": "exec", "dependencies": ["a"],
        "arguments": {"argv": ["echo", "{context['n'] + results['a']['n']}"]},
    }  # fmt: skip
    run = house.run(node("a"), task)

    house.succeed(run["a"], {"n": 2})

    assert house.hand.open[run["b"]].arguments == {"argv": ["echo", "4"]}


def test_tasks_of_a_batch_pass_on_contexts_too(house):
    first, second = house.submit({**ADDS, "key": "a"}, {**ADDS, "key": "b", "dependencies": ["a"]})
    house.succeed(first, {"n": 1})
    house.succeed(second, {"m": 2})

    third = house.task(**ADDS, dependencies=["b"])

    assert context(house, third) == {"n": 1, "m": 2}


def test_a_crash_changes_nothing_of_what_is_seen(house):
    run = house.run(
        node("a"), node("b", type="exec", arguments="make"), node("c", "a", "b"), node("d", "c")
    )
    house.succeed(run["a"], {"n": 1})
    write(house, run["b"], {"m": 2})

    house.crash()
    assert context(house, run["c"]) == {"n": 1, "m": 2}
    house.succeed(run["c"], {"n": 3})

    assert context(house, run["d"]) == {"n": 3, "m": 2}


def test_a_conflict_is_found_after_a_crash_by_tasks_that_do_not_look(house):
    run = house.run(node("a"), node("b"), {**PLAIN, "name": "c", "dependencies": ["a", "b"]})
    house.succeed(run["a"], {"n": 1})
    house.crash()

    house.succeed(run["b"], {"n": 2})

    assert house.error(run["c"])["code"] == "merge_conflict"


def test_what_ran_keeps_what_it_saw_when_a_dependency_is_tried_again(house):
    run = house.run(node("a"), node("tell", "a", when="any_failed"), node("b", "tell"))
    house.fail(run["a"])
    house.succeed(run["tell"], {"told": True})
    house.succeed(run["b"])

    house.retry(run["a"])
    house.succeed(run["a"], {"n": 1})
    late = house.task(**ADDS, dependencies=[text_of(run["tell"])])

    assert context(house, late) == {"told": True}


def test_who_starts_early_sees_what_had_settled(house):
    run = house.run(
        node("a"), node("b"), node("c", "a", "b", when="any_succeeded"), node("d", "c")
    )

    house.succeed(run["a"], {"n": 1})
    assert context(house, run["c"]) == {"n": 1}
    house.succeed(run["b"], {"m": 2})
    house.succeed(run["c"], {"k": 3})

    assert context(house, run["d"]) == {"n": 1, "k": 3}


def test_a_task_that_waits_again_looks_anew(house):
    run = house.run(node("a"), node("b"), node("c", "a", "b"), node("d", "c", when="always"))
    house.succeed(run["b"])
    house.fail(run["a"])
    house.succeed(run["d"])

    house.retry(run["a"])
    house.succeed(run["a"], {"n": 1})

    assert context(house, run["c"]) == {"n": 1}


def test_a_long_chain_is_walked_at_once(house):
    names = [f"n{at}" for at in range(100)]
    run = house.run(
        node("n0"),
        *(node(name, before, type="exec", arguments="make")
          for before, name in itertools.pairwise(names)),
    )  # fmt: skip
    for at, name in enumerate(names[:-1]):
        write(house, run[name], {f"k{at}": at}) if at else house.succeed(run[name], {"k0": 0})
    lineage = Lineage(Source(house.reader), house.reader)

    passed = lineage.passed_on(run["n99"])

    assert {key: entry.value for key, entry in passed.items()} == {
        f"k{at}": at for at in range(99)
    }
    assert context(house, run["n99"]) == {f"k{at}": at for at in range(99)}


def test_a_run_whose_tasks_add_nothing_keeps_nothing(house):
    run = house.run(node("a"), node("b", "a"), node("c", "b", when="always"), input={"n": 1})
    house.succeed(run["a"])
    house.succeed(run["b"])

    assert house.reader.fetch("SELECT count(*) FROM context")[0][0] == 0
    assert context(house, run["c"]) == {"n": 1}


def test_a_task_shows_what_it_passes_on_and_while_it_is_open_what_it_sees(house):
    run = house.run(node("a"), node("b", "a"), node("c", "b"), input={"day": "today"})
    house.succeed(run["a"], {"n": 1})

    assert house.view(run["a"])["context"] == {"day": "today", "n": 1}
    assert house.view(run["b"])["context"] == {"day": "today", "n": 1}
    house.fail(run["b"])
    assert house.view(run["b"])["context"] == {"day": "today", "n": 1}
    assert house.view(run["c"])["context"] == {"day": "today", "n": 1}


def test_a_task_by_itself_shows_what_it_added(house):
    first, second = house.submit(ADDS, PLAIN)
    house.succeed(first, {"n": 1})
    house.succeed(second, {"slept_s": 1})

    assert house.view(first)["context"] == {"n": 1}
    assert house.view(second)["context"] == {}


def test_lists_show_no_context_where_there_may_be_one(house):
    run = house.run(node("a"))
    alone = house.task()

    shown = queries.tasks(house.reader, [run["a"], alone], epoch=1)

    assert [task["context"] for task in shown] == [None, {}]
