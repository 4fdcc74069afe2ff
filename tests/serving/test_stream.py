"""The event log is followed over REST: each event once, in order, across breaks and restarts."""

import itertools
import random
from contextlib import ExitStack

import pytest
from core.engines import in_thread
from serving.followers import EVENT_STREAM, follow
from serving.served import Served

ALL = "/api/v1/events"


def names(messages):
    return [message.name for message in messages]


def submit(served, **fields):
    """Submit a task that waits for somebody."""
    return served.engine.submit_task({"type": "wait", **fields})


def finish(served, **fields):
    """Submit such a task and report its end: three lines in all."""
    return served.engine.send(submit(served, **fields), "finish.reported", {"cups": 2})


def log_of(served, reference):
    return [line["name"] for line in served.engine.log(reference)]


def test_the_events_of_a_task_come_from_its_first_on(served):
    task = submit(served, key="tea")

    with follow(served, f"{task.uri}/events") as stream:
        served.engine.send("tea", "finish.reported", {"cups": 2})
        messages = stream.until("task.settled")

    assert names(messages) == log_of(served, "tea")
    assert [message.id for message in messages] == [str(n + 1) for n in range(len(messages))]
    assert [message.json for message in messages] == served.engine.log("tea")


def test_all_events_come_as_cloud_events_from_now_on(served):
    submit(served, key="before")

    with follow(served, ALL) as stream:
        task = submit(served, key="tea", name="Tea")
        first = stream.take(1)[0]

    assert first.json == {
        "specversion": "1.0",
        "id": first.id,
        "source": "/api/v1/events",
        "type": "task.submitted",
        "subject": task.uri,
        "time": served.engine.log("tea")[0]["at"],
        "datacontenttype": "application/json",
        "namespace": "default",
        "kind": "task",
        "subjectkey": "tea",
        "subjectname": "Tea",
        "data": served.engine.log("tea")[0],
    }
    assert first.name == "task.submitted"


def test_a_stream_says_what_it_is_and_is_kept_by_nobody(served):
    with follow(served, ALL) as stream:
        submit(served)
        stream.take(1)

        assert stream.header("content-type") == "text/event-stream; charset=utf-8"
        assert stream.header("x-accel-buffering") == "no"
        assert stream.header("cache-control") in {"no-cache", "no-store"}


def test_who_comes_back_goes_on_where_the_stream_broke_also_after_a_restart(served):
    with follow(served, ALL) as stream:
        finish(served, key="one")
        seen = stream.take(2)

    finish(served, key="two")
    served.stop()
    served.start()
    finish(served, key="three")

    with follow(served, ALL, last_id=seen[-1].id) as stream:
        rest = stream.take(7)
    with follow(served, f"{ALL}?after=0") as stream:
        everything = stream.take(9)
    assert [message.json for message in seen + rest] == [m.json for m in everything]
    assert names(everything) == [
        name for k in ("one", "two", "three") for name in log_of(served, k)
    ]


class Wanderer:
    """Follows all events, breaks off at random, and comes back with its last id."""

    def __init__(self, seed):
        self._chance = random.Random(seed)
        self.last_id = "0"
        self.seen = []

    def follow(self, served, count):
        """Follow until so many events were seen in all, while the server runs."""
        while len(self.seen) < count:
            with follow(served, ALL, last_id=self.last_id) as stream:
                for message in itertools.islice(
                    stream.messages(), min(self._chance.randrange(1, 400), count - len(self.seen))
                ):
                    self.last_id = message.id
                    self.seen.append(message.json["data"]["name"] + message.json["subject"])


def test_many_who_come_and_go_get_each_event_once_across_a_restart(served):
    wanderers = [Wanderer(seed) for seed in range(8)]
    batch = [{"type": "sleep", "arguments": {"duration_s": 0}}] * 40
    for half in (1, 2):
        with ExitStack() as stack:
            for wanderer in wanderers:
                stack.enter_context(in_thread(wanderer.follow, served, half * 1_000))
            for _ in range(5):
                served.engine.submit_batch(batch)
        served.stop()
        served.start()

    expected = [e["data"]["name"] + e["subject"] for e in everything(served)]
    assert len(expected) == 2_000
    assert all(wanderer.seen == expected for wanderer in wanderers)


def everything(served, limit=500):
    """Read the list of events page by page."""
    after = ""
    while after is not None:
        page = served.get(f"{ALL}?limit={limit}{after}").json
        yield from page["items"]
        after = page["next"] and f"&after={page['next']}"


