"""Inline tasks: results, failures, being stopped, and what a function may not harm."""

import asyncio
import threading
from dataclasses import dataclass, field

import pytest
from executors.reported import PATIENCE_S, Reported, start, stop
from tipman.clock import ManualClock
from tipman.errors import NotFoundError
from tipman.events import (
    AttemptFailed,
    AttemptInterrupted,
    AttemptReturned,
    AttemptSucceeded,
    AttemptTimedOut,
    StopReason,
)
from tipman.executors.calls import current_attempt
from tipman.executors.functions import Registry
from tipman.executors.inline import InlineExecutor


class Processes:
    """Stands for the executor of child processes."""

    def __init__(self):
        self.started = []
        self.stopped = []

    def start(self, attempt):
        self.started.append(attempt)

    def stop(self, attempt):
        self.stopped.append(attempt)

    def close(self): ...


@dataclass
class World:
    tasks: Registry = field(default_factory=Registry)
    reported: Reported = field(default_factory=Reported)
    clock: ManualClock = field(default_factory=ManualClock)
    processes: Processes = field(default_factory=Processes)

    def __post_init__(self):
        self.executor = InlineExecutor(
            self.reported,
            self.clock,
            threads_max=4,
            tasks=self.tasks,
            processes=self.processes,
            result_bytes_max=1000,
        )

    def start(self, function, **args):
        self.executor.start(start("inline", {"task": function.name, "args": args}))

    def run(self, function, **args):
        self.start(function, **args)
        return self.reported.next()


@pytest.fixture
def world():
    world = World()
    yield world
    world.executor.close()


def test_a_function_gets_its_arguments_by_name_and_its_result_is_json(world):
    @world.tasks.task
    def add(a, b=1):
        return {"sum": a + b}

    report = world.run(add, a=2, b=3)

    assert report == AttemptSucceeded((1).to_bytes(16, "big"), 1, 7, '{"sum":5}')


def test_a_coroutine_runs_on_the_loop(world):
    @world.tasks.task
    async def add(a, b=1):
        await asyncio.sleep(0)
        return a + b

    assert world.run(add, a=2).result == "3"


@pytest.mark.parametrize("style", ["thread", "loop"])
def test_a_function_of_in_and_out_fills_its_result(world, style):
    @world.tasks.task
    def thread(_in, out):
        out["got"] = _in

    @world.tasks.task
    async def loop(_in, out):
        out["got"] = _in

    function = world.tasks.get(style)

    assert world.run(function, day=1).result == '{"got":{"day":1}}'


@pytest.mark.parametrize("style", ["Thread", "Loop"])
def test_a_class_keeps_its_fields_between_runs(world, style):
    @world.tasks.task
    class Thread:
        value: int = 0

        def run(self, by):
            self.value += by
            return self.value

    @world.tasks.task
    class Loop:
        value: int = 0

        async def run(self, by):
            self.value += by
            return self.value

    arguments = {"task": style, "args": {"by": 2}}
    world.executor.start(start("inline", arguments))
    first = world.reported.next()
    world.executor.start(start("inline", arguments, kept=first.kept))
    second = world.reported.next()

    assert (first.result, first.kept) == ("2", '{"value":2}')
    assert (second.result, second.kept) == ("4", '{"value":4}')


def test_a_function_can_not_change_the_arguments_of_the_engine(world):
    @world.tasks.task
    def spoil(days, by):
        days.append(by["n"])
        by["n"] = 0
        return days

    arguments = {"task": "spoil", "args": {"days": [1], "by": {"n": 2}}}
    world.executor.start(start("inline", arguments))

    assert world.reported.next().result == "[1,2]"
    assert arguments == {"task": "spoil", "args": {"days": [1], "by": {"n": 2}}}


@pytest.mark.parametrize("style", ["thread", "loop"])
def test_an_exception_is_told_with_the_frames_of_the_user_only(world, style):
    def fall():
        raise FileNotFoundError("no such day")

    @world.tasks.task
    def thread():
        fall()

    @world.tasks.task
    async def loop():
        fall()

    failure = world.run(world.tasks.get(style)).failure

    assert failure.code == "exception"
    assert failure.message == "FileNotFoundError: no such day"
    assert failure.matches == (
        "exception:FileNotFoundError",
        "exception:OSError",
        "exception:Exception",
    )
    assert "in fall" in failure.traceback
    assert "tipman/executors" not in failure.traceback


