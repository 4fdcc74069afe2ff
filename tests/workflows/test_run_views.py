"""What people see of runs: counts, errors, lists, graphs, and where their time went."""

import pytest
from core.house import ACTOR
from tipman.errors import InvalidError, NotFoundError
from tipman.ids import text_of
from tipman.run_events import RunForked
from tipman.runs import families, summaries, views
from tipman.runs.graphs import graph_of
from tipman.runs.views import TasksWanted, Wanted
from workflows.runs import chain, plain, started


def shown(house, run):
    return views.view(house.reader, run)


# One run.


def test_a_run_is_shown_with_its_tasks_counted(house):
    run, ids = chain(house, "a", "b", "c", name="flow", input={"day": 1})
    house.succeed(ids["a"])

    view = shown(house, run)

    assert view["uri"] == f"/api/v1/runs/{text_of(run)}"
    assert (view["kind"], view["workflow"], view["version"]) == ("run", "flow", None)
    assert view["input"] == {"day": 1}
    assert view["tasks"] == {"total": 3, "running": 1, "succeeded": 1, "waiting": 1}
    assert (view["state"], view["settled"], view["error"]) == ("running", False, None)
    assert view["submitted_at"] <= view["started_at"]


def test_a_run_that_failed_says_what_failed_first(house):
    run, ids = started(house, plain("late"), plain("early"))
    house.advance(1)
    house.fail(ids["early"])
    house.advance(1)

    house.fail(ids["late"])

    error = shown(house, run)["error"]
    assert error == {
        "code": "task_failed",
        "message": "the task 'early' failed: exception: boom",
        "cause": f"/api/v1/tasks/{text_of(ids['early'])}",
    }


def test_what_is_no_run_is_not_shown_as_one(house):
    task = house.task()

    with pytest.raises(NotFoundError):
        shown(house, task)
    for reference in (text_of(task), "nothing", "\x00", f"/api/v1/runs/{text_of(task)}"):
        with pytest.raises(NotFoundError):
            views.find(house.reader, reference)


# Lists.


def test_runs_are_listed_newest_first_a_page_at_a_time(house):
    runs = [chain(house, "a", name=f"flow{at % 2}")[0] for at in range(5)]

    first = views.page(house.reader, Wanted(), after=None, limit=3)
    second = views.page(house.reader, Wanted(), after=first.next, limit=3)

    ids = [item["id"] for item in (*first.items, *second.items)]
    assert ids == [text_of(run) for run in reversed(runs)]
    assert second.next is None
    ours = views.page(house.reader, Wanted(workflow="flow0"), after=None)
    assert len(ours.items) == 3


def test_runs_are_found_by_the_task_that_started_them_and_by_what_they_were_forked_of(house):
    house.register("small", plain("only"))
    call = {"type": "workflow", "arguments": {"name": "small"}}
    run, ids = started(house, {"name": "sub", **call}, {"name": "other", **call})
    fork = house.submitter.new_id()
    house.publish(RunForked(fork, run, None, "{}", None, ACTOR))

    def found(**wanted):
        return views.page(house.reader, Wanted(**wanted), after=None).items

    (child,) = found(parent=ids["sub"])
    assert child["parent"] == f"/api/v1/tasks/{text_of(ids['sub'])}"
    assert [each["id"] for each in found(origin=run)] == [text_of(fork)]
    assert found(origin=fork) == []
    assert found(parent=ids["sub"], origin=run) == []


def test_a_cursor_is_of_one_list(house):
    for _ in range(2):
        chain(house, "a")
    page = views.page(house.reader, Wanted(), after=None, limit=1)

    for after in (page.next, "x", "AAAA"):
        with pytest.raises(InvalidError):
            views.page(house.reader, Wanted(states=("running",)), after=after)


def test_a_page_of_runs_looks_through_so_many_and_no_more(house):
    def page(after=None):
        rare = Wanted(workflow="wanted")
        return views.page(house.reader, rare, after=after, limit=1, window=2)

    wanted, _ = chain(house, "a", name="wanted")
    for _ in range(4):
        chain(house, "a", name="other")

    first = page()
    second = page(first.next)
    third = page(second.next)

    assert [len(page.items) for page in (first, second)] == [0, 0]
    assert [item["id"] for item in third.items] == [text_of(wanted)]
    assert third.next is None


def test_tasks_of_a_run_are_found_by_state_type_and_name(house):
    run, ids = chain(house, "a", "b", "c")
    house.succeed(ids["a"])

    def found(**wanted):
        return views.task_ids(house.reader, run, TasksWanted(**wanted), after=None).ids

    assert found() == [*ids.values()]
    assert found(states=("running", "succeeded")) == [ids["a"], ids["b"]]
    assert found(types=("exec",)) == []
    assert found(name="c") == [ids["c"]]


# What it waits for.


def test_the_causes_come_before_what_waits_for_them(house):
    run, ids = started(
        house, plain("last", "held"), plain("held", "first"), plain("first"), plain("beside")
    )
    house.suspend(ids["held"])

    waits = views.waits_of(house.reader, run, limit=3)

    assert [name for _, name in waits.tasks] == ["held", "first", "beside"]
    assert (waits.state, waits.reasons, waits.total) == ("running", [], 4)


