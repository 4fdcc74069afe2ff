"""The challenge that this project grew from, over REST, with a restart in its middle.

Schedule a `sleep`, a `counter` and an `http` task every so often and once at a given date, change
the interval, see upcoming and past executions with their results, let a long run make the next one
skip, restart in the middle, delete.
"""

import http.server
import threading
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from schedules.commits import commits
from serving.served import Served
from tipman.clock import SystemClock, rfc3339

SLEPT_S = 0.02
EVERY_S, CHANGED_S = 0.2, 0.1
LONG = {"type": "sleep", "arguments": {"duration_s": 3600}}
MICROSECOND = timedelta(microseconds=1)


class Greeting(http.server.BaseHTTPRequestHandler):
    """Answers every GET."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        """Be quiet."""


@pytest.fixture
def target():
    """The address of a server that is asked by `http` tasks."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Greeting) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def served(tmp_path):
    with Served(tmp_path / "home", drain_s=0.1) as served:
        yield served


def add(served, key, type_, arguments, **when):
    body = {"key": key, "task": {"type": type_, "arguments": arguments}, **when}
    answer = served.post("/api/v1/schedules", body)
    assert answer.status == 201, answer.body
    return answer.json


def slots(served, key, *, decision=""):
    """What was decided about the instants of a schedule, the first ones first."""
    found, after = [], ""
    while after is not None:
        query = f"limit=1000{decision and '&decision=' + decision}{after and '&after=' + after}"
        page = served.get(f"/api/v1/schedules/{key}/slots?{query}").json
        found += page["items"]
        after = page["next"]
    return found[::-1]


def results(served, key):
    """What its runs returned that have ended, the first ones first."""
    ended = [slot for slot in slots(served, key, decision="run") if slot["state"] == "succeeded"]
    return [slot["result"] for slot in ended]


def gaps_s(found):
    """How far apart instants are."""
    dues = [datetime.fromisoformat(slot["due_at"]) for slot in found]
    return [(b - a) / MICROSECOND / 1e6 for a, b in pairwise(dues)]


def skips(served, key, *, by):
    """What was skipped because of a run of such a task; a busy machine makes short ones long."""
    found = slots(served, key, decision="skipped")
    found = [slot for slot in found if slot["reason"] == "overlap"]
    return [s for s in found if served.get(s["blocking"]).json["arguments"] == by["arguments"]]


def decided(found):
    """What of slots never changes, whatever becomes of their runs."""
    return [(slot["due_at"], slot["decision"], slot["instance"]) for slot in found]


def test_the_challenge(served, target):
    soon = rfc3339(SystemClock().wall_us() + 2_000_000)
    add(served, "nap", "sleep", {"duration_s": SLEPT_S}, every_s=EVERY_S)
    add(served, "visits", "counter", {"name": "visits"}, every_s=EVERY_S)
    add(served, "ping", "http", {"url": target}, every_s=EVERY_S)
    add(served, "once", "counter", {"name": "once"}, at=soon, timezone="Europe/Prague")

    see_what_is_to_come(served, soon)
    see_what_has_been(served)
    changed = change_the_interval(served)
    skipped = see_a_long_run_make_the_next_one_skip(served)
    restart_in_the_middle(served, changed)
    delete_all(served)
    served.post(f"{skipped['blocking']}/events", {"name": "cancel.requested"})


def see_what_is_to_come(served, soon):
    for key in ("nap", "visits", "ping"):
        coming = served.get(f"/api/v1/schedules/{key}/upcoming?limit=3").json["items"]
        assert gaps_s(coming) == [EVERY_S] * 2
    (date,) = served.get("/api/v1/schedules/once/upcoming").json["items"]
    assert date["due_at"] == soon
    assert len(served.get("/api/v1/upcoming?limit=20").json["items"]) == 20


def see_what_has_been(served):
    with commits(served) as until:
        for key in ("nap", "visits", "ping"):
            until(lambda key=key: len(results(served, key)) >= 2)
        until(lambda: served.get("/api/v1/schedules/once").json["state"] == "finished")

    assert all(result["slept_s"] >= SLEPT_S for result in results(served, "nap"))
    assert [result["value"] for result in results(served, "visits")][:2] == [1, 2]
    answered = results(served, "ping")[0]
    assert (answered["status"], answered["body"]) == (200, "hello")
    assert answered["elapsed_ms"] > 0
    assert results(served, "once") == [{"value": 1}]


def change_the_interval(served):
    """Change that of the counter; it holds at once, and what was decided stays."""
    before = slots(served, "visits")
    changed = served.ask("PATCH", "/api/v1/schedules/visits", {"every_s": CHANGED_S}).json
    with commits(served) as until:
        until(lambda: len(slots(served, "visits")) >= len(before) + 4)

    assert (changed["every_s"], changed["revision"]) == (CHANGED_S, 2)
    assert set(gaps_s(since(served, changed))) == {CHANGED_S}
    assert decided(slots(served, "visits"))[: len(before)] == decided(before)
    return changed


def since(served, changed):
    return [slot for slot in slots(served, "visits") if slot["due_at"] >= changed["next_at"]]


def see_a_long_run_make_the_next_one_skip(served):
    served.ask("PATCH", "/api/v1/schedules/nap", {"task": LONG})
    with commits(served) as until:
        skipped = until(lambda: skips(served, "nap", by=LONG))[-1]

    assert served.get(skipped["blocking"]).json["state"] == "running"
    return skipped


def restart_in_the_middle(served, changed):
    """Stop and start: the counter goes on where it was, and every instant has one row."""
    served.stop()
    served.start()
    last = results(served, "visits")[-1]["value"]
    skipped = len(skips(served, "nap", by=LONG))
    with commits(served) as until:
        until(lambda: results(served, "visits")[-1]["value"] > last)
        until(lambda: len(skips(served, "nap", by=LONG)) > skipped)

    values = [result["value"] for result in results(served, "visits")]
    assert values == [*range(1, len(values) + 1)]
    due = since(served, changed)
    assert set(gaps_s(due)) == {CHANGED_S}
    missed = {slot["reason"] for slot in due if slot["decision"] == "missed"}
    assert missed <= {"down"}


def delete_all(served):
    for key in ("nap", "visits", "ping", "once"):
        assert served.ask("DELETE", f"/api/v1/schedules/{key}").status == 204
    assert served.get("/api/v1/upcoming").json["items"] == []
    assert {s["state"] for s in served.get("/api/v1/schedules").json["items"]} == {"finished"}
