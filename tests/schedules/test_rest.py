"""Schedules over REST: made, looked at, changed, asked for something, ended."""

import uuid
from itertools import islice

import pytest
from schedules.commits import commits
from serving.followers import Stream
from serving.served import Served
from tipman.cursors import cursor_of, mark_of
from tipman_api.serve import ServeOptions

NEVER = {"every_s": 1_000_000}
AGES_AGO = "2000-01-01T00:00:00Z"
FEBRUARY = {"starts_at": "2998-02-01T00:00:00Z", "ends_at": "2998-03-01T00:00:00Z"}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("house") / "home") as served:
        yield served


def make(house, **fields):
    """Make a schedule that waits for nothing but triggers, unless *fields* say otherwise."""
    when = {} if {"cron", "every_s", "at"} & {*fields} else NEVER
    answer = house.post("/api/v1/schedules", {**when, "task": {"type": "wait"}, **fields})
    assert answer.status == 201, answer.body
    return answer.json


def ask(house, schedule, name, **more):
    return house.post(f"{schedule['uri']}/events", {"name": f"{name}.requested"}, **more)


def problem_of(answer, status, code):
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json


# Making.


def test_a_schedule_is_made_with_its_address_and_read_by_uuid_and_key(house):
    answer = house.post(
        "/api/v1/schedules",
        {
            "key": "nightly",
            "cron": "0 2 * * *",
            "timezone": "Europe/Prague",
            "catch_up": {"policy": "latest", "window_s": 3600},
            "task": {"type": "exec", "arguments": "make report"},
        },
    )

    made = answer.json
    assert (answer.status, answer.headers["location"]) == (201, made["uri"])
    assert made["uri"] == f"/api/v1/schedules/{made['id']}"
    assert (made["kind"], made["state"], made["revision"]) == ("schedule", "active", 1)
    assert (made["overlap"], made["orphan"], made["running"]) == ("skip", False, False)
    assert house.get("/api/v1/schedules/nightly").json == made
    assert house.get(made["uri"]).json == made
    assert house.get(f"/api/v1/instances/{made['id']}").json == made


def test_a_key_that_exists_is_named_with_its_address(house):
    first = make(house, key="taken")

    body = {**NEVER, "key": "taken", "task": {"type": "wait"}}
    problem = problem_of(house.post("/api/v1/schedules", body), 409, "key_exists")

    assert problem["uri"] == first["uri"]


def test_a_task_and_a_schedule_may_have_one_key(house):
    task = house.submit("wait", {}, key="shared")

    schedule = make(house, key="shared")

    assert house.get("/api/v1/tasks/shared").json["id"] == task["id"]
    assert house.get("/api/v1/schedules/shared").json["id"] == schedule["id"]


