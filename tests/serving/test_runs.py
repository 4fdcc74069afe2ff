"""Runs over REST: started, shown, followed, explained."""

import pytest
from serving.followers import follow
from serving.served import Served

FLOW = {
    "name": "flow",
    "input": {"day": "today", "size": 1},
    "input_schema": {"type": "object", "properties": {"size": {"type": "integer"}}},
    "tasks": [
        {"name": "pull", "type": "sleep", "arguments": {"duration_s": 0}},
        {"name": "test", "type": "exec", "arguments": "exit 3", "dependencies": ["pull"]},
        {"name": "tell", "type": "wait", "dependencies": [{"task": "pull", "carry": "order"}]},
    ],
}
PLAIN = {
    "name": "plain",
    "tasks": [{"name": "a", "type": "sleep", "arguments": {"duration_s": 0}}],
}


@pytest.fixture(scope="module")
def library(house):
    """A server that knows two workflows."""
    for workflow in (FLOW, PLAIN):
        house.engine.add_workflow(workflow)
    return house


def start(house, name="plain", body=None, **headers):
    answer = house.post(f"/api/v1/workflows/{name}/runs", body or {}, **headers)
    assert answer.status in {200, 202}, answer.body
    return answer.json


def test_a_run_is_started_with_its_input_over_that_of_the_file(library):
    answer = library.post(
        "/api/v1/workflows/flow/runs", {"key": "monday", "input": {"day": "monday"}}
    )

    run = answer.json
    assert answer.status == 202
    assert answer.headers["location"] == run["uri"] == f"/api/v1/runs/{run['id']}"
    assert run["kind"] == "run"
    assert (run["workflow"], run["version"], run["key"]) == ("flow", 1, "monday")
    assert run["input"] == {"day": "monday", "size": 1}
    assert run["tasks"]["total"] == 3
    assert library.get("/api/v1/runs/monday").json["id"] == run["id"]


def test_a_body_is_not_needed(library):
    assert library.ask("POST", "/api/v1/workflows/plain/runs").status == 202


def test_a_wait_is_answered_with_the_settled_run(library):
    answer = library.post("/api/v1/workflows/plain/runs", {}, Prefer="wait=30")

    assert answer.status == 200
    assert answer.headers["preference-applied"] == "wait=30"
    assert answer.json["state"] == "succeeded"
    assert answer.json["tasks"] == {"total": 1, "succeeded": 1}


def test_a_repeat_starts_no_second_run(library):
    first, second = (
        library.post("/api/v1/workflows/plain/runs", {}, Idempotency_Key="once") for _ in "12"
    )

    assert second.status == 202
    assert second.headers["location"] == first.headers["location"]


@pytest.mark.parametrize(
    ("name", "body", "status", "pointer"),
    [
        ("flow", {"input": {"size": "big"}}, 422, "/input/size"),
        ("flow", {"input": 3}, 422, "/input"),
        ("flow", {"kee": "x"}, 422, "/kee"),
        ("flow", {"key": "a key"}, 422, "/key"),
        ("flow", {"priority": 5000}, 422, "/priority"),
        ("flow", {"namespace": "nowhere"}, 404, None),
        ("flow@9", {}, 404, None),
        ("nothing", {}, 404, None),
    ],
)
def test_what_can_not_be_run_is_refused_with_its_place(library, name, body, status, pointer):
    answer = library.post(f"/api/v1/workflows/{name}/runs", body)

    assert answer.status == status, answer.body
    if pointer is not None:
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


def test_a_key_is_taken_once_among_runs(library):
    run = start(library, body={"key": "taken"})

    answer = library.post("/api/v1/workflows/plain/runs", {"key": "taken"})

    assert answer.status == 409
    assert answer.json["code"] == "key_exists"
    assert run["uri"] in answer.json["detail"]


def test_a_priority_holds_for_tasks_that_have_none_of_their_own(library):
    own = {"name": "own", "type": "wait", "priority": 7}
    library.engine.add_workflow({"name": "ranks", "tasks": [own, {"name": "not", "type": "wait"}]})

    run = start(library, "ranks", {"priority": 3})

    tasks = library.get(f"{run['uri']}/tasks").json["items"]
    assert [(task["name"], task["priority"]) for task in tasks] == [("own", 7), ("not", 3)]


def test_tasks_of_a_run_are_listed_in_its_order_a_page_at_a_time(library):
    uri = start(library, "flow")["uri"]

    first = library.get(f"{uri}/tasks?limit=2").json
    second = library.get(f"{uri}/tasks?limit=2&after={first['next']}").json

    assert [task["name"] for task in first["items"] + second["items"]] == ["pull", "test", "tell"]
    assert second["next"] is None
    assert {task["run"] for task in first["items"]} == {uri}
    waiting = library.get(f"{uri}/tasks?type=wait").json["items"]
    assert [task["name"] for task in waiting] == ["tell"]
    of_all = library.get(f"/api/v1/tasks?run={uri}").json["items"]
    assert {task["name"] for task in of_all} == {"pull", "test", "tell"}


