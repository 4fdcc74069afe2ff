"""Those who follow are bounded, woken by commits alone, noticed when gone, and ended by a stop."""

import asyncio
import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from serving.followers import EVENT_STREAM, Stream
from serving.served import PATIENCE_S, Served
from tipman.clock import SystemClock
from tipman.errors import UnavailableError
from tipman.executors.functions import Registry
from tipman.journal import ALL
from tipman.runtime import Engine
from tipman.settings import Settings
from tipman_api.auth import Authentication
from tipman_api.bridge import Bridge
from tipman_api.events import _all_frames
from tipman_api.hub import Hub, TooManyStreamsError
from tipman_api.principals import SCOPE_KEY, Principal, Scope
from tipman_api.serve import ServeOptions
from tipman_api.stream import EventStream

EVENTS = "/api/v1/events"


class Connection:
    """The server's side of one connection, in the hand of a test."""

    def __init__(self, *, takes=True):
        self.bodies = asyncio.Queue()
        self.status = None
        self.started = asyncio.Event()
        self.is_complete = False
        self._gone = asyncio.Event()
        self._room = asyncio.Event()
        if takes:
            self.let()

    def let(self):
        """Take what is sent from now on."""
        self._room.set()

    async def receive(self):
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.started.set()
            return
        await self._room.wait()
        self.is_complete = not message["more_body"]
        self.bodies.put_nowait(message["body"])

    def hang_up(self):
        self._gone.set()


@asynccontextmanager
async def hub_on(home, *, heartbeat_s=60.0, **settings):
    """Run a hub on an engine; no server is there."""
    engine = Engine(settings=Settings(home=home, **settings), tasks=Registry())
    bridge = Bridge(engine)
    bridge.open(asyncio.get_running_loop())
    engine.start()
    hub = Hub(bridge, engine.settings, heartbeat_s=heartbeat_s)
    try:
        yield engine, hub
    finally:
        if not hub.is_closed:
            hub.close()
        await asyncio.to_thread(engine.close)
        bridge.close()


READER = Principal("reader", Scope.READ)
EVERYBODY = Authentication(lambda _secret: READER, SystemClock())


def stream(hub, connection, mark=None, known=EVERYBODY):
    """Follow all events over this connection."""

    async def frames(subscriber):
        async for some in _all_frames(subscriber, wanted=ALL, mark=mark):
            yield some

    scope = {
        "type": "http",
        "method": "GET",
        "headers": [(b"authorization", b"Bearer secret")],
        "app": SimpleNamespace(state=SimpleNamespace(authentication=known)),
        SCOPE_KEY: READER,
    }
    answer = EventStream(hub, frames)
    return asyncio.create_task(answer(scope, connection.receive, connection.send))


def run(coroutine):
    async def bounded():
        async with asyncio.timeout(PATIENCE_S):
            await coroutine

    asyncio.run(bounded())


def test_a_client_that_hears_nothing_is_told_that_the_server_lives(tmp_path):
    async def scenario():
        async with hub_on(tmp_path / "home", heartbeat_s=0.05) as (_, hub):
            connection = Connection()
            following = stream(hub, connection)
            bodies = [await connection.bodies.get() for _ in range(3)]
            connection.hang_up()
            await following

        assert bodies[0].startswith(b"retry: ")
        assert bodies[1:] == [b": \n\n", b": \n\n"]

    run(scenario())


def test_a_token_that_is_revoked_follows_no_more(tmp_path):
    principals = {"secret": READER}

    async def scenario():
        async with hub_on(tmp_path / "home", heartbeat_s=0.05) as (_, hub):
            connection = Connection()
            known = Authentication(principals.get, SystemClock())
            following = stream(hub, connection, known=known)
            await connection.bodies.get()

            principals.clear()
            await following

            assert connection.is_complete

    run(scenario())


def test_a_client_that_is_gone_gives_its_place_to_another(tmp_path):
    async def scenario():
        async with hub_on(tmp_path / "home", streams_max=1) as (_, hub):
            first, second = Connection(), Connection()
            following = stream(hub, first)
            await first.bodies.get()
            with pytest.raises(TooManyStreamsError):
                await stream(hub, second)
            assert second.status is None

            first.hang_up()
            await following

            assert hub.subscribers == 0
            following = stream(hub, second)
            await second.bodies.get()
            second.hang_up()
            await following

    run(scenario())


def test_nobody_who_follows_costs_a_commit_nothing(tmp_path):
    async def scenario():
        async with hub_on(tmp_path / "home") as (engine, hub):
            connection = Connection()
            following = stream(hub, connection)
            await connection.bodies.get()
            assert len(engine.core.listeners) == 1

            connection.hang_up()
            await following

            assert engine.core.listeners == []

    run(scenario())