BAD = [
    ({"cron": "0 0 31 2 *"}, "/cron", "at character 5"),
    ({"cron": "61 * * * *"}, "/cron", "at character 1"),
    ({"cron": "* * * * * * *"}, "/cron", "7 fields"),
    ({"cron": "0 2 * * *", "timezone": "Mars"}, "/timezone", "unknown time zone"),
    ({"every_s": 0}, "/every_s", "above 0"),
    ({"every_s": -5}, "/every_s", "above 0"),
    ({"every_s": 1e300}, "/every_s", "at most"),
    ({"every_s": 5, "jitter_s": 5}, "/jitter_s", "less than"),
    ({"at": AGES_AGO}, "/at", "has passed"),
    ({"at": "2030-01-01T00:00:00"}, "/at", "with its zone"),
    ({"at": "9999-12-31T00:00:00Z"}, "/at", "year"),
    (
        {"every_s": 5, "starts_at": "2030-01-01T00:00:00Z", "ends_at": "2029-01-01T00:00:00Z"},
        "/ends_at",
        "after starts_at",
    ),
    ({"cron": "@every 0s"}, "/cron", "`0s` at character 8"),
    ({"cron": "@daily", "ends_at": AGES_AGO}, "/ends_at", "all of it has passed"),
    ({"cron": "0 0 1 1 *", **FEBRUARY}, "/ends_at", "never due from `starts_at` to `ends_at`"),
    ({"every_s": 3e9, "starts_at": "9990-01-01T00:00:00Z"}, "", "before the year 9999"),
    ({"every_s": 5, "overlap": "skipp"}, "/overlap", "did you mean `skip`?"),
    ({"every_s": 5, "catch_up": {"policy": "some"}}, "/catch_up/policy", "must be one of"),
    ({"every_s": 5, "exclude": ["2026-02-30"]}, "/exclude/0", "no date"),
    ({"every_s": 5, "cron": "@daily"}, "/every_s", "only one of"),
    ({}, "", "needs one of `cron`"),
    ({"every_s": 5, "evry_s": 5}, "/evry_s", "did you mean `every_s`?"),
    ({"every_s": 5, "namespace": "nowhere"}, "/namespace", "nowhere"),
    ({"every_s": 5, "task": {"type": "exec"}}, "/task/arguments", "is missing"),
    ({"every_s": 5, "task": {"type": "wait", "key": "k"}}, "/task/key", "not to a schedule"),
    ({"every_s": 5, "task": None, "definition": "gone"}, "/definition", "gone"),
    ({"every_s": 5, "task": None}, "", "needs one of `task`"),
    ({"every_s": 5, "task": None, "workflow": "w"}, "/workflow", "no workflow 'w'"),
    ({"every_s": 5, "task": None, "workflow": "w w"}, "/workflow", "name of a workflow"),
    ({"every_s": 5, "input": {"a": 1}}, "/input", "belongs beside a workflow"),
]


@pytest.mark.parametrize(("fields", "pointer", "words"), BAD, ids=lambda value: str(value)[:40])
def test_a_fault_is_named_by_its_field_and_nothing_is_made(house, fields, pointer, words):
    before = house.get("/api/v1/schedules?limit=1000").json["items"]

    answer = house.post("/api/v1/schedules", {"task": {"type": "wait"}, **fields})

    problem = problem_of(answer, 422, "invalid")
    said = [error for error in problem["errors"] if error["pointer"] == pointer]
    assert said, problem
    assert words in said[0]["detail"]
    assert house.get("/api/v1/schedules?limit=1000").json["items"] == before


def test_what_is_made_twice_under_one_key_is_made_once(house):
    body = {**NEVER, "task": {"type": "wait"}, "name": "once"}

    first, again = (house.post("/api/v1/schedules", body, Idempotency_Key="s-1") for _ in "12")
    other = house.post("/api/v1/schedules", {**body, "name": "x"}, Idempotency_Key="s-1")

    assert (again.status, again.headers["location"]) == (201, first.headers["location"])
    assert again.json == first.json
    problem_of(other, 422, "idempotency_mismatch")


# Looking.


def test_what_the_client_has_is_not_sent_again(house):
    made = make(house)
    for tail in ("", "/slots", "/upcoming", "/events", "/explain"):
        tag = house.get(made["uri"] + tail).headers["etag"]

        assert house.get(made["uri"] + tail, If_None_Match=tag).status == 304


@pytest.mark.parametrize("tail", ["", "/slots", "/upcoming", "/preview", "/events", "/explain"])
def test_what_does_not_exist_is_404(house, tail):
    task = house.submit("wait", {})

    for reference in ("nobody", "01a1fec0-0ad4-7000-80d5-637b184117dc", task["id"]):
        problem_of(house.get(f"/api/v1/schedules/{reference}{tail}"), 404, "not_found")


@pytest.mark.parametrize("tail", ["", "/attempts", "/output", "/events", "/explain"])
def test_a_schedule_is_no_task(house, tail):
    made = make(house)

    problem_of(house.get(f"/api/v1/tasks/{made['id']}{tail}"), 404, "not_found")


