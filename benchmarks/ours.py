"""Our engine: one scenario a run, one JSON line of what it took.

Every scenario ends with a look at the rows: all tasks succeeded, and no line of a log is missing.
"""

import argparse
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from metering import Countdown, Meter, durability, emit, memory, percentile
from tipman import Engine, task

SLOTS = 64
WARM_UP = 50
TIMEOUT_S = 300
LOOK_S = 0.002
"""How often the onlooker looks, once all have run: earlier, it would take a tenth of the time."""
REQUEST_TASKS_MAX = 1000
"""Tasks in one call of `submit_batch`, as a client of a server would send them."""

# The registry of a namespace lives as long as the namespace.
_ANY_OPEN = "SELECT 1 FROM instance WHERE settled_at IS NULL AND kind <> 'registry' LIMIT 1"
_started: dict[int, float] = {}
_mark = threading.Event()
_ran = Countdown()
Readings = dict[str, float]
Shape = Callable[[int], list[dict[str, Any]]]


@task
def noop(i: int) -> int:
    """Do nothing but be counted."""
    _ran.count()
    return i


@task
def mark(i: int) -> int:
    """Tell when it started."""
    _started[i] = time.perf_counter()
    _mark.set()
    return i


class Bench:
    """One engine, in this process, and somebody who looks at its database from outside."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self.engine = engine
        self._onlooker = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        self._onlooker.execute("PRAGMA query_only=1")

    @contextmanager
    def settling(self, count: int) -> Iterator[None]:
        """Wait at the end of the block until *count* runs of `noop` are over and nothing is open.

        Waiting by handles, or listening, would be work for the engine.
        """
        _ran.expect(count)
        yield
        _ran.wait(TIMEOUT_S)
        deadline = time.perf_counter() + TIMEOUT_S
        while self._onlooker.execute(_ANY_OPEN).fetchone() is not None:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"tasks are still open after {TIMEOUT_S} s")
            time.sleep(LOOK_S)

    def futures(self, count: int) -> Meter:
        """Submit without waiting for the disk, then see that all were acknowledged."""
        submit = self.engine.submit_nowait
        with Meter() as meter, self.settling(count):
            handles = [submit(noop, i=i) for i in range(count)]
            for handle in handles:
                handle.acknowledged()
        return meter

    def batches(self, count: int) -> Meter:
        """Submit in bulk: many calls of one function at once."""
        with Meter() as meter, self.settling(count):
            for low in range(0, count, REQUEST_TASKS_MAX):
                high = min(low + REQUEST_TASKS_MAX, count)
                self.engine.submit_many(noop, [{"i": i} for i in range(low, high)])
        return meter

    def waiting(self, count: int, publishers: int) -> Meter:
        """Submit from threads that wait for the disk each time."""
        share = count // publishers
        threads = [
            threading.Thread(target=self._publish, args=(share,)) for _ in range(publishers)
        ]
        with Meter() as meter, self.settling(share * publishers):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return meter

    def _publish(self, count: int) -> None:
        for i in range(count):
            self.engine.submit(noop, i=i)

    def latencies(self, samples: int, pause_s: float) -> list[float]:
        """Return the seconds from submitting to the start, the engine having been idle."""
        taken = []
        for i in range(samples):
            _mark.clear()
            begun = time.perf_counter()
            self.engine.submit(mark, i=i)
            _mark.wait(TIMEOUT_S)
            taken.append(_started[i] - begun)
            time.sleep(pause_s)
        return taken

    def graphs(self, shape: Shape, count: int, times: int) -> Meter:
        """Submit a graph of *count* tasks as one batch, *times* over, one after another."""
        batches = [_renamed(shape(count), time_) for time_ in range(times)]
        with Meter() as meter:
            for batch in batches:
                with self.settling(len(batch)):
                    self.engine.submit_batch(batch)
        return meter

    def idle(self, seconds: float) -> float:
        """Return CPU seconds a second while nothing happens and one task is due in an hour."""
        self.engine.submit(noop.options(after_s=3600), i=0)
        time.sleep(1)
        with Meter() as meter:
            time.sleep(seconds)
        return meter.cpu_s / meter.wall_s


def chain(count: int) -> list[dict[str, Any]]:
    """Return tasks one after another."""
    return [_noop_task(i, [str(i - 1)] if i else []) for i in range(count)]


def fan(count: int) -> list[dict[str, Any]]:
    """Return tasks side by side, between one before and one after."""
    middle = [str(i) for i in range(1, count + 1)]
    return [
        _noop_task(0),
        *(_noop_task(i, ["0"]) for i in range(1, count + 1)),
        _noop_task(count + 1, middle),
    ]


def _noop_task(i: int, dependencies: Iterable[str] | None = None) -> dict[str, Any]:
    arguments = {"task": noop.name, "args": {"i": i}}
    plain = {"type": "inline", "name": "noop", "arguments": arguments}
    if dependencies is None:
        return plain
    return {**plain, "key": str(i), "dependencies": list(dependencies)}


def _renamed(tasks: list[dict[str, Any]], time_: int) -> list[dict[str, Any]]:
    # Keys are unique in a database, so those of each round have its number before them.
    return [
        {
            **task_,
            "key": f"r{time_}.{i}",
            "dependencies": [f"r{time_}.{key}" for key in task_.get("dependencies", ())],
        }
        for i, task_ in enumerate(tasks)
    ]


def measure(bench: Bench, options: argparse.Namespace) -> Readings:
    """Run the scenario that was asked for."""
    count = options.count
    if options.scenario == "latency":
        latencies = bench.latencies(count, options.pause_s)
        return {
            "latency_p50_ms": percentile(latencies, 50) * 1e3,
            "latency_p99_ms": percentile(latencies, 99) * 1e3,
        }
    if options.scenario == "idle":
        return {"idle_cpu_share": bench.idle(options.idle_s)}
    scenarios: Mapping[str, Callable[[], Meter]] = {
        "futures": partial(bench.futures, count),
        "batches": partial(bench.batches, count),
        "waiting": partial(bench.waiting, count, options.publishers),
        "chain": partial(bench.graphs, chain, count, options.times),
        "fan": partial(bench.graphs, fan, count, options.times),
    }
    return scenarios[options.scenario]().rates(count * options.times)


def check(path: Path) -> Readings:
    """Read the database that was left: nothing unsettled, no gap in a log.

    Raises:
        AssertionError: something is missing, so that what was measured is not what was promised.
    """
    connection = sqlite3.connect(path)
    succeeded, open_, rows = connection.execute(
        "SELECT sum(state = 'succeeded'), sum(settled_at IS NULL), count(*) FROM instance"
        " WHERE kind <> 'registry'"
    ).fetchone()
    gaps, lines = connection.execute(
        "SELECT sum(lines != last), sum(lines) FROM"
        " (SELECT count(*) AS lines, max(sequence) AS last FROM log_line GROUP BY instance)"
    ).fetchone()
    connection.close()
    assert succeeded + open_ == rows, f"{rows - succeeded - open_} tasks did not succeed"
    assert open_ <= 1, f"{open_} tasks are open"
    assert gaps == 0, f"{gaps} logs have gaps"
    return {"log_lines_per_task": lines / rows}


def main() -> None:
    """Run one scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    scenarios = ["futures", "batches", "waiting", "latency", "chain", "fan", "idle"]
    parser.add_argument("scenario", choices=scenarios)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--publishers", type=int, default=1)
    parser.add_argument("--pause-s", type=float, default=0.02)
    parser.add_argument("--idle-s", type=float, default=5.0)
    options = parser.parse_args()
    opened = remember_connections()
    with TemporaryDirectory(dir=options.data) as folder:
        path = Path(folder) / "tipman.db"
        with Engine(f"sqlite:///{path}", slots=SLOTS) as engine:
            bench = Bench(engine, path)
            bench.futures(WARM_UP)
            readings = {**measure(bench, options), **memory()}
            in_force = writers_durability(opened)
        readings |= check(path)
    emit("tipman", "tipman", durability=in_force, slots=SLOTS, **readings)


def remember_connections() -> list[sqlite3.Connection]:
    """Return a list that takes every SQLite connection opened from now on.

    What is in force can be asked only of the connection itself, and the engine shows it to nobody.
    """
    opened: list[sqlite3.Connection] = []

    class Remembered(sqlite3.Connection):
        def __init__(self, *args: object, **kwargs: object) -> None:
            # Whatever came is passed on as it came.
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]
            opened.append(self)

    # Replaced on purpose, to see the settings that the engine's own connection has.
    sqlite3.connect = partial(sqlite3.connect, factory=Remembered)  # type: ignore[assignment]
    return opened


def writers_durability(opened: Iterable[sqlite3.Connection]) -> str:
    """Return what is in force on those that write."""
    found = set()
    for connection in opened:
        try:
            read_only = connection.execute("PRAGMA query_only").fetchone() == (1,)
        except sqlite3.ProgrammingError:
            continue  # it was closed, so it is not the one that writes
        if not read_only:
            found.add(durability(connection))
    return "+".join(sorted(found))


if __name__ == "__main__":
    main()
