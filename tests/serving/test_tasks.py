"""Tasks over REST: submitted, listed, shown, asked for something."""

import uuid

import pytest
from core.engines import eventually
from serving.served import Served
from tipman.executors.functions import Registry

TASKS = Registry()


@TASKS.task
def double(number: int) -> int:
    return 2 * number


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A server that knows a function, shared by this module's tests."""
    with Served(tmp_path_factory.mktemp("house") / "home", tasks=TASKS) as served:
        yield served


def waits(house, **fields):
    """A task that waits for an event from outside."""
    return house.submit("wait", {}, **fields)


def problem_of(answer, status, code):
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"] == code
    return answer.json


# Submitting.


def test_a_task_is_accepted_with_its_address_and_its_state(house):
    answer = house.post(
        "/api/v1/tasks", {"type": "inline", "arguments": {"task": "double", "args": {"number": 2}}}
    )

    assert answer.status == 202
    assert answer.headers["location"] == answer.json["uri"]
    assert answer.json["state"] == "running"
    assert house.wait(answer.json["id"], "succeeded")["result"] == 4


def test_what_a_submission_answers_is_what_is_read_at_once(house):
    for fields in ({}, {"key": "same"}, {"priority": 3, "queue": "q"}, {"timeout_s": 60}):
        answered = waits(house, **fields)

        assert house.get(answered["uri"]).json == answered


def test_with_prefer_wait_the_answer_is_the_settled_task(house):
    answer = house.post("/api/v1/tasks", {"type": "sleep", "arguments": {"duration_s": 0}},
                        Prefer="respond-async, wait=20")  # fmt: skip

    assert (answer.status, answer.json["state"]) == (200, "succeeded")
    assert answer.headers["preference-applied"] == "wait=20"
    assert answer.headers["location"] == answer.json["uri"]


def test_a_wait_that_runs_out_is_202(house):
    answer = house.post("/api/v1/tasks", {"type": "wait"}, Prefer="wait=0.05")

    assert (answer.status, answer.json["state"]) == (202, "awaiting")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"type": "exec"}, "/arguments"),
        ({"type": "exce", "arguments": "x"}, "/type"),
        ({"type": "exec", "arguments": "x", "tmeout_s": 1}, "/tmeout_s"),
        ({"type": "exec", "arguments": "x", "namespace": "nowhere"}, "/namespace"),
        ({"type": "exec", "arguments": "x", "namespace": 3}, "/namespace"),
        ({"type": "exec", "arguments": "x", "dependencies": ["never"]}, "/dependencies/0"),
        ({"definition": "never", "arguments": {}}, "/definition"),
        ([], ""),
    ],
    ids=str,
)
def test_a_fault_is_named_by_its_place_in_the_body(house, body, pointer):
    answer = house.post("/api/v1/tasks", body)

    assert answer.status == 422, answer.body
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


def test_a_key_that_exists_is_named_with_its_address(house):
    first = waits(house, key="taken")

    problem = problem_of(
        house.post("/api/v1/tasks", {"type": "wait", "key": "taken"}), 409, "key_exists"
    )

    assert problem["uri"] == first["uri"]


def test_a_batch_is_answered_in_the_order_given(house):
    tasks = [
        {"type": "wait", "key": "second", "dependencies": ["first"]},
        {"type": "wait", "key": "first"},
    ]

    answer = house.post("/api/v1/tasks/batch", {"tasks": tasks})

    assert answer.status == 202
    second, first = answer.json["items"]
    assert [second["key"], first["key"]] == ["second", "first"]
    assert second["dependencies"] == [first["uri"]]
    assert [second["state"], first["state"]] == ["waiting", "awaiting"]


@pytest.mark.parametrize(
    ("tasks", "status", "code", "pointer"),
    [
        ([], 422, "invalid", "/tasks"),
        ([{"type": "wait"}, {"type": "exec"}], 422, "invalid", "/tasks/1/arguments"),
        ([{"type": "wait", "key": "x"}] * 2, 422, "invalid", "/tasks/1/key"),
        ([{"type": "wait", "dependencies": ["none"]}], 422, "unknown_dependency",
         "/tasks/0/dependencies/0"),
    ],
    ids=str,
)  # fmt: skip
def test_a_batch_is_refused_whole(house, tasks, status, code, pointer):
    before = len(house.get("/api/v1/tasks?limit=1000").json["items"])

    problem = problem_of(house.post("/api/v1/tasks/batch", {"tasks": tasks}), status, code)

    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert len(house.get("/api/v1/tasks?limit=1000").json["items"]) == before


