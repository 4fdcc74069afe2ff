"""Memory is a cache of committed rows: what it forgot is read again, and nothing is different."""

import pytest
from core.house import PLAIN, WAIT
from tipman.errors import NotFoundError

COUNT = 20


@pytest.fixture(autouse=True)
def short_memory(monkeypatch):
    """Forget nearly all after each commit."""
    monkeypatch.setattr("tipman.tipman.CACHE_MAX", 2)
    monkeypatch.setattr("tipman.runs.ledger.RECORDS_MAX", 2)


def test_forgotten_tasks_go_on_as_if_remembered(build):
    house = build(slots=2)
    firsts = house.submit(*({**PLAIN, "key": f"{n}", "after_s": n % 3} for n in range(COUNT)))
    lasts = house.submit(*({**PLAIN, "dependencies": [f"{n}"]} for n in range(COUNT)))
    waits = house.submit(*[{**WAIT, "timeout_s": 100}] * COUNT)
    house.advance(5)

    while house.hand.open:
        house.succeed(next(iter(house.hand.open)))
    for wait in waits[::2]:
        house.ask("finish.reported", wait)
    house.advance(100)

    assert house.states(*firsts, *lasts) == ["succeeded"] * 2 * COUNT
    assert house.states(*waits) == ["succeeded", "failed"] * (COUNT // 2)


def test_forgotten_tasks_are_suspended_and_come_back_by_history(house):
    delayed = house.submit(*[{**PLAIN, "after_s": 50}] * COUNT)
    for identifier in delayed:
        house.suspend(identifier)
    for identifier in delayed:
        house.resume(identifier)

    assert house.states(*delayed) == ["delayed"] * COUNT
    for identifier in delayed:
        house.cancel(identifier)
        house.retry(identifier)
    assert set(house.states(*delayed)) == {"running", "queued"}


def test_what_has_settled_has_nowhere_to_come_back_to(house):
    identifier = house.task()
    house.suspend(identifier)
    house.fail(identifier)

    histories = house.core.database.fetch("SELECT history FROM instance WHERE kind = 'task'")

    assert histories == [(None,)]
    house.retry(identifier)
    house.suspend(identifier)
    house.resume(identifier)
    assert house.configuration(identifier) == "executing"


def test_what_never_existed_is_not_found_whatever_memory_holds(house):
    house.submit(*[PLAIN] * COUNT)

    with pytest.raises(NotFoundError):
        house.cancel(bytes(15) + b"\7")


def test_the_input_of_a_run_that_was_forgotten_is_read_again(build):
    house = build(slots=1)
    argv = {"argv": ["echo", "{context.n}"]}
    for n in range(COUNT):
        house.run({"name": f"{n}", "type": "exec", "arguments": argv}, input={"n": n})

    while house.hand.open:
        house.succeed(next(iter(house.hand.open)))

    assert [start.arguments["argv"][1] for start in house.hand.started] == [
        f"{n}" for n in range(COUNT)
    ]
