"""How an engine ends: drained, hurried, or broken; and code that will not end at all."""

import sqlite3
import threading
from contextlib import closing, suppress

import pytest
from core.engines import PATIENCE_S, Gate, eventually, in_thread
from tipman import current_attempt
from tipman.database import sqlite_path
from tipman.errors import (
    DatabaseError,
    TaskFailedError,
    TipmanError,
    UnavailableError,
    WaitTimeoutError,
)
from tipman.leases import FileLock

LONG = {"type": "sleep", "arguments": {"duration_s": 3600}}


def names(engine, handle):
    return [line["name"] for line in engine.log(handle)]


def outcomes(engine, handle):
    return [attempt["outcome"] for attempt in engine.attempts(handle)]


# Closing.


def test_who_closes_second_waits_for_the_first(shop):
    engine = shop.start()
    engine.submit(shop.hold, value=1)
    shop.gate.has_come()

    with in_thread(engine.close) as first, in_thread(engine.close) as second:
        second.join(0.2)
        assert first.is_alive()
        assert second.is_alive()
        shop.gate.open()

    assert shop.start().epoch == 2


def test_a_defect_that_breaks_the_bus_is_told_and_nobody_waits_for_ever(shop, monkeypatch):
    engine = shop.start()
    told = []
    engine.on_failure = told.append

    def broken():
        raise LookupError("a defect")

    monkeypatch.setattr(engine.core.bus.interludes, "take", broken)
    with suppress(TipmanError):
        engine.submit(shop.echo, value=1)

    eventually(lambda: told)
    assert "a defect" in str(engine.failure)
    with pytest.raises(TipmanError):
        engine.submit(shop.echo, value=2)
    engine.close()


def test_a_start_that_fails_leaves_nothing_behind(shop, monkeypatch):
    shop.start().close()
    path = sqlite_path(shop.url)

    def broken(_scheduler):
        assert log_of(path).exists()
        raise OSError("a disk that can not be read")

    monkeypatch.setattr("tipman.scheduler.Scheduler.start", broken)
    with pytest.raises(OSError, match="can not be read"):
        shop.start()

    # SQLite takes its log away with the last connection.
    assert not log_of(path).exists()


def log_of(path):
    return path.with_name(f"{path.name}-wal")


def test_the_lock_is_given_back_though_the_last_write_fails(shop):
    engine = shop.start()
    path = engine.core.database.path
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE epoch")

    with pytest.raises(sqlite3.Error):
        engine.close()

    lock = FileLock(path)
    lock.take()
    lock.release()


def test_closing_lets_what_runs_end_and_starts_nothing_more(shop):
    engine = shop.start(slots=1)
    running, queued = engine.submit(shop.hold, value=1), engine.submit(shop.echo, value=2)
    shop.gate.has_come()

    with in_thread(engine.close):
        shop.gate.open()

    engine = shop.start()
    assert outcomes(engine, running.id) == ["succeeded"]
    assert engine.find(queued.id).result == 2
    started = [line for line in engine.log(queued.id) if line["name"] == "attempt.started"]
    assert len(started) == 1


def test_what_does_not_end_in_time_is_interrupted_and_queued_at_the_next_start(any_shop):
    engine = any_shop.start()
    handle = engine.submit_task({**LONG, "arguments": {"duration_s": 0.5}})
    eventually(lambda: handle.state == "running")

    engine.close(drain_s=0)

    engine = any_shop.start()
    assert engine.find(handle.id).wait(PATIENCE_S).state == "succeeded"
    assert outcomes(engine, handle.id) == ["interrupted", "succeeded"]


def test_a_function_that_watches_for_the_end_is_interrupted_in_good_order(shop):
    engine = shop.start(grace_s=PATIENCE_S)
    gate = Gate()

    @shop.tasks.task
    def watchful():
        gate.arrived.set()
        if not gate.opened.is_set():
            current_attempt().stopping.wait(PATIENCE_S)
        return "done"

    handle = engine.submit(watchful)
    gate.has_come()

    engine.close(drain_s=0)

    gate.open()
    engine = shop.start()
    assert engine.find(handle.id).wait(PATIENCE_S).state == "succeeded"
    assert outcomes(engine, handle.id) == ["interrupted", "succeeded"]


