"""The bus: first in first out, one commit for all, and what happens when something breaks."""

import logging
from contextlib import suppress

import pytest
from core.house import PLAIN, WAIT
from tipman.database import Database
from tipman.errors import (
    DatabaseError,
    InvalidError,
    KeyExistsError,
    TipmanError,
    UnavailableError,
)
from tipman.events import (
    AttemptFailed,
    AttemptSucceeded,
    CancelRequested,
    Failure,
    TimerFired,
)


def submission(house, *tasks):
    return house.submitter.batch([house.checked(task) for task in tasks], actor="tester")


def position(house, identifier):
    rows = house.reader.fetch(
        "SELECT min(position) FROM log_entry WHERE instance = ?", (identifier,)
    )
    return rows[0][0]


def test_what_is_published_is_handled_in_order_and_committed_together(house):
    events = [submission(house, PLAIN) for _ in range(50)]
    before = len(house.commits)

    house.publish(*reversed(events))

    ids = [event.instance for event in reversed(events)]
    positions = [position(house, i) for i in ids]
    assert positions == sorted(positions)
    assert len([entries for entries in house.commits[before:] if entries]) == 1


def test_nothing_is_acknowledged_before_it_is_on_disk(house):
    receipt = house.core.bus.publish_nowait(event := submission(house, PLAIN))
    seen = []
    house.core.committed = lambda _: seen.append(
        (house.is_known(event.instance), receipt.is_decided)
    )

    assert not receipt.is_decided
    assert not house.is_known(event.instance)
    with pytest.raises(TimeoutError):
        receipt.result(0)
    house.rest()

    assert seen == [(True, False)]
    assert receipt.is_decided
    receipt.result(0)


def test_effects_come_after_the_commit(house):
    event = submission(house, PLAIN)
    states = []
    start = house.hand.start
    house.hand.start = lambda attempt: (states.append(house.state(event.instance)), start(attempt))

    house.publish(event)

    assert states == ["running"]


def test_a_refused_event_takes_no_other_with_it(house):
    house.task(key="taken")
    good, bad, other = (
        submission(house, task) for task in (PLAIN, {**PLAIN, "key": "taken"}, PLAIN)
    )
    receipts = house.core.bus.publish_many([good, bad, other])
    house.rest()

    receipts[0].result(0)
    receipts[2].result(0)
    with pytest.raises(KeyExistsError):
        receipts[1].result(0)
    assert [house.is_known(e.instance) for e in (good, bad, other)] == [True, False, True]


def test_a_failing_handler_undoes_its_own_event_only_and_is_recorded(house, caplog):
    identifier = house.task()
    before = house.view(identifier)
    broken = AttemptSucceeded(identifier, 1, house.core.epoch, None)
    good, other = submission(house, PLAIN), submission(house, PLAIN)

    with caplog.at_level(logging.ERROR):
        receipts = house.core.bus.publish_many([good, broken, other])
        house.rest()

    with pytest.raises(TypeError):
        receipts[1].result(0)
    assert house.state(good.instance) == house.state(other.instance) == "running"
    assert house.view(identifier) == before
    assert house.failure is None
    last = house.log(identifier)[-1]
    assert (last["name"], last["data"]["event"]) == ("event.failed", "attempt.succeeded")
    assert "TypeError" in last["data"]["error"]
    assert "the handler of attempt.succeeded failed" in caplog.text
    house.succeed(identifier)
    assert house.state(identifier) == "succeeded"


HALF_DONE = "what became of the failure is staged before its words are written, which can fail"


@pytest.mark.parametrize("words", ["\0", "\ud800"])
def test_a_failure_whose_words_can_not_be_stored_leaves_the_attempt_as_it_was(house, words):
    identifier = house.task()
    broken = AttemptFailed(identifier, 1, house.core.epoch, Failure("exception", words))

    with suppress(TipmanError):
        house.publish(broken)

    if house.state(identifier) == "running":
        assert house.core.frontier.slots_taken == 1
        assert house.attempts(identifier) == []
        house.succeed(identifier)
    assert house.view(identifier)["settled"]
    assert house.failure is None


