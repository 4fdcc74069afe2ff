"""The pool of threads: everything put is worked on once, in order, by no more than it takes."""

import sys
import threading
from queue import Queue

import pytest
from executors.reported import PATIENCE_S
from tipman.clock import SystemClock
from tipman.executors.threads import Threads


class Pool:
    """Threads that call what is put; what came of it stands in `delivered`."""

    def __init__(self, threads_max):
        self.delivered = Queue()
        self._threads = Threads(
            lambda call: call(),
            lambda _call, outcome: self.delivered.put(outcome),
            name="pool",
            threads_max=threads_max,
        )
        self.put = self._threads.put

    def take(self, count):
        return [self.delivered.get(timeout=PATIENCE_S) for _ in range(count)]

    def close(self):
        self._threads.close(SystemClock())


@pytest.fixture
def pool(request):
    pool = Pool(request.param)
    yield pool
    pool.close()


@pytest.fixture
def restless():
    """Have the interpreter change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def name_of_thread():
    return threading.current_thread().name


@pytest.mark.parametrize("pool", [1], indirect=True)
def test_one_thread_takes_what_is_put_in_order(pool):
    for number in range(100):
        pool.put(lambda number=number: number)

    assert pool.take(100) == list(range(100))


@pytest.mark.parametrize("pool", [1000], indirect=True)
def test_a_row_of_quick_items_does_not_have_a_thread_each(pool):
    for _ in range(1000):
        pool.put(name_of_thread)

    assert len(set(pool.take(1000))) < 100


@pytest.mark.parametrize("pool", [20], indirect=True)
def test_items_that_wait_for_one_another_have_a_thread_each(pool):
    all_are_there = threading.Barrier(20)
    for _ in range(20):
        pool.put(lambda: all_are_there.wait(PATIENCE_S))

    assert sorted(pool.take(20)) == list(range(20))


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("pool", [1, 2, 8], indirect=True)
def test_nothing_is_left_alone_that_is_put_as_a_thread_goes_to_rest(pool):
    for number in range(5_000):
        pool.put(lambda number=number: number)
        assert pool.take(1) == [number]


def test_what_a_delivery_sets_off_is_done_by_the_same_thread():
    names, done = [], threading.Event()

    def deliver(number, name):
        names.append(name)
        if number:
            threads.put(number - 1)
        else:
            done.set()

    threads = Threads(lambda _number: name_of_thread(), deliver, name="pool", threads_max=8)
    threads.put(99)

    assert done.wait(PATIENCE_S)
    threads.close(SystemClock())
    assert names == ["pool-0"] * 100
