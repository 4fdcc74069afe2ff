"""Sleep tasks: on a clock that the test moves, and once on the machine's own."""

import json

import pytest
from executors.reported import Reported, start, stop
from tipman.clock import ManualClock, SystemClock
from tipman.events import AttemptInterrupted, AttemptSucceeded, AttemptTimedOut, StopReason
from tipman.executors.sleep import ALARM_S_MAX, SleepExecutor


class CountingClock(ManualClock):
    """Counts the alarms that are set."""

    def __init__(self):
        super().__init__()
        self.alarms = 0

    def call_later(self, delay_s, call):
        self.alarms += 1
        return super().call_later(delay_s, call)


@pytest.fixture
def clock():
    return CountingClock()


@pytest.fixture
def reported():
    return Reported()


@pytest.fixture
def executor(clock, reported):
    executor = SleepExecutor(reported, clock)
    yield executor
    executor.close()


def sleep(duration_s, number=1):
    return start("sleep", {"duration_s": duration_s}, number=number)


def number_of(report):
    return int.from_bytes(report.instance, "big")


def test_a_sleeper_wakes_when_its_time_has_come_and_says_how_long_it_slept(
    executor, clock, reported
):
    executor.start(sleep(2))
    clock.advance(1.999_999)
    assert reported.is_empty()
    clock.advance(0.000_001)

    assert reported.next() == AttemptSucceeded((1).to_bytes(16, "big"), 1, 7, '{"slept_s":2.0}')
    assert clock.next_alarm_s() is None


def test_sleepers_wake_in_the_order_of_their_deadlines(executor, clock, reported):
    for number, duration_s in ((1, 3), (2, 1), (3, 2)):
        executor.start(sleep(duration_s, number))
    clock.advance(3)

    assert [number_of(reported.next()) for _ in range(3)] == [2, 3, 1]


def test_ten_thousand_sleepers_share_one_alarm(executor, clock, reported):
    for number in range(10_000):
        executor.start(sleep(5 + number / 1_000_000, number))
    armed = clock.alarms
    clock.advance(6)

    assert armed == 1
    assert [number_of(reported.next()) for _ in range(10_000)] == list(range(10_000))


@pytest.mark.parametrize("duration_s", [0, 0.1, 0.1 + 0.2, 1 / 3, 1e-9])
def test_no_duration_is_lost_to_rounding(executor, clock, reported, duration_s):
    clock.advance(0.1)
    executor.start(sleep(duration_s))
    clock.advance(1)

    slept_s = json.loads(reported.next().result)["slept_s"]
    assert slept_s == pytest.approx(duration_s, abs=1e-6)


def test_a_sleep_longer_than_any_timer_can_wait_is_waited_for_in_steps(executor, clock, reported):
    executor.start(sleep(1e10))

    assert clock.next_alarm_s() == ALARM_S_MAX
    clock.advance(ALARM_S_MAX)
    assert clock.next_alarm_s() == ALARM_S_MAX
    assert reported.is_empty()


@pytest.mark.parametrize(
    ("reason", "kind"),
    [(StopReason.CANCELLED, AttemptInterrupted), (StopReason.TIMED_OUT, AttemptTimedOut)],
)
def test_stopping_ends_a_sleep_at_once(executor, clock, reported, reason, kind):
    executor.start(sleep(10))
    clock.advance(4)
    executor.stop(stop(reason))
    report = reported.next()
    clock.advance(10)

    assert isinstance(report, kind)
    assert (report.result, report.detached) == ('{"slept_s":4.0}', False)
    assert reported.is_empty()


def test_stopping_one_leaves_the_others_asleep(executor, clock, reported):
    executor.start(sleep(5, 1))
    executor.start(sleep(6, 2))
    executor.stop(stop(number=1))
    executor.stop(stop(number=1))
    executor.stop(stop(number=9))
    reported.next()
    clock.advance(6)

    assert number_of(reported.next()) == 2
    assert reported.is_empty()


def test_a_stop_for_another_attempt_does_nothing(executor, clock, reported):
    executor.start(sleep(1))
    executor.stop(stop(attempt=2))
    clock.advance(1)

    assert isinstance(reported.next(), AttemptSucceeded)


def test_deadlines_of_stopped_sleepers_do_not_pile_up(executor, reported):
    for number in range(1_000):
        executor.start(sleep(1e9, number))
        executor.stop(stop(number=number))
        reported.next()

    assert len(executor._deadlines) < 100


def test_an_alarm_that_rings_as_it_is_replaced_changes_nothing(reported):
    clock = RacingClock()
    executor = SleepExecutor(reported, clock)
    executor.start(sleep(10, 1))
    executor.start(sleep(5, 2))
    clock.advance(10)
    replaced, current = clock.rings
    replaced()

    assert reported.is_empty()
    current()
    assert [number_of(reported.next()) for _ in range(2)] == [2, 1]


class RacingClock(ManualClock):
    """Rings its alarms when the test says so, also those that were called off too late."""

    def __init__(self):
        super().__init__()
        self.rings = []

    def call_later(self, delay_s, call):
        self.rings.append(call)
        return super().call_later(delay_s, lambda: None)


def test_closing_forgets_all_sleepers(executor, clock, reported):
    executor.start(sleep(1))
    executor.close()
    clock.advance(2)

    assert reported.is_empty()


def test_on_the_clock_of_the_machine_a_sleep_is_never_shorter_than_asked():
    reported = Reported()
    executor = SleepExecutor(reported, SystemClock())
    for number, duration_s in enumerate((0.05, 0.02, 0.0)):
        executor.start(sleep(duration_s, number))

    found = {number_of(report): report for report in (reported.next() for _ in range(3))}
    executor.close()

    for number, duration_s in enumerate((0.05, 0.02, 0.0)):
        assert json.loads(found[number].result)["slept_s"] >= duration_s


class CrowdedClock(ManualClock):
    """A clock of a system that gives no thread at times."""

    is_crowded = False

    def call_later(self, delay_s, call):
        if self.is_crowded:
            raise RuntimeError("can't start new thread")
        return super().call_later(delay_s, call)

    def wait(self, seconds):
        super().wait(seconds)
        self.is_crowded = False


def test_sleepers_wake_though_for_a_while_there_was_no_thread_for_the_alarm(reported):
    clock = CrowdedClock()
    executor = SleepExecutor(reported, clock)
    for number, duration_s in ((1, 1), (2, 1.5), (3, 60)):
        executor.start(sleep(duration_s, number))

    clock.is_crowded = True
    clock.advance(1)
    clock.advance(1)
    clock.advance(60)

    assert [number_of(reported.next()) for _ in range(3)] == [1, 2, 3]


def test_a_sleeper_for_whom_there_was_no_thread_holds_up_no_other(reported):
    clock = CrowdedClock()
    executor = SleepExecutor(reported, clock)
    executor.start(sleep(60))

    clock.is_crowded = True
    with pytest.raises(RuntimeError):
        executor.start(sleep(1, 2))
    clock.is_crowded = False
    executor.start(sleep(2, 3))
    clock.advance(2)

    assert [number_of(reported.next()) for _ in range(2)] == [2, 3]