def test_schedules_are_listed_newest_first_page_by_page(served):
    made = [make(served, name=f"n{at}") for at in range(5)]
    ask(served, made[1], "pause")

    first = served.get("/api/v1/schedules?limit=3").json
    rest = served.get(f"/api/v1/schedules?limit=3&after={first['next']}").json
    paused = served.get("/api/v1/schedules?state=paused").json

    names = [each["name"] for each in (*first["items"], *rest["items"])]
    assert names == ["n4", "n3", "n2", "n1", "n0"]
    assert rest["next"] is None
    assert [each["name"] for each in paused["items"]] == ["n1"]


@pytest.fixture
def served(tmp_path):
    with Served(tmp_path / "home") as served:
        yield served


def test_instances_are_listed_of_every_kind(served):
    wanted = []
    for at in range(7):
        made = make(served) if at % 3 else served.submit("wait", {})
        wanted.insert(0, made["id"])

    found, after = [], ""
    while after is not None:
        page = served.get(f"/api/v1/instances?limit=2{after and '&after=' + after}").json
        assert len(page["items"]) <= 2
        found += [each["id"] for each in page["items"]]
        after = page["next"]

    assert found == wanted
    kinds = {each["kind"] for each in served.get("/api/v1/instances?kind=schedule").json["items"]}
    assert kinds == {"schedule"}


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/schedules?state=gone",
        "/api/v1/schedules?after=x",
        "/api/v1/schedules?after=AAAA",
        "/api/v1/upcoming?limit=1001",
        "/api/v1/upcoming?limit=0",
        "/api/v1/schedules/{}/slots?decision=ran",
        "/api/v1/schedules/{}/slots?after=AAAA",
        "/api/v1/schedules/{}/slots?colour=red",
    ],
)
def test_a_wrong_parameter_is_named(house, path):
    made = make(house)

    problem = problem_of(house.get(path.format(made["id"])), 422, "invalid")

    assert problem["errors"][0]["pointer"].startswith("/query/")


def test_what_is_due_next_is_told_in_both_times_with_gaps_and_folds(house):
    made = make(house, cron="30 2 * 3,10 sunL", timezone="Europe/Prague")

    items = house.get(f"{made['uri']}/upcoming?limit=4").json["items"]

    assert sorted(at["note"] for at in items) == ["fold", "fold", "gap", "gap"]
    gap = next(at for at in items if at["note"] == "gap")
    assert gap["local"][10:] == "T03:00:00+02:00"
    assert gap["due_at"][10:] == "T01:00:00.000000Z"


def test_a_cursor_of_nowhere_is_the_end_of_a_list(house):
    made = make(house)
    ask(house, made, "trigger")

    mark = mark_of(("slots", uuid.UUID(made["id"]).bytes, ()))
    for place in (b"\xff" * 16, b"\x80" + b"\0" * 15):
        cursor = cursor_of(mark, place)
        assert house.get(f"{made['uri']}/slots?after={cursor}").json["items"] == []


def test_a_preview_says_what_a_restart_now_would_catch_up(house):
    made = make(house)

    preview = house.get(f"{made['uri']}/preview?limit=2").json

    assert preview["items"] == house.get(f"{made['uri']}/upcoming?limit=2").json["items"]
    assert preview["catch_up"] == {"due": 0, "runs": []}


def test_what_is_due_next_is_told_of_all(served):
    slow = make(served, every_s=7000)
    fast = make(served, every_s=3000)
    make(served, every_s=1000, paused=True)

    items = served.get("/api/v1/upcoming?limit=4").json["items"]

    assert [at["schedule"] for at in items] == [fast["uri"], fast["uri"], slow["uri"], fast["uri"]]
    assert [*items[0]] == ["due_at", "local", "note", "schedule"]


# Asking and changing.


