"""HTTP tasks, against a server in this process."""

import json
import shutil
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from executors.reported import PATIENCE_S, Reported, start, stop
from tipman.clock import ManualClock
from tipman.events import (
    AttemptFailed,
    AttemptInterrupted,
    AttemptSucceeded,
    AttemptTimedOut,
    StopReason,
)
from tipman.executors import exchange
from tipman.executors.http import HttpExecutor


class Handler(BaseHTTPRequestHandler):
    """Answers as the path says; remembers what it was asked."""

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        kind, _, rest = self.path.lstrip("/").partition("/")
        getattr(self, f"answer_{kind}")(rest)

    do_GET = do_POST = handle_any  # noqa: N815 - names that http.server wants

    def answer_status(self, rest):
        self.reply(int(rest), b"as asked")

    def answer_json(self, _rest):
        self.reply(200, b'{"ok":true}', {"Content-Type": "application/json", "X-Day": "monday"})

    def answer_twice(self, _rest):
        self.reply(200, b"", {"Vary": "a", "vary": "b"})

    def answer_bytes(self, rest):
        charset, _, digits = rest.partition("/")
        self.reply(200, bytes.fromhex(digits), {"Content-Type": f"text/plain; charset={charset}"})

    def answer_large(self, rest):
        self.reply(200, rest.encode() * 3_000)

    def answer_redirect(self, rest):
        left = int(rest)
        self.reply(302, b"", {"Location": f"/redirect/{left - 1}" if left else "/json"})

    def answer_elsewhere(self, rest):
        self.reply(307, b"", {"Location": self.server.elsewhere + rest})

    def answer_ftp(self, _rest):
        self.reply(301, b"", {"Location": "ftp://127.0.0.1/"})

    def answer_hang(self, _rest):
        self.server.begun.set()
        self.server.release.wait(PATIENCE_S)

    def answer_trickle(self, _rest):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"some")
        self.answer_hang(_rest)

    def answer_break(self, _rest):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()

    def reply(self, status, body, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_args): ...


class Server(ThreadingHTTPServer):
    """A server on a port of its own."""

    daemon_threads = True
    elsewhere = ""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.begun, self.release = threading.Event(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self):
        self.release.set()
        self.shutdown()
        self.thread.join()
        self.server_close()

    def handle_error(self, *_args): ...


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def reported():
    return Reported()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def executor(reported, clock):
    executor = HttpExecutor(reported, clock, threads_max=4, result_bytes_max=2_000)
    yield executor
    executor.close()


@pytest.fixture
def ask(executor, reported):
    def ask(url, **arguments):
        executor.start(start("http", {"url": url, **arguments}))
        return reported.next()

    return ask


def test_an_answer_is_the_result(ask, server):
    report = ask(f"{server.url}/json")

    result = json.loads(report.result)
    assert isinstance(report, AttemptSucceeded)
    assert (result["status"], result["body"]) == (200, '{"ok":true}')
    assert result["headers"]["x-day"] == "monday"
    assert result["elapsed_ms"] == 0
    assert result["truncated"] is False


@pytest.mark.parametrize(
    ("body", "sent", "kind"),
    [
        ("as it is", "as it is", "text/plain; charset=utf-8"),
        ({"day": "žluť"}, '{"day":"žluť"}', "application/json"),
        ([], "[]", "application/json"),
        (False, "false", "application/json"),
    ],
)
def test_a_string_is_sent_as_it_is_and_any_other_body_as_json(ask, server, body, sent, kind):
    ask(f"{server.url}/json", method="POST", body=body)

    ((method, _, headers, received),) = server.asked
    assert (method, received) == ("POST", sent)
    assert headers["Content-Type"] == kind


def test_only_the_headers_that_were_asked_for_are_sent(ask, server, monkeypatch):
    monkeypatch.setenv("TIPMAN_TOKEN", "secret")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    ask(f"{server.url}/json", headers={"X-Day": "pondělí", "user-agent": "mine"})

    ((_, _, headers, _),) = server.asked
    assert {name.lower() for name in headers} == {
        "accept-encoding",
        "connection",
        "host",
        "user-agent",
        "x-day",
    }
    assert headers["user-agent"] == "mine"
    assert headers["X-Day"].encode("latin-1").decode() == "pondělí"


@pytest.mark.parametrize(
    ("status", "expect", "ok"),
    [
        (204, None, True),
        (304, None, True),
        (404, None, False),
        (503, None, False),
        (404, 404, True),
        (200, 404, False),
        (418, [200, 418], True),
        (500, [200, 418], False),
        (302, 302, True),
    ],
)
def test_the_status_decides(ask, server, status, expect, ok):
    report = ask(f"{server.url}/status/{status}", expect_status=expect)

    assert isinstance(report, AttemptSucceeded if ok else AttemptFailed)
    assert json.loads(report.result)["status"] == status