def test_a_cycle_in_a_batch_names_its_members(house):
    tasks = [
        {"type": "wait", "key": "egg", "dependencies": ["hen"]},
        {"type": "wait", "key": "hen", "dependencies": ["egg"]},
    ]

    problem = problem_of(house.post("/api/v1/tasks/batch", {"tasks": tasks}), 422, "cycle")

    assert "egg" in problem["detail"]
    assert "hen" in problem["detail"]


def test_a_batch_with_a_known_key_is_a_conflict(house):
    first = waits(house, key="known")
    tasks = [{"type": "wait", "key": "fresh"}, {"type": "wait", "key": "known"}]

    problem = problem_of(house.post("/api/v1/tasks/batch", {"tasks": tasks}), 409, "key_exists")

    assert problem["uri"] == first["uri"]
    assert house.get("/api/v1/tasks/fresh").status == 404


def test_a_batch_can_be_waited_for(house):
    tasks = [{"type": "sleep", "arguments": {"duration_s": 0}}] * 3

    answer = house.post("/api/v1/tasks/batch", {"tasks": tasks}, Prefer="wait=20")

    assert answer.status == 200
    assert {item["state"] for item in answer.json["items"]} == {"succeeded"}


@pytest.mark.parametrize("policy", ["fail_fast", "stop"])
def test_a_policy_that_no_batch_can_have_is_refused(house, policy):
    body = {"tasks": [{"type": "wait"}], "on_failure": policy}

    problem_of(house.post("/api/v1/tasks/batch", body), 422, "invalid")


# Reading.


def test_a_task_is_read_by_its_key_and_by_its_uuid(house):
    task = waits(house, key="by-key")

    assert house.get("/api/v1/tasks/by-key").json == task
    assert house.get(task["uri"]).json == task


def test_what_the_client_has_is_not_sent_again(house):
    task = waits(house)
    tag = house.get(task["uri"]).headers["etag"]

    again = house.get(task["uri"], If_None_Match=f'"other", W/{tag}')
    house.post(task["uri"] + "/events", {"name": "cancel.requested"})
    changed = house.get(task["uri"], If_None_Match=tag)

    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert changed.status == 200


def test_a_read_can_wait_for_the_end(house):
    task = house.submit("sleep", {"duration_s": 0.1})

    answer = house.get(task["uri"], Prefer="wait=20")

    assert answer.json["settled"]
    assert answer.headers["preference-applied"] == "wait=20"


@pytest.mark.parametrize("reference", ["nobody", str(uuid.uuid4()), "a%0Ab", "%C3%A9"])
def test_what_does_not_exist_is_404(house, reference):
    for tail in ("", "/events", "/attempts", "/output", "/explain"):
        answer = house.get(f"/api/v1/tasks/{reference}{tail}")

        assert answer.status in {404, 400}, answer.body


def test_the_log_is_read_page_by_page(house):
    task = house.submit("sleep")
    house.wait(task["id"])

    whole = house.get(task["uri"] + "/events").json
    first = house.get(task["uri"] + "/events?limit=2").json
    rest = house.get(f"{task['uri']}/events?after={first['next']}").json

    assert [line["seq"] for line in whole["items"]] == [1, 2, 3, 4, 5]
    assert first["items"] + rest["items"] == whole["items"]
    assert (whole["next"], rest["next"]) == (None, None)


def test_attempts_and_what_they_wrote_are_kept(house):
    task = house.submit(
        "exec", "echo out; echo err >&2; exit 3", retry={"attempts_max": 2, "delay_s": 0}
    )
    house.wait(task["id"], "failed")

    attempts = house.get(task["uri"] + "/attempts").json["items"]
    output = house.get(task["uri"] + "/output?stream=stderr&attempt=1")
    last = house.get(task["uri"] + "/output")

    assert [a["outcome"] for a in attempts] == ["failed", "failed"]
    assert attempts[0]["result"] == {"exit_code": 3}
    assert output.body == b"err\n"
    assert last.body == b"out\n"
    assert last.headers["content-type"] == "text/plain; charset=utf-8"
    assert last.headers["x-content-type-options"] == "nosniff"
    assert house.get(task["uri"] + "/output", If_None_Match=last.headers["etag"]).status == 304


def test_output_that_is_not_there_is_empty_or_404(house):
    task = waits(house)

    assert house.get(task["uri"] + "/output").body == b""
    problem_of(house.get(task["uri"] + "/output?attempt=7"), 404, "not_found")
    problem_of(house.get(task["uri"] + "/output?stream=../stdout"), 422, "invalid")
    problem_of(house.get(task["uri"] + "/output?attempt=0"), 422, "invalid")


