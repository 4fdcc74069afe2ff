"""Approvals, maps and runs within tasks over REST, for tokens of every name."""

import pytest
from serving.served import Served
from serving.test_registry import Caller, code
from tipman_api.serve import ServeOptions

PATIENCE = {"Prefer": "wait=30"}
FORM = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
SQUARE = {
    "name": "square",
    "input": {"n": 1},
    "tasks": [
        {"name": "compute", "type": "eval", "arguments": "result = {'n2': context['n'] ** 2}"}
    ],
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    home = tmp_path_factory.mktemp("composition") / "home"
    with Served(home, options=ServeOptions()) as served:
        yield Caller(served, (home / "token").read_text().strip())


@pytest.fixture(scope="module")
def legal(root):
    return root.with_token("legal", "operate")


def test_an_approval_is_answered_by_the_token_it_is_for_in_its_form(root, legal):
    arguments = {"assignee": "legal", "form": FORM}
    task = root("POST", "/tasks", {"type": "approval", "arguments": arguments}).json
    path = f"/tasks/{task['id']}/events"

    assert code(root("POST", path, {"name": "approve.reported", "data": {"amount": 1}})) == (
        403, "forbidden",
    )  # fmt: skip
    misfit = legal("POST", path, {"name": "approve.reported", "data": {"amount": "1"}})
    assert code(misfit) == (422, "invalid")
    assert [fault["pointer"] for fault in misfit.json["errors"]] == ["/data/amount"]
    assert code(legal("POST", path, {"name": "finish.reported"})) == (409, "conflict")
    assert root.get(f"/tasks/{task['id']}/explain").json["waiting_for"][0]["text"] == (
        "approve.reported or reject.reported from legal"
    )

    answer = legal("POST", path, {"name": "approve.reported", "data": {"amount": 1}})

    assert answer.status == 202
    assert answer.json["state"] == "succeeded"
    assert answer.json["result"]["by"] == "legal"


def test_a_rejection_fails_it(root):
    task = root("POST", "/tasks", {"type": "approval"}).json

    answer = root("POST", f"/tasks/{task['id']}/events", {"name": "reject.reported", "data": "no"})

    assert answer.json["state"] == "failed"
    assert answer.json["error"] == {"code": "rejected", "message": "rejected by admin: no"}


def test_items_of_a_map_are_listed_by_it(root):
    over = {"over": [1, 2, 3], "task": {"type": "eval", "arguments": "result = item * 10 + index"}}

    task = root("POST", "/tasks", {"type": "map", "name": "each", "arguments": over}, **PATIENCE)

    assert task.json["result"] == [10, 21, 32]
    items = root.get(f"/tasks?parent={task.json['id']}&state=succeeded").json["items"]
    assert {item["name"] for item in items} == {"each[0]", "each[1]", "each[2]"}
    assert {item["parent"] for item in items} == {task.json["uri"]}


def test_a_map_that_is_none_is_refused_with_the_place(root):
    over = {"over": "no list", "task": {"type": "sleep", "arguments": {}}}

    answer = root("POST", "/tasks", {"type": "map", "arguments": over})

    assert code(answer) == (422, "invalid")
    pointers = {fault["pointer"] for fault in answer.json["errors"]}
    assert pointers == {"/arguments/over", "/arguments/task/arguments/duration_s"}


def test_a_run_within_a_task_is_found_from_it(root):
    assert root("POST", "/workflows", SQUARE).status == 201
    arguments = {"name": "square", "input": {"n": 7}}

    task = root("POST", "/tasks", {"type": "workflow", "arguments": arguments}, **PATIENCE).json

    assert task["state"] == "succeeded"
    assert task["result"]["context"] == {"n2": 49}
    run = root.get(task["result"]["run"].removeprefix("/api/v1")).json
    assert (run["workflow"], run["input"], run["state"]) == ("square", {"n": 7}, "succeeded")