@pytest.mark.parametrize(("expect", "words"), [(201, "201"), ([204, 201], "201 or 204")])
def test_a_status_that_is_not_the_one_asked_for_is_named_with_it(ask, server, expect, words):
    message = ask(f"{server.url}/status/200", expect_status=expect).failure.message

    assert message == f"127.0.0.1:{server.server_port} answered 200, not {words}"


def test_an_unexpected_status_can_be_retried_by_name_and_keeps_its_answer(ask, server):
    report = ask(f"{server.url}/status/503")

    assert report.failure.code == "http"
    assert report.failure.message == f"127.0.0.1:{server.server_port} answered 503"
    assert report.failure.matches == ("http:503",)
    assert report.failure.traceback is None
    assert json.loads(report.result)["body"] == "as asked"


def test_redirects_are_followed(ask, server):
    assert json.loads(ask(f"{server.url}/redirect/4").result)["body"] == '{"ok":true}'
    assert len(server.asked) == 6


def test_too_many_redirects_fail(ask, server):
    failure = ask(f"{server.url}/redirect/5").failure

    assert failure.code == "http"
    assert "more than 5 redirects" in failure.message
    assert len(server.asked) == 6


def test_a_redirect_of_what_may_not_be_repeated_is_the_answer(ask, server):
    report = ask(f"{server.url}/redirect/1", method="POST")

    assert json.loads(report.result)["status"] == 302
    assert len(server.asked) == 1


def test_a_redirect_that_is_expected_is_the_answer(ask, server):
    report = ask(f"{server.url}/redirect/1", expect_status=[302])

    assert isinstance(report, AttemptSucceeded)
    assert len(server.asked) == 1


def test_a_redirect_to_another_origin_does_not_take_the_secrets_along(ask, server):
    other = Server()
    server.elsewhere = f"{other.url}/"
    ask(f"{server.url}/elsewhere/json", headers={"Authorization": "Bearer x", "X-Day": "1"})
    other.close()

    assert "Authorization" in server.asked[0][2]
    assert "Authorization" not in other.asked[0][2]
    assert other.asked[0][2]["X-Day"] == "1"


def test_a_redirect_out_of_http_fails(ask, server):
    failure = ask(f"{server.url}/ftp").failure

    assert failure.code == "http"
    assert "no http or https URL" in failure.message


def test_headers_that_repeat_are_joined(ask, server):
    assert json.loads(ask(f"{server.url}/twice").result)["headers"]["vary"] == "a, b"


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        ("utf-8", "c5be", "ž"),
        ("iso-8859-2", "be", "ž"),
        ("utf-8", "61ff62", "a\\xff b".replace(" ", "")),
        ("utf-8", "610062", "a\\x00b"),
        ("no-such-charset", "c5be", "ž"),
        ("zlib", "c5be", "ž"),
        ("idna", "c5be", "ž"),
    ],
)
def test_any_body_becomes_text_that_can_be_kept(ask, server, charset, data, text):
    report = ask(f"{server.url}/bytes/{charset}/{data}")

    assert json.loads(report.result)["body"] == text


@pytest.mark.parametrize("character", ["x", "%22"])
def test_a_large_body_is_cut_so_that_the_result_fits(ask, server, character):
    report = ask(f"{server.url}/large/{character}")

    result = json.loads(report.result)
    assert isinstance(report, AttemptSucceeded)
    assert result["truncated"] is True
    assert len(result["body"]) > 500
    assert 1_990 <= len(report.result.encode()) <= 2_000


def test_a_server_that_is_not_there_is_named_with_the_reason(ask):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    failure = ask(f"http://127.0.0.1:{port}/").failure

    assert failure.code == "http"
    assert failure.message == f"no answer from 127.0.0.1:{port}: Connection refused"
    assert failure.traceback is None
    assert "exception:ConnectionError" in failure.matches


def test_an_answer_that_breaks_off_fails(ask, server):
    failure = ask(f"{server.url}/break").failure

    assert failure.code == "http"
    assert "IncompleteRead" in failure.message


def test_a_server_that_speaks_something_else_fails(ask):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_speak, args=(listener, b"220 mail ready\r\n\r\n"))
        thread.start()
        failure = ask(f"http://127.0.0.1:{listener.getsockname()[1]}/").failure
        thread.join()

    assert failure.code == "http"
    assert "220 mail ready" in failure.message


