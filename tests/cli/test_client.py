"""The client against servers that drop, stall and lie; what it sends to whom."""

import json
from contextlib import suppress
from itertools import pairwise

import pytest
from cli.scripted import ScriptedServer
from hypothesis import given
from hypothesis import strategies as st
from tipman.errors import InvalidError, NotFoundError
from tipman_api.addresses import address_of
from tipman_api.client import Client
from tipman_api.destinations import Directions
from tipman_api.discovery import announced
from tipman_api.eventstream import Message, Parser
from tipman_api.exits import ExitCode, exit_code_of
from tipman_api.references import find
from tipman_api.refusals import NoServerError, RefusedError
from tipman_api.subscriptions import Subscription, settled

# Requests.


def client_of(server, token=None):
    return Client(lambda: Directions(url=server.url, token=token).destination({}))


def answering(body=b"{}", **more):
    """Answer every request of a connection alike."""

    def scene(exchange):
        while exchange.read()[0]:
            exchange.answer(body, **more)

    return scene


def test_a_write_is_repeated_with_its_key_when_the_connection_is_dropped():
    seen = []

    def drop(exchange):
        seen.append(exchange.read())
        exchange.drop()

    def answer(exchange):
        seen.append(exchange.read())
        exchange.answer(b'{"id":"1"}', "202 Accepted")

    with ScriptedServer(drop, answer) as server, client_of(server, "secret") as client:
        answered = client.post("/api/v1/tasks", {"type": "exec"})

    (first, first_headers, first_body), (second, second_headers, second_body) = seen
    assert answered.json == {"id": "1"}
    assert first == second == "POST /api/v1/tasks HTTP/1.1"
    assert first_headers["idempotency-key"] == second_headers["idempotency-key"]
    assert len(first_headers["idempotency-key"]) == 32
    assert first_body == second_body == b'{"type":"exec"}'
    assert first_headers["authorization"] == "Bearer secret"


def test_two_writes_have_two_keys():
    keys = []

    def scene(exchange):
        for _ in range(2):
            keys.append(exchange.read()[1]["idempotency-key"])
            exchange.answer(b"{}")

    with ScriptedServer(scene) as server, client_of(server) as client:
        client.post("/a", {})
        client.post("/a", {})

    assert len(set(keys)) == 2


def test_a_connection_is_used_again():
    with ScriptedServer(answering(b'{"items":[]}')) as server, client_of(server) as client:
        assert [client.get("/a").json for _ in range(3)] == [{"items": []}] * 3


def test_a_server_that_drops_twice_went_away():
    def drop(exchange):
        exchange.read()
        exchange.drop()

    with (
        ScriptedServer(drop, drop) as server,
        client_of(server) as client,
        pytest.raises(NoServerError, match="went away before it answered") as caught,
    ):
        client.post("/api/v1/tasks", {})

    assert exit_code_of(caught.value) == ExitCode.NO_SERVER


def test_a_refusal_of_a_body_that_was_not_read_is_heard():
    problem = {"status": 413, "code": "too_large", "detail": "more than 16 MiB"}

    def refuse(exchange):
        exchange.connection.recv(1024)
        exchange.answer(json.dumps(problem).encode(), "413 Too Large", Connection="close")

    with (
        ScriptedServer(refuse) as server,
        client_of(server) as client,
        pytest.raises((RefusedError, NoServerError)) as caught,
    ):
        client.post("/a", "x" * 10_000_000)

    assert isinstance(caught.value, RefusedError)
    assert (caught.value.problem_code, str(caught.value)) == ("too_large", "more than 16 MiB")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, ExitCode.INVALID),
        (401, ExitCode.INVALID),
        (403, ExitCode.INVALID),
        (404, ExitCode.NOT_FOUND),
        (409, ExitCode.CONFLICT),
        (413, ExitCode.INVALID),
        (421, ExitCode.INVALID),
        (422, ExitCode.INVALID),
        (429, ExitCode.CONFLICT),
        (500, ExitCode.INTERNAL),
        (503, ExitCode.NO_SERVER),
    ],
)
def test_every_status_has_its_exit_code(status, code):
    assert exit_code_of(RefusedError(status, {"detail": "x"})) == code


def test_a_refusal_says_nothing_that_a_terminal_obeys():
    assert str(RefusedError(400, {"detail": "\x1b[2Jgone"})) == r"\x1b[2Jgone"


