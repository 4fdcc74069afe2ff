"""The connection itself: what is kept, what is closed, and after which answer."""

import socket
import threading
from contextlib import ExitStack

import pytest
from core.engines import eventually
from guard.house import LARGE, application, guard_before, served
from guard.knocking import is_whole, knock, received
from tipman.settings import Settings

GOOD = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n"
POST = (
    b"POST /api/v1/tasks HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nAuthorization: Bearer admin\r\n"
    b"Content-Type: application/json\r\n"
)
CONNECTIONS_MAX = 5


@pytest.fixture(scope="module")
def guard():
    settings = Settings(
        read_timeout_s=0.3, connections_max=CONNECTIONS_MAX, body_bytes_max=1024 * 1024
    )
    return guard_before(application(), settings)


@pytest.fixture(scope="module")
def port(guard):
    with served(guard, guard._settings, guard.denials) as port:
        yield port


def connected(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def ask(connection, request):
    """Send a request and return the answer's first line."""
    port = str(connection.getpeername()[1]).encode()
    connection.sendall(request.replace(b"PORT", port))
    return received(connection, has_body=True).partition(b"\r\n")[0]


def is_closed(connection):
    """Wait until the other side closes; what it still says is left."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return True


def test_a_connection_is_kept_from_request_to_request(port):
    with connected(port) as connection:
        assert ask(connection, GOOD) == b"HTTP/1.1 200 OK"
        assert ask(connection, POST + b"Content-Length: 2\r\n\r\n{}") == b"HTTP/1.1 200 OK"
        assert ask(connection, POST + b"Content-Length: 3\r\n\r\nNaN")[9:12] == b"422"
        assert ask(connection, GOOD) == b"HTTP/1.1 200 OK"


def test_a_second_request_that_never_ends_is_closed_as_a_first_is(port):
    with connected(port) as connection:
        assert ask(connection, GOOD) == b"HTTP/1.1 200 OK"
        assert ask(connection, GOOD[:-10])[9:12] == b"408"
        assert is_closed(connection)


def test_a_body_that_was_refused_is_not_waited_for(port):
    with connected(port) as connection:
        assert ask(connection, POST + b"Content-Length: 9000000\r\n\r\nxx")[9:12] == b"413"
        assert is_closed(connection)


def test_a_refused_body_that_comes_whole_leaves_the_connection_open(port):
    with connected(port) as connection:
        late = POST.replace(b"Bearer admin", b"Bearer read") + b"Content-Length: 20000\r\n\r\n"
        assert ask(connection, late + b" " * 20_000)[9:12] == b"403"
        assert ask(connection, GOOD) == b"HTTP/1.1 200 OK"


def test_a_client_that_asks_whether_to_go_on_is_told(port):
    head = POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"

    with connected(port) as connection:
        connection.sendall(head.replace(b"PORT", str(port).encode()))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert ask(connection, b"{}") == b"HTTP/1.1 200 OK"


def test_what_is_not_http_after_a_good_request_is_answered_too(port):
    with connected(port) as connection:
        assert ask(connection, GOOD) == b"HTTP/1.1 200 OK"
        assert ask(connection, b"nonsense\r\n\r\n")[9:12] == b"400"
        assert is_closed(connection)


def test_requests_in_one_packet_are_answered_in_order(port):
    with connected(port) as connection:
        host = str(port).encode()
        connection.sendall((GOOD + GOOD.replace(b"livez", b"")).replace(b"PORT", host))
        data = b""
        while data.count(b"HTTP/1.1 200") < 2 or not is_whole(data[data.rindex(b"HTTP/1.1") :]):
            data += connection.recv(65_536)

    assert data.index(b"\r\n\r\nok") < data.index(b"\r\n\r\npage")


def test_connections_are_bounded_and_free_again_when_one_goes(port, guard):
    with ExitStack() as stack:
        held = [stack.enter_context(connected(port)) for _ in range(CONNECTIONS_MAX)]
        assert [ask(each, GOOD) for each in held] == [b"HTTP/1.1 200 OK"] * CONNECTIONS_MAX
        with connected(port) as one_more:
            assert received(one_more, has_body=True).startswith(b"HTTP/1.1 429 ")
            assert is_closed(one_more)
        assert guard.denials.counts["too_many"] == 1

    assert knock(port, GOOD).status == 200


@pytest.fixture
def impatient(guard):
    """The same, which cuts off who takes nothing for a moment."""
    with served(guard, guard._settings, guard.denials, stall_s=0.3) as port:
        yield port


def asked_for_much(port):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    connection.settimeout(10)
    connection.connect(("127.0.0.1", port))
    request = b"GET /large HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer read\r\n\r\n"
    connection.sendall(request % port)
    return connection


def test_a_client_that_takes_nothing_of_its_answer_is_cut_off(impatient):
    """It held its place, and all of the answer in memory, for as long as it liked."""
    with ExitStack() as stack:
        idle = [stack.enter_context(asked_for_much(impatient)) for _ in range(CONNECTIONS_MAX)]

        eventually(lambda: knock(impatient, GOOD).status == 200)

        assert all(map(is_closed, idle))


def test_a_client_that_is_slow_gets_all_of_its_answer(impatient):
    taken = 0
    with asked_for_much(impatient) as connection:
        # At least 64 times, which takes longer than nothing may be taken.
        while taken < len(LARGE):
            threading.Event().wait(0.02)
            data = connection.recv(131_072)
            assert data, "cut off"
            taken += len(data)