def test_a_trigger_makes_a_slot_with_its_run_also_while_paused(house):
    made = make(house, paused=True)

    answer = ask(house, made, "trigger")

    assert (answer.status, answer.json["state"]) == (202, "paused")
    (slot,) = house.get(f"{made['uri']}/slots").json["items"]
    assert (slot["decision"], slot["manual"], slot["count"]) == ("run", True, 1)
    run = house.get(slot["instance"]).json
    assert (run["schedule"], run["state"]) == (made["uri"], "awaiting")
    (listed,) = house.get(f"/api/v1/tasks?schedule={made['uri']}").json["items"]
    assert listed["id"] == run["id"]


def test_overlap_names_what_blocked_a_trigger(house):
    made = make(house)
    ask(house, made, "trigger")

    ask(house, made, "trigger")

    skipped, ran = house.get(f"{made['uri']}/slots").json["items"]
    assert (skipped["decision"], skipped["reason"]) == ("skipped", "overlap")
    assert skipped["blocking"] == ran["instance"]
    only = house.get(f"{made['uri']}/slots?decision=skipped").json["items"]
    assert only == [skipped]


def test_slots_are_read_page_by_page(house):
    made = make(house, overlap="allow")
    for _ in range(5):
        ask(house, made, "trigger")

    whole = house.get(f"{made['uri']}/slots").json
    first = house.get(f"{made['uri']}/slots?limit=2").json
    rest = house.get(f"{made['uri']}/slots?after={first['next']}").json

    assert first["items"] + rest["items"] == whole["items"]
    assert (len(whole["items"]), whole["next"], rest["next"]) == (5, None, None)


def test_what_changes_nothing_is_a_conflict_that_names_the_state(house):
    made = make(house)

    paused, again = (ask(house, made, "pause") for _ in "12")
    resumed, too = (ask(house, made, "resume") for _ in "12")

    assert (paused.status, paused.json["state"]) == (202, "paused")
    assert problem_of(again, 409, "conflict")["state"] == "paused"
    assert (resumed.status, resumed.json["state"]) == (202, "active")
    assert problem_of(too, 409, "conflict")["state"] == "active"


@pytest.mark.parametrize("name", ["cancel.requested", "slot.decided", "pause.request", 3])
def test_an_event_that_is_none_of_a_schedule_is_refused(house, name):
    made = make(house)

    problem_of(house.post(f"{made['uri']}/events", {"name": name}), 422, "invalid")


def test_an_event_with_an_id_is_taken_once(house):
    made = make(house, overlap="allow")
    body = {"name": "trigger.requested", "id": "only-once"}

    for _ in "12":
        assert house.post(f"{made['uri']}/events", body).status == 202

    assert len(house.get(f"{made['uri']}/slots").json["items"]) == 1


def test_a_change_holds_at_once_and_is_a_revision(house):
    made = make(house, key="changing")

    changed = house.ask("PATCH", made["uri"], {"every_s": 60, "runs_max": 3})
    switched = house.ask("PATCH", made["uri"], {"cron": "0 2 * * *", "runs_max": None})

    assert (changed.status, changed.json["revision"], changed.json["runs_max"]) == (200, 2, 3)
    assert changed.json["next_at"] < made["next_at"]
    shown = switched.json
    assert (shown["cron"], shown["every_s"], shown["runs_max"]) == ("0 2 * * *", None, None)
    assert house.get("/api/v1/schedules/changing").json == shown


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"cron": "61 * * * *"}, "/cron"),
        ({"every_s": 0}, "/every_s"),
        ({"key": "other"}, "/key"),
        ({"task": {"type": "exce"}}, "/task/type"),
        ({"colour": "red"}, "/colour"),
        ({}, ""),
        ([], ""),
    ],
    ids=str,
)
def test_a_wrong_change_changes_nothing(house, changes, pointer):
    made = make(house)

    problem = problem_of(house.ask("PATCH", made["uri"], changes), 422, "invalid")

    assert pointer in [error["pointer"] for error in problem["errors"]]
    assert ", not an object" not in problem["detail"]
    assert house.get(made["uri"]).json == made


