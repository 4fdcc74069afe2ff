"""Spans of what was committed, made with OpenTelemetry's SDK beside the engine and not in it.

Each commit's log lines go to a thread of their own, which reads the rows they speak of: `submit`
lasts from the making of the id to the commit, `attempt` as long as one ran, `settle` marks the
end. A span's id follows from what it is about, so a running attempt can be told the id of its
span before that is made.
"""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from importlib.metadata import entry_points
from queue import Full, Queue
from typing import NamedTuple

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import SpanKind

from tipman.charts import UNSUCCESSFUL
from tipman.database import Database, Row
from tipman.definitions import options_of
from tipman.effects import Effect, StartAttempt
from tipman.errors import InvalidError
from tipman.ids import made_at, text_of
from tipman.version import VERSION

SHUTDOWN_S = 5.0
"""How long a stop waits for an exporter to hand over the last spans."""
_EXPORTERS = "opentelemetry_traces_exporter"
_SERVICE = {"OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"}
_NS = 1_000
COMMITS_MAX = 1_000
"""Commits that wait to be made spans of; what comes on top gets none, and the log says so."""
_SUBJECTS = (
    "SELECT i.id, i.name, i.namespace, i.key, t.type, t.queue, t.options"
    " FROM instance AS i JOIN task AS t ON t.id = i.id WHERE i.id IN (??)"
)
_ATTEMPTS = (
    "SELECT instance, number, started_at, ended_at, outcome, error FROM attempt"
    " WHERE instance IN (??) ORDER BY instance, number"
)
_log = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where a span belongs: its trace, the span above it (0 for none), and whether it counts."""

    trace: int
    parent: int
    is_sampled: bool


class SpanFact(NamedTuple):
    """What is to become a span; instants in µs since 1970."""

    span: int
    name: str
    kind: SpanKind
    began_at: int
    ended_at: int
    attributes: Mapping[str, str | int]
    error: str | None


class _Spans:
    """Makes spans with ids that are given; one thread at a time may `add`."""

    def __init__(self, processor: SpanProcessor) -> None:
        named = {} if _SERVICE & os.environ.keys() else {"service.name": "tipman"}
        self._ids = _GivenIds()
        self._provider = TracerProvider(
            id_generator=self._ids,
            resource=Resource.create({**named, "service.version": VERSION}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("tipman", VERSION)

    def is_sampled(self, trace_id: int) -> bool:
        """Tell whether a trace that begins here is to be exported, by the sampler's rule."""
        result = self._provider.sampler.should_sample(None, trace_id, "submit")
        return result.decision is Decision.RECORD_AND_SAMPLE

    def add(self, place: Place, fact: SpanFact) -> None:
        """Hand one span to the exporter, unless its trace is not sampled."""
        self._ids.trace, self._ids.span = place.trace, fact.span
        context = trace.set_span_in_context(trace.INVALID_SPAN)
        if place.parent:
            flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if place.is_sampled else 0)
            above = trace.SpanContext(place.trace, place.parent, is_remote=True, trace_flags=flags)
            context = trace.set_span_in_context(trace.NonRecordingSpan(above))
        span = self._tracer.start_span(
            fact.name,
            context,
            kind=fact.kind,
            attributes=fact.attributes,
            start_time=fact.began_at * _NS,
        )
        if fact.error is not None:
            span.set_status(trace.StatusCode.ERROR, fact.error)
        span.end(fact.ended_at * _NS)

    def close(self) -> None:
        """Let the exporter hand over what it has, for a bounded time."""
        # It may wait for a collector that does not answer, and a stop has other things to do.
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(SHUTDOWN_S)


class _GivenIds(IdGenerator):
    """Gives the ids that were put into it."""

    def __init__(self) -> None:
        self.trace = self.span = 1

    def generate_span_id(self) -> int:
        return self.span

    def generate_trace_id(self) -> int:
        return self.trace


def processor_named(name: str) -> SpanProcessor:
    """Return what batches spans for the exporter that a distribution registers as *name*.

    Raises:
        InvalidError: none of those installed does.
    """
    known = entry_points(group=_EXPORTERS)
    for point in known:
        if point.name == name:
            return BatchSpanProcessor(point.load()())
    names = ", ".join(sorted({point.name for point in known}))
    raise InvalidError(f"no exporter of traces is called {name!r}; installed are: {names}")


def span_of(instance: bytes, what: str) -> int:
    """Return the id of the span about *what* of an instance, never 0."""
    return int.from_bytes(blake2b(instance + what.encode(), digest_size=8).digest(), "big") or 1


