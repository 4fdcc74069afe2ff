"""Writes with an `Idempotency-Key`: made once, and answered twice the same."""

from concurrent.futures import ThreadPoolExecutor

import pytest

REPEATS = 100
WAIT = {"type": "wait"}
WRITES = {
    "task": ("POST", "/tasks", {"type": "wait", "name": "kept"}),
    "batch": ("POST", "/tasks/batch", {"tasks": [{"type": "wait"}, {"type": "wait"}]}),
    "namespace": ("POST", "/namespaces", {"name": "fresh"}),
    "definition": (
        "POST",
        "/definitions",
        {"name": "d", "task": {"type": "wait"}, "parameters": {}},
    ),
    "quota": ("PATCH", "/namespaces/default", {"open_tasks_max": 999}),
    "token": ("POST", "/tokens", {"name": "t", "scope": "read"}),
    "revoke": ("DELETE", "/tokens/t", None),
    "retire": ("DELETE", "/definitions/d", None),
    "delete": ("DELETE", "/namespaces/fresh", None),
}


def ask(served, method, path, body=None, key=None, connection=None):
    headers = {} if key is None else {"Idempotency-Key": key}
    return served.ask(method, f"/api/v1{path}", body, headers=headers, connection=connection)


def count(served):
    with served.engine.reading() as database:
        return database.fetch("SELECT count(*) FROM instance WHERE kind <> 'registry'")[0][0]


def ids(answer):
    if not answer.body:
        return None
    shown = answer.json
    items = shown.get("items", [shown])
    return [item.get("id") or item.get("uri") for item in items]


def test_every_write_is_made_once_and_its_repeat_answered_the_same_also_after_a_start(served):
    first = {key: ask(served, *write, key=key) for key, write in WRITES.items()}
    assert all(answer.status < 300 for answer in first.values()), first

    for _ in range(2):
        for key, write in WRITES.items():
            again = ask(served, *write, key=key)
            assert again.status == first[key].status, (key, again.body)
            assert again.headers.get("location") == first[key].headers.get("location"), key
            assert ids(again) == ids(first[key]), key
        served.stop()
        served.start()

    assert count(served) == 3


def test_what_an_administrator_asks_for_twice_is_done_once(served):
    first = ask(served, "POST", "/admin/backup", key="nightly")
    assert first.status == 200, first.body

    again = ask(served, "POST", "/admin/backup", key="nightly")
    other = ask(served, "POST", "/admin/prune", {"dry_run": True}, key="nightly")

    assert again.body == first.body
    assert other.json["dry_run"] is True
    assert len(list((served.settings.home / "backups").iterdir())) == 1


def test_without_a_key_a_repeat_is_another_write(served):
    """The negative control."""
    answers = [ask(served, "POST", "/tasks", WAIT) for _ in range(3)]

    assert len({answer.json["id"] for answer in answers}) == count(served) == 3


def test_a_hundred_repeats_at_once_make_one_task(served):
    def submit(_):
        return ask(served, "POST", "/tasks", WAIT, key="k")

    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(submit, range(REPEATS)))

    assert {answer.status for answer in answers} == {202}
    assert len({(answer.json["id"], answer.headers["location"]) for answer in answers}) == 1
    assert count(served) == 1


def test_another_body_under_the_same_key_is_refused(served):
    ask(served, "POST", "/tasks", WAIT, key="k")

    answer = ask(served, "POST", "/tasks", {**WAIT, "name": "other"}, key="k")

    assert (answer.status, answer.json["code"]) == (422, "idempotency_mismatch")
    assert count(served) == 1


def test_the_same_body_written_otherwise_is_the_same(served):
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    texts = [b'{"type":"wait","name":"a"}', b' { "type": "wait", "name" : "\\u0061" } ']

    answers = [served.ask("POST", "/api/v1/tasks", text, headers=headers) for text in texts]

    assert answers[0].json["id"] == answers[1].json["id"]
    assert count(served) == 1


def test_what_was_refused_may_be_tried_again_under_its_key(served):
    wrong = ask(served, "POST", "/tasks", {"type": "wait", "dependencies": ["first"]}, key="k")
    assert wrong.status == 422
    ask(served, "POST", "/tasks", {**WAIT, "key": "first"})

    right = ask(served, "POST", "/tasks", {"type": "wait", "dependencies": ["first"]}, key="k")

    assert right.status == 202


def test_an_event_is_sent_once(served):
    task = served.submit("wait", {})
    path = f"/tasks/{task['id']}/events"
    suspend = {"name": "suspend.requested"}

    first = ask(served, "POST", path, suspend, key="k")
    ask(served, "POST", path, {"name": "resume.requested"})
    again = ask(served, "POST", path, suspend, key="k")

    assert (first.status, again.status) == (202, 202)
    assert again.json["id"] == task["id"]
    assert again.json["state"] == "awaiting", "it was not suspended a second time"


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "ü"])
def test_what_is_no_key_is_refused(served, key):
    link = served.connect()
    link.putrequest("POST", "/api/v1/tasks")
    link.putheader("Idempotency-Key", key.encode("utf-8"))
    link.putheader("Content-Type", "application/json")
    link.putheader("Content-Length", "15")
    link.endheaders(b'{"type":"wait"}')

    assert link.getresponse().status in {400, 422}
    assert count(served) == 0
    link.close()


def test_a_repeat_of_a_token_says_nothing_of_its_secret(served):
    body = {"name": "ci", "scope": "read"}
    first = ask(served, "POST", "/tokens", body, key="k").json

    again = ask(served, "POST", "/tokens", body, key="k").json

    assert first["token"]
    assert again == {**first, "token": None}