def test_a_client_that_takes_nothing_is_cut_off_when_the_server_stops(tmp_path, caplog):
    async def scenario():
        async with hub_on(tmp_path / "home") as (_, hub):
            stuck = Connection(takes=False)
            following = stream(hub, stuck)
            await stuck.started.wait()

            hub.close()
            await following

            assert not stuck.is_complete

    with caplog.at_level(logging.WARNING):
        run(scenario())
    assert "took nothing" in caplog.text


def test_a_stopping_server_takes_no_more_clients(tmp_path):
    async def scenario():
        async with hub_on(tmp_path / "home") as (_, hub):
            hub.close()
            with pytest.raises(UnavailableError):
                await stream(hub, Connection())

    run(scenario())


def test_a_client_that_can_not_keep_up_gets_everything_from_the_database(tmp_path):
    async def scenario():
        async with hub_on(tmp_path / "home", stream_lines_max=10) as (engine, hub):
            slow = Connection(takes=False)
            following = stream(hub, slow)
            await slow.started.wait()
            tasks = [{"type": "wait", "key": f"k{number}"} for number in range(500)]
            for low in range(0, 500, 50):
                await asyncio.to_thread(engine.submit_batch, tasks[low : low + 50])

            slow.let()
            text = b""
            while text.count(b"data: ") < 500:
                text += await slow.bodies.get()
            slow.hang_up()
            await following

        keys = re.findall(rb'"subjectkey":"(\w+)"', text)
        assert keys == [f"k{number}".encode() for number in range(500)]

    run(scenario())


def test_a_stop_with_fifty_clients_attached_ends_the_server_in_good_order(tmp_path):
    arguments = ["serve", "--port", "0", "--auth", "off", "--home", str(tmp_path / "home")]
    server = subprocess.Popen(
        [sys.executable, "-m", "tipman_api", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TIPMAN_DRAIN_S": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        url = re.search(r"http://\S+", server.stdout.readline())[0]
        leave_long_events(url, 10)
        streams = [Stream(url, EVENTS) for _ in range(50)]
        stuck = connect_and_read_nothing(url)

        server.send_signal(signal.SIGTERM)
        ended = server.wait(PATIENCE_S)

    assert ended == 0
    for stream_ in streams:
        with stream_:
            assert list(stream_.messages()) == []
    stuck.close()


def leave_long_events(url, count):
    """Leave in the log more than a connection holds that nobody reads."""
    link = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
    typed = {"Content-Type": "application/json"}
    long = json.dumps({"name": "fail.reported", "data": "x" * 900_000})
    for number in range(count):
        task = json.dumps({"type": "wait", "key": f"k{number}"})
        for path, body in (("", task), (f"/k{number}/events", long)):
            link.request("POST", f"/api/v1/tasks{path}", body, typed)
            answer = link.getresponse()
            assert answer.status == 202, answer.read()
            answer.read()
    link.close()


def connect_and_read_nothing(url):
    """Follow from the oldest event on, and take no more than the beginning of the answer."""
    address = urlsplit(url)
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.connect((address.hostname, address.port))
    head = f"GET {EVENTS}?after=0 HTTP/1.1\r\nHost: {address.netloc}\r\n"
    link.sendall(f"{head}Accept: text/event-stream\r\n\r\n".encode())
    assert link.recv(12) == b"HTTP/1.1 200"
    return link


# Whose events they are.


def test_a_token_of_a_namespace_follows_its_own_events_only(tmp_path):
    with Served(tmp_path / "home", options=ServeOptions()) as served:
        engine = served.engine
        engine.create_namespace("team")
        _, secret = engine.create_token("ci", "read", namespace="team")
        ours = {"Authorization": f"Bearer {secret}"}
        theirs = engine.submit_task({"type": "wait", "key": "theirs"})
        mine = engine.submit_task({"type": "wait", "key": "mine", "namespace": "team"})

        with Stream(served.url, f"{EVENTS}?after=0", ours) as following:
            followed = following.take(2)
        listed = served.get(EVENTS, **ours).json["items"]
        follows = {**ours, "Accept": EVENT_STREAM}
        paths = [f"{theirs.uri}/events", f"{theirs.uri}/output", f"{EVENTS}?instance={theirs.id}"]
        refused = [served.get(path, **follows).status for path in paths]
        foreign = served.get(f"{EVENTS}?namespace=default", **follows).status

    assert [event.json["type"] for event in followed] == ["namespace.created", "task.submitted"]
    assert [event["subject"] for event in listed[1:]] == [mine.uri]
    assert {event["namespace"] for event in listed} == {"team"}
    assert refused == [404, 404, 404]
    assert foreign == 403