def test_an_exception_of_a_library_matches_with_and_without_its_module(world):
    class DayError(ValueError): ...

    DayError.__module__, DayError.__qualname__ = "calendars.days", "DayError"

    @world.tasks.task
    def fail():
        raise DayError

    matches = world.run(fail).failure.matches

    assert matches[:3] == (
        "exception:DayError",
        "exception:calendars.days.DayError",
        "exception:ValueError",
    )


@pytest.mark.parametrize("style", ["thread", "loop", "subtask"])
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_an_exit_in_user_code_fails_its_attempt_and_nothing_else(world, style, kind):
    @world.tasks.task
    def thread():
        raise kind(3)

    @world.tasks.task
    async def loop():
        raise kind(3)

    @world.tasks.task
    async def subtask():
        async def leave():
            raise kind(3)

        await asyncio.create_task(leave())

    assert world.run(world.tasks.get(style)).failure.message == f"{kind.__name__}: 3"
    assert world.run(world.tasks.get(style)).failure.code == "exception"


def test_a_result_that_is_not_json_fails_and_says_where(world):
    @world.tasks.task
    def give():
        return {"days": {1, 2}}

    failure = world.run(give).failure

    assert failure.code == "not_json"
    assert "the result of task 'give' is not JSON: /days" in failure.message


def test_fields_that_are_not_json_fail_the_attempt(world):
    @world.tasks.task
    class Memory:
        seen: list

        def run(self):
            self.seen = {1}

    failure = world.run(Memory).failure

    assert failure.code == "not_json"
    assert "the state of the object of task 'Memory'" in failure.message


def test_a_result_past_the_limit_fails(world):
    @world.tasks.task
    def give(size):
        return "x" * size

    assert isinstance(world.run(give, size=998), AttemptSucceeded)
    assert world.run(give, size=999).failure.code == "too_large"


def test_the_limit_of_a_result_counts_bytes(world):
    @world.tasks.task
    def give(size):
        return "ž" * size

    assert isinstance(world.run(give, size=499), AttemptSucceeded)
    assert world.run(give, size=500).failure.code == "too_large"


def test_a_message_with_nul_and_surrogates_is_made_storable(world):
    @world.tasks.task
    def fail():
        raise ValueError("a\0b\udcff")

    failure = world.run(fail).failure

    assert failure.message == "ValueError: a\\x00b\\udcff"
    failure.traceback.encode()
    assert "\0" not in failure.traceback


def test_an_exception_that_can_not_be_printed_is_told_all_the_same(world):
    class MuteError(Exception):
        def __str__(self):
            raise ValueError("mute")

    @world.tasks.task
    def fail():
        raise MuteError

    assert world.run(fail).failure.message.startswith("MuteError: <its message can not be read")


@pytest.mark.parametrize("broken", [RuntimeError, SystemExit, KeyboardInterrupt])
def test_an_exception_that_raises_when_it_is_looked_at_fails_its_attempt_only(world, broken):
    class TrapError(Exception):
        def __str__(self):
            raise broken

        @property
        def __notes__(self):
            raise broken

    @world.tasks.task
    def fail():
        raise TrapError

    failure = world.run(fail).failure

    assert failure.message == f"TrapError: <its message can not be read: {broken.__name__}>"
    assert failure.traceback
    assert "exception:Exception" in failure.matches


def test_a_very_long_message_is_cut(world):
    @world.tasks.task
    def fail():
        raise ValueError("x" * 1_000_000)

    failure = world.run(fail).failure

    assert len(failure.message) < 5_000
    assert len(failure.traceback) < 70_000
    assert "characters left out" in failure.message


def test_a_task_that_is_not_registered_fails_with_the_nearest_name(world):
    @world.tasks.task
    def fetch(): ...

    world.executor.start(start("inline", {"task": "fetsh", "args": {}}))
    failure = world.reported.next().failure

    assert failure.code == "invalid"
    assert "did you mean `fetch`" in failure.message


def test_arguments_that_do_not_fit_fail_before_the_function_is_called(world):
    @world.tasks.task
    def fetch(url): ...

    failure = world.run(fetch, urll="x").failure

    assert failure.code == "invalid"
    assert "unknown parameter 'urll'" in failure.message