def test_a_close_in_a_hurry_does_not_wait_for_what_runs(shop):
    engine = shop.start(grace_s=PATIENCE_S)
    handle = engine.submit_task({**LONG, "key": "long"})
    eventually(lambda: handle.state == "running")

    with in_thread(engine.close):
        engine.hurry()

    engine = shop.start()
    assert outcomes(engine, "long") == ["interrupted"]
    assert engine.find("long").state == "running"


def test_an_engine_closes_though_a_function_never_returns(shop):
    engine = shop.start(grace_s=0)
    handle = engine.submit(shop.hold)
    shop.gate.has_come()

    engine.close(drain_s=0)

    engine = shop.start()
    assert outcomes(engine, handle.id)[0] == "interrupted"


def test_nothing_is_accepted_while_an_engine_is_closing_or_after(shop):
    engine = shop.start()
    engine.submit(shop.hold.options(key="held"))
    shop.gate.has_come()

    with in_thread(engine.close):
        eventually(lambda: _refuses(engine, shop))
        shop.gate.open()

    with pytest.raises(UnavailableError):
        engine.submit(shop.echo)
    with pytest.raises(UnavailableError):
        engine.cancel("held")


def _refuses(engine, shop):
    try:
        engine.submit(shop.echo)
    except UnavailableError:
        return True
    return False


def test_what_was_acknowledged_before_a_close_is_there_after_it(shop):
    engine = shop.start()
    acknowledged, refused = [], []
    begun = threading.Event()

    def client():
        while not refused:
            try:
                acknowledged.append(engine.submit(shop.echo))
            except UnavailableError as error:
                refused.append(error)
            begun.set()

    with in_thread(client):
        assert begun.wait(PATIENCE_S)
        engine.close()

    engine = shop.start()
    assert acknowledged
    for handle in acknowledged:
        assert engine.find(handle.id).wait(PATIENCE_S).state == "succeeded"


def test_a_wait_ends_when_the_engine_closes(shop):
    engine = shop.start()
    handle = engine.submit_task({"type": "wait"})
    answers = []

    def wait():
        try:
            handle.wait()
        except TipmanError as error:
            answers.append(error)

    with in_thread(wait):
        engine.close()

    assert isinstance(answers[0], WaitTimeoutError | UnavailableError)


def test_closing_twice_is_once_enough(shop):
    engine = shop.start()

    engine.close()
    engine.close()
    shop.engine().close()

    assert shop.start().epoch == 2


def test_starting_twice_is_once_enough_or_refused(shop):
    engine = shop.start()
    threads = set(threading.enumerate())

    with suppress(TipmanError):
        engine.start()

    assert set(threading.enumerate()) <= threads


def test_an_engine_that_was_closed_starts_anew_or_says_that_it_does_not(shop):
    engine = shop.start()
    engine.close()

    with suppress(UnavailableError):
        engine.start()
        assert engine.submit(shop.echo, value=1).wait(PATIENCE_S).result == 1
        return

    shop.start()


def test_no_thread_is_left_after_a_close(shop):
    before = set(threading.enumerate())
    engine = shop.start()
    engine.submit(shop.echo).wait(PATIENCE_S)
    engine.submit_task({"type": "sleep", "arguments": {"duration_s": 0.001}}).wait(PATIENCE_S)

    engine.close()

    # An alarm that was called off needs a moment to hear of it.
    eventually(lambda: set(threading.enumerate()) <= before)


# Code that will not end.


