"""What queries and filters name: the right namespace, things by their keys, faults in place."""

import pytest


def submitted(house, **fields):
    return house.submit("wait", {}, **fields)


def the_fault(answer):
    assert (answer.status, answer.json["code"]) == (422, "invalid"), answer.body
    (fault,) = answer.json["errors"]
    return fault["pointer"], fault["detail"]


@pytest.fixture(scope="module")
def team(house):
    house.post("/api/v1/namespaces", {"name": "team"})
    return "team"


# The namespace.


def test_what_is_asked_of_all_that_match_is_asked_in_the_namespace_of_the_query(house, team):
    """It was asked in `default`, whatever the query said."""
    theirs = submitted(house, queue="shared", namespace=team)
    ours = submitted(house, queue="shared")
    body = {"filter": {"queue": "shared"}, "name": "cancel.requested"}

    answer = house.post(f"/api/v1/tasks/events?namespace={team}", body)

    assert answer.json == {"matched": 1, "changed": 1}
    assert house.get(theirs["uri"]).json["state"] == "cancelled"
    assert house.get(ours["uri"]).json["state"] == "awaiting"


def test_a_definition_is_kept_in_the_namespace_of_the_query(house, team):
    body = {"name": "pause", "task": {"type": "wait"}}

    added = house.post(f"/api/v1/definitions?namespace={team}", body)

    assert (added.status, added.json["namespace"]) == (201, team)


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/tasks", {"type": "wait"}, ""),
        ("/tasks/batch", {"tasks": [{"type": "wait"}]}, "/tasks/0"),
        ("/tasks/events", {"filter": {}, "name": "cancel.requested"}, "/filter"),
        ("/definitions", {"name": "x", "task": {"type": "wait"}}, ""),
        ("/workflows", {"name": "x", "tasks": [{"name": "a", "type": "wait"}]}, ""),
        ("/schedules", {"every_s": 60, "task": {"type": "wait"}}, ""),
    ],
    ids=lambda value: value if isinstance(value, str) and value[:2] != "/f" else "",
)
def test_a_body_and_its_address_name_one_namespace(house, team, path, body, pointer):
    """The one of the address was left out of account."""
    within = body
    for step in pointer.split("/")[1:]:
        within = within[int(step) if step.isdigit() else step]
    within["namespace"] = "default"

    answer = house.post(f"/api/v1{path}?namespace={team}", body)

    assert the_fault(answer)[0] == f"{pointer}/namespace"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/tokens"),
        ("GET", "/tokens"),
        ("GET", "/tokens/admin"),
        ("POST", "/namespaces"),
        ("GET", "/namespaces"),
        ("PATCH", "/namespaces/default"),
        ("GET", "/session"),
        ("GET", "/schemas/workflow"),
        ("GET", "/instances/01a20222-c34c-7000-8013-bf2d9162f87c"),
        ("POST", "/admin/prune"),
    ],
)
def test_what_is_in_no_namespace_takes_none(house, method, path):
    """A token was made for all namespaces while the address said one."""
    bodies = {"/tokens": {"name": "ci", "scope": "read"}, "/namespaces": {"name": "n"}}
    bodies["/namespaces/default"] = {"slots_max": 1}
    body = None if method == "GET" else bodies.get(path)

    answer = house.ask(method, f"/api/v1{path}?namespace=team", body)

    assert the_fault(answer)[0] == "/query/namespace"


@pytest.mark.parametrize(
    "path",
    ["tasks", "runs", "schedules", "instances", "definitions", "workflows", "upcoming", "events"],
)
def test_a_list_of_no_namespace_is_refused(house, path):
    """It was empty, as if nothing were there, or nothing had failed."""
    place, detail = the_fault(house.get(f"/api/v1/{path}?namespace=porduction"))

    assert place == "/query/namespace"
    assert "no namespace 'porduction'" in detail


def test_of_several_kinds_at_once_instances_are_not_listed(house):
    """All kinds were, tasks too."""
    answer = house.get("/api/v1/instances?kind=run,schedule")

    assert the_fault(answer)[0] == "/query/kind"


# Things by their keys.


def test_tasks_and_runs_are_listed_by_the_keys_of_what_they_belong_to(house):
    workflow = {"name": "pair", "tasks": [{"name": "one", "type": "wait"}]}
    house.post("/api/v1/workflows", workflow)
    run = house.post("/api/v1/workflows/pair/runs", {"key": "first"}).json
    house.post("/api/v1/schedules", {"key": "tick", "every_s": 3600, "workflow": "pair"})
    house.post("/api/v1/schedules/tick/events", {"name": "trigger.requested"})
    fork = house.post("/api/v1/runs/first/fork", {}).json

    def ids(path):
        return [item["id"] for item in house.get(f"/api/v1{path}").json["items"]]

    assert ids("/tasks?run=first") == ids("/tasks?run=/api/v1/runs/first") != []
    assert ids("/tasks?run=first") == ids(f"/tasks?run={run['id']}")
    assert ids("/runs?origin=first") == [fork["id"]]
    assert len(ids("/runs?schedule=tick")) == 1


# Faults by their place.


@pytest.mark.parametrize(
    ("wanted", "pointer", "words"),
    [
        ({"stat": "x"}, "/filter/stat", "did you mean `state`"),
        ({"a/b": 1}, "/filter/a~1b", "unknown"),
        ({"key": ["a", "b"]}, "/filter/key", "must be a text"),
        ({"state": [1]}, "/filter/state", "a list of texts"),
        ({"state": ["gone"]}, "/filter/state", "has no 'gone'"),
        ({"run": "nothing"}, "/filter/run", "no run 'nothing'"),
    ],
    ids=str,
)
def test_a_fault_of_a_filter_is_named_by_its_place_in_the_body(house, wanted, pointer, words):
    """It was said to stand in the query; and a list of keys was one key that nothing has."""
    body = {"filter": wanted, "name": "cancel.requested"}

    place, detail = the_fault(house.post("/api/v1/tasks/events", body))

    assert place == pointer
    assert words in detail
