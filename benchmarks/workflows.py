"""Our workflows: what a node of a run costs, how soon one follows another, how large one may be.

`chain`, `fan` and `layers` run one workflow of `--count` no-op tasks, `--times` over; `submit`
hands in one that does not go on; `follow` measures from the return of one task's function to the
start of the next one's, while a thousand other runs are open.
"""

import argparse
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from metering import Meter, emit, memory, percentile
from ours import SLOTS, Bench, noop, remember_connections, writers_durability
from tipman import Engine, task

LAYER_SHARE = 0.8
"""A layer of 50,000 tasks has 250: of so many layers there are four for each five of its width."""
ABOVE = 2
"""Of the layer before, each task waits for so many."""
OPEN_RUNS = 1_000
TIMEOUT_S = 300
WARM_UP = 50
_returned: dict[int, float] = {}
_started: dict[int, float] = {}
_ended = threading.Event()
Given = dict[str, Any]
Readings = dict[str, object]
Shape = Callable[[int], list[Given]]


@task
def follow(i: int, last: int) -> None:
    """Tell when it started, and when it is about to return."""
    _started[i] = time.perf_counter()
    if i == last:
        _ended.set()
    _returned[i] = time.perf_counter()


def chain(count: int) -> list[Given]:
    """Return tasks one after another."""
    return [_noop(i, [i - 1] if i else []) for i in range(count)]


def fan(count: int) -> list[Given]:
    """Return tasks side by side, between one before and one after."""
    middle = range(1, count - 1)
    return [_noop(0, []), *(_noop(i, [0]) for i in middle), _noop(count - 1, [*middle])]


def layers(count: int) -> list[Given]:
    """Return layers, 200 of 250 for 50,000; each task waits for two of the layer before."""
    width = max(round((count / LAYER_SHARE) ** 0.5), ABOVE)
    return [
        _noop(i, [] if i < width else [_above(i, n, width) for n in range(ABOVE)])
        for i in range(count)
    ]


def _above(i: int, nth: int, width: int) -> int:
    layer, place = divmod(i, width)
    return (layer - 1) * width + (place + nth) % width


SHAPES: Mapping[str, Shape] = {"chain": chain, "fan": fan, "layers": layers}


def _noop(i: int, dependencies: list[int]) -> Given:
    return {
        "name": f"n{i}",
        "type": "inline",
        "arguments": {"task": noop.name, "args": {"i": i}},
        "dependencies": [f"n{d}" for d in dependencies],
    }


def settle(folder: Path, shape: Shape, count: int, times: int) -> Readings:
    """Run a workflow of so many tasks, so many times, one after another."""
    opened = remember_connections()
    path = folder / "tipman.db"
    with _engine(path) as engine:
        bench = Bench(engine, path)
        bench.futures(WARM_UP)
        engine.add_workflow({"name": "flow", "tasks": shape(count)})
        # What it takes to make a run ready to be written down is what `submit` measures.
        runs = [engine.run_submission("flow", {}, actor="bench") for _ in range(times)]
        with Meter() as meter:
            for run in runs:
                with bench.settling(count):
                    engine.core.bus.publish_nowait(run).result()
        in_force = writers_durability(opened)
    check(path, times)
    return {"durability": in_force, **meter.rates(count * times)}


def submit(folder: Path, count: int) -> Readings:
    """Hand in a run of so many tasks; the first of them waits for somebody."""
    path = folder / "tipman.db"
    tasks = layers(count)
    gate = {"name": "gate", "type": "wait", "arguments": {}}
    tasks = [{**each, "dependencies": each["dependencies"] or ["gate"]} for each in tasks]
    with _engine(path) as engine:
        with Meter() as adding:
            engine.add_workflow({"name": "flow", "tasks": [gate, *tasks]})
        del tasks
        with Meter() as meter:
            engine.run_workflow("flow")
    return {"add_s": adding.wall_s, "submit_s": meter.wall_s, "nodes": count}


def between(folder: Path, count: int) -> Readings:
    """Let so many tasks follow one another while a thousand runs are open."""
    opened = remember_connections()
    path = folder / "tipman.db"
    with _engine(path) as engine:
        engine.add_workflow({"name": "open", "tasks": _open()})
        for _ in range(OPEN_RUNS):
            engine.run_workflow("open")
        engine.run_workflow({"name": "follow", "tasks": _following(count)})
        if not _ended.wait(TIMEOUT_S):
            raise TimeoutError(f"it has not come to its end within {TIMEOUT_S} s")
        in_force = writers_durability(opened)
    gaps = [(_started[i + 1] - _returned[i]) * 1e3 for i in range(count - 1)]
    return {
        "durability": in_force,
        "follow_p50_ms": percentile(gaps, 50),
        "follow_p99_ms": percentile(gaps, 99),
    }


def _open() -> list[Given]:
    waits = {"name": "asks", "type": "wait", "arguments": {}}
    return [waits, {**_noop(0, []), "dependencies": ["asks"]}]


def _following(count: int) -> list[Given]:
    arguments = ({"i": i, "last": count - 1} for i in range(count))
    return [
        {**each, "arguments": {"task": follow.name, "args": args}}
        for each, args in zip(chain(count), arguments, strict=True)
    ]


def check(path: Path, runs: int) -> None:
    """Read the database that was left.

    Raises:
        AssertionError: something did not succeed, so that what was measured is not the work.
    """
    connection = sqlite3.connect(path)
    try:
        found = dict(
            connection.execute(
                "SELECT kind || ' ' || state, count(*) FROM instance"
                " WHERE kind IN ('run', 'task') GROUP BY 1"
            )
        )
        assert found.get("run succeeded") == runs, found
        assert {*found} <= {"run succeeded", "task succeeded"}, found
    finally:
        connection.close()


def _engine(path: Path) -> Engine:
    return Engine(f"sqlite:///{path}", slots=SLOTS)


def main() -> None:
    """Run one scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", choices=[*SHAPES, "submit", "follow"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.data) as name:
        folder = Path(name)
        if options.scenario == "submit":
            readings = submit(folder, options.count)
        elif options.scenario == "follow":
            readings = between(folder, options.count)
        else:
            readings = settle(folder, SHAPES[options.scenario], options.count, options.times)
    emit("tipman", "tipman", slots=SLOTS, **readings, **memory())


if __name__ == "__main__":
    main()
