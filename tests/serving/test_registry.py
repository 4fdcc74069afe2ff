"""Definitions, namespaces and tokens over REST, for tokens of every kind."""

import pytest
from serving.served import Served
from tipman_api.serve import ServeOptions

SAY = {
    "name": "say",
    "task": {"type": "exec", "arguments": {"argv": ["echo", "{words}"]}},
    "parameters": {"properties": {"words": {"type": "string"}}, "required": ["words"]},
}


class Caller:
    """Somebody with a token."""

    def __init__(self, served, secret):
        self._served = served
        self._headers = {"Authorization": f"Bearer {secret}"}

    def __call__(self, method, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._served.ask(method, f"/api/v1{path}", body, headers={**self._headers, **named})

    def get(self, path, **headers):
        return self("GET", path, **headers)

    def with_token(self, name, scope, namespace=None):
        """Return a caller with a new token."""
        body = {"name": name, "scope": scope, "namespace": namespace}
        answer = self("POST", "/tokens", body)
        assert answer.status == 201, answer.body
        return Caller(self._served, answer.json["token"])


@pytest.fixture
def root(tmp_path):
    with Served(tmp_path / "home", options=ServeOptions()) as served:
        secret = (tmp_path / "home" / "token").read_text().strip()
        yield Caller(served, secret)


def code(answer):
    assert answer.headers["content-type"] == "application/problem+json", answer.body
    return answer.status, answer.json["code"]


# Namespaces.


def test_a_namespace_is_made_shown_changed_and_ended(root):
    made = root("POST", "/namespaces", {"name": "team", "open_tasks_max": 5})
    assert (made.status, made.headers["location"]) == (201, "/api/v1/namespaces/team")
    assert made.json == root.get("/namespaces/team").json
    assert made.json["open_tasks_max"] == 5
    assert made.json["open_tasks"] == 0

    changed = root("PATCH", "/namespaces/team", {"slots_max": 2, "open_tasks_max": None})
    assert (changed.status, changed.json["slots_max"]) == (200, 2)
    assert changed.json == root.get("/namespaces/team").json
    assert [n["name"] for n in root.get("/namespaces").json["items"]] == ["default", "team"]
    gone = root("DELETE", "/namespaces/team")

    assert (gone.status, gone.body) == (204, b"")
    assert code(root.get("/namespaces/team")) == (404, "not_found")
    assert root("POST", "/namespaces", {"name": "team"}).status == 201


def test_what_can_not_be_a_namespace_is_refused_with_its_place(root):
    root("POST", "/namespaces", {"name": "team"})

    taken = root("POST", "/namespaces", {"name": "team"})
    assert code(taken) == (409, "key_exists")
    assert taken.json["uri"] == "/api/v1/namespaces/team"
    assert code(root("PATCH", "/namespaces/team", {})) == (422, "invalid")
    for body, pointer in (
        ({"name": "two words"}, "/name"),
        ({"name": "a", "slots_max": 0}, "/slots_max"),
        ({"name": "a", "slots_max": "2"}, "/slots_max"),
        ({"name": "a", "slot_max": 2}, "/slot_max"),
        ({}, "/name"),
    ):
        answer = root("POST", "/namespaces", body)
        assert code(answer) == (422, "invalid"), body
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


def test_a_namespace_in_use_and_the_default_one_are_not_ended(root):
    root("POST", "/namespaces", {"name": "team"})
    root("POST", "/tasks", {"type": "wait", "namespace": "team"})

    in_use = root("DELETE", "/namespaces/team")
    assert (code(in_use), in_use.json["state"]) == ((409, "conflict"), "in_use")
    assert code(root("DELETE", "/namespaces/default")) == (409, "conflict")
    assert code(root("DELETE", "/namespaces/nowhere")) == (404, "not_found")
    assert code(root("PATCH", "/namespaces/nowhere", {"slots_max": 1})) == (404, "not_found")


def test_a_submission_beyond_the_quota_or_to_no_namespace_is_refused(root):
    root("POST", "/namespaces", {"name": "team", "open_tasks_max": 1})
    wait = {"type": "wait", "namespace": "team"}
    assert root("POST", "/tasks", wait).status == 202

    assert code(root("POST", "/tasks", wait)) == (429, "quota_reached")
    unknown = root("POST", "/tasks", {"type": "wait", "namespace": "nowhere"})
    assert code(unknown) == (422, "invalid")


# Definitions.


def test_a_definition_is_added_submitted_and_retired(root):
    first = root("POST", "/definitions", SAY)
    assert (first.status, first.headers["location"]) == (201, "/api/v1/definitions/say/1")
    again = root("POST", "/definitions", SAY)
    assert (again.status, again.headers["location"]) == (200, "/api/v1/definitions/say/1")
    second = root("POST", "/definitions", {**SAY, "task": {**SAY["task"], "priority": 5}})
    assert (second.json["version"], second.json["versions"]) == (2, [1, 2])

    by_name = {"definition": "say@1", "arguments": {"words": "hello"}}
    task = root("POST", "/tasks", by_name, Prefer="wait=20").json
    assert (task["definition"], task["state"]) == ("say@1", "succeeded")
    assert task["arguments"] == {"argv": ["echo", "hello"]}
    assert root("DELETE", "/definitions/say/2").status == 204

    assert root.get("/definitions/say").json["version"] == 1
    assert root.get("/definitions/say/2").json["retired_at"] is not None
    refused = root("POST", "/tasks", {**by_name, "definition": "say@2"})
    assert code(refused) == (422, "invalid")
    assert root("DELETE", "/definitions/say").status == 204
    assert root("POST", "/definitions", SAY).json["version"] == 3


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/definitions", SAY),
        ("/workflows", {"name": "tea", "tasks": [{"name": "brew", "type": "wait"}]}),
    ],
    ids=["definition", "workflow"],
)
def test_the_address_of_a_version_finds_it_in_its_namespace(root, path, body):
    """Its address said nothing of the namespace, so what it named was in `default`, or nowhere."""
    root("POST", "/namespaces", {"name": "team"})

    added = root("POST", path, {**body, "namespace": "team"}, Idempotency_Key="once")
    again = root("POST", path, {**body, "namespace": "team"}, Idempotency_Key="once")

    assert added.headers["location"] == added.json["uri"] == again.headers["location"]
    assert added.json == again.json == root.get(added.json["uri"].removeprefix("/api/v1")).json