def _speak(listener, words):
    connection, _ = listener.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"url": "ftp://127.0.0.1/"}, "no http or https URL"),
        ({"url": "127.0.0.1:80"}, "no http or https URL"),
        ({"url": "http://"}, "names no host"),
        ({"url": "http://127.0.0.1:99999/"}, "is no URL"),
        ({"url": "http://me:secret@127.0.0.1/"}, "Authorization header"),
        ({"url": "http://a b/"}, "is no URL"),
        (
            {"url": "http://127.0.0.1:{port}/json", "headers": {"X": "a\r\nY: b"}},
            "can not be sent",
        ),
        ({"url": "http://127.0.0.1:{port}/json", "headers": {"X Y": "a"}}, "can not be sent"),
        ({"url": "http://127.0.0.1:{port}/json", "method": "GET /"}, "can not be sent"),
    ],
)
def test_what_can_not_be_asked_is_refused_by_name(ask, server, arguments, words):
    url = arguments["url"].replace("{port}", str(server.server_port))
    failure = ask(**{**arguments, "url": url}).failure

    assert failure.code == "invalid"
    assert words in failure.message
    assert "secret" not in failure.message
    assert not server.asked


def test_characters_beyond_ascii_are_sent_escaped(ask, server):
    ask(f"{server.url}/status/200?den=pondělí a úterý")

    assert server.asked[0][1] == "/status/200?den=pond%C4%9Bl%C3%AD%20a%20%C3%BAter%C3%BD"


@pytest.mark.parametrize("path", ["hang", "trickle"])
@pytest.mark.parametrize(
    ("reason", "kind"),
    [(StopReason.CANCELLED, AttemptInterrupted), (StopReason.TIMED_OUT, AttemptTimedOut)],
)
def test_a_stop_breaks_off_a_request_that_waits(executor, server, reported, path, reason, kind):
    executor.start(start("http", {"url": f"{server.url}/{path}"}))
    server.begun.wait(PATIENCE_S)
    executor.stop(stop(reason))
    report = reported.next()

    assert isinstance(report, kind)
    assert not report.detached
    assert reported.is_empty()


def test_a_stop_breaks_off_a_connection_that_is_not_made_yet(executor, reported):
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # A full backlog: what comes now gets no answer to its first packet.
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        executor.start(start("http", {"url": f"http://127.0.0.1:{listener.getsockname()[1]}/"}))
        executor.stop(stop())
        report = reported.next()

    assert isinstance(report, AttemptInterrupted)
    assert not report.detached


def test_many_stops_right_after_the_start_leave_one_report_each(executor, server, reported):
    for number in range(1, 101):
        executor.start(start("http", {"url": f"{server.url}/hang"}, number=number))
        executor.stop(stop(number=number))
    reports = [reported.next() for _ in range(100)]

    assert {type(report) for report in reports} == {AttemptInterrupted}
    assert len({report.instance for report in reports}) == 100
    assert not any(report.detached for report in reports)


def test_closing_breaks_off_what_waits_and_reports_nothing(executor, server, reported):
    executor.start(start("http", {"url": f"{server.url}/hang"}))
    server.begun.wait(PATIENCE_S)
    executor.close()

    assert reported.is_empty()
    assert not [t for t in threading.enumerate() if t.name.startswith("tipman-http")]


def test_a_server_without_tls_is_told_from_one_with(ask, server):
    failure = ask(server.url.replace("http:", "https:")).failure

    assert failure.code == "http"
    assert f"no answer from 127.0.0.1:{server.server_port}: [SSL" in failure.message


def test_a_stop_breaks_off_a_handshake(executor, reported):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        executor.start(start("http", {"url": f"https://127.0.0.1:{listener.getsockname()[1]}/"}))
        connection, _ = listener.accept()
        connection.recv(1)
        executor.stop(stop())
        report = reported.next()
        connection.close()

    assert isinstance(report, AttemptInterrupted)
    assert not report.detached


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for `localhost` that nobody has signed, and its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = (
        f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
        " -addext subjectAltName=DNS:localhost"
    )
    subprocess.run(
        [*command.split(), "-keyout", path, "-out", path.with_suffix(".cert")],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + path.with_suffix(".cert").read_text())
    return path


@pytest.fixture
def secure(certificate):
    server = Server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    yield f"https://localhost:{server.server_port}"
    server.close()


def test_a_certificate_that_nobody_signed_is_refused(ask, secure):
    failure = ask(f"{secure}/json").failure

    assert failure.code == "http"
    assert "certificate verify failed" in failure.message


def test_a_certificate_that_the_system_trusts_is_taken(ask, secure, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    exchange.tls.cache_clear()
    report = ask(f"{secure}/json")
    exchange.tls.cache_clear()

    assert json.loads(report.result)["body"] == '{"ok":true}'
