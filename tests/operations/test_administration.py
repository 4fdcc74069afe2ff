"""Administration over REST: each call does what its engine does, for whom it may."""

import json
import sqlite3
import stat
from pathlib import Path

import pytest
from serving.served import Served
from tipman.definitions import task_of
from tipman.executors.functions import Registry
from tipman.ids import text_of

ADMIN = "/api/v1/admin"


@pytest.fixture
def served(tmp_path):
    tasks = Registry()
    tasks.task(name="echo")(lambda value=None: value)
    with Served(tmp_path / "home", tasks=tasks, retention_tasks_max=1_000) as server:
        yield server


def done(served, path, body=None):
    answer = served.post(f"{ADMIN}/{path}", body)
    assert answer.status == 200, answer.body
    return answer.json


def run(served, count=1):
    """Let so many tasks settle."""
    task = {"type": "inline", "arguments": {"task": "echo", "args": {"value": 1}}}
    for handle in served.engine.submit_batch([task_of(task) for _ in range(count)]):
        handle.wait(30)


def test_pruning_says_what_went(served):
    run(served, 1_010)

    would = done(served, "prune", {"dry_run": True})
    did = done(served, "prune")

    assert (would["dry_run"], did["dry_run"]) == (True, False)
    assert would["rows"]["instances"] == did["rows"]["instances"] == 10
    assert done(served, "prune", {"dry_run": False})["rows"] == {}


@pytest.mark.parametrize("body", [{"dry_run": 1}, {"dryrun": True}, [], "x"])
def test_pruning_takes_nothing_else(served, body):
    answer = served.post(f"{ADMIN}/prune", body)

    assert answer.status == 422
    assert answer.json["code"] == "invalid"


def test_a_backup_goes_into_the_home_and_nowhere_else(served):
    run(served)

    made = done(served, "backup")

    path = Path(made["path"])
    assert path.parent == served.settings.home / "backups"
    assert path.stat().st_size == made["bytes"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with sqlite3.connect(path) as copy:
        assert copy.execute("SELECT count(*) FROM instance").fetchone() == (1,)
    copy.close()
    assert served.post(f"{ADMIN}/backup", {"path": "/tmp/x"}).status >= 400


def test_verification_finds_nothing_in_what_engines_leave(served):
    run(served, 20)

    found = done(served, "verify")

    assert found["ok"] is True
    assert found["instances"] == 20


def test_the_checkup_says_what_it_looked_at(served):
    found = done(served, "doctor")

    assert found["ok"] is True, found
    assert {"lock", "home", "integrity", "processes"} <= {c["name"] for c in found["checks"]}


def test_the_workers_are_listed_with_what_they_run(served):
    task = served.submit("sleep", {"duration_s": 60}, queue="slow")

    answer = served.get(f"{ADMIN}/workers")

    [worker] = answer.json["items"]
    assert worker["slots_taken"] == 1
    assert [(a["task"], a["queue"]) for a in worker["attempts"]] == [(task["uri"], "slow")]
    assert answer.json["next"] is None
    served.post(f"{task['uri']}/events", {"name": "cancel.requested"})


def test_metrics_are_what_is_committed(served):
    run(served, 5)
    served.submit("wait", {}, queue="people")

    text = served.get("/metrics").body.decode()

    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['tipman_tasks_settled_total{state="succeeded"}'] == "5.0"
    assert lines['tipman_tasks_open{namespace="default",queue="people",state="awaiting"}'] == "1.0"
    assert lines['tipman_events_total{name="attempt.succeeded"}'] == "5.0"
    assert lines["tipman_task_wait_seconds_count"] == "5.0"
    assert lines['tipman_attempt_duration_seconds_bucket{le="+Inf"}'] == "5.0"
    assert float(lines["tipman_database_bytes"]) > 0
    assert lines["tipman_slots"] == "16.0"


def test_counters_only_grow_and_gauges_follow(served):
    def figure(name):
        text = served.get("/metrics").body.decode()
        found = [line.split() for line in text.splitlines() if line.startswith(name)]
        return float(found[0][1]) if found else 0.0

    run(served, 3)
    first = figure("tipman_events_total")
    run(served, 3)

    assert figure("tipman_events_total") == 2 * first
    assert figure("tipman_tasks_open") == 0.0


def test_refusals_are_counted(served):
    served.ask("POST", "/api/v1/tasks", b"{", {"Content-Type": "application/json"})

    text = served.get("/metrics").body.decode()

    assert "tipman_requests_refused_total{" in text


def test_a_document_of_each_call_is_there(served):
    document = json.loads(served.get("/openapi.json").body)

    for path in ("prune", "backup", "verify", "doctor", "workers"):
        assert f"{ADMIN}/{path}" in document["paths"]


ABOVE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/tasks", {"type": "exec", "arguments": "echo $TRACEPARENT"}),
        ("/api/v1/tasks/batch", {"tasks": [{"type": "exec", "arguments": "echo $TRACEPARENT"}]}),
    ],
)
@pytest.mark.parametrize(("given", "told"), [(ABOVE, ABOVE), ("nonsense", "")])
def test_the_span_that_submits_is_told_to_the_attempt(served, path, body, given, told):
    answer = served.post(path, body, traceparent=given)

    task = answer.json.get("items", [answer.json])[0]
    handle = served.engine.find(task["id"]).wait(30)
    assert served.engine.output_path(handle, 1, "stdout").read_text().strip() == told


def test_an_unknown_id_is_404_and_says_whether_it_may_have_been_pruned(served):
    never = served.get("/api/v1/instances/ffffffff-ffff-7fff-bfff-ffffffffffff")
    run(served)
    with served.engine.reading() as database:
        [(first,)] = database.fetch("SELECT id FROM instance")
    run(served, 1_010)
    done(served, "prune")

    pruned = served.get(f"/api/v1/instances/{text_of(first)}")

    assert (never.status, pruned.status) == (404, 404)
    assert "never existed" in never.json["detail"]
    assert "it was pruned, at 20" in pruned.json["detail"]
