"""Our schedules: how late they fire and at what cost, how soon many are ready, what they rest on.

`due` has all of them due on the same second, every second, and a slot for each, so that none waits
for another to end. Its CPU is that of the whole process but for what the same runs take when just
as many are submitted every second. It looks for garbage as seldom as the server does.
"""

import argparse
import gc
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from metering import Meter, emit, memory, percentile
from ours import SLOTS, Bench, noop, remember_connections, writers_durability
from tipman import Engine, current_attempt, task
from tipman_api.serve import GARBAGE

DUE = 1_000
"""Schedules that are due every second."""
BULK = 10_000
SETTLE_S = 1.5
FAR_S = 30 * 86_400
PUBLISHED_AT_ONCE = 1_000
_LATE = (
    "SELECT s.due_at, s.decided_at, i.started_at, i.id FROM slot AS s"
    " JOIN instance AS i ON i.id = s.instance WHERE i.state = 'succeeded'"
)
_KIB = 2**10
Readings = dict[str, object]
When = Callable[[int], dict[str, object]]
_ran: dict[str, int] = {}


@task
def tick() -> None:
    """Tell when it ran."""
    _ran[current_attempt().id] = time.time_ns() // 1_000


def due(folder: Path, seconds: int) -> Readings:
    """Let all schedules be due every second, so many times."""
    opened = remember_connections()
    path = folder / "tipman.db"
    gc.set_threshold(*GARBAGE)
    with Engine(f"sqlite:///{path}", slots=DUE) as engine:
        bench = Bench(engine, path)
        bench.batches(BULK)
        plain = _by_hand(engine, seconds)
        starts_at = int(time.time()) + 20
        _make(engine, DUE, lambda _: {"every_s": 1, "starts_at": _text(starts_at)}, "tick")
        left_s = starts_at + 0.9 - time.time()
        assert left_s > 0, "making the schedules took too long"
        time.sleep(left_s)
        with Meter() as meter:
            time.sleep(seconds)
        for schedule in engine.schedules(limit=DUE).items:
            engine.find_schedule(schedule["id"]).delete()
        time.sleep(SETTLE_S)
        in_force = writers_durability(opened)
    rows = _rows(path)
    assert len(rows) >= DUE * seconds, f"only {len(rows)} of {DUE * seconds} fired"
    # Those that fire while the schedules are being deleted share the engine with that.
    begin = (starts_at + 0.9) * 1e6
    rows = [row for row in rows if begin <= row[1] < begin + seconds * 1e6]
    fired = len(rows)
    late = [(_ran[_uuid(run)] - due_at) / 1e3 for due_at, _, _, run in rows]
    decided = [(at - due_at) / 1e3 for due_at, at, _, _ in rows]
    return {
        "durability": in_force,
        "fired_per_s": fired / meter.wall_s,
        "cpu_us_per_firing": meter.cpu_s / fired * 1e6 - plain,
        "late_p50_ms": percentile(late, 50),
        "late_p99_ms": percentile(late, 99),
        "decided_p99_ms": percentile(decided, 99),
    }


def _by_hand(engine: Engine, seconds: int) -> float:
    """Return the CPU, in µs, of each of the same runs, of which nobody but us has to think."""
    with Meter() as meter:
        for _ in range(seconds):
            began = time.monotonic()
            engine.submit_many(tick, [{}] * DUE)
            time.sleep(max(began + 1 - time.monotonic(), 0))
    return meter.rates(DUE * seconds)["cpu_us_per_task"]


def ready(folder: Path, count: int) -> Readings:
    """Start an engine over so many schedules that are due some other day."""
    path = folder / "tipman.db"
    _engine(path).start().close()
    empty = path.stat().st_size
    with _engine(path) as engine:
        _make(engine, count, lambda n: {"every_s": FAR_S + n % DUE}, "noop")
    size = path.stat().st_size - empty
    engine = _engine(path)
    with Meter() as meter:
        engine.start()
    engine.close()
    return {"ready_s": meter.wall_s, "kib_per_schedule": size / count / _KIB}


def idle(folder: Path, count: int, seconds: float) -> Readings:
    """Let so many schedules wait."""
    with _engine(folder / "tipman.db") as engine:
        _make(engine, count, lambda n: {"every_s": FAR_S + n % DUE}, "noop")
        time.sleep(1)
        with Meter() as meter:
            time.sleep(seconds)
    return {"idle_cpu_share": meter.cpu_s / meter.wall_s}


def _engine(path: Path) -> Engine:
    return Engine(f"sqlite:///{path}", slots=SLOTS)


def _make(engine: Engine, count: int, when: When, name: str) -> None:
    arguments = {"task": tick.name} if name == "tick" else {"task": noop.name, "args": {"i": 0}}
    what = {"type": "inline", "arguments": arguments}
    for chunk in _chunks(count):
        receipts = [
            engine.core.bus.publish_nowait(
                engine.schedule_creation({**when(n), "task": what}, actor="bench")
            )
            for n in chunk
        ]
        for receipt in receipts:
            receipt.result()


def _chunks(count: int) -> Iterator[range]:
    for low in range(0, count, PUBLISHED_AT_ONCE):
        yield range(low, min(low + PUBLISHED_AT_ONCE, count))


def _rows(path: Path) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(_LATE).fetchall()
    finally:
        connection.close()


def _text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()


def _uuid(identifier: bytes) -> str:
    digits = identifier.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def main() -> None:
    """Run one scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", choices=["due", "ready", "idle"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.data) as name:
        folder = Path(name)
        if options.scenario == "due":
            readings = due(folder, options.seconds)
        elif options.scenario == "ready":
            readings = ready(folder, options.count)
        else:
            readings = idle(folder, options.count, options.seconds)
    emit("tipman", "tipman", **readings, **memory())


if __name__ == "__main__":
    main()