def test_a_function_sees_its_attempt(world):
    @world.tasks.task
    def look():
        attempt = current_attempt()
        return [
            attempt.id,
            attempt.name,
            attempt.number,
            attempt.context,
            attempt.stopping.is_set(),
        ]

    assert world.run(look).result == (
        '["00000000-0000-0000-0000-000000000001","task-1",1,'
        '{"context":{"day":"today"},"results":{}},false]'
    )
    with pytest.raises(NotFoundError):
        current_attempt()


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (StopReason.CANCELLED, AttemptInterrupted),
        (StopReason.SUSPENDED, AttemptInterrupted),
        (StopReason.TIMED_OUT, AttemptTimedOut),
    ],
)
def test_a_function_that_looks_at_stopping_ends_within_the_grace(world, reason, kind):
    begun = threading.Event()

    @world.tasks.task
    def listen():
        begun.set()
        return current_attempt().stopping.wait(PATIENCE_S)

    world.start(listen)
    begun.wait(PATIENCE_S)
    world.executor.stop(stop(reason))
    report = world.reported.next()

    assert isinstance(report, kind)
    assert (report.result, report.detached) == ("true", False)
    assert world.clock.next_alarm_s() is None


def test_a_function_that_does_not_end_is_detached_after_the_grace_and_returns_later(world):
    begun, release = threading.Event(), threading.Event()

    @world.tasks.task
    def sulk():
        begun.set()
        release.wait(PATIENCE_S)
        return "late"

    world.start(sulk)
    begun.wait(PATIENCE_S)
    world.executor.stop(stop(StopReason.TIMED_OUT, grace_s=10))
    world.clock.advance(9.9)
    assert world.reported.is_empty()
    world.clock.advance(0.1)
    detached = world.reported.next()
    release.set()
    returned = world.reported.next()

    assert detached == AttemptTimedOut((1).to_bytes(16, "big"), 1, 7, None, detached=True)
    assert returned == AttemptReturned((1).to_bytes(16, "big"), 1, 7)
    assert world.reported.is_empty()


def test_a_later_attempt_runs_while_an_earlier_one_is_detached(world):
    begun, release = threading.Event(), threading.Event()

    @world.tasks.task
    def sulk(wait):
        if wait:
            begun.set()
            release.wait(PATIENCE_S)
        return "done"

    world.start(sulk, wait=True)
    begun.wait(PATIENCE_S)
    world.executor.stop(stop(grace_s=0))
    world.clock.advance(0)
    detached = world.reported.next()
    arguments = {"task": "sulk", "args": {"wait": False}}
    world.executor.start(start("inline", arguments, attempt=2))
    second = world.reported.next()
    release.set()
    returned = world.reported.next()

    assert detached.detached
    assert (type(second), second.attempt) == (AttemptSucceeded, 2)
    assert (type(returned), returned.attempt) == (AttemptReturned, 1)


def test_a_second_stop_may_shorten_the_grace_but_keeps_the_reason(world):
    begun, release = threading.Event(), threading.Event()

    @world.tasks.task
    def sulk():
        begun.set()
        release.wait(PATIENCE_S)

    world.start(sulk)
    begun.wait(PATIENCE_S)
    world.executor.stop(stop(StopReason.CANCELLED, grace_s=10))
    world.executor.stop(stop(StopReason.INTERRUPTED, grace_s=0))
    world.clock.advance(0)
    report = world.reported.next()
    release.set()

    assert report.reason is StopReason.CANCELLED
    assert report.detached
    assert isinstance(world.reported.next(), AttemptReturned)


def test_a_coroutine_is_cancelled_and_may_clean_up(world):
    begun, cleaned = threading.Event(), threading.Event()

    @world.tasks.task
    async def wait():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    world.start(wait)
    begun.wait(PATIENCE_S)
    world.executor.stop(stop())
    report = world.reported.next()

    assert isinstance(report, AttemptInterrupted)
    assert not report.detached
    assert cleaned.is_set()


def test_a_coroutine_that_is_stopped_as_it_starts_reports_once(world):
    @world.tasks.task
    async def wait():
        await asyncio.Event().wait()

    for number in range(1, 101):
        world.executor.start(start("inline", {"task": "wait", "args": {}}, number=number))
        world.executor.stop(stop(number=number))
    reports = [world.reported.next() for _ in range(100)]

    assert all(isinstance(report, AttemptInterrupted) for report in reports)
    assert len({report.instance for report in reports}) == 100
    assert world.reported.is_empty()