def test_runs_are_listed_by_what_is_wanted_of_them(library):
    library.engine.add_workflow({"name": "mine", "tasks": [{"name": "w", "type": "wait"}]})
    runs = [start(library, "mine") for _ in range(3)]

    page = library.get("/api/v1/runs?workflow=mine&limit=2").json
    rest = library.get(f"/api/v1/runs?workflow=mine&limit=2&after={page['next']}").json

    listed = [run["id"] for run in page["items"] + rest["items"]]
    assert listed == [run["id"] for run in reversed(runs)]
    assert rest["next"] is None
    assert library.get("/api/v1/runs?workflow=mine&state=succeeded").json["items"] == []
    other = library.get(f"/api/v1/runs?after={page['next']}")
    assert (other.status, other.json["code"]) == (422, "invalid")


def test_a_run_says_what_it_waits_for_and_why_it_failed(library):
    uri = start(library, "flow")["uri"]
    tasks = {task["name"]: task for task in library.get(f"{uri}/tasks").json["items"]}
    library.wait(tasks["test"]["id"], "failed")

    told = library.get(f"{uri}/explain").json
    assert told["state"] == "running"
    assert [(r["task"], r["kind"]) for r in told["waiting_for"]] == [("tell", "event")]

    library.post(f"{tasks['tell']['uri']}/events", {"name": "finish.reported"})
    run = library.get(uri, Prefer="wait=30").json
    assert (run["state"], run["error"]["code"]) == ("failed", "task_failed")
    assert run["error"]["cause"] == tasks["test"]["uri"]
    assert "exit code 3" in run["error"]["message"]
    assert library.get(f"{uri}/explain").json["waiting_for"] == []


def test_the_log_of_a_run_is_its_own(library):
    uri = start(library)["uri"]
    library.get(uri, Prefer="wait=30")

    names = [line["name"] for line in library.get(f"{uri}/events").json["items"]]

    assert names[0] == "run.submitted"
    assert names[-1] == "run.settled"


def test_a_summary_says_where_the_time_went(library):
    uri = start(library)["uri"]
    library.get(uri, Prefer="wait=30")

    told = library.get(f"{uri}/summary").json

    assert [node["name"] for node in told["critical_path"]] == ["a"]
    assert told["tasks"][0]["run_s"] >= 0
    assert told["elapsed_s"] >= told["critical_path_s"] >= 0


def test_any_instance_finds_a_run_by_its_id(library):
    run = start(library)

    found = library.get(f"/api/v1/instances/{run['id']}").json

    assert (found["kind"], found["uri"]) == ("run", run["uri"])


def test_a_run_is_no_task_and_a_task_no_run(library):
    run = start(library)
    task = library.get(f"{run['uri']}/tasks").json["items"][0]

    assert library.get(f"/api/v1/tasks/{run['id']}").status == 404
    assert library.get(f"/api/v1/runs/{task['id']}").status == 404


def test_a_graph_shows_states_and_what_edges_carry(library):
    run = start(library, "flow")
    tests = library.get(f"{run['uri']}/tasks?name=test").json["items"][0]
    library.wait(tests["id"])

    graph = library.get(f"{run['uri']}/graph").json

    assert graph["run"] == run["uri"]
    states = {node["name"]: node["state"] for node in graph["nodes"]}
    assert states == {"pull": "succeeded", "test": "failed", "tell": "awaiting"}
    assert tests["uri"] in {node["uri"] for node in graph["nodes"]}
    assert [(e["from"], e["to"], e["carry"]) for e in graph["edges"]] == [
        ("pull", "test", "data"),
        ("pull", "tell", "order"),
    ]


@pytest.mark.parametrize(("format_", "first"), [("mermaid", "---"), ("dot", 'digraph "flow"')])
def test_a_graph_is_drawn_as_text(library, format_, first):
    uri = start(library, "flow")["uri"]

    answer = library.get(f"{uri}/graph?format={format_}")

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.body.decode().startswith(first)
    assert library.get(f"{uri}/graph?format=svg").status == 422


def test_the_events_of_a_run_are_those_of_its_tasks_as_well(library):
    run = start(library)
    library.get(run["uri"], Prefer="wait=30")

    items = library.get(f"/api/v1/events?run={run['id']}").json["items"]

    assert {event["kind"] for event in items} == {"run", "task"}
    assert items[0]["subject"] == run["uri"]
    assert items[-1]["type"] == "run.settled"
    assert library.get("/api/v1/events?run=nothing").status == 404


# Followed, listed beside others, across a restart.


def test_the_events_of_a_run_are_followed_with_those_of_its_tasks(library):
    run = start(library, "flow")

    with follow(library, f"/api/v1/events?run={run['id']}&after=0") as stream:
        library.post(f"{run['uri']}/events", {"name": "cancel.requested"})
        heard = stream.until("run.settled")

    of = {message.json["subjectname"] for message in heard}
    assert of == {"flow", "pull", "test", "tell"}


