"""A server lives with its engine: it starts, answers, and ends in order."""

import asyncio
from queue import SimpleQueue
from threading import Event, Thread

import pytest
from serving.served import PATIENCE_S, Served
from tipman_api.joining import joining
from tipman_api.serve import ServeOptions


def test_what_was_submitted_is_there_after_a_restart(served):
    task = served.submit("exec", "echo tea", key="tea")
    served.wait("tea", "succeeded")

    served.stop()
    served.start()

    assert served.get(task["uri"]).json["state"] == "succeeded"


def test_an_attempt_that_runs_ends_before_the_server(served):
    task = served.submit("sleep", {"duration_s": 0.3})

    served.stop()
    served.start()

    assert served.get(task["uri"]).json["state"] == "succeeded"


def test_asked_twice_the_server_ends_what_runs_and_queues_it_again(served):
    task = served.submit("sleep", {"duration_s": 60})
    served.ask_to_stop()
    served.stop()

    served.start()

    shown = served.get(task["uri"]).json
    assert (shown["state"], shown["attempt"]) == ("running", 2)
    served.ask_to_stop()


def test_who_waits_for_an_end_is_answered_when_the_server_stops(served):
    answers = SimpleQueue()
    body = {"type": "wait", "key": "never"}
    asking = Thread(
        target=lambda: answers.put(served.post("/api/v1/tasks", body, Prefer="wait=300"))
    )
    submitted = Event()
    served.engine.listen(lambda _lines: submitted.set())
    asking.start()
    assert submitted.wait(PATIENCE_S)

    served.stop()
    asking.join(PATIENCE_S)

    answer = answers.get_nowait()
    assert (answer.status, answer.json["state"]) == (202, "awaiting")


def test_an_engine_that_fails_ends_the_server(served):
    served.engine._died("the disk is gone")

    served.wait_for_the_end()

    assert str(served.engine.failure) == "the disk is gone"


def test_what_one_turn_of_the_loop_brings_is_committed_together(served):
    commits = []
    served.engine.listen(lambda lines: commits.append({line[0] for line in lines}))
    bridge, engine = served.service._bridge, served.engine

    async def submit():
        task = {"type": "wait", "arguments": {}}
        events = [engine.submission(task, actor="test") for _ in range(50)]
        await asyncio.gather(*(bridge.submit(event) for event in events))
        return {event.instance for event in events}

    submitted = asyncio.run_coroutine_threadsafe(submit(), bridge._loop).result(PATIENCE_S)

    assert commits == [submitted]


def test_a_request_in_progress_is_answered_while_the_server_stops(served):
    link = served.connect()
    link.putrequest("POST", "/api/v1/tasks")
    link.putheader("Content-Type", "application/json")
    body = b'{"type": "wait", "key": "late"}'
    link.putheader("Content-Length", str(len(body)))
    link.endheaders(body[:10])
    # The head has been read when another request on a later connection is answered.
    assert served.get("/livez").status == 200

    served.ask_to_stop()
    link.send(body[10:])
    answer = link.getresponse()

    assert answer.status == 202
    assert answer.getheader("connection") == "close"
    answer.read()
    link.close()


class Wire:
    """A transport that keeps what is written, a call each."""

    def __init__(self):
        self.written = []
        self.is_closed = False

    def write(self, data):
        self.written.append(data)

    def close(self):
        self.is_closed = True


def test_a_head_leaves_with_what_follows_and_never_stays():
    async def send():
        wire = Wire()
        transport = joining(wire, asyncio.get_running_loop())
        transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
        transport.write(b"body")
        transport.write(b"more")
        transport.write(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        await asyncio.sleep(0)
        transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        transport.close()
        return wire

    wire = asyncio.run(send())

    assert wire.written == [
        b"HTTP/1.1 200 OK\r\n\r\nbody",
        b"more",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ]
    assert wire.is_closed


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/version"])
def test_health_is_told_without_a_token(path, tmp_path):
    with Served(tmp_path / "home", options=ServeOptions()) as served:
        assert served.get(path).status == 200
        assert served.get("/api/v1/tasks").status == 401