def test_a_batch_may_mix_definitions_with_other_tasks(root):
    root("POST", "/definitions", SAY)
    tasks = [
        {"definition": "say", "arguments": {"words": "a"}, "key": "first"},
        {"type": "wait", "dependencies": ["first"]},
    ]

    answer = root("POST", "/tasks/batch", {"tasks": tasks})
    assert [item["definition"] for item in answer.json["items"]] == ["say@1", None]
    tasks[0]["arguments"] = {"words": 1}
    refused = root("POST", "/tasks/batch", {"tasks": tasks})

    assert code(refused) == (422, "invalid")
    assert refused.json["errors"][0]["pointer"] == "/tasks/0/arguments/words"


def test_what_is_no_definition_is_refused_with_its_place(root):
    wrong = {**SAY, "task": {"type": "exec", "arguments": {"argv": ["{wrods}"]}}}

    answer = root("POST", "/definitions", wrong)

    assert code(answer) == (422, "invalid")
    assert answer.json["errors"][0]["pointer"] == "/task/arguments/argv/0"
    assert "did you mean `words`" in answer.json["errors"][0]["detail"]
    for path in ("/definitions/say", "/definitions/say/1", "/definitions/say/x"):
        assert code(root.get(path)) == (404, "not_found")
        assert code(root("DELETE", path)) == (404, "not_found")


# Tokens.


def test_a_secret_is_shown_once_and_opens_until_its_token_is_revoked(root):
    made = root("POST", "/tokens", {"name": "ci", "scope": "operate"})
    assert (made.status, made.headers["location"]) == (201, "/api/v1/tokens/ci")
    secret = made.json["token"]
    shown = root.get("/tokens/ci")
    assert "token" not in shown.json
    assert secret.encode() not in shown.body + root.get("/tokens").body
    assert shown.json["created_by"] == "admin"
    ci = Caller(root._served, secret)
    assert ci("POST", "/tasks", {"type": "wait"}).status == 202
    assert code(ci("POST", "/tokens", {"name": "b", "scope": "admin"})) == (403, "forbidden")

    assert root("DELETE", "/tokens/ci").status == 204

    assert code(ci.get("/tasks")) == (401, "unauthorized")
    assert code(root("DELETE", "/tokens/ci")) == (404, "not_found")
    assert code(root("POST", "/tokens", {"name": "ci", "scope": "god"})) == (422, "invalid")