def test_it_is_explained_what_a_task_waits_for(house):
    first = waits(house)
    task = waits(house, dependencies=[first["id"]])

    explained = house.get(task["uri"] + "/explain").json

    assert explained["state"] == "waiting"
    assert [reason["uri"] for reason in explained["waiting_for"]] == [first["uri"]]


# Asking for something.


def test_an_event_is_answered_with_the_task_as_it_is_then(house):
    task = waits(house)

    held = house.post(task["uri"] + "/events", {"name": "suspend.requested"})
    freed = house.post(task["uri"] + "/events", {"name": "resume.requested"})
    done = house.post(task["uri"] + "/events", {"name": "finish.reported", "data": {"n": 1}})

    assert [a.status for a in (held, freed, done)] == [202, 202, 202]
    states = [a.json["state"] for a in (held, freed, done)]
    assert states == ["suspended", "awaiting", "succeeded"]
    assert done.json["result"] == {"n": 1}


def test_an_event_that_changes_nothing_names_the_state(house):
    task = waits(house)
    house.post(task["uri"] + "/events", {"name": "finish.reported"})

    answer = house.post(task["uri"] + "/events", {"name": "suspend.requested"})

    assert problem_of(answer, 409, "conflict")["state"] == "succeeded"


def test_cancelling_what_is_cancelled_is_accepted(house):
    task = waits(house)

    answers = [house.post(task["uri"] + "/events", {"name": "cancel.requested"}) for _ in "12"]

    assert [a.status for a in answers] == [202, 202]
    assert [a.json["state"] for a in answers] == ["cancelled", "cancelled"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "cancel.requestd"},
        {"name": "task.settled"},
        {"name": 1},
        {},
        {"name": "x", "y": 1},
    ],
    ids=str,
)
def test_an_unknown_event_is_refused(house, body):
    task = waits(house)

    problem_of(house.post(task["uri"] + "/events", body), 422, "invalid")


def test_a_wait_ends_with_its_client(served):
    """It went on for the 300 seconds that it had been asked for, thousands of them at once."""
    uri = waits(served)["uri"]
    waiting = served.engine._settlements._waiting
    links = [served.connect() for _ in range(3)]
    for link in links:
        link.request("GET", uri, headers={"Prefer": "wait=300"})
    body = b'{"type":"wait"}'
    headers = {"Prefer": "wait=300", "Content-Type": "application/json"}
    links.append(served.connect())
    links[-1].request("POST", "/api/v1/tasks", body, headers)
    eventually(lambda: sum(map(len, waiting.values())) == 4)

    for link in links:
        link.close()

    eventually(lambda: not any(waiting.values()))


@pytest.mark.parametrize("identifier", ["", "a b", "x" * 256, "ü"])
def test_an_id_that_is_none_is_named_where_it_stands(house, identifier):
    """It was called an `Idempotency-Key`, of which the request had none."""
    body = {"name": "finish.reported", "id": identifier}

    problem = problem_of(house.post(waits(house)["uri"] + "/events", body), 422, "invalid")

    assert [fault["pointer"] for fault in problem["errors"]] == ["/id"]


def test_an_event_with_an_id_is_taken_once(house):
    task = waits(house)
    body = {"name": "finish.reported", "data": 1, "id": "e-1"}

    answers = [house.post(task["uri"] + "/events", body) for _ in "12"]

    assert [a.status for a in answers] == [202, 202]
    names = [line["name"] for line in house.get(task["uri"] + "/events").json["items"]]
    assert names.count("finish.reported") == 1


def test_all_that_match_are_asked_at_once(house):
    tasks = [waits(house, queue="bulk") for _ in range(5)]
    house.post(tasks[0]["uri"] + "/events", {"name": "cancel.requested"})
    body = {"filter": {"queue": "bulk"}, "name": "cancel.requested"}

    answer = house.post("/api/v1/tasks/events", body)

    assert (answer.status, answer.json) == (202, {"matched": 5, "changed": 4})
    assert all(house.get(t["uri"]).json["state"] == "cancelled" for t in tasks)


@pytest.mark.parametrize("wanted", [{"stat": "x"}, {"state": 1}, {"state": ["gone"]}, 1], ids=str)
def test_a_wrong_filter_asks_nobody(house, wanted):
    body = {"filter": wanted, "name": "cancel.requested"}

    problem_of(house.post("/api/v1/tasks/events", body), 422, "invalid")
