"""Starts: what is done before anything new is accepted, and what is not waited for."""

from functools import partial

from core.house import PLAIN
from tipman.clock import SystemClock
from tipman.core import Core
from tipman.definitions import task_of
from tipman.events import AttemptSucceeded
from tipman.ids import IdSource
from tipman.queries import count_open
from tipman.settings import Durability, Settings
from tipman.submission import Submitter

BACKLOG = 500
SETTINGS = Settings(slots=8, durability=Durability.NORMAL)


class Quick:
    """Implements the port of the executors: every attempt succeeds at once."""

    def __init__(self, worker):
        self._worker = worker

    def start(self, attempt):
        self._worker.report(
            AttemptSucceeded(attempt.instance, attempt.attempt, attempt.epoch, "null")
        )

    def stop(self, attempt):
        """There is nothing left to stop."""

    def close(self):
        """There is nothing to let go of."""


class Idle(Quick):
    """As above, but nothing ends."""

    def start(self, attempt):
        """Let it run for ever."""


def core_on(url, kind):
    return Core(url, SETTINGS, SystemClock(), lambda worker: {"sleep": partial(kind, worker)})


def test_a_long_backlog_does_not_hold_up_the_start(tmp_path):
    url = f"sqlite:///{tmp_path / 'tipman.db'}"
    first = core_on(url, Idle)
    first.recover()
    tasks = [task_of({**PLAIN, "name": f"t{i}"}) for i in range(BACKLOG)]
    ids = IdSource(lambda: SystemClock().wall_us() // 1000)
    first.bus.publish_nowait(Submitter(ids).batch(tasks, actor="tester"))
    first.bus.drain()
    first.close()

    second = core_on(url, Quick)
    lost = second.recover()
    left = count_open(second.database)

    # Those that ran are closed as lost and queued again; what was queued has only begun.
    assert lost == SETTINGS.slots
    assert left > BACKLOG // 2
    while second.bus.drain():
        pass
    assert count_open(second.database) == 0
    second.close()
