"""The engine with its threads: submitting, handles, waits, and what listeners are told."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from core.engines import PATIENCE_S, eventually
from tipman.definitions import workflow_of
from tipman.errors import (
    ConflictError,
    InvalidError,
    KeyExistsError,
    NotFoundError,
    TaskFailedError,
    UnavailableError,
    WaitTimeoutError,
)

THREADS = 4
SLEEP = {"type": "sleep", "arguments": {"duration_s": 0.001}}


# Submitting.


def test_what_submit_returned_is_on_disk(any_shop):
    engine = any_shop.start()

    handle = engine.submit(any_shop.hold, value=1)

    assert engine.task(handle)["name"] == "hold"
    assert engine.find(handle.id).uri == handle.uri
    any_shop.gate.open()
    assert handle.result == 1
    assert (handle.state, handle.settled, handle.error) == ("succeeded", True, None)


def test_what_was_submitted_without_waiting_is_acknowledged_later(any_shop):
    engine = any_shop.start()

    handles = [engine.submit_nowait(any_shop.echo, value=n) for n in range(200)]

    for handle in handles:
        assert handle.acknowledged(PATIENCE_S) is handle
    assert [handle.result for handle in handles] == list(range(200))


def test_a_refused_submission_says_so_wherever_it_is_asked(shop):
    engine = shop.start()
    engine.submit(shop.echo.options(key="taken"))

    refused = engine.submit_nowait(shop.echo.options(key="taken"))

    for ask in (refused.acknowledged, refused.wait, lambda: refused.result, lambda: refused.state):
        with pytest.raises(KeyExistsError):
            ask()
    with pytest.raises(NotFoundError):
        engine.find(refused.id)


def test_many_calls_are_one_submission_in_their_order(any_shop):
    engine = any_shop.start()

    handles = engine.submit_many(any_shop.echo, [{"value": n} for n in range(500)])

    assert [handle.result for handle in handles] == list(range(500))


@pytest.mark.parametrize(
    "calls", [[], [{"value": 1}, {"valu": 2}], [{"value": 1}, {"value": {1}}]]
)
def test_many_calls_are_submitted_all_or_none(shop, calls):
    engine = shop.start()

    with pytest.raises(InvalidError):
        engine.submit_many(shop.echo, calls)

    with engine.reading() as database:
        assert database.fetch("SELECT count(*) FROM instance") == [(0,)]


def test_many_calls_can_not_share_a_key(shop):
    with pytest.raises(InvalidError, match="key"):
        shop.start().submit_many(shop.echo.options(key="k"), [{}, {}])


def test_arguments_that_a_function_does_not_take_are_refused_at_once(shop):
    engine = shop.start()

    with pytest.raises(InvalidError, match="value"):
        engine.submit(shop.echo, valu=1)


@pytest.mark.parametrize("what", [print, lambda: None, "echo", None])
def test_what_is_no_task_is_refused_and_says_what_makes_one(shop, what):
    engine = shop.start()

    for submit in (engine.submit, engine.submit_nowait, lambda w: engine.submit_many(w, [{}])):
        with pytest.raises(
            InvalidError, match=r"is no task: mark a function or class with `@task`"
        ):
            submit(what)


def test_what_the_submitter_changes_afterwards_is_not_changed_in_the_task(shop):
    engine = shop.start(slots=1)
    engine.submit(shop.hold)
    value = [1]
    handle = engine.submit(shop.echo, value=value)

    value.append(2)
    shop.gate.open()

    assert handle.result == [1]


def test_a_batch_of_all_types_runs_in_the_order_of_its_dependencies(any_shop):
    engine = any_shop.start()

    *_, last = engine.submit_batch(
        [
            {**SLEEP, "key": "sleep"},
            {"key": "count", "type": "counter", "arguments": {"name": "n"}},
            {"key": "call", "type": "inline", "arguments": {"task": "echo", "args": {"value": 7}},
             "dependencies": ["sleep", "count"]},
        ]
    )  # fmt: skip

    assert last.result == 7
    assert engine.find("count").result == {"value": 1}
    assert engine.task("call")["dependencies"] == [
        engine.find("sleep").uri,
        engine.find("count").uri,
    ]


def test_a_workflow_gives_its_handles_by_name(shop):
    engine = shop.start()
    flow = workflow_of(
        {
            "tasks": [
                {**SLEEP, "name": "last", "dependencies": ["first"]},
                {**SLEEP, "name": "first"},
            ]
        },
        default_name="flow",
    )

    handles = engine.submit_workflow(flow)

    assert handles["last"].wait(PATIENCE_S).state == "succeeded"
    assert (
        engine.task(handles["first"])["settled_at"] <= engine.task(handles["last"])["started_at"]
    )


def test_a_class_task_counts_every_run_once(any_shop):
    engine = any_shop.start()

    @any_shop.tasks.task
    class Till:
        total: int = 0

        def run(self, by):
            self.total += by
            return self.total

    handles = engine.submit_many(Till, [{"by": 1}] * 20)

    assert sorted(handle.result for handle in handles) == list(range(1, 21))


def test_a_task_of_the_registry_is_tried_again(shop):
    engine = shop.start()
    calls = []

    @shop.tasks.task(retry={"attempts_max": 3, "delay_s": 0.001})
    def flaky():
        calls.append(1)
        if len(calls) < 3:
            raise OSError("not yet")
        return len(calls)

    assert engine.submit(flaky).result == 3


def test_a_task_may_submit_others_and_wait_for_them(shop):
    engine = shop.start(slots=2)

    @shop.tasks.task
    def outer(depth):
        return 0 if depth == 0 else 1 + engine.submit(echo_depth, depth=depth).result

    @shop.tasks.task
    def echo_depth(depth):
        return depth

    assert engine.submit(outer, depth=3).wait(PATIENCE_S).result == 4


# Handles.


def test_a_handle_tells_why_its_task_failed(any_shop):
    engine = any_shop.start()
    handle = engine.submit(any_shop.fail, words="no such day")

    with pytest.raises(TaskFailedError, match="ValueError: no such day"):
        _ = handle.result

    assert handle.state == "failed"
    assert handle.error["code"] == "exception"
    assert "_fail" in handle.error["traceback"]


def test_words_that_can_not_be_stored_are_kept_as_escapes(any_shop):
    engine = any_shop.start()

    handle = engine.submit(any_shop.tasks.task(_raise_odd_words))

    assert handle.wait(PATIENCE_S).state == "failed"
    assert handle.error["message"] == r"ValueError: a\x00b\ud800"


def _raise_odd_words():
    raise ValueError("a\0b\ud800")


def test_a_wait_that_runs_out_changes_nothing(shop):
    engine = shop.start()
    handle = engine.submit(shop.hold)

    for timeout_s in (0, 0.01):
        with pytest.raises(WaitTimeoutError) as ran_out:
            handle.wait(timeout_s)

    assert isinstance(ran_out.value, TimeoutError)
    assert handle.state == "running"
    shop.gate.open()
    assert handle.wait(PATIENCE_S).state == "succeeded"


def test_a_wait_that_runs_out_before_the_disk_has_answered_is_none_other(shop):
    engine = shop.engine().open()
    handle = engine.submit_nowait(shop.echo)

    with pytest.raises(WaitTimeoutError):
        handle.wait(0)


def test_a_handle_is_found_by_uuid_key_and_uri_also_by_the_next_engine(any_shop):
    engine = any_shop.start()
    handle = engine.submit(any_shop.echo.options(key="mine"), value="kept").wait(PATIENCE_S)
    engine.close()

    engine = any_shop.start()

    for reference in (handle.id, handle.uri, "mine"):
        assert engine.find(reference).wait(PATIENCE_S).result == "kept"
    with pytest.raises(NotFoundError, match="nobody"):
        engine.find("nobody")


def test_an_event_for_a_task_is_answered_with_its_handle_or_a_conflict(any_shop):
    engine = any_shop.start()
    wait = engine.submit_task({"type": "wait", "key": "w"})

    assert engine.suspend(wait).state == "suspended"
    assert engine.resume("w").state == "awaiting"
    assert engine.cancel(wait.uri).state == "cancelled"
    assert engine.retry(wait.id).state == "awaiting"
    assert engine.send("w", "finish.reported", {"ok": True}).result == {"ok": True}
    with pytest.raises(ConflictError) as refused:
        engine.cancel("w")
    assert refused.value.state == "succeeded"
    with pytest.raises(InvalidError, match=r"cancel\.requested"):
        engine.send("w", "cancel")


# Waits that race with settling.


def test_waits_that_race_with_settling_all_return(any_shop):
    engine = any_shop.start(slots=THREADS)

    def client(number):
        results = []
        for turn in range(50):
            handle = engine.submit_nowait(any_shop.echo, value=[number, turn])
            results.append(handle.wait(PATIENCE_S).result)
        return results

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(client, range(THREADS)))

    assert answers == [[[number, turn] for turn in range(50)] for number in range(THREADS)]


def test_many_waiters_of_one_task_all_wake(shop):
    engine = shop.start()
    handle = engine.submit(shop.hold, value=5)

    with ThreadPoolExecutor(8) as pool:
        waits = [pool.submit(handle.wait, PATIENCE_S) for _ in range(8)]
        shop.gate.open()
        assert {wait.result(PATIENCE_S).result for wait in waits} == {5}


def test_waits_that_run_out_while_it_settles_never_hang_or_lie(shop):
    engine = shop.start()

    def wait_a_little(handle):
        try:
            return handle.wait(0.002).settled
        except TimeoutError:
            return False

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(50):
            handle = engine.submit_nowait(shop.echo)
            answers = [pool.submit(wait_a_little, handle) for _ in range(THREADS)]
            for answer in answers:
                answer.result(PATIENCE_S)
            assert handle.wait(PATIENCE_S).state == "succeeded"


def test_a_waiter_wakes_at_each_opening(shop):
    engine = shop.start()
    handle = engine.submit(shop.fail, words="once")
    assert handle.wait(PATIENCE_S).state == "failed"

    for _ in range(20):
        engine.retry(handle)
        assert handle.wait(PATIENCE_S).state in {"failed", "running"}

    eventually(lambda: handle.settled)
    assert len(engine.attempts(handle)) == 21


# Listening and looking.


def test_a_listener_is_told_every_line_in_order(any_shop):
    engine = any_shop.start()
    lines = []
    settled = threading.Event()

    def listen(more):
        lines.extend(more)
        if any(line[2] == "task.settled" for line in more):
            settled.set()

    engine.listen(listen)
    handle = engine.submit(any_shop.echo)
    assert settled.wait(PATIENCE_S)

    told = [(line[1], line[2]) for line in lines if bytes(line[0]) == handle.identifier]
    assert told == [(line["seq"], line["name"]) for line in engine.log(handle)]


def test_a_listener_that_fails_is_told_no_more_and_harms_nobody(shop, caplog):
    engine = shop.start()
    told, bad = [], []

    def fail(lines):
        bad.append(lines)
        raise ZeroDivisionError

    engine.listen(fail)
    engine.listen(told.append)

    for _ in range(3):
        assert engine.submit(shop.echo).wait(PATIENCE_S).state == "succeeded"

    assert len(bad) == 1
    assert len(told) >= 3
    assert "a listener failed" in caplog.text
    assert engine.failure is None


def test_a_task_that_is_awaited_says_what_it_waits_for(shop):
    engine = shop.start(slots=1)
    running = engine.submit(shop.hold)
    shop.gate.has_come()
    queued = engine.submit(shop.echo)
    waiting = engine.submit(shop.echo.options(dependencies=[queued]))

    assert engine.explain(running)["waiting_for"][0]["text"] == "the end of attempt 1"
    assert engine.explain(queued)["waiting_for"][0]["text"] == "a slot, all 1 are taken"
    assert engine.explain(waiting)["waiting_for"][0]["uri"] == queued.uri
    shop.gate.open()
    assert waiting.wait(PATIENCE_S).state == "succeeded"
    assert engine.explain(waiting) == {"state": "succeeded", "waiting_for": []}


def test_an_engine_that_is_open_can_be_looked_at_and_runs_nothing(shop):
    shop.start().close()
    engine = shop.engine().open()

    with engine.reading() as database:
        assert database.fetch("SELECT count(*) FROM instance") == [(0,)]
    assert engine.epoch == 2

    engine.start()
    assert engine.submit(shop.echo, value=1).result == 1


def test_an_engine_that_is_not_open_says_so(shop):
    engine = shop.engine()

    for ask in (lambda: engine.submit(shop.echo), lambda: engine.find("x"), lambda: engine.epoch):
        with pytest.raises(UnavailableError):
            ask()