def test_a_deleted_schedule_frees_its_key_and_stays_readable(house):
    made = make(house, key="going")
    ask(house, made, "trigger")

    gone = house.ask("DELETE", "/api/v1/schedules/going")

    assert (gone.status, gone.body) == (204, b"")
    problem_of(house.get("/api/v1/schedules/going"), 404, "not_found")
    shown = house.get(made["uri"]).json
    assert (shown["state"], shown["settled"], shown["key"]) == ("finished", True, "going")
    assert len(house.get(f"{made['uri']}/slots").json["items"]) == 1
    problem_of(house.ask("PATCH", made["uri"], {"every_s": 5}), 409, "conflict")
    problem_of(ask(house, made, "trigger"), 409, "conflict")
    assert make(house, key="going")["id"] != made["id"]


def test_what_a_schedule_waits_for_is_explained(house):
    made = make(house)
    ask(house, made, "trigger")

    explained = house.get(f"{made['uri']}/explain").json

    assert explained["state"] == "active"
    assert [each["kind"] for each in explained["waiting_for"]] == ["timer", "task"]
    assert explained["waiting_for"][0]["until"] == made["next_at"]


# Backfills.


def test_a_backfill_runs_the_past_and_is_made_once_under_a_key(house):
    made = make(house, cron="0 0 * * *", task={"type": "counter", "arguments": {"name": "past"}})
    body = {"since": "2026-11-01T00:00:00Z", "until": "2026-11-04T00:00:00Z"}

    dry = house.post(f"{made['uri']}/backfill", {**body, "dry_run": True, "order": "backwards"})
    done, again = (
        house.post(f"{made['uri']}/backfill", body, Idempotency_Key="fill") for _ in "12"
    )

    assert (dry.status, done.status, again.status) == (200, 202, 202)
    assert again.json == done.json
    days = [item["due_at"][:10] for item in done.json["items"]]
    assert days == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert [item["due_at"][:10] for item in dry.json["items"]] == days[::-1]
    assert {item["instance"] for item in dry.json["items"]} == {None}
    for item in done.json["items"]:
        house.wait(item["instance"], "succeeded")
    slots = house.get(f"{made['uri']}/slots").json["items"]
    assert [(slot["backfill"], slot["result"]) for slot in slots] == [
        (1, {"value": value}) for value in (3, 2, 1)
    ]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"until": AGES_AGO}, "/until"),
        ({"what": "some"}, "/what"),
        ({"concurrency": 0}, "/concurrency"),
        ({"since": "2026-11-01"}, "/since"),
        ({"later": 1}, "/later"),
        ({"until": "2999-01-01T00:00:00Z"}, "/until"),
    ],
    ids=str,
)
def test_a_wrong_backfill_runs_nothing(house, fields, pointer):
    made = make(house, cron="0 0 * * *")
    body = {"since": "2026-11-01T00:00:00Z", "until": "2026-11-04T00:00:00Z", **fields}

    problem = problem_of(house.post(f"{made['uri']}/backfill", body), 422, "invalid")

    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert house.get(f"{made['uri']}/slots").json["items"] == []


# Its log, and namespaces.


def test_the_log_of_a_schedule_is_told_and_followed(house):
    made = make(house)
    with Stream(house.url, f"{made['uri']}/events") as stream:
        ask(house, made, "pause")
        ask(house, made, "resume")
        names = [each.json["name"] for each in islice(stream.messages(), 4)]

    told = house.get(f"{made['uri']}/events").json["items"]
    assert names == [line["name"] for line in told][:4]
    assert names[0] == "schedule.created"
    assert "pause.requested" in names
    by_all = house.get(f"/api/v1/events?instance={made['id']}&kind=schedule").json["items"]
    assert [each["kind"] for each in by_all] == ["schedule"] * len(told)


