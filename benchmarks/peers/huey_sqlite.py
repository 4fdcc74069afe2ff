"""huey on SQLite: no-op tasks from producers in threads, and how soon an idle one starts.

One worker; it polls every millisecond instead of every 100, so that it starts tasks soon.
"""

import argparse
import os
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import huey
from huey.signals import SIGNAL_COMPLETE
from metering import Countdown, Meter, durability, emit, memory, percentile

POLL_S = 0.001
WARM_UP = 50
TIMEOUT_S = 300


class Bench:
    """One huey with its consumer, in this process."""

    def __init__(self, folder: Path) -> None:
        self.huey = huey.SqliteHuey("bench", filename=str(folder / "huey.db"), fsync=True)
        self.settled = Countdown()
        self.started: dict[int, float] = {}
        self.noop = self.huey.task()(self._noop)
        self.mark = self.huey.task()(self._mark)
        self.huey.signal(SIGNAL_COMPLETE)(lambda _signal, _task: self.settled.count())
        consumer = self.huey.create_consumer(
            workers=1,
            periodic=False,
            check_worker_health=False,
            initial_delay=POLL_S,
            backoff=1.0,
            max_delay=2 * POLL_S,
        )
        consumer.start()
        self.produce(WARM_UP, 1)

    @staticmethod
    def _noop(i: int) -> int:
        return i

    def _mark(self, i: int) -> int:
        self.started[i] = time.perf_counter()
        return i

    def produce(self, count: int, producers: int) -> Meter:
        """Enqueue *count* tasks from *producers* threads, until all have completed."""
        share = count // producers
        self.settled.expect(share * producers)
        threads = [threading.Thread(target=self._produce, args=(share,)) for _ in range(producers)]
        with Meter() as meter:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.settled.wait(TIMEOUT_S)
        return meter

    def _produce(self, count: int) -> None:
        for i in range(count):
            self.noop(i)

    def latencies(self, samples: int, pause_s: float) -> list[float]:
        """Return the seconds from enqueueing to the start, the consumer having been idle."""
        taken = []
        for i in range(samples):
            self.settled.expect(1)
            begun = time.perf_counter()
            self.mark(i)
            self.settled.wait(TIMEOUT_S)
            taken.append(self.started[i] - begun)
            time.sleep(pause_s)
        return taken


def main() -> None:
    """Run one scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", choices=["produce", "latency"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--producers", type=int, default=1)
    parser.add_argument("--pause-s", type=float, default=0.02)
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.data) as folder:
        bench = Bench(Path(folder))
        readings = {}
        if options.scenario == "produce":
            readings = bench.produce(options.count, options.producers).rates(options.count)
        else:
            latencies = bench.latencies(options.count, options.pause_s)
            readings = {
                "latency_p50_ms": percentile(latencies, 50) * 1e3,
                "latency_p99_ms": percentile(latencies, 99) * 1e3,
            }
        in_force = durability(bench.huey.storage.conn)
        emit("huey", "huey", durability=in_force, **readings, **memory())
    # The consumer's threads would be joined at exit, and they poll on.
    os._exit(0)


if __name__ == "__main__":
    main()
