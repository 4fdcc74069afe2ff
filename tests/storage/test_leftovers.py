"""Events that a bounded drain has not reached: rows in its transaction, gone when handled."""

import pytest
from core.house import PLAIN, WAIT

WIDTH = 12


@pytest.fixture(params=["EVENTS_MAX", "ROWS_MAX"])
def narrow(request, monkeypatch):
    """Let a drain handle one event only, by either limit."""
    monkeypatch.setattr(f"tipman.bus.{request.param}", 1)


def left(house):
    return house.reader.fetch("SELECT count(*) FROM inbox")[0][0]


def fan_out(house):
    first, *rest = house.submit(
        {**PLAIN, "key": "first", "after_s": 60},
        *({**PLAIN, "dependencies": ["first"]} for _ in range(WIDTH)),
    )
    return first, rest


def cancel_without_reaching_the_rest(house, identifier):
    house.core.bus.publish_nowait(house.request("cancel.requested", identifier))
    house.core.bus.drain()
    assert left(house) > 1


@pytest.mark.usefixtures("narrow")
def test_what_a_drain_does_not_reach_is_on_disk_until_it_is_handled(house):
    first, rest = fan_out(house)

    cancel_without_reaching_the_rest(house, first)
    before = left(house)
    house.core.bus.drain()
    assert left(house) == before - 1
    house.rest()

    assert left(house) == 0
    assert house.states(first, *rest) == ["cancelled", *["skipped"] * WIDTH]


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("drains", [0, 3])
def test_a_crash_in_between_loses_none_and_repeats_none(house, drains):
    first, rest = fan_out(house)
    cancel_without_reaching_the_rest(house, first)
    for _ in range(drains):
        house.core.bus.drain()

    house.crash()

    assert left(house) == 0
    assert house.states(*rest) == ["skipped"] * WIDTH
    assert {tuple(house.names(i)) for i in rest} == {
        ("task.submitted", "dependency.settled", "task.settled")
    }


@pytest.mark.usefixtures("narrow")
def test_two_crashes_in_between_lose_none(house):
    first, rest = fan_out(house)
    cancel_without_reaching_the_rest(house, first)
    house.crash()
    house.core.bus.publish_nowait(house.request("retry.requested", first))
    house.core.bus.drain()
    assert left(house) > 1
    house.crash()

    assert left(house) == 0
    assert house.states(first, *rest) == ["running", *["waiting"] * WIDTH]
    house.fail(first)
    assert house.states(*rest) == ["skipped"] * WIDTH


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("result", ["early 🦊", {"id": "x"}, None, [1, {"id": "00"}]])
def test_an_early_report_that_was_not_reached_is_kept_with_its_data(house, result):
    first = house.task(key="first", after_s=60)
    (wait,) = house.submit({**WAIT, "dependencies": ["first"]})
    house.ask("finish.reported", wait, result)
    house.clock.advance(60)
    house.rest()
    house.core.worker.report(house.success(first))
    while house.state(wait) != "awaiting":
        assert house.core.bus.drain()
    assert left(house) == 1

    house.crash()

    assert house.state(wait) == "succeeded"
    assert house.result(wait) == result
    assert left(house) == 0


def test_a_drain_that_reaches_all_leaves_no_rows(house):
    first, rest = fan_out(house)

    house.cancel(first)

    assert left(house) == 0
    assert house.states(*rest) == ["skipped"] * WIDTH
