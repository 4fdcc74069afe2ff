"""Workflows over REST: added as files of three formats, shown, listed, retired."""

import json

import pytest
from jsonschema import Draft7Validator
from serving.served import Served
from tipman_api.serve import ServeOptions

TASKS = [
    {"name": "pull", "type": "exec", "arguments": "git pull"},
    {"name": "test", "type": "exec", "arguments": "make test", "dependencies": ["pull"]},
]
NIGHTLY = {"name": "nightly", "tasks": TASKS}
YAML = b"""
name: nightly
tasks:
  - {name: pull, type: exec, arguments: git pull}
  - {name: test, type: exec, arguments: make test, dependencies: [pull]}
"""
TOML = b"""
name = "nightly"
tasks = [
  {name = "pull", type = "exec", arguments = "git pull"},
  {name = "test", type = "exec", arguments = "make test", dependencies = ["pull"]},
]
"""


BOMB = b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 20)
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("home")) as served:
        yield served


@pytest.fixture
def served(shared, request):
    """A server with a namespace that only this test uses."""
    shared.space = "n" + str(abs(hash(request.node.name)))
    assert shared.post("/api/v1/namespaces", {"name": shared.space}).status == 201
    return shared


def add(served, body, kind="application/json", **headers):
    path = f"/api/v1/workflows?namespace={served.space}"
    return served.ask("POST", path, body, {"Content-Type": kind, **headers})


def get(served, path):
    return served.get(f"/api/v1{path}?namespace={served.space}")


def code(answer):
    assert answer.headers["content-type"] == "application/problem+json", answer.body
    return answer.status, answer.json["code"]


def place(served, version):
    """Return the address of a version, with its namespace, which is not the default one."""
    return f"/api/v1/workflows/nightly/{version}?namespace={served.space}"


def test_a_workflow_is_added_shown_and_retired(served):
    made = add(served, NIGHTLY)
    assert (made.status, made.headers["location"]) == (201, place(served, 1))
    assert served.ask("GET", made.headers["location"]).json["version"] == 1
    assert made.json == get(served, "/workflows/nightly").json
    assert made.json["workflow"] == NIGHTLY
    assert (made.json["version"], made.json["versions"]) == (1, [1])

    other = add(served, {**NIGHTLY, "slots": 2})
    gone = served.ask("DELETE", f"/api/v1/workflows/nightly/2?namespace={served.space}")

    assert other.headers["location"] == place(served, 2)
    assert (gone.status, gone.body) == (204, b"")
    assert get(served, "/workflows/nightly").json["version"] == 1
    assert get(served, "/workflows/nightly/2").json["retired_at"] is not None


def test_the_same_content_is_the_same_version_in_whatever_format_it_comes(served):
    made = add(served, YAML, "application/yaml")
    again = add(served, TOML, "application/toml; charset=utf-8")
    once_more = add(served, NIGHTLY)

    assert (made.status, again.status, once_more.status) == (201, 200, 200)
    assert {a.json["content"] for a in (made, again, once_more)} == {made.json["content"]}
    assert {a.headers["location"] for a in (made, again)} == {place(served, 1)}


def test_faults_of_a_text_have_pointers_and_the_places_in_it(served):
    body = YAML.replace(b"dependencies: [pull]", b"dependencies: [pul], timout_s: 3")

    refused = add(served, body, "application/yaml")

    assert code(refused) == (422, "invalid")
    assert [e["pointer"] for e in refused.json["errors"]] == [
        "/tasks/1/dependencies/0", "/tasks/1/timout_s",
    ]  # fmt: skip
    assert "body:5:67 tasks[1].dependencies[0]: no task is named `pul`" in refused.json["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"tasks: [", "application/yaml", 422),
        (b"tasks = [", "application/toml", 422),
        (b"\xff\xfe", "application/yaml", 422),
        (b"", "application/yaml", 400),
        (b"a: 1", "text/plain", 415),
        (b"[1]", "application/json", 422),
        (b"null", "application/yaml", 422),
        (BOMB, "application/yaml", 422),
        (b"tasks: !!python/object:os.system [ls]", "application/yaml", 422),
        (b"tasks: " + b"[" * 500 + b"]" * 500, "application/yaml", 422),
        (b"a = " + b"[" * 500 + b"]" * 500, "application/toml", 422),
        (b"name: a\0b", "application/yaml", 422),
    ],
)
def test_what_is_no_workflow_is_refused(served, body, kind, status):
    answer = add(served, body, kind)

    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_cycle_and_an_unknown_name_have_codes_of_their_own(served):
    cycle = [{**TASKS[0], "dependencies": ["test"]}, TASKS[1]]

    assert code(add(served, {**NIGHTLY, "tasks": cycle})) == (422, "cycle")
    assert code(add(served, {**NIGHTLY, "tasks": TASKS[1:]})) == (422, "unknown_dependency")


def test_a_namespace_may_stand_in_the_body_and_is_no_part_of_the_workflow(served):
    made = served.post("/api/v1/workflows", {**NIGHTLY, "namespace": served.space})

    assert made.status == 201
    assert made.json["workflow"] == NIGHTLY
    assert get(served, "/workflows/nightly").json["namespace"] == served.space
    assert code(served.post("/api/v1/workflows", {**NIGHTLY, "namespace": 3})) == (422, "invalid")


def test_a_repeated_write_is_made_once(served):
    key = {"Idempotency-Key": served.space}

    first, second = (add(served, NIGHTLY, **key) for _ in range(2))
    other = add(served, {**NIGHTLY, "slots": 1}, **key)

    assert (first.status, second.status) == (201, 201)
    assert code(other) == (422, "idempotency_mismatch")
    assert get(served, "/workflows/nightly").json["versions"] == [1]


def test_a_list_has_the_newest_of_each_page_by_page(served):
    for name in "cab":
        add(served, {**NIGHTLY, "name": name})
    path = f"/api/v1/workflows?namespace={served.space}&limit=2"

    first = served.get(path).json
    second = served.get(f"{path}&after={first['next']}").json

    assert [w["name"] for w in (*first["items"], *second["items"])] == ["a", "b", "c"]
    assert "workflow" not in first["items"][0]
    assert second["next"] is None


def test_what_there_is_none_of_is_not_found(served):
    for path in ("/workflows/none", "/workflows/none/1", "/workflows/none/x"):
        assert code(get(served, path)) == (404, "not_found")
        gone = served.ask("DELETE", f"/api/v1{path}?namespace={served.space}")
        assert code(gone) == (404, "not_found")


def test_the_schema_of_the_file_is_served(shared):
    answer = shared.get("/api/v1/schemas/workflow")

    assert answer.headers["content-type"] == "application/schema+json"
    Draft7Validator(json.loads(answer.body)).validate(NIGHTLY)


def test_a_reader_adds_nothing(tmp_path):
    with Served(tmp_path / "home", options=ServeOptions()) as served:
        secret = (tmp_path / "home" / "token").read_text().strip()
        root = {"Authorization": f"Bearer {secret}"}
        body = {"name": "eyes", "scope": "read"}
        token = served.ask("POST", "/api/v1/tokens", body, root).json["token"]

        answer = served.ask(
            "POST", "/api/v1/workflows", NIGHTLY, {"Authorization": f"Bearer {token}"}
        )

    assert code(answer) == (403, "forbidden")
