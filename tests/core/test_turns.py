"""Whose turn it is: the bus's thread, a worker that hands in all there is, several at a time."""

import threading

import pytest
from core.engines import PATIENCE_S
from tipman.errors import DatabaseError
from tipman.receipts import COMPANY_S_MAX, Answer, Company, Receipt

BUS = "tipman-bus"
WORKER = "tipman-inline"
NAME, INSTANCE = 2, 0


@pytest.fixture
def engine(shop):
    return shop.start()


@pytest.fixture
def settled_on(engine):
    """Return a list that gets the name of the thread on which each task was settled."""
    names = []

    def hear(lines):
        thread = threading.current_thread().name
        names.extend(thread for line in lines if line[NAME] == "task.settled")

    engine.core.listeners.append(hear)
    return names


def chain(length):
    tasks = []
    for number in range(length):
        before = [f"n{number - 1}"] if number else []
        arguments = {"task": "echo", "args": {"value": number}}
        task = {"type": "inline", "key": f"n{number}", "dependencies": before}
        tasks.append({**task, "arguments": arguments})
    return tasks


def test_who_reports_all_there_is_to_do_commits_it(engine, settled_on):
    handles = engine.submit_batch(chain(20))

    assert [handle.wait(PATIENCE_S).result for handle in handles] == list(range(20))
    assert any(name.startswith(WORKER) for name in settled_on)


def test_reports_go_to_the_bus_where_another_attempt_may_share_the_commit(
    shop, engine, settled_on
):
    held = engine.submit(shop.hold)
    shop.gate.has_come()

    engine.submit_batch(chain(20))[-1].wait(PATIENCE_S)

    assert set(settled_on) == {BUS}
    shop.gate.open()
    held.wait(PATIENCE_S)


def test_reports_go_to_the_bus_where_a_publisher_was_just_answered(shop, engine, settled_on):
    for number in range(10):
        assert engine.submit(shop.echo, value=number).wait(PATIENCE_S).result == number

    assert set(settled_on) == {BUS}


def test_an_engine_that_fails_on_a_worker_acknowledges_nothing_more(shop, engine):
    told = threading.Event()
    engine.on_failure = lambda _error: told.set()

    def break_off(_lines):
        if threading.current_thread().name.startswith(WORKER):
            engine.core.database.close()

    engine.core.listeners.append(break_off)
    engine.submit_batch(chain(20))

    assert told.wait(PATIENCE_S)
    assert isinstance(engine.failure, DatabaseError)
    with pytest.raises(DatabaseError):
        engine.submit(shop.echo, value=1)


def test_an_event_is_handled_though_those_who_were_answered_do_not_come_again(shop, engine):
    late = []
    both = threading.Barrier(3)

    def bring_one_more(_lines):
        if not late:
            late.append(engine.submit_nowait(shop.echo, value="late"))

    def publish():
        both.wait(PATIENCE_S)
        engine.submit(shop.echo, value="early")

    engine.core.listeners.append(bring_one_more)
    threads = [threading.Thread(target=publish) for _ in range(2)]
    for thread in threads:
        thread.start()
    both.wait(PATIENCE_S)
    for thread in threads:
        thread.join(PATIENCE_S)

    assert late[0].wait(PATIENCE_S).result == "late"


def answers(*are_waited_for):
    found = []
    for is_waited_for in are_waited_for:
        receipt = Receipt()
        receipt.is_waited_for = is_waited_for
        found.append(Answer(receipt))
    return found


@pytest.mark.parametrize(
    ("given", "is_answered", "is_likely", "expected"),
    [
        ((), False, False, 3),
        ((False, False), True, False, 3),
        ((True,), True, False, 4),
        ((True, False, True), True, True, 5),
    ],
)
def test_company_is_likely_when_several_waited(given, is_answered, is_likely, expected):
    company = Company()

    company.note(answers(*given), 3)

    found = (company.is_answered, company.is_likely, company.expected)
    assert found == (is_answered, is_likely, expected)


@pytest.mark.parametrize(("took_s", "worth_s"), [(0.0002, 0.0002), (3.0, COMPANY_S_MAX)])
def test_company_is_worth_a_commit_and_no_more_than_a_millisecond(took_s, worth_s):
    company = Company()

    company.took(took_s)

    assert company.commit_s == worth_s
