"""Lists of tasks: filters, pages, and cursors that stand still while others submit."""

import itertools

import pytest
from serving.served import Served
from tipman import listing
from tipman.listing import Filter


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A server with tasks of many kinds; nothing in it changes by itself."""
    with Served(tmp_path_factory.mktemp("house") / "home") as served:
        for number in range(10):
            queue = "even" if number % 2 == 0 else "odd"
            served.submit("wait", {"note": f"Note {number} 100%"}, name=f"n{number}", queue=queue)
        for number in range(3):
            task = served.submit("exec", f"exit {number}", key=f"exec-{number}")
            served.wait(task["id"])
        gone = served.submit("wait", {}, name="gone")
        served.post(gone["uri"] + "/events", {"name": "cancel.requested"})
        yield served


def names(answer):
    assert answer.status == 200, answer.body
    return [item["name"] for item in answer.json["items"]]


def pages(house, query, limit):
    """All pages of a list, each as the names on it."""
    found, after = [], ""
    for _ in range(100):
        answer = house.get(f"/api/v1/tasks?limit={limit}{query}{after}")
        found.append(names(answer))
        if answer.json["next"] is None:
            return found
        after = f"&after={answer.json['next']}"
    raise AssertionError("the list has no end")


def test_the_newest_comes_first(house):
    assert names(house.get("/api/v1/tasks"))[:4] == ["gone", "exec-2", "exec-1", "exec-0"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=succeeded", ["exec-0"]),
        ("state=failed", ["exec-2", "exec-1"]),
        ("state=failed,cancelled", ["gone", "exec-2", "exec-1"]),
        ("state=awaiting&queue=odd", ["n9", "n7", "n5", "n3", "n1"]),
        ("state=awaiting,succeeded&type=exec", ["exec-0"]),
        ("type=exec", ["exec-2", "exec-1", "exec-0"]),
        ("name=n3", ["n3"]),
        ("key=exec-1", ["exec-1"]),
        ("key=exec-9", []),
        ("text=NOTE%207", ["n7"]),
        ("text=7%20100%25", ["n7"]),
        ("text=exec-", ["exec-2", "exec-1", "exec-0"]),
        ("text=n_", []),
        ("since=2100-01-01T00:00:00Z", []),
        ("until=2000-01-01T00:00:00%2B02:00", []),
        ("run=00000000-0000-0000-0000-000000000000", []),
    ],
)
def test_a_filter_finds_what_it_says(house, query, expected):
    assert names(house.get(f"/api/v1/tasks?{query}")) == expected


def test_when_it_was_submitted_bounds_a_list(house):
    items = house.get("/api/v1/tasks").json["items"]
    middle = items[5]

    since = names(house.get(f"/api/v1/tasks?since={middle['submitted_at']}"))
    until = names(house.get(f"/api/v1/tasks?until={middle['submitted_at']}"))

    assert since == [item["name"] for item in items[:6]]
    assert until == [item["name"] for item in items[6:]]


@pytest.mark.parametrize("query", ["", "&state=awaiting", "&type=wait", "&state=failed,cancelled"])
@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_pages_joined_are_the_list(house, query, limit):
    found = pages(house, query, limit)

    assert list(itertools.chain(*found)) == names(house.get(f"/api/v1/tasks?limit=1000{query}"))
    assert all(len(page) <= limit for page in found)


def test_what_comes_meanwhile_moves_no_page(served):
    for number in range(4):
        served.submit("wait", {}, name=f"n{number}")
    first = served.get("/api/v1/tasks?limit=2").json

    served.submit("wait", {}, name="late")

    assert names(served.get(f"/api/v1/tasks?limit=2&after={first['next']}")) == ["n1", "n0"]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=1&limit=2", "limit"),
        ("state=gone", "state"),
        ("type=exce", "type"),
        ("name=", "name"),
        ("schedule=x", "schedule"),
        ("run=x", "run"),
        ("since=2026-01-01T00:00:00", "since"),
        ("since=yesterday", "since"),
        ("until=2026-13-01T00:00:00Z", "until"),
        ("after=x", "after"),
        ("after=%FF", "after"),
        ("after=AAAA", "after"),
        ("colour=red", "colour"),
        ("text=" + "x" * 201, "text"),
    ],
)
def test_a_wrong_parameter_is_named(house, query, name):
    answer = house.get(f"/api/v1/tasks?{query}")

    assert answer.status in {400, 422}, answer.body
    if answer.status == 422:
        assert [error["pointer"] for error in answer.json["errors"]] == [f"/query/{name}"]


def test_a_cursor_of_another_list_is_refused(house):
    cursor = house.get("/api/v1/tasks?limit=1&state=failed").json["next"]

    answer = house.get(f"/api/v1/tasks?limit=1&state=succeeded&after={cursor}")

    assert answer.status == 422
    assert answer.json["errors"][0]["pointer"] == "/query/after"


def test_a_list_that_has_not_changed_is_not_sent_again(house):
    tag = house.get("/api/v1/tasks").headers["etag"]

    assert house.get("/api/v1/tasks", If_None_Match=tag).status == 304


def test_a_filter_without_an_index_looks_through_so_many_rows_a_call(house, monkeypatch):
    monkeypatch.setattr(listing, "WINDOW", 2)

    found = pages(house, "&name=n0", 1)

    assert list(itertools.chain(*found)) == ["n0"]
    assert len(found) > 4, "each page looked at two rows"


def test_a_page_ends_when_it_is_long_enough(house, monkeypatch):
    whole = names(house.get("/api/v1/tasks"))
    monkeypatch.setattr(listing, "PAGE_BYTES", 100)
    monkeypatch.setattr(listing, "_CHUNK", 2)

    found = pages(house, "", 10)

    assert max(map(len, found)) == 2
    assert list(itertools.chain(*found)) == whole


class Explaining:
    """A reader that asks SQLite how it will go about each query."""

    def __init__(self, database):
        self._database = database
        self.plans = []

    def fetch(self, sql, parameters=()):
        for row in self._database.fetch(f"EXPLAIN QUERY PLAN {sql}", parameters):
            self.plans.append(row[3])
        return self._database.fetch(sql, parameters)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Filter(states=("failed", "skipped")), "instance_unsuccessful"),
        (Filter(namespace="team"), "instance_elsewhere"),
        (Filter(key="x", namespace="default"), "instance_key"),
        (Filter(run=bytes(16)), "instance_run"),
        (Filter(namespace="default"), "PRIMARY KEY"),
    ],
    ids=str,
)
def test_a_list_is_read_in_the_order_of_an_index(house, wanted, index):
    with house.engine.reading() as database:
        reader = Explaining(database)
        listing.find(reader, wanted, before=listing.NEWEST, limit=10)

    assert any(index in plan for plan in reader.plans), reader.plans
    assert not [plan for plan in reader.plans if "TEMP B-TREE" in plan], reader.plans
    assert "SCAN instance" not in reader.plans


def test_every_kind_of_instance_is_listed_and_found(house):
    listed = house.get("/api/v1/instances?kind=task&state=failed").json["items"]

    shown = house.get(f"/api/v1/instances/{listed[0]['id']}").json

    assert [item["name"] for item in listed] == ["exec-2", "exec-1"]
    assert (shown["kind"], shown["running"]) == ("task", False)


def test_an_instance_that_runs_is_told_from_one_that_does_not(served):
    task = served.submit("sleep", {"duration_s": 60})

    running = served.get(f"/api/v1/instances/{task['id']}").json["running"]
    served.post(task["uri"] + "/events", {"name": "cancel.requested"})
    served.wait(task["id"], "cancelled")

    assert running
    assert not served.get(f"/api/v1/instances/{task['id']}").json["running"]


@pytest.mark.parametrize("reference", ["exec-0", "0", "00000000-0000-7000-8000-00000000000"])
def test_an_instance_is_found_by_its_uuid_only(house, reference):
    answer = house.get(f"/api/v1/instances/{reference}")

    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert "is no UUID" in answer.json["detail"]