def test_a_refused_report_from_outside_leaves_the_wait_as_it_was(house):
    (identifier,) = house.submit(WAIT)

    with pytest.raises(InvalidError):
        house.ask("fail.reported", identifier, "\ud800")

    assert house.attempts(identifier) == []
    house.ask("finish.reported", identifier)
    assert house.state(identifier) == "succeeded"


def test_an_event_that_nobody_handles_is_refused_and_harms_nothing(house, caplog):
    class Unheard(TimerFired):
        """A kind of event without a handler."""

    with caplog.at_level(logging.ERROR), pytest.raises(KeyError):
        house.publish(Unheard(bytes(16)))

    assert house.failure is None
    assert house.task()


def test_a_report_of_nobody_is_dropped(house):
    house.core.bus.report(AttemptSucceeded(bytes(16), 1, house.core.epoch, "null"))

    house.rest()

    assert house.failure is None


def test_a_cascade_of_ten_thousand_events_is_a_loop(house):
    # Each step asks the database a few things, which takes longer where that is a server.
    length = 10_000 if house.core.database.is_sqlite else 2_000
    tasks = [{**PLAIN, "key": "0", "after_s": 60}]
    tasks += [{**PLAIN, "key": f"{n}", "dependencies": [f"{n - 1}"]} for n in range(1, length)]
    ids = house.submit(*tasks)

    house.cancel(ids[0])

    rows = house.reader.fetch("SELECT state, count(*) FROM instance GROUP BY state")
    assert dict(rows) == {"cancelled": 1, "skipped": length - 1}
    assert house.failure is None


def test_a_timer_for_nobody_changes_nothing(house):
    identifier = house.task()
    before = house.log(identifier)

    house.publish(TimerFired(identifier), TimerFired(bytes(16)))

    assert house.log(identifier) == before


# A database that breaks.


def from_outside(house, statement, *parameters):
    database = Database(house.url)
    database.open()
    with database.transaction():
        changed = database.execute(statement, parameters)
    database.close()
    assert changed


def test_a_row_that_somebody_else_changed_stops_the_engine(house):
    identifier = house.task()
    other = submission(house, PLAIN)
    from_outside(house, "UPDATE instance SET sequence = 99 WHERE id = ?", identifier)

    receipts = house.core.bus.publish_many([other, CancelRequested(identifier, "tester", None)])
    house.core.bus.drain()

    for receipt in receipts:
        with pytest.raises(DatabaseError, match="changed by somebody else"):
            receipt.result(0)
    assert isinstance(house.failure, DatabaseError)
    assert not house.is_known(other.instance), "nothing of the drain was kept"
    assert house.view(identifier)["state"] == "running"


def test_an_engine_that_stopped_acknowledges_nothing_more(house):
    identifier = house.task()
    from_outside(house, "UPDATE instance SET sequence = 99 WHERE id = ?", identifier)
    house.core.bus.publish_nowait(CancelRequested(identifier, "tester", None))
    house.core.bus.drain()

    receipt = house.core.bus.publish_nowait(event := submission(house, PLAIN))
    house.core.bus.drain()

    with pytest.raises(DatabaseError):
        receipt.result(0)
    assert not house.is_known(event.instance)


def test_a_row_that_nobody_else_changed_does_not_stop_it(house):
    """Control for the two above: the outside write alone does no harm."""
    identifier, other = house.submit(PLAIN, PLAIN)
    from_outside(house, "UPDATE instance SET sequence = 99 WHERE id = ?", other)

    house.cancel(identifier)

    assert house.failure is None


def test_a_row_that_was_deleted_stops_the_engine(house):
    identifier = house.task()
    from_outside(house, "DELETE FROM instance WHERE id = ?", identifier)

    receipt = house.core.bus.publish_nowait(CancelRequested(identifier, "tester", None))
    house.core.bus.drain()

    with pytest.raises(DatabaseError):
        receipt.result(0)


def test_a_bus_that_is_closed_answers_all_that_wait(house):
    receipts = house.core.bus.publish_many([submission(house, PLAIN) for _ in range(3)])

    house.core.bus.close(UnavailableError("it is over"))
    receipts.append(house.core.bus.publish_nowait(submission(house, PLAIN)))

    for receipt in receipts:
        with pytest.raises(UnavailableError, match="it is over"):
            receipt.result(0)
    assert not house.core.bus.drain()
