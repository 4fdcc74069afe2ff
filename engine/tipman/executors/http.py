"""HTTP executor: one request an attempt, in a thread that a stop can break off at once.

`{"url", "method", "headers", "body", "expect_status"}`; only `url` is required. A `body` that is
a string is sent as it is, any other JSON value as JSON. The result is `{status, elapsed_ms,
headers, body, truncated}`: header names in small letters, `body` always text, also when it is
JSON, and `truncated` true when it was cut to fit into a result.

Without `expect_status`, a number or a list, every 2xx and 3xx is a success; redirects are
followed for GET and HEAD, unless `expect_status` names them.
"""

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from tipman.clock import Clock
from tipman.effects import StartAttempt, StopAttempt
from tipman.errors import InvalidError
from tipman.events import Failure, Report
from tipman.executors import Publish, reports
from tipman.executors.exchange import (
    REDIRECT_STATUSES,
    Answer,
    Exchange,
    RedirectsError,
    Request,
    checked_url,
    host_of,
)
from tipman.executors.ledger import Ledger, OpenAttempt
from tipman.executors.threads import Threads
from tipman.jsontext import dumps

_MILLISECONDS = 1_000
_OK = range(200, 400)


class _Ask(OpenAttempt):
    __slots__ = ("exchange",)

    def __init__(self, start: StartAttempt, exchange: Exchange) -> None:
        super().__init__(start)
        self.exchange = exchange


class HttpExecutor:
    """Runs tasks of type `http`; never more than *threads_max* at once, the others wait."""

    def __init__(
        self,
        publish: Publish,
        clock: Clock,
        *,
        threads_max: int,
        result_bytes_max: int = reports.RESULT_BYTES_MAX,
    ) -> None:
        self._clock = clock
        self._result_bytes_max = result_bytes_max
        self._ledger: Ledger[_Ask] = Ledger(publish, clock)
        self._threads: Threads[_Ask, Report] = Threads(
            self._run, self._ledger.settle, name="tipman-http", threads_max=threads_max
        )

    def start(self, attempt: StartAttempt) -> None:
        """Begin it."""
        ask = _Ask(attempt, Exchange(self._result_bytes_max))
        self._ledger.open(ask)
        try:
            self._threads.put(ask)
        except RuntimeError as error:
            failure = Failure("no_thread", f"no thread for the request: {error}")
            self._ledger.settle(ask, reports.failed(attempt, failure))

    def stop(self, attempt: StopAttempt) -> None:
        """Break the connection off; only the look-up of a name can outlast the grace."""
        ask = self._ledger.stop(attempt)
        if ask is not None:
            ask.exchange.abort()

    def close(self) -> None:
        """Break off what still runs, without a report."""
        for ask in self._ledger.close():
            ask.exchange.abort()
        self._threads.close(self._clock)

    def _run(self, ask: _Ask) -> Report:
        start = ask.start
        if ask.reason is not None:
            return reports.stopped(start, ask.reason)
        try:
            return self._asked(ask)
        except InvalidError as error:
            return reports.failed(start, Failure("invalid", str(error)))
        except Exception as error:  # noqa: BLE001 - whatever a server provokes is its failure
            host = host_of(ask.exchange.url)
            failure = Failure(
                code="http",
                message=f"no answer from {host}: {_reason(error)}",
                matches=reports.matches_of(type(error)),
            )
            return reports.failed(start, failure)

    def _asked(self, ask: _Ask) -> Report:
        arguments = ask.start.arguments
        request = _request(arguments)
        begun = self._clock.monotonic()
        answer = ask.exchange.run(request)
        elapsed_ms = round((self._clock.monotonic() - begun) * _MILLISECONDS, 3)
        result = _result(answer, elapsed_ms, self._result_bytes_max)
        expected = _expected(arguments)
        if answer.status in expected:
            return reports.succeeded(ask.start, result)
        asked = arguments.get("expect_status") is not None
        instead = f", not {' or '.join(map(str, sorted(expected)))}" if asked else ""
        failure = Failure(
            code="http",
            message=f"{host_of(ask.exchange.url)} answered {answer.status}{instead}",
            matches=(f"http:{answer.status}",),
        )
        return reports.failed(ask.start, failure, result)


def _request(arguments: Mapping[str, Any]) -> Request:
    headers = dict(arguments.get("headers") or {})
    body = arguments.get("body")
    kind = "text/plain; charset=utf-8" if isinstance(body, str) else "application/json"
    if body is not None and "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = kind
    explicit = arguments.get("expect_status") is not None
    return Request(
        url=checked_url(arguments["url"]),
        method=arguments.get("method", "GET").upper(),
        headers=headers,
        body=None if body is None else _bytes_of(body),
        stays=explicit and not _expected(arguments).isdisjoint(REDIRECT_STATUSES),
    )


def _bytes_of(body: object) -> bytes:
    return (body if isinstance(body, str) else dumps(body)).encode()


def _expected(arguments: Mapping[str, Any]) -> frozenset[int]:
    expected = arguments.get("expect_status")
    if expected is None:
        return frozenset(_OK)
    return frozenset([expected] if isinstance(expected, int) else expected)


def _result(answer: Answer, elapsed_ms: float, bytes_max: int) -> str:
    """Return the result as JSON of at most *bytes_max* bytes, its body cut where it must be.

    Raises:
        InvalidError: the headers alone are larger.
    """

    def told(body: str, *, truncated: bool) -> str:
        return dumps(
            {
                "status": answer.status,
                "elapsed_ms": elapsed_ms,
                "headers": answer.headers,
                "body": body,
                "truncated": truncated,
            }
        )

    text = told(answer.body, truncated=answer.truncated)
    if len(text.encode()) <= bytes_max:
        return text
    # Escaping makes a body longer, by how much depends on each character: so look for the place.
    lengths = range(len(answer.body) + 1)
    fitting = bisect_right(
        lengths, bytes_max, key=lambda n: len(told(answer.body[:n], truncated=True).encode())
    )
    if fitting == 0:
        raise InvalidError(f"the answer's headers are larger than {bytes_max:,} bytes of JSON")
    return told(answer.body[: fitting - 1], truncated=True)


def _reason(error: BaseException) -> str:
    if isinstance(error, RedirectsError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return reports.cleaned(error.strerror)
    return reports.message_of(error)
