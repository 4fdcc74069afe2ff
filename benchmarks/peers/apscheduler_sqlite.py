"""APScheduler with its SQLAlchemy store on SQLite: how late jobs run, and at what cost.

All jobs are due on the same second, every second. Nothing is left out: no job is coalesced or
given up for being late. Its CPU is that of the whole process but for what the same calls take in a
pool of threads of the same size. It looks for garbage as seldom as ours does.
"""

import argparse
import gc
import logging
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor as Pool
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from metering import Meter, durability, emit, memory, percentile
from sqlalchemy import create_engine, event

DUE = 1_000
BULK = 10_000
THREADS = 64
GARBAGE = (20_000, 20, 20)
_ran: list[tuple[int, float]] = []
_in_force: set[str] = set()


def tick(number: int) -> None:
    """Tell when it ran."""
    _ran.append((number, time.time()))


class Bench:
    """One scheduler, in this process."""

    def __init__(self, folder: Path) -> None:
        engine = create_engine(f"sqlite:///{folder / 'jobs.db'}")
        event.listen(engine, "connect", _durable)
        self.scheduler = BackgroundScheduler(
            jobstores={"default": SQLAlchemyJobStore(engine=engine)},
            executors={"default": Pool(THREADS)},
            job_defaults={"coalesce": False, "misfire_grace_time": None, "max_instances": DUE},
            timezone=UTC,
        )

    def due(self, seconds: int) -> dict[str, float]:
        """Let all jobs be due every second, so many times."""
        plain = _plain_us()
        starts_at = int(time.time()) + 30
        for number in range(DUE):
            self._add(number, datetime.fromtimestamp(starts_at, UTC))
        self.scheduler.start()
        left_s = starts_at + 0.9 - time.time()
        assert left_s > 0, "adding the jobs took too long"
        time.sleep(left_s)
        before = len(_ran)
        with Meter() as meter:
            time.sleep(seconds)
        fired = len(_ran) - before
        self.scheduler.shutdown(wait=False)
        late = [(at - due) * 1e3 for due, at in _with_due(starts_at)]
        return {
            "fired_per_s": fired / meter.wall_s,
            "cpu_us_per_firing": meter.cpu_s / fired * 1e6 - plain,
            "late_p50_ms": percentile(late, 50),
            "late_p99_ms": percentile(late, 99),
        }

    def _add(self, number: int, starts_at: datetime) -> None:
        self.scheduler.add_job(
            tick, "interval", args=[number], seconds=1, start_date=starts_at, id=str(number)
        )


def _with_due(starts_at: int) -> list[tuple[float, float]]:
    """Return when each call was due and made: those of one job are made in order."""
    counts: dict[int, int] = {}
    found = []
    for number, at in _ran:
        turn = counts[number] = counts.get(number, -1) + 1
        found.append((float(starts_at + turn), at))
    return found


def _plain_us() -> float:
    """Return the CPU of a call in a pool of threads, without a scheduler."""
    with ThreadPoolExecutor(THREADS) as pool, Meter() as meter:
        for future in [pool.submit(tick, n) for n in range(BULK)]:
            future.result()
    _ran.clear()
    return meter.cpu_s / BULK * 1e6


def _durable(connection: sqlite3.Connection, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    _in_force.add(durability(connection))


def main() -> None:
    """Run one scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", choices=["due"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    gc.set_threshold(*GARBAGE)
    with TemporaryDirectory(dir=options.data) as folder:
        bench = Bench(Path(folder))
        readings = bench.due(options.seconds)
        in_force = "+".join(sorted(_in_force))
        emit("APScheduler", "apscheduler", durability=in_force, **readings, **memory())
    # What is behind would be worked off before an orderly exit.
    os._exit(0)


if __name__ == "__main__":
    main()