@pytest.mark.parametrize("why", ["cancel", "time-out"])
def test_a_function_that_can_not_be_ended_keeps_its_slot_until_it_returns(any_shop, why):
    shop = any_shop
    engine = shop.start(slots=1, grace_s=0.01)
    options = {"timeout_s": 0.05} if why == "time-out" else {}
    stuck = engine.submit(shop.hold.options(**options), value="late")
    shop.gate.has_come()
    after = engine.submit(shop.echo, value="next")
    if why == "cancel":
        engine.cancel(stuck)

    stuck.wait(PATIENCE_S)

    assert stuck.state == ("cancelled" if why == "cancel" else "failed")
    assert after.state == "queued"
    assert engine.explain(after)["waiting_for"][0]["text"] == "a slot, all 1 are taken"
    shop.gate.open()
    assert after.result == "next"
    with pytest.raises(TaskFailedError):
        _ = stuck.result
    assert names(engine, stuck)[-1] == "attempt.fenced"
    assert engine.task(stuck)["result"] is None


# Broken.


def break_row(shop, handle):
    with closing(sqlite3.connect(shop.url.removeprefix("sqlite:///"))) as connection:
        connection.execute(
            "UPDATE instance SET sequence = sequence + 1 WHERE id = ?", (handle.identifier,)
        )
        connection.commit()


def test_an_engine_whose_rows_were_changed_stops_and_everybody_hears_of_it(shop):
    engine = shop.start()
    heard = []
    engine.on_failure = heard.append
    waiting = engine.submit_task({"type": "wait"})
    broken = engine.submit_task({"type": "wait"})
    break_row(shop, broken)
    answers = []

    def wait():
        try:
            waiting.wait()
        except TipmanError as error:
            answers.append(error)

    with in_thread(wait):
        with pytest.raises(DatabaseError):
            engine.cancel(broken)
        eventually(lambda: heard)

    assert answers
    assert engine.failure is heard[0]
    for _ in range(3):
        with pytest.raises(TipmanError):
            engine.submit(shop.echo)
    with pytest.raises(TipmanError):
        engine.submit_nowait(shop.echo).acknowledged(PATIENCE_S)
    engine.close()
    engine = shop.start()
    assert engine.find(waiting.id).state == "awaiting"


def test_publishers_that_wait_while_an_engine_breaks_are_all_answered(shop):
    engine = shop.start()
    broken = engine.submit_task({"type": "wait"})
    begun, answers, acknowledged = threading.Barrier(4), [], []

    def client():
        begun.wait(PATIENCE_S)
        while True:
            try:
                acknowledged.append(engine.submit(shop.echo))
            except TipmanError as error:
                answers.append(error)
                return

    with in_thread(client), in_thread(client), in_thread(client):
        begun.wait(PATIENCE_S)
        eventually(lambda: len(acknowledged) > 10)
        break_row(shop, broken)
        with pytest.raises(DatabaseError):
            engine.cancel(broken)

    assert len(answers) == 3
    engine.close()
    engine = shop.start()
    for handle in acknowledged:
        assert engine.find(handle.id).wait(PATIENCE_S).state == "succeeded"


def test_attempts_that_end_after_an_engine_broke_run_again_at_the_next_start(shop):
    engine = shop.start()
    held = engine.submit(shop.hold, value="again")
    shop.gate.has_come()
    broken = engine.submit_task({"type": "wait"})
    break_row(shop, broken)
    with pytest.raises(DatabaseError):
        engine.cancel(broken)

    shop.gate.open()
    engine.close()

    engine = shop.start()
    assert engine.find(held.id).result == "again"
    assert outcomes(engine, held.id) == ["lost", "succeeded"]


def test_an_engine_that_closed_leaves_its_database_in_one_file(shop):
    engine = shop.start()
    engine.submit(shop.echo, value=1).wait(PATIENCE_S)

    engine.close()

    # What SQLite keeps beside a file is gone when the last connection wrote it back.
    assert [
        path.name for path in shop.folder.iterdir() if path.name.endswith(("-wal", "-shm"))
    ] == []