class SpanMaker:
    """Makes spans of commits; `hear` and `outfit` belong to the bus's thread and are quick.

    *processor* is OpenTelemetry's, and gets every span once. *reader* opens a connection.
    """

    def __init__(self, processor: SpanProcessor, reader: Callable[[], Database]) -> None:
        self._spans = _Spans(processor)
        self._reader = reader
        self._commits: Queue[Sequence[Row] | None] = Queue(COMMITS_MAX)
        self._lost = 0
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="tipman-telemetry", daemon=True)
        self._thread.start()

    def hear(self, lines: Sequence[Row]) -> None:
        """Take note of the log lines of a commit."""
        try:
            self._commits.put_nowait(lines)
        except Full:
            self._lost += 1

    def outfit(self, effects: Sequence[Effect]) -> list[Effect]:
        """Return the effects, each new attempt with the id of the span that it will be."""
        return [
            effect._replace(traceparent=self._traceparent(effect))
            if isinstance(effect, StartAttempt)
            else effect
            for effect in effects
        ]

    def close(self) -> None:
        """Make spans of what was heard, and let the exporter hand them over; bounded in time."""
        # An exporter that does not answer has all of what was heard before it.
        with suppress(Full):
            self._commits.put(None, timeout=SHUTDOWN_S)
            self._thread.join(SHUTDOWN_S)
        self._spans.close()

    def _traceparent(self, start: StartAttempt) -> str:
        place = self._place(start.instance, start.traceparent)
        span = span_of(start.instance, f"attempt {start.attempt}")
        return f"00-{place.trace:032x}-{span:016x}-{place.is_sampled:02x}"

    def _place(self, instance: bytes, traceparent: str | None) -> Place:
        """Return where the `submit` span of an instance belongs."""
        if traceparent is None:
            whole = int.from_bytes(instance, "big")
            return Place(whole, 0, self._spans.is_sampled(whole))
        _, whole_text, above, flags = traceparent.split("-")
        return Place(int(whole_text, 16), int(above, 16), flags == "01")

    def _run(self) -> None:
        database = self._reader()
        try:
            while (lines := self._commits.get()) is not None:
                self._export(database, lines)
                self._say_lost()
        finally:
            database.close()

    def _export(self, database: Database, lines: Sequence[Row]) -> None:
        try:
            for place, fact in self._facts(database, lines):
                self._spans.add(place, fact)
        except Exception:  # noqa: BLE001 - it is somebody else's code, or a database that is gone
            # Spans are a service, the engine goes on without.
            if not self._is_failing:
                _log.exception("no spans of one commit; of more that fail nothing is said")
            self._is_failing = True
            return
        if self._is_failing:
            _log.warning("spans are made again")
        self._is_failing = False

    def _say_lost(self) -> None:
        if self._lost and self._commits.empty():
            _log.warning("too busy to make spans of %d commits", self._lost)
            self._lost = 0

    def _facts(self, database: Database, lines: Sequence[Row]) -> Iterator[tuple[Place, SpanFact]]:
        subjects = _subjects(database, [*{line[0] for line in lines}])
        ended = {(line[0], line[3]) for line in lines if line[2] != "task.submitted"}
        for line in lines:
            subject = subjects.get(line[0])
            if subject is not None and line[2] == "task.submitted":
                place = self._place(line[0], subject.traceparent)
                yield place, _submit(subject, line[3])
        for row in database.fetch_in(_ATTEMPTS, [*subjects]):
            subject = subjects[bytes(row[0])]
            if (subject.instance, row[3]) in ended:
                yield self._below_submit(subject), _attempt(subject, row)
        for line in lines:
            subject = subjects.get(line[0])
            if subject is not None and line[2] == "task.settled":
                yield self._below_submit(subject), _settle(subject, line)

    def _below_submit(self, subject: "_Subject") -> Place:
        place = self._place(subject.instance, subject.traceparent)
        return place._replace(parent=span_of(subject.instance, "submit"))


class _Subject(NamedTuple):
    """The task that spans are about."""

    instance: bytes
    traceparent: str | None
    attributes: dict[str, str | int]


def _subjects(database: Database, ids: Sequence[bytes]) -> dict[bytes, _Subject]:
    found = {}
    for identifier, name, namespace, key, type_, queue, options in database.fetch_in(
        _SUBJECTS, ids
    ):
        instance = bytes(identifier)
        attributes: dict[str, str | int] = {
            "tipman.task.id": text_of(instance),
            "tipman.task.name": name,
            "tipman.task.type": type_,
            "tipman.namespace": namespace,
            "tipman.queue": queue,
        }
        if key is not None:
            attributes["tipman.task.key"] = key
        found[instance] = _Subject(instance, options_of(options)["traceparent"], attributes)
    return found


def _submit(subject: _Subject, at: int) -> SpanFact:
    span = span_of(subject.instance, "submit")
    # The id was made by whoever submitted it, before it waited for its turn.
    began_at = min(made_at(subject.instance), at)
    return SpanFact(span, "submit", SpanKind.PRODUCER, began_at, at, subject.attributes, None)


def _attempt(subject: _Subject, row: Row) -> SpanFact:
    _, number, started_at, ended_at, outcome, error = row
    attributes = {
        **subject.attributes,
        "tipman.attempt.number": number,
        "tipman.attempt.outcome": outcome,
    }
    fault = None if error is None else json.loads(error)["message"]
    span = span_of(subject.instance, f"attempt {number}")
    return SpanFact(span, "attempt", SpanKind.CONSUMER, started_at, ended_at, attributes, fault)


def _settle(subject: _Subject, line: Row) -> SpanFact:
    _, sequence, _, at, _, _, state, _ = line
    attributes = {**subject.attributes, "tipman.task.state": state}
    fault = state if state in UNSUCCESSFUL else None
    # A task that is opened again settles again.
    span = span_of(subject.instance, f"settle {sequence}")
    return SpanFact(span, "settle", SpanKind.INTERNAL, at, at, attributes, fault)
