"""The alarm on a system that gives no thread, and on a database that can not be read."""

from types import SimpleNamespace

import pytest
from tipman.clock import MICROSECONDS, ManualClock
from tipman.database import DRIVER_ERRORS
from tipman.deadlines import Deadlines
from tipman.errors import DatabaseError
from tipman.receipts import Receipt
from tipman.scheduler import Scheduler


class Reader:
    """Finds nothing due; the next deadline is *first*."""

    def __init__(self, first):
        self.first = first
        self.fault = None

    def fetch(self, text, _parameters=()):
        if self.fault is not None:
            raise self.fault
        return [(self.first,)] if "min(wake_at)" in text else [(1,)] if "count" in text else []

    def close(self):
        pass


class CrowdedClock(ManualClock):
    """A clock of a system that gives no thread at times."""

    crowded = 0

    def call_later(self, delay_s, call):
        if self.crowded:
            self.crowded -= 1
            raise RuntimeError("can't start new thread")
        return super().call_later(delay_s, call)


@pytest.fixture
def clock():
    return CrowdedClock()


@pytest.fixture
def reader(clock):
    return Reader(clock.wall_us() + 100 * MICROSECONDS)


@pytest.fixture
def bus():
    told = []
    return SimpleNamespace(
        publish_nowait=lambda _event: Receipt(), close=told.append, failed=told.append, told=told
    )


@pytest.fixture
def scheduler(clock, bus, reader):
    scheduler = Scheduler(clock, bus, lambda: reader, Deadlines())
    scheduler.start()
    return scheduler


@pytest.mark.usefixtures("scheduler")
def test_an_alarm_that_no_thread_was_there_for_is_armed_when_there_is_one(clock, bus):
    clock.crowded = 2

    clock.advance(30)

    assert clock.crowded == 0
    assert clock.next_alarm_s() == pytest.approx(30, abs=2)
    assert not bus.told


def test_an_alarm_that_could_not_be_armed_earlier_rings_when_it_would_have(clock, scheduler):
    clock.crowded = 1
    with pytest.raises(RuntimeError):
        scheduler.notice(clock.wall_us() + MICROSECONDS)
    assert clock.next_alarm_s() == pytest.approx(30)

    scheduler.notice(clock.wall_us() + 2 * MICROSECONDS)

    assert clock.next_alarm_s() == pytest.approx(2)


@pytest.mark.usefixtures("scheduler")
def test_a_database_that_can_not_be_read_stops_the_engine(clock, bus, reader):
    reader.fault = DRIVER_ERRORS[0]("the server closed the connection")

    clock.advance(30)

    assert [type(each) for each in bus.told] == [DatabaseError] * 2
    assert "no deadline can be read" in str(bus.told[0])


def test_a_reader_that_is_closed_as_the_alarm_rings_is_no_fault(clock, bus, reader, scheduler):
    reader.fault = DRIVER_ERRORS[0]("closed")
    scheduler.close()

    clock.advance(30)

    assert not bus.told
