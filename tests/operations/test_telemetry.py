"""Spans: which there are, how they hang together, and what a running attempt is told."""

import subprocess
import sys
import threading
from collections import Counter

import pytest
from core.engines import PATIENCE_S, in_thread
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from tipman.definitions import task_of
from tipman.telemetry import from_environment, traceparent_of

ABOVE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = ABOVE[:-2] + "00"
TELL = {"type": "exec", "arguments": 'printf %s "$TRACEPARENT"'}


class Observed:
    """An engine whose spans are kept."""

    def __init__(self, engine):
        self.engine = engine
        self._exporter = InMemorySpanExporter()
        engine.export_spans(SimpleSpanProcessor(self._exporter))

    def spans(self):
        """Stop the engine; return its spans in the order they were made."""
        self.engine.close()
        return self._exporter.get_finished_spans()


@pytest.fixture
def observed(any_shop):
    return Observed(any_shop.start())


def output_of(engine, handle):
    return engine.output_path(handle, 1, "stdout").read_text()


def text_of(span):
    context = span.context
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def test_a_task_is_submitted_attempted_and_settled(observed, any_shop):
    handle = observed.engine.submit(any_shop.echo, value=1).wait(30)

    submit, attempt, settle = observed.spans()
    assert [s.name for s in (submit, attempt, settle)] == ["submit", "attempt", "settle"]
    assert [s.kind for s in (submit, attempt)] == [SpanKind.PRODUCER, SpanKind.CONSUMER]
    assert submit.parent is None
    assert {s.parent.span_id for s in (attempt, settle)} == {submit.context.span_id}
    assert submit.start_time <= submit.end_time <= attempt.start_time <= attempt.end_time
    assert attempt.attributes["tipman.task.id"] == handle.id
    assert attempt.attributes["tipman.attempt.outcome"] == "succeeded"
    assert settle.attributes["tipman.task.state"] == "succeeded"


def test_an_attempt_that_failed_is_an_error(observed, any_shop):
    observed.engine.submit(any_shop.fail, words="boom").wait(30)

    by_name = {span.name: span for span in observed.spans()}
    assert by_name["attempt"].status.status_code is StatusCode.ERROR
    assert "boom" in by_name["attempt"].status.description
    assert by_name["settle"].status.status_code is StatusCode.ERROR


def test_each_attempt_has_a_span_of_its_own(observed, any_shop):
    retry = {"attempts_max": 3, "delay_s": 0}
    observed.engine.submit(any_shop.fail.options(retry=retry), words="boom").wait(30)

    spans = observed.spans()
    numbers = [s.attributes["tipman.attempt.number"] for s in spans if s.name == "attempt"]
    assert sorted(numbers) == [1, 2, 3]
    assert max(Counter(s.context.span_id for s in spans).values()) == 1


class Broken(SpanProcessor):
    """A processor that fails with the first span."""

    def __init__(self):
        self.names = []

    def on_end(self, span):
        self.names.append(span.name)
        if len(self.names) == 1:
            raise RuntimeError("no collector")


class Stuck(SpanProcessor):
    """A processor that does not come back."""

    def __init__(self):
        self.let_go = threading.Event()

    def on_end(self, span):
        del span
        self.let_go.wait(PATIENCE_S)


def test_a_processor_that_fails_loses_spans_and_nothing_else(shop, caplog):
    engine, processor = shop.start(), Broken()
    engine.export_spans(processor)

    engine.submit(shop.echo, value=1).wait(30)
    engine.submit(shop.echo, value=2).wait(30)
    engine.close()

    assert processor.names[-1] == "settle"
    assert "no spans of one commit" in caplog.text
    assert "spans are made again" in caplog.text


def test_a_processor_that_is_stuck_does_not_hold_up_a_stop(shop, monkeypatch):
    monkeypatch.setattr("tipman.spans.SHUTDOWN_S", 0.1)
    engine, processor = shop.start(), Stuck()
    engine.export_spans(processor)
    engine.submit(shop.echo, value=1).wait(30)

    with in_thread(engine.close) as closing:
        closing.join(PATIENCE_S / 2)
        assert not closing.is_alive()

    processor.let_go.set()


def test_spans_belong_to_the_trace_that_submitted(observed):
    task = task_of({"type": "wait"}).with_traceparent(ABOVE)

    handle = observed.engine.submit_task(task)
    observed.engine.send(handle, "finish.reported").wait(30)

    spans = observed.spans()
    assert {f"{s.context.trace_id:032x}" for s in spans} == {ABOVE.split("-")[1]}
    assert f"{spans[0].parent.span_id:016x}" == ABOVE.split("-")[2]


def test_a_trace_that_is_not_sampled_has_no_spans(observed):
    task = task_of({"type": "wait"}).with_traceparent(UNSAMPLED)

    handle = observed.engine.submit_task(task)
    observed.engine.send(handle, "finish.reported").wait(30)

    assert observed.spans() == ()


@pytest.mark.parametrize("given", [None, ABOVE])
def test_a_running_attempt_is_told_its_span(shop, given):
    observed = Observed(shop.start())
    task = task_of(TELL)
    handle = observed.engine.submit_task(task.with_traceparent(given) if given else task).wait(30)

    told = output_of(observed.engine, handle)
    [attempt] = [s for s in observed.spans() if s.name == "attempt"]
    assert told == text_of(attempt)


def test_without_telemetry_an_attempt_is_told_who_submitted_it(shop):
    engine = shop.start()

    traced = engine.submit_task(task_of(TELL).with_traceparent(ABOVE)).wait(30)
    plain = engine.submit_task(TELL).wait(30)

    assert output_of(engine, traced) == ABOVE
    assert output_of(engine, plain) == ""


def test_a_kept_interpreter_forgets_the_span_of_its_last_attempt(shop):
    engine = shop.start()
    ask = {
        "type": "python",
        "arguments": {"call": "os:environ.get", "args": {"key": "TRACEPARENT"}},
    }

    first = engine.submit_task(task_of(ask).with_traceparent(ABOVE))
    assert first.result == ABOVE
    assert engine.submit_task(ask).result is None


def test_who_submitted_it_is_kept_across_engines(shop):
    first = shop.start()
    handle = first.submit_task(task_of({**TELL, "after_s": 0.01}).with_traceparent(ABOVE))
    first.close()

    second = shop.start()
    handle = second.find(handle.id).wait(30)
    assert output_of(second, handle) == ABOVE


@pytest.mark.parametrize(
    "text",
    [
        None, "", "00", ABOVE.upper(), ABOVE + "-more", "ff" + ABOVE[2:], ABOVE[:-1],
        "00-" + "0" * 32 + ABOVE[35:], ABOVE[:36] + "0" * 16 + "-01", "x" * 600,
    ],
)  # fmt: skip
def test_a_header_that_says_nothing_is_left_out(text):
    assert traceparent_of(text) is None


def test_a_later_version_of_the_header_is_understood_as_ours():
    assert traceparent_of("01" + ABOVE[2:] + "-more") == ABOVE


def test_an_exporter_that_is_not_installed_is_named_and_nothing_stops(caplog):
    found = from_environment({"OTEL_TRACES_EXPORTER": "nowhere"}, lambda: None)

    assert found is None
    assert "nowhere" in caplog.text


@pytest.mark.parametrize("environ", [{}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_nothing_is_on_unless_it_is_asked_for(environ):
    assert from_environment(environ, lambda: None) is None


def test_an_engine_without_telemetry_does_not_load_the_sdk():
    code = "import sys, tipman.runtime; sys.exit('opentelemetry' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