def test_who_heard_nothing_yet_knows_where_to_go_on(served):
    submit(served)
    with follow(served, ALL) as stream:
        next(iter(stream.response))
        stream.last_id = stream.response.readline().decode().removeprefix("id: ").strip()
        started_at = stream.last_id

    submit(served, key="missed")

    with follow(served, ALL, last_id=started_at) as stream:
        assert stream.take(1)[0].json["subjectkey"] == "missed"


def test_the_list_of_events_is_what_is_followed(served):
    for _ in range(5):
        finish(served)
    with follow(served, f"{ALL}?after=0") as stream:
        followed = [message.json for message in stream.take(15)]

    assert list(everything(served)) == followed
    assert list(everything(served, limit=4)) == followed


@pytest.fixture(scope="module")
def stocked(tmp_path_factory):
    """A server on which one task was finished and another waits, and a schedule."""
    with Served(tmp_path_factory.mktemp("stocked") / "home") as served:
        finish(served, key="tea")
        submit(served, key="milk")
        every = {"key": "hourly", "every_s": 3600, "task": {"type": "wait"}}
        served.post("/api/v1/schedules", every)
        yield served


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("kind=task", 4),
        ("kind=run", 0),
        ("name=task.submitted", 2),
        ("name=task.submitted,task.settled", 3),
        ("instance=tea", 3),
        ("instance=/api/v1/tasks/tea", 3),
        # The key of a run, or of a schedule, was looked for among those of tasks.
        ("instance=hourly", 1),
        ("instance=/api/v1/schedules/hourly", 1),
        ("kind=schedule", 1),
        ("since=2000-01-01T00:00:00Z", 5),
        ("since=2999-01-01T00:00:00Z", 0),
        ("namespace=default", 5),
    ],
)
def test_events_are_filtered(stocked, query, expected):
    assert len(stocked.get(f"{ALL}?{query}").json["items"]) == expected


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("after=x", 422, "invalid"),
        ("after=99999999", 422, "invalid"),
        ("after=" + "1" * 101, 422, "invalid"),
        ("since=yesterday", 422, "invalid"),
        ("limit=0", 422, "invalid"),
        ("limit=1001", 422, "invalid"),
        ("color=red", 422, "invalid"),
        ("namespace=nowhere", 422, "invalid"),
        ("instance=nobody", 404, "not_found"),
        ("instance=/api/v1/runs/tea", 404, "not_found"),
        ("instance=elsewhere/tea", 404, "not_found"),
        ("kind=tusk", 422, "invalid"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", EVENT_STREAM])
def test_what_can_not_be_followed_is_refused_before_anything_is_sent(
    stocked, query, status, code, accept
):
    answer = stocked.get(f"{ALL}?{query}", Accept=accept)

    assert (answer.status, answer.json["code"]) == (status, code)


@pytest.mark.parametrize("after", ["7", "1.1", "-1", "99999999999999999999"])
def test_a_number_that_a_log_has_not_is_refused(stocked, after):
    answer = stocked.get(f"/api/v1/tasks/tea/events?after={after}", Accept=EVENT_STREAM)

    assert (answer.status, answer.json["code"]) == (422, "invalid")


def test_what_is_not_there_can_not_be_followed(stocked):
    assert stocked.get("/api/v1/tasks/nobody/events", Accept=EVENT_STREAM).status == 404


def test_there_are_no_more_clients_than_may(tmp_path):
    with Served(tmp_path / "home", streams_max=1) as served:
        with follow(served, ALL) as first:
            submit(served)
            first.take(1)

            refused = served.get(ALL, Accept=EVENT_STREAM)

        assert (refused.status, refused.json["code"]) == (503, "too_many_streams")
        assert int(refused.headers["retry-after"]) >= 1


def test_a_server_stops_with_clients_attached(tmp_path):
    with Served(tmp_path / "home") as served:
        streams = [follow(served, ALL) for _ in range(50)]

        served.stop()

        for stream in streams:
            with stream:
                assert list(stream.messages()) == []


def test_a_head_of_a_stream_ends(house):
    """It would go on for ever, on a connection that is kept for the next request."""
    link = house.connect()

    head = house.ask("HEAD", ALL, None, {"Accept": EVENT_STREAM}, connection=link)
    after = house.ask("GET", "/api/v1/tasks?limit=1", connection=link)

    assert (head.status, head.body, after.status) == (200, b"", 200)
    link.close()