def test_a_schedule_belongs_to_a_namespace(house):
    house.post("/api/v1/namespaces", {"name": "team"})

    made = make(house, key="theirs", namespace="team")
    ask(house, made, "trigger")

    assert house.get("/api/v1/schedules/theirs").status == 404
    assert house.get("/api/v1/schedules/theirs?namespace=team").json["id"] == made["id"]
    (slot,) = house.get(f"{made['uri']}/slots").json["items"]
    assert house.get(slot["instance"]).json["namespace"] == "team"
    problem_of(house.ask("DELETE", "/api/v1/namespaces/team"), 409, "conflict")


# In time.


def test_it_fires_and_what_became_of_its_runs_stands_in_its_slots(house):
    counted = {"type": "counter", "arguments": {"name": "ticks"}}
    made = make(house, every_s=0.05, runs_max=3, task=counted, catch_up={"policy": "all"})

    def finished():
        return house.get(made["uri"]).json["state"] == "finished" and house.get(made["uri"]).json

    with commits(house) as until:
        done = until(finished)

    slots = house.get(f"{made['uri']}/slots?decision=run").json["items"]
    assert (done["runs"], done["next_at"], done["settled"]) == (3, None, True)
    assert [slot["result"]["value"] for slot in slots] == [3, 2, 1]
    assert all(slot["decided_at"] >= slot["due_at"] for slot in slots)


def test_a_token_for_one_namespace_sees_nothing_of_others(tmp_path):
    with Served(tmp_path / "home", options=ServeOptions()) as served:
        served.engine.create_namespace("team")
        secret = served.engine.create_token("ours", "operate", namespace="team")[1]
        theirs = served.engine.create_schedule({**NEVER, "key": "x", "task": {"type": "wait"}})
        bearer = {"Authorization": f"Bearer {secret}"}

        def asked(method, path, body=None):
            return served.ask(method, path, body, bearer)

        body = {**NEVER, "key": "ours", "task": {"type": "wait"}}
        ours = asked("POST", "/api/v1/schedules", body).json
        for tail in ("", "/slots", "/upcoming", "/events", "/explain"):
            assert asked("GET", theirs.uri + tail).status == 404
        assert asked("PATCH", theirs.uri, {"every_s": 5}).status == 404
        assert asked("DELETE", theirs.uri).status == 404
        assert asked("POST", theirs.uri + "/events", {"name": "pause.requested"}).status == 404
        past = {"since": AGES_AGO, "until": "2000-01-02T00:00:00Z"}
        assert asked("POST", theirs.uri + "/backfill", past).status == 404
        assert asked("GET", f"/api/v1/instances/{theirs.id}").status == 404
        assert asked("GET", "/api/v1/schedules?namespace=default").status == 403
        listed = asked("GET", "/api/v1/schedules").json["items"]
        upcoming = asked("GET", "/api/v1/upcoming?limit=1").json["items"]
        assert [each["id"] for each in listed] == [ours["id"]]
        assert [each["schedule"] for each in upcoming] == [ours["uri"]]
        assert ours["namespace"] == "team"
        assert theirs.state == "active"


def test_a_cursor_is_of_one_list_of_schedules_or_of_slots(house):
    """Those of slots were taken by the list of schedules, which then went on anywhere."""
    made = [make(house) for _ in range(2)]
    for schedule in made:
        for _ in range(2):
            house.post(f"{schedule['uri']}/events", {"name": "trigger.requested"})
    lists = [
        "/api/v1/schedules?limit=1",
        "/api/v1/schedules?limit=1&state=active",
        f"{made[0]['uri']}/slots?limit=1",
        f"{made[1]['uri']}/slots?limit=1",
        f"{made[1]['uri']}/slots?limit=1&decision=run,skipped",
    ]
    cursors = [house.get(path).json["next"] for path in lists]

    taken = [[house.get(f"{p}&after={c}").status for c in cursors] for p in lists]

    assert taken == [[200 if row == column else 422 for column in range(5)] for row in range(5)]
