"""Defects that were found by reading and by killing: each is shown as small as it can be."""

import sqlite3
import threading
from contextlib import closing, suppress
from types import SimpleNamespace

import pytest
from tipman.clock import MICROSECONDS, ManualClock
from tipman.core import Core
from tipman.deadlines import Deadlines
from tipman.definitions import task_of
from tipman.events import FinishReported
from tipman.executors.functions import Registry
from tipman.ids import IdSource
from tipman.receipts import Receipt
from tipman.runtime import Engine
from tipman.scheduler import Scheduler
from tipman.settings import Settings
from tipman.submission import Submitter

MORE_THAN_A_DRAIN = 2_500


class Attempts:
    """An executor that notes what was started and never reports by itself."""

    def __init__(self):
        self.started = []

    def start(self, attempt):
        self.started.append(attempt)

    def stop(self, attempt):
        pass

    def close(self):
        pass


class PassingClock(ManualClock):
    """A clock that goes on by so much, once, when somebody looks how long a thing takes."""

    passing_s = 0.0

    def monotonic(self):
        passing_s, self.passing_s = self.passing_s, 0.0
        if passing_s:
            self.advance(passing_s)
        return super().monotonic()


@pytest.fixture
def clock():
    return PassingClock()


@pytest.fixture
def start(tmp_path, clock):
    """Start a core by hand; closing its connection without a word is what kill -9 does to it."""
    opened = []

    def start_core(node="here"):
        for earlier in opened:
            earlier.database.close()
        attempts = Attempts()
        core = Core(
            f"sqlite:///{tmp_path / 'tipman.db'}",
            Settings(),
            clock,
            lambda _worker: {"sleep": lambda: attempts},
            node=node,
        )
        core.attempts = attempts
        opened.append(core)
        core.recover()
        return core

    yield start_core
    for core in opened:
        core.scheduler.close()
        core.database.close()


@pytest.fixture
def submit(clock):
    submitter = Submitter(IdSource(lambda: clock.wall_us() // 1000))

    def submit_to(core, *tasks):
        event = submitter.batch([task_of(task) for task in tasks], actor="test")
        receipt = core.bus.publish_nowait(event)
        while core.bus.drain():
            pass
        receipt.result(0)
        return [submission.instance for submission in event.submissions]

    return submit_to


def sleep_task(**more):
    return {"type": "sleep", "arguments": {"duration_s": 60}, **more}


def row_of(core, identifier):
    return core.directory.load(identifier)


def test_a_lost_attempt_is_kept_with_the_epoch_that_ran_it(start, submit):
    first = start()
    submit(first, sleep_task())

    second = start()

    rows = second.database.fetch("SELECT outcome, epoch FROM attempt")
    assert rows == [("lost", first.epoch)]


def test_what_ran_is_lost_also_when_the_machine_has_another_name_after_the_crash(start, submit):
    first = start(node="before")
    (identifier,) = submit(first, sleep_task())

    second = start(node="after")

    assert row_of(second, identifier).epoch == second.epoch


def test_an_early_report_of_any_shape_comes_through_a_drain_that_did_not_reach_it(start, submit):
    core = start()
    first, *waiting = submit(
        core,
        {"key": "first", "type": "wait"},
        *({"type": "wait", "dependencies": ["first"]} for _ in range(MORE_THAN_A_DRAIN)),
    )
    for identifier in waiting:
        core.bus.publish_nowait(FinishReported(identifier, "test", {"id": "order-7"}))
    while core.bus.drain():
        pass
    core.bus.publish_nowait(FinishReported(first, "test", None))
    left = "SELECT count(*) FROM inbox WHERE event LIKE '%AwaitingStarted%'"
    while core.bus.drain() and core.database.fetch(left) == [(0,)]:
        pass
    assert core.database.fetch(left) > [(0,)]

    again = start()
    while again.bus.drain():
        pass

    assert {row_of(again, identifier).state for identifier in waiting} == {"succeeded"}


def test_a_publisher_is_answered_when_its_event_meets_an_error_of_the_database(start, tmp_path):
    core = start()
    with closing(sqlite3.connect(tmp_path / "tipman.db")) as other:
        other.execute("ALTER TABLE instance RENAME TO lost")
    receipt = core.bus.publish_nowait(FinishReported(bytes(16), "test", None))

    core.bus.drain()

    assert receipt.is_decided


def test_a_listener_that_fails_leaves_nobody_waiting(start):
    core = start()
    core.listeners.append(lambda lines: lines["no such line"])
    event = Submitter(IdSource(lambda: 0)).batch([task_of(sleep_task())], actor="test")
    receipt = core.bus.publish_nowait(event)

    with suppress(TypeError):
        core.bus.drain()

    assert receipt.is_decided


class OneRead:
    """A reader whose look for the next deadline takes so long that a commit comes in between."""

    def __init__(self, commit):
        self._commit = commit

    def fetch(self, text, _parameters):
        if "min(wake_at)" not in text:
            return []
        self._commit()
        return [(None,)]

    def close(self):
        pass


def test_a_deadline_that_is_committed_while_the_alarm_rings_is_not_forgotten(clock):
    soon = clock.wall_us() + MICROSECONDS
    later = soon + 4 * MICROSECONDS
    noticing = []

    def commit():
        if clock.wall_us() < soon:
            return
        # From another thread, as the bus does; it may have to wait until the look is over.
        noticing.append(threading.Thread(target=scheduler.notice, args=(later,)))
        noticing[0].start()
        noticing[0].join(0.2)

    bus = SimpleNamespace(publish_nowait=lambda _event: Receipt())
    scheduler = Scheduler(clock, bus, lambda: OneRead(commit), Deadlines())
    scheduler.start()
    scheduler.notice(soon)

    clock.advance(1.0)
    noticing[0].join(10)

    assert clock.next_alarm_s() == pytest.approx(4.0)


def test_a_deadline_that_comes_during_a_drain_is_not_put_off(start, submit, clock):
    core = start()
    (delayed,) = submit(core, sleep_task(after_s=0.01))

    clock.passing_s = 0.02
    submit(core, sleep_task())

    assert row_of(core, delayed).state == "running"


def test_a_class_task_keeps_its_fields_however_it_is_submitted(tmp_path):
    tasks = Registry()

    @tasks.task
    class Tally:
        value: int = 0

        def run(self):
            self.value += 1
            return self.value

    task = {"type": "inline", "arguments": {"task": "Tally", "args": {}}}
    with Engine(settings=Settings(home=tmp_path), tasks=tasks) as engine:
        results = [engine.submit_task(task).result for _ in range(3)]

    assert results == [1, 2, 3]
