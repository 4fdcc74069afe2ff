"""Runs over REST that grow while they go, and runs that are forked from others."""

import pytest

FLOW = {
    "name": "grows",
    "input": {"day": "today"},
    "tasks": [
        {"name": "first", "type": "eval", "arguments": "result = {'seen': context['day']}"},
        {"name": "hold", "type": "wait", "dependencies": ["first"]},
        {"name": "last", "type": "wait", "dependencies": ["hold"]},
    ],
}
NAP = {"type": "sleep", "arguments": {"duration_s": 0}}


@pytest.fixture(scope="module")
def library(house):
    house.engine.add_workflow(FLOW)
    return house


@pytest.fixture
def run(library):
    run = library.post("/api/v1/workflows/grows/runs", {}).json
    yield run
    library.post(f"{run['uri']}/events", {"name": "cancel.requested"})


def test_tasks_are_added_to_a_run_that_goes_on(library, run):
    tasks = [
        {"name": "more", **NAP, "dependencies": ["first"]},
        {"name": "then", **NAP, "dependencies": ["more"]},
    ]

    answer = library.post(f"{run['uri']}/tasks", {"tasks": tasks})

    assert answer.status == 202, answer.body
    assert [task["name"] for task in answer.json["items"]] == ["more", "then"]
    assert {task["run"] for task in answer.json["items"]} == {run["uri"]}
    library.wait(answer.json["items"][1]["id"], "succeeded")
    assert library.get(run["uri"]).json["tasks"]["total"] == 5


def test_a_repeat_adds_nothing_twice(library, run):
    body = {"tasks": [{"name": "once", **NAP}]}

    first, second = (
        library.post(f"{run['uri']}/tasks", body, Idempotency_Key="grow-once") for _ in "12"
    )

    assert first.json["items"][0]["id"] == second.json["items"][0]["id"]


@pytest.mark.parametrize(
    ("path", "body", "refusal", "pointer"),
    [
        ("tasks", {"tasks": [{"name": "first", **NAP}]}, (422, "invalid"), "/tasks/0/name"),
        ("tasks", {"tasks": [{"name": "x", "type": "slep"}]}, (422, "invalid"), "/tasks/0/type"),
        ("tasks", {"tasks": []}, (422, "invalid"), "/tasks"),
        (
            "tasks",
            {"tasks": [{"name": "x", **NAP, "dependencies": ["nobody"]}]},
            (422, "unknown_dependency"),
            "/tasks/0/dependencies/0",
        ),
        (
            "dependencies",
            {"dependencies": [{"task": "first", "dependencies": ["last"]}]},
            (422, "cycle"),
            None,
        ),
        (
            "dependencies",
            {"dependencies": [{"task": "nobody", "dependencies": ["last"]}]},
            (422, "unknown_dependency"),
            "/dependencies",
        ),
        (
            "dependencies",
            {"dependencies": [{"task": "last", "dependencies": ["last"]}]},
            (422, "cycle"),
            None,
        ),
        ("fork", {"from_task": "nobody"}, (422, "invalid"), "/from_task"),
        ("fork", {"form": "first"}, (422, "invalid"), "/form"),
    ],
)
def test_what_can_not_grow_so_is_refused_with_its_place(
    library, run, path, body, refusal, pointer
):
    library.wait(library.engine.run_tasks(run["id"])["first"].id)

    answer = library.post(f"{run['uri']}/{path}", body)

    assert (answer.status, answer.json["code"]) == refusal, answer.body
    if pointer is not None:
        assert answer.json["errors"][0]["pointer"] == pointer


def test_a_dependency_is_added_to_a_task_that_waits(library, run):
    added = library.post(f"{run['uri']}/tasks", {"tasks": [{"name": "late", "type": "wait"}]})
    assert added.status == 202, added.body

    answer = library.post(
        f"{run['uri']}/dependencies",
        {"dependencies": [{"task": "last", "dependencies": ["late"]}]},
    )

    assert answer.status == 202, answer.body
    listed = library.get(f"{run['uri']}/dependencies").json
    edges = [(each["task"], each["dependency"], each["carry"]) for each in listed["items"]]
    assert edges == [
        ("hold", "first", "data"),
        ("last", "hold", "data"),
        ("last", "late", "data"),
    ]
    page = library.get(f"{run['uri']}/dependencies?limit=1&after=1").json
    assert (page["items"], page["next"]) == ([listed["items"][1]], "2")


def test_a_fork_takes_over_what_succeeded_before_its_task(library, run):
    first = library.engine.run_tasks(run["id"])["first"].wait(30)

    answer = library.post(
        f"{run['uri']}/fork", {"from_task": "hold", "input": {"day": "monday"}, "key": "again"}
    )

    forked = answer.json
    assert answer.status == 202, answer.body
    assert answer.headers["location"] == forked["uri"]
    assert (forked["origin"], forked["input"]) == (run["uri"], {"day": "monday"})
    tasks = library.get(f"{forked['uri']}/tasks").json["items"]
    states = {task["name"]: task["state"] for task in tasks}
    assert states == {"first": "succeeded", "hold": "awaiting", "last": "waiting"}
    assert tasks[0]["result"] == first.result
    library.post(f"{forked['uri']}/events", {"name": "cancel.requested"})


def test_a_task_that_has_begun_waits_for_nothing_more(library, run):
    library.wait(library.engine.run_tasks(run["id"])["first"].id)
    library.post(f"{run['uri']}/tasks", {"tasks": [{"name": "late", "type": "wait"}]})

    answer = library.post(
        f"{run['uri']}/dependencies",
        {"dependencies": [{"task": "hold", "dependencies": ["late"]}]},
    )

    assert (answer.status, answer.json["code"]) == (409, "conflict")