def test_a_coroutine_that_swallows_its_cancellation_is_detached(world):
    begun, release = threading.Event(), threading.Event()

    @world.tasks.task
    async def sulk():
        begun.set()
        while not release.is_set():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.to_thread(release.wait, PATIENCE_S)

    world.start(sulk)
    begun.wait(PATIENCE_S)
    world.executor.stop(stop(grace_s=5))
    world.clock.advance(5)
    detached = world.reported.next()
    release.set()

    assert detached.detached
    assert isinstance(world.reported.next(), AttemptReturned)


def test_a_coroutine_that_cancels_itself_fails(world):
    @world.tasks.task
    async def give_up():
        raise asyncio.CancelledError

    assert world.run(give_up).failure.message == "CancelledError"


def test_stopping_an_unknown_or_ended_attempt_does_nothing(world):
    @world.tasks.task
    def done(): ...

    world.run(done)
    world.executor.stop(stop())
    world.executor.stop(stop(number=5))

    assert world.reported.is_empty()
    assert world.clock.next_alarm_s() is None


def test_what_finds_no_free_thread_waits_and_all_is_reported_once(world):
    release, begun = threading.Event(), threading.Semaphore(0)

    @world.tasks.task
    def hold():
        begun.release()
        release.wait(PATIENCE_S)

    for number in range(1, 11):
        world.executor.start(start("inline", {"task": "hold", "args": {}}, number=number))
    for _ in range(4):
        begun.acquire(timeout=PATIENCE_S)
    assert not begun.acquire(blocking=False)
    release.set()

    assert len({world.reported.next().instance for _ in range(10)}) == 10


def test_one_after_the_other_needs_one_thread(world):
    @world.tasks.task
    def which():
        return threading.current_thread().name

    assert {world.run(which).result for _ in range(20)} == {'"tipman-inline-0"'}


def test_a_function_for_a_process_goes_to_the_processes_with_its_address(world):
    import textwrap

    world.tasks.task(process=True)(textwrap.dedent)

    world.start(world.tasks.get("dedent"), text=" a")
    world.executor.stop(stop())

    (attempt,) = world.processes.started
    assert attempt.type == "python"
    assert attempt.arguments == {"call": "textwrap:dedent.target", "args": {"text": " a"}}
    assert world.processes.stopped == [stop()]


def test_without_processes_a_function_for_a_process_fails(world):
    import textwrap

    executor = InlineExecutor(
        world.reported, world.clock, threads_max=1, tasks=world.tasks, processes=None
    )
    world.tasks.task(process=True)(textwrap.dedent)
    executor.start(start("inline", {"task": "dedent", "args": {"text": " a"}}))
    executor.close()

    assert world.reported.next().failure.code == "unsupported"


def test_closing_tells_all_that_runs_to_end_and_reports_nothing(world):
    begun, told, cleaned = threading.Semaphore(0), threading.Event(), threading.Event()

    @world.tasks.task
    def listen():
        begun.release()
        if current_attempt().stopping.wait(PATIENCE_S):
            told.set()

    @world.tasks.task
    async def wait():
        begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    world.start(listen)
    world.executor.start(start("inline", {"task": "wait", "args": {}}, number=2))
    for _ in range(2):
        begun.acquire(timeout=PATIENCE_S)
    world.executor.close()

    assert told.is_set()
    assert cleaned.is_set()
    assert world.reported.is_empty()
    assert not [t for t in threading.enumerate() if t.name.startswith("tipman-")]


def test_closing_does_not_wait_for_ever_for_a_stuck_function(world):
    begun, release = threading.Event(), threading.Event()

    @world.tasks.task
    def sulk():
        begun.set()
        release.wait(PATIENCE_S)

    world.start(sulk)
    begun.wait(PATIENCE_S)
    world.executor.close()
    release.set()

    assert world.reported.is_empty()


def test_the_loop_is_not_loaded_without_a_coroutine():
    import subprocess
    import sys

    code = (
        "import sys, threading\n"
        "from tipman.clock import SystemClock\n"
        "from tipman.executors.functions import Registry\n"
        "from tipman.executors.inline import InlineExecutor\n"
        "tasks = Registry()\n"
        "tasks.task(name='one')(lambda: 1)\n"
        "executor = InlineExecutor(print, SystemClock(), threads_max=1, tasks=tasks)\n"
        "executor.close()\n"
        "print([m for m in ('asyncio', 'ssl', 'http.client', 'logging') if m in sys.modules])\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout == "[]\n"


def test_no_failure_of_the_function_is_taken_for_success(world):
    @world.tasks.task
    def fail():
        raise ValueError

    assert isinstance(world.run(fail), AttemptFailed)