def test_items_of_a_map_come_before_the_map_that_waits_for_them(house):
    items = {"over": [1, 2], "task": {"type": "wait"}}
    run, _ = started(house, {"name": "all", "type": "map", "arguments": items}, plain("z", "all"))

    waits = views.waits_of(house.reader, run, limit=10)

    assert [name for _, name in waits.tasks] == ["all[0]", "all[1]", "all", "z"]


def test_a_run_that_is_suspended_does_not_tell_of_each_task_that_it_holds(house):
    run, ids = chain(house, "a", "b")
    house.suspend(run)

    waits = views.waits_of(house.reader, run, limit=10)

    assert [reason["text"] for reason in waits.reasons] == ["resume.requested"]
    # It runs still, and is suspended when it has ended.
    assert [name for _, name in waits.tasks] == ["a"]
    assert house.state(ids["b"]) == "suspended"


# Its graph.


def test_a_graph_has_states_rules_and_what_edges_carry(house):
    run, ids = started(
        house,
        plain("a"),
        plain("b", {"task": "a", "carry": "order"}, when="all_settled"),
        plain("c", "a", "b"),
    )
    house.succeed(ids["a"])

    graph = graph_of(house.reader, run)

    assert [(n.name, n.state, n.rule) for n in graph.nodes] == [
        ("a", "succeeded", None),
        ("b", "running", "all_settled"),
        ("c", "waiting", None),
    ]
    edges = [("a", "b", "order"), ("a", "c", "data"), ("b", "c", "data")]
    assert [tuple(edge) for edge in graph.edges] == edges


# Where its time went.


def test_the_critical_path_is_the_chain_that_ended_last(house):
    run, ids = started(
        house, plain("root"), plain("slow", "root"), plain("quick", "root"),
        plain("end", "slow", "quick"), plain("aside"),
    )  # fmt: skip
    house.succeed(ids["aside"])
    house.advance(1)
    house.succeed(ids["root"])
    house.advance(2)
    house.succeed(ids["quick"])
    house.advance(5)
    house.succeed(ids["slow"])
    house.advance(1)
    house.succeed(ids["end"])

    told = summaries.summary(house.reader, run)

    assert [node["name"] for node in told["critical_path"]] == ["root", "slow", "end"]
    assert [node["run_s"] for node in told["critical_path"]] == [1.0, 7.0, 1.0]
    assert (told["critical_path_s"], told["elapsed_s"], told["run_s"]) == (9.0, 9.0, 11.0)
    assert told["tasks"][0]["name"] == "slow"
    assert told["left_out"] == 0


def test_time_without_a_free_slot_is_queue_time(build):
    house = build(slots=1)
    run, ids = started(house, plain("first"), plain("second"))
    house.advance(4)
    house.succeed(ids["first"])
    house.advance(1)
    house.succeed(ids["second"])

    told = {node["name"]: node for node in summaries.summary(house.reader, run)["tasks"]}

    assert (told["second"]["queue_s"], told["second"]["run_s"]) == (4.0, 1.0)
    assert told["first"]["queue_s"] == 0.0


def test_every_attempt_of_a_task_is_run_time(house):
    run, ids = started(house, plain("again", retry={"attempts_max": 2, "delay_s": 10}))
    house.advance(2)
    house.fail(ids["again"])
    house.advance(10)
    house.advance(3)
    house.succeed(ids["again"])

    told = summaries.summary(house.reader, run, limit=1)["tasks"][0]

    assert (told["attempts"], told["run_s"]) == (2, 5.0)


def test_a_summary_tells_of_the_longest_and_counts_the_rest(house):
    run, ids = started(house, *(plain(name) for name in "abc"))
    house.advance(1)
    house.succeed(ids["a"])
    house.advance(1)
    house.succeed(ids["b"])

    told = summaries.summary(house.reader, run, limit=1)

    assert [node["name"] for node in told["tasks"]] == ["b"]
    assert told["left_out"] == 2
    assert told["elapsed_s"] is None


# Its family.


def test_the_newest_open_run_of_the_same_content_is_found(house):
    old, ids = chain(house, "a")
    new, _ = chain(house, "a")
    content = shown(house, old)["content"]

    assert families.open_run(house.reader, "flow", content) == new

    house.cancel(new)
    house.interrupt(house.hand.started[-1].instance, house.hand.stops[-1].reason)
    assert families.open_run(house.reader, "flow", content) == old
    house.succeed(ids["a"])
    with pytest.raises(NotFoundError):
        families.open_run(house.reader, "flow", content)


def test_members_of_a_run_are_its_tasks_in_their_order(house):
    run, ids = chain(house, "a", "b")
    house.task()

    found = families.members(house.reader, run)

    assert [(member.id, member.name) for member in found] == [(i, n) for n, i in ids.items()]
    assert families.known(house.reader, [ids["b"], bytes(16)])[0].name == "b"