@pytest.mark.parametrize("status", ["502 Bad Gateway", "404 File not found", "401 No"])
@pytest.mark.parametrize("body", [b"<h1>No</h1>", b'{"error": "no such page"}'])
def test_a_refusal_that_no_tipman_server_says_is_not_taken_for_one(status, body):
    """What another server did not find was said not to exist, with the exit code of that."""
    page = answering(body, status=status)

    with (
        ScriptedServer(page) as server,
        client_of(server) as client,
        pytest.raises(RefusedError, match=f"no Tipman server answered: {status}") as caught,
    ):
        find(client, "pack")

    assert exit_code_of(caught.value) == ExitCode.NO_SERVER


@pytest.mark.parametrize(
    "said", [b"220 mail.example ESMTP\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"]
)
def test_what_is_no_tipman_server_is_said_to_be_none(said):
    def scene(exchange):
        exchange.read()
        exchange.send(said)

    with (
        ScriptedServer(scene) as server,
        client_of(server) as client,
        pytest.raises(NoServerError, match="Tipman server"),
    ):
        _ = client.get("/a").json


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" + b'{"a":1}',
        b'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{"a":1}',
        (
            b'HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\n{"a\r\n4\r\n":1}\r\n'
            b"0\r\nTrailer: x\r\n\r\n"
        ),
        (
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.0 200 OK\n"
            b'Content-Length: 7\n\n{"a":1}'
        ),
    ],
    ids=["length", "end", "chunks", "informational"],
)
def test_a_body_ends_as_its_head_says(said):
    def scene(exchange):
        exchange.read()
        for byte in said:
            exchange.send(bytes([byte]))

    with ScriptedServer(scene) as server, client_of(server) as client:
        assert client.get("/a").json == {"a": 1}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "went away before it answered"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "went away before it answered"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", "went away"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{", "no Tipman server"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{", "no Tipman server"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000, "no Tipman server"),
        (b"HTTP/1.1 200 " + b"a" * 100_000, "no Tipman server"),
    ],
)
def test_an_answer_that_stops_or_makes_no_sense_is_no_answer(said, words):
    def scene(exchange):
        exchange.read()
        with suppress(ConnectionError):
            exchange.send(said)

    with (
        ScriptedServer(scene, scene, is_patient=False) as server,
        client_of(server) as client,
        pytest.raises(NoServerError, match=words),
    ):
        client.get("/a")


def test_a_redirect_is_not_followed_and_gets_no_token():
    def scene(exchange):
        exchange.read()
        exchange.answer(b"", "307 Temporary Redirect", Location="http://127.0.0.1:1/steal")

    with (
        ScriptedServer(scene) as server,
        client_of(server, "secret") as client,
        pytest.raises(NoServerError, match="not JSON"),
    ):
        _ = client.get("/a").json


# Streams.


def streaming(*chunks, ends=False):
    def scene(exchange):
        scene.request = exchange.read()
        exchange.begin_stream()
        for chunk in chunks:
            exchange.chunk(chunk)
        if ends:
            exchange.chunk(b"")
        else:
            exchange.drop()

    return scene


def event(number):
    return b"id: %d\nevent: task.queued\ndata: {}\n\n" % number


def test_a_broken_stream_goes_on_where_it_was_left():
    first = streaming(b"id: 0\n\n", event(1), event(2) + b"id: 3\ndata: ha")
    second = streaming(event(3), event(4), ends=True)
    third = streaming(event(5))

    with ScriptedServer(first, second, third) as server, client_of(server) as client:
        news = iter(Subscription(client, "/api/v1/events", [("kind", "task"), ("name", None)]))
        ids = [next(news).id for _ in range(5)]
        news.close()

    assert ids == ["1", "2", "3", "4", "5"]
    asked = [scene.request for scene in (first, second, third)]
    assert [request[0] for request in asked] == ["GET /api/v1/events?kind=task HTTP/1.1"] * 3
    assert [request[1].get("last-event-id") for request in asked] == [None, "2", "4"]
    assert asked[0][1]["accept"] == "text/event-stream"


def test_a_stream_that_breaks_before_its_first_message_goes_on_from_its_beginning():
    first, second = streaming(b"retry: 2000\nid: 41\n\n"), streaming(event(42))

    with ScriptedServer(first, second) as server, client_of(server) as client:
        news = iter(Subscription(client, "/events"))
        assert next(news).id == "42"
        news.close()

    assert second.request[1]["last-event-id"] == "41"