def test_the_log_of_a_run_is_followed_by_itself(library):
    run = start(library)

    with follow(library, f"{run['uri']}/events") as stream:
        heard = stream.until("run.settled")

    log = library.get(f"{run['uri']}/events").json["items"]
    assert [message.json for message in heard] == log


def test_instances_of_every_kind_are_listed_together(library):
    run = start(library)
    task = library.submit()

    kinds = {}
    for item in library.get("/api/v1/instances?limit=200").json["items"]:
        kinds.setdefault(item["kind"], set()).add(item["id"])
    only = library.get("/api/v1/instances?kind=run&limit=2").json

    assert run["id"] in kinds["run"]
    assert task["id"] in kinds["task"]
    assert {item["kind"] for item in only["items"]} == {"run"}
    assert only["next"] is not None


def test_runs_of_another_namespace_are_apart(library):
    library.engine.create_namespace("apart")
    library.engine.add_workflow(PLAIN, namespace="apart")
    body = {"namespace": "apart", "key": "same"}
    there = start(library, "plain", body)
    here = start(library, "plain", {"key": "same"})

    assert there["id"] != here["id"]
    assert library.get("/api/v1/runs/same").json["id"] == here["id"]
    assert library.get("/api/v1/runs/same?namespace=apart").json["id"] == there["id"]
    listed = library.get("/api/v1/runs?namespace=apart").json["items"]
    assert [run["id"] for run in listed] == [there["id"]]
    tasks = library.get(f"{there['uri']}/tasks").json["items"]
    assert {task["namespace"] for task in tasks} == {"apart"}


def test_a_server_stops_with_runs_open_and_goes_on_with_them(tmp_path):
    with Served(tmp_path / "home") as served:
        served.engine.add_workflow(FLOW)
        run = start(served, "flow")
        with follow(served, f"{run['uri']}/events") as stream:
            stream.take(1)
            served.stop()
        served.start()

        shown = served.get(run["uri"]).json
        assert shown["state"] == "running"
        served.engine.send(served.engine.run_tasks(run["id"])["tell"], "finish.reported")
        assert served.get(run["uri"], Prefer="wait=30").json["settled"]


def test_a_schedule_runs_a_workflow(library):
    body = {"key": "hourly", "every_s": 3600, "workflow": "flow", "input": {"day": "friday"}}

    made = library.post("/api/v1/schedules", body)
    library.post("/api/v1/schedules/hourly/events", {"name": "trigger.requested"})

    schedule = made.json
    assert made.status == 201, made.body
    assert (schedule["workflow"], schedule["input"]) == ("flow", {"day": "friday"})
    (slot,) = library.get("/api/v1/schedules/hourly/slots").json["items"]
    (run,) = library.get(f"/api/v1/runs?schedule={schedule['id']}").json["items"]
    assert slot["instance"] == run["uri"]
    assert (run["schedule"], run["input"]) == (schedule["uri"], {"day": "friday", "size": 1})
    assert library.get("/api/v1/schedules/hourly").json["open"] == [run["uri"]]
    library.ask("DELETE", "/api/v1/schedules/hourly")
    library.post(f"{run['uri']}/events", {"name": "cancel.requested"})


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"workflow": "nothing"}, "/workflow"),
        ({"workflow": "flow@9"}, "/workflow"),
        ({"workflow": "flow", "input": {"size": "big"}}, "/input/size"),
        ({"workflow": "flow", "input": 3}, "/input"),
        ({"workflow": "flow", "task": {"type": "wait"}}, "/workflow"),
        ({"workflow": "flow", "arguments": {}}, "/arguments"),
    ],
)
def test_a_schedule_of_what_can_not_be_run_is_refused(library, fields, pointer):
    answer = library.post("/api/v1/schedules", {"every_s": 60, **fields})

    assert answer.status == 422
    assert pointer in [error["pointer"] for error in answer.json["errors"]]


def test_tasks_of_a_run_are_within_the_span_of_its_request(library):
    span = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    run = start(library, "plain", traceparent=span)

    task = library.engine.run_tasks(run["id"])["a"].identifier
    with library.engine.reading() as database:
        ((options,),) = database.fetch("SELECT options FROM task WHERE id = ?", (task,))
    assert span in options


def test_runs_are_listed_by_what_started_them_and_by_what_they_were_forked_of(library):
    run = start(library, "plain")
    library.ask("GET", f"{run['uri']}", headers={"Prefer": "wait=30"})
    fork = library.post(f"{run['uri']}/fork", {}).json
    task = library.submit("workflow", {"name": "plain"})

    def listed(query):
        return [each["id"] for each in library.get(f"/api/v1/runs?{query}").json["items"]]

    assert listed(f"origin={run['id']}") == listed(f"origin={run['uri']}") == [fork["id"]]
    library.wait(task["uri"])
    (child,) = library.get(f"/api/v1/runs?parent={task['id']}").json["items"]
    assert child["parent"] == task["uri"]
    refused = library.get("/api/v1/runs?origin=nobody")
    assert (refused.status, refused.json["code"]) == (422, "invalid")