def test_the_first_token_is_good_after_a_start(root):
    root._served.stop()
    root._served.start()

    assert root.get("/tokens/admin").status == 200


# Tokens of one namespace.


@pytest.fixture
def bound(root):
    root("POST", "/namespaces", {"name": "team"})
    root("POST", "/namespaces", {"name": "other"})
    return root.with_token("theirs", "admin", "team")


def test_a_bound_token_sees_its_namespace_only(root, bound):
    root("POST", "/definitions", SAY)
    root("POST", "/definitions", {**SAY, "namespace": "other"})

    assert [n["name"] for n in bound.get("/namespaces").json["items"]] == ["team"]
    assert code(bound.get("/namespaces/other")) == (404, "not_found")
    assert bound.get("/definitions").json["items"] == []
    assert code(bound.get("/definitions/say")) == (404, "not_found")
    assert code(bound.get("/definitions?namespace=other")) == (403, "forbidden")
    assert [t["name"] for t in bound.get("/tokens").json["items"]] == ["theirs"]
    assert code(bound.get("/tokens/admin")) == (404, "not_found")


def test_a_bound_token_makes_nothing_outside_its_namespace(bound):
    assert bound("POST", "/definitions", SAY).json["namespace"] == "team"
    beyond = [
        ("POST", "/definitions", {**SAY, "namespace": "other"}),
        ("POST", "/namespaces", {"name": "mine"}),
        ("PATCH", "/namespaces/team", {"open_tasks_max": None}),
        ("DELETE", "/namespaces/team", None),
        ("POST", "/tokens", {"name": "x", "scope": "read", "namespace": "other"}),
    ]
    for method, path, body in beyond:
        assert code(bound(method, path, body)) == (403, "forbidden"), (method, path)
    assert code(bound("DELETE", "/tokens/admin")) == (404, "not_found")

    made = bound("POST", "/tokens", {"name": "x", "scope": "read"})

    assert made.json["namespace"] == "team", "never more than its maker's"


def test_with_a_namespace_end_its_tokens(root, bound):
    assert bound.get("/tasks").status == 200

    root("DELETE", "/namespaces/team")
    root("POST", "/namespaces", {"name": "team"})

    assert code(bound.get("/tasks")) == (401, "unauthorized")


# Lists.


def test_a_list_goes_on_where_its_page_ended_whatever_came_meanwhile(root):
    for name in "bdfh":
        root("POST", "/namespaces", {"name": name})
    first = root.get("/namespaces?limit=2").json
    assert [n["name"] for n in first["items"]] == ["b", "d"]
    root("POST", "/namespaces", {"name": "a"})
    root("DELETE", "/namespaces/d")

    second = root.get(f"/namespaces?limit=9&after={first['next']}").json

    assert [n["name"] for n in second["items"]] == ["default", "f", "h"]
    assert second["next"] is None


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "after=AAAA", "after=%C3%BC", "after=", "colour=red"],
)
def test_a_list_refuses_what_it_does_not_know(root, query):
    for path in ("/namespaces", "/definitions", "/tokens"):
        assert code(root.get(f"{path}?{query}")) == (422, "invalid")


def test_a_cursor_is_of_one_list(root):
    for name in "ab":
        root("POST", "/namespaces", {"name": name})
    cursor = root.get("/namespaces?limit=1").json["next"]

    assert code(root.get(f"/tokens?after={cursor}")) == (422, "invalid")


def test_a_read_carries_a_tag_and_is_not_sent_twice(root):
    tag = root.get("/namespaces/default").headers["etag"]

    again = root.get("/namespaces/default", If_None_Match=tag)

    assert (again.status, again.body) == (304, b"")