def test_a_server_that_does_not_come_back_ends_the_stream():
    with ScriptedServer(streaming(event(1))) as server, client_of(server) as client:
        news = iter(Subscription(client, "/events", patience_s=0))
        assert next(news).id == "1"
        with pytest.raises(NoServerError, match="the server went away: no server answers at"):
            next(news)


def test_a_stream_that_is_refused_is_refused_at_once():
    problem = b'{"status":404,"code":"not_found","detail":"nothing is here"}'

    with (
        ScriptedServer(answering(problem, status="404 Not Found")) as server,
        client_of(server) as client,
        pytest.raises(RefusedError, match="nothing is here"),
    ):
        Subscription(client, "/events")


STREAM = (
    "\ufeff: hello\n\nretry: 10\nid: 1\nevent: a\ndata: one\ndata:two\n\n"
    "data\n\nid: 2\r\ndata: ž\r\n\r\nid: x\0y\rdata: last\r\r\nevent: none\n\ndata: cut"
).encode()
MESSAGES = [
    Message("a", "one\ntwo", "1"),
    Message("message", "", "1"),
    Message("message", "ž", "2"),
    Message("message", "last", "2"),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_a_stream_means_the_same_in_whatever_pieces_it_comes(cuts):
    parser, places = Parser(), [0, *sorted(cuts), len(STREAM)]

    pieces = [STREAM[low:high] for low, high in pairwise(places)]

    assert [message for piece in pieces for message in parser.feed(piece)] == MESSAGES


# Destinations.


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".tipman"
    folder.mkdir()
    (folder / "token").write_text("of-home\n")
    return folder


def destination(environ=None, **given):
    return Directions(**given).destination(environ or {})


def test_the_server_of_the_home_is_found_and_gets_the_home_s_token(home):
    with announced(home, "http://127.0.0.1:8123"):
        found = destination()

    assert (str(found.address), found.token) == ("http://127.0.0.1:8123", "of-home")


def test_what_a_dead_server_left_behind_is_not_believed(home):
    (home / "serve.json").write_text('{"url": "http://127.0.0.1:8123", "pid": 1}')

    with pytest.raises(NoServerError, match=r"no server runs on \.tipman; start one"):
        destination()


@pytest.mark.usefixtures("home")
def test_the_home_may_be_named_in_three_ways(tmp_path):
    other = tmp_path / "other"
    other.mkdir()

    with announced(other, "http://127.0.0.1:8124"):
        (tmp_path / "tipman.toml").write_text('home = "other"')
        assert destination().address.port == 8124
        (tmp_path / "tipman.toml").write_text('home = "nowhere"')
        assert destination({"TIPMAN_HOME": str(other)}).address.port == 8124
        assert destination({"TIPMAN_HOME": "nowhere"}, home=str(other)).address.port == 8124


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("http://127.0.0.1:8123", "of-home"),
        ("http://localhost:8123/", "of-home"),
        ("http://127.0.0.1:9999", None),
        ("http://tipman.example:8123", None),
        ("https://tipman.example", None),
        ("http://127.0.0.1.example:8123", None),
    ],
)
def test_the_home_s_token_goes_to_the_home_s_server_only(home, url, token):
    with announced(home, "http://127.0.0.1:8123"):
        assert destination(url=url).token == token
        assert destination({"TIPMAN_URL": url}).token == token


@pytest.mark.usefixtures("home")
def test_where_no_server_is_seen_the_home_s_token_stays_on_this_machine():
    assert destination(url="http://127.0.0.1:9999").token == "of-home"
    assert destination(url="http://[::1]:9999").token == "of-home"
    assert destination(url="http://192.0.2.1:9999").token is None


@pytest.mark.usefixtures("home")
def test_the_variable_s_token_is_for_the_variable_s_server():
    environ = {"TIPMAN_URL": "https://one.example", "TIPMAN_TOKEN": "of-one"}

    assert destination(environ).token == "of-one"
    assert destination(environ, url="https://two.example").token is None
    assert destination(environ, url="https://two.example", token="of-two").token == "of-two"
    assert destination({"TIPMAN_TOKEN": "any"}, url="https://two.example").token == "any"


@pytest.mark.usefixtures("home")
def test_a_token_may_stand_in_the_address_that_serve_prints():
    found = destination(url="http://127.0.0.1:8000/#token=printed")

    assert (str(found.address), found.token) == ("http://127.0.0.1:8000", "printed")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example",
        "127.0.0.1:8000",
        "http://",
        "http://a:b@c.example",
        "http://a.example/?token=secret",
        "http://a.example/#secret",
        "http://a.example:99999",
        "http://[::1",
        "http://a.example/\x01",
    ],
)
def test_what_is_no_address_of_a_server_is_refused_without_its_secrets(url):
    with pytest.raises(InvalidError, match="is no address of a server") as caught:
        address_of(url)

    assert "secret" not in str(caught.value)
    assert "a:b" not in str(caught.value)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("token", ["a b", "a\nb", "ž"])
