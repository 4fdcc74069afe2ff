"""Refusals: a request that was not let in is an event that an operator can read."""

import http.client
from urllib.parse import urlsplit

from tipman.verification import verify


def refused(house, host):
    """Ask as somebody whose browser was led here by another name."""
    address = urlsplit(house.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    connection.request("GET", "/api/v1/tasks", headers={"Host": host})
    answer = connection.getresponse()
    connection.close()
    return answer.status


def events(house):
    # The bus is first in, first out: what was refused before is on disk when this is.
    house.engine.submit_task({"type": "wait"})
    return house.get("/api/v1/events?name=request.refused").json["items"]


def test_the_first_refusal_of_a_kind_is_an_event_of_the_engine(served):
    assert [refused(served, "evil.example") for _ in range(3)] == [421] * 3

    (event,) = events(served)
    instance = served.get(f"/api/v1/instances/{event['subject'].rsplit('/', 1)[-1]}")

    assert event["data"]["data"]["code"] == "unknown_host"
    assert event["data"]["data"]["path"] == "/api/v1/tasks"
    assert instance.status == 200
    assert instance.json["kind"] == "engine"


def test_the_log_of_an_engine_agrees_with_its_row(served):
    refused(served, "evil.example")
    served.get("/api/v1/tasks?token=secret")
    codes = [event["data"]["data"]["code"] for event in events(served)]
    assert codes == ["unknown_host", "token_in_query"]

    with served.engine.reading() as database:
        found = verify(database)

    assert found.is_whole, found.faults
    assert found.instances == 2