def test_a_token_that_can_not_be_sent_is_refused(token):
    with pytest.raises(InvalidError, match="the token has characters"):
        destination(url="http://a.example", token=token)


# References.


class Directory:
    """Answers paths from a mapping, as the client does."""

    def __init__(self, **resources):
        self.resources = resources
        self.asked = []

    def get(self, path, _query=()):
        self.asked.append(path)
        if path not in self.resources:
            raise RefusedError(404, {"detail": f"nothing at {path}"})
        return type("Answer", (), {"json": self.resources[path]})


UUID = "0192aaaa-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        (UUID, f"/api/v1/instances/{UUID}"),
        (f"/api/v1/tasks/{UUID}", f"/api/v1/tasks/{UUID}"),
        ("pack", "/api/v1/tasks/pack"),
        ("a?b#c", "/api/v1/tasks/a%3Fb%23c"),
        (f"/api/v1/instances/{UUID}", f"/api/v1/instances/{UUID}"),
    ],
)
def test_a_reference_is_a_uuid_a_uri_or_a_key(reference, path):
    directory = Directory(**{path: {"uri": path}})

    assert find(directory, reference, places={"task": "/api/v1/tasks"}) == {"uri": path}
    assert directory.asked == [path]


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 Unavailable", "504 Timeout"])
def test_a_wait_outlasts_a_server_that_is_away_behind_a_proxy(status):
    """It ended with the first such answer, while one that found nobody there was patient."""
    away = answering(b"<h1>Away</h1>", status=status)
    back = answering(b'{"settled": true, "state": "succeeded"}')

    with ScriptedServer(away, away, back) as server, client_of(server) as client:
        assert settled(client, "/api/v1/tasks/pack")["state"] == "succeeded"


def test_a_uri_is_of_the_kind_that_is_wanted():
    """The schedule at a task's URI was shown, and asked to go, as if the task were one."""
    places = {"task": "/api/v1/tasks", "schedule": "/api/v1/schedules"}

    with pytest.raises(InvalidError, match=r"is not the URI of a schedule$"):
        find(Directory(), "/api/v1/tasks/pack", kind="schedule", places=places)


def test_a_whole_address_is_no_reference():
    with pytest.raises(InvalidError, match="a URI starts with /api/v1/, its server is --url"):
        find(Directory(), "http://127.0.0.1:8000/api/v1/tasks/pack")


def test_a_key_is_looked_for_in_every_kind():
    directory = Directory()

    words = "no task or run or schedule has the key 'pack'"
    with pytest.raises(NotFoundError, match=words) as caught:
        find(directory, "pack")

    assert exit_code_of(caught.value) == ExitCode.NOT_FOUND
    assert directory.asked == [f"/api/v1/{kind}/pack" for kind in ("tasks", "runs", "schedules")]


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ("..", NotFoundError),
        (".", NotFoundError),
        ("a/b", NotFoundError),
        ("/api/v1/tasks/..", NotFoundError),
        ("/api/v1/tasks/", NotFoundError),
        ("/api/v1/tasks//a", InvalidError),
        ("/api/v1/tasks/../tokens", InvalidError),
        # What is found there has neither kind nor state, which was an internal fault.
        ("/api/v1/definitions/tea", InvalidError),
        ("/api/v1/tasks/a/events", InvalidError),
        ("/api/v1/tasks", InvalidError),
    ],
)
def test_a_reference_leads_nowhere_else(reference, error):
    directory = Directory()

    with pytest.raises(error):
        find(directory, reference)

    assert directory.asked == []


def test_a_key_of_two_kinds_needs_the_kind():
    places = {"task": "/api/v1/tasks", "run": "/api/v1/runs"}
    directory = Directory(**{"/api/v1/tasks/a": {"uri": "t"}, "/api/v1/runs/a": {"uri": "r"}})

    with pytest.raises(InvalidError, match="say --kind task or --kind run") as caught:
        find(directory, "a", places=places)

    assert exit_code_of(caught.value) == ExitCode.INVALID
    assert find(directory, "a", kind="run", places=places) == {"uri": "r"}
