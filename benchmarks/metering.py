"""Metering: what this process took, by the kernel's own account, printed as one JSON line.

Ours and every peer measure themselves with it. It imports the standard library alone, for it is
imported in all their environments.
"""

import itertools
import json
import os
import platform
import resource
import sqlite3
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_SYNCHRONOUS = ("off", "normal", "full", "extra")


class Meter:
    """Wall and CPU seconds of the block it is entered for, all threads of the process counted."""

    wall_s = 0.0
    cpu_s = 0.0

    def __enter__(self) -> Self:
        self.cpu_s = time.process_time()
        self.wall_s = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.wall_s = time.perf_counter() - self.wall_s
        self.cpu_s = time.process_time() - self.cpu_s

    def rates(self, tasks: int) -> dict[str, float]:
        """Return what one of *tasks* took of the block."""
        return {
            "tasks": tasks,
            "wall_s": self.wall_s,
            "tasks_per_s": tasks / self.wall_s,
            "cpu_us_per_task": self.cpu_s / tasks * 1e6,
        }


class Countdown:
    """Lets one thread wait until others have counted to a number, at next to no cost for those."""

    def __init__(self) -> None:
        self._expected = 0
        self._counter = itertools.count(1)
        self._done = threading.Event()

    def expect(self, count: int) -> None:
        """Begin anew, at *count*."""
        self._done.clear()
        self._expected = count
        self._counter = itertools.count(1)

    def count(self) -> None:
        """Come nearer to the end by one; no two threads get the same number."""
        if next(self._counter) == self._expected:
            self._done.set()

    def wait(self, timeout_s: float) -> None:
        """Return once all has been counted.

        Raises:
            TimeoutError: it had not been within *timeout_s*.
        """
        if not self._done.wait(timeout_s):
            raise TimeoutError(f"not all of {self._expected} were done after {timeout_s} s")


def memory() -> dict[str, float]:
    """Return the resident set in MiB, as it is and at its largest (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "rss_mib": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "rss_peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
    }


def durability(connection: sqlite3.Connection) -> str:
    """Return what is in force on an open connection, such as `wal/full`, asked of itself."""
    (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    return f"{journal}/{_SYNCHRONOUS[synchronous]}"


def fdatasync_us(folder: Path, times: int = 100) -> float:
    """Return the median of appending 4 KiB to a file and having it on disk, in microseconds.

    A disk that other people use too drifts within the hour: ratios survive that, rates do not.
    """
    path = folder / "probe"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    taken = []
    try:
        for _ in range(times):
            begun = time.perf_counter()
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)
            taken.append(time.perf_counter() - begun)
    finally:
        os.close(descriptor)
        path.unlink()
    return percentile(taken, 50) * 1e6


def percentile(values: list[float], percent: float) -> float:
    """Return the value that *percent* of *values* do not exceed.

    >>> percentile([3.0, 1.0, 2.0], 50)
    2.0
    """
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)]


def emit(peer: str, distribution: str, **readings: object) -> None:
    """Print what was read, as the one JSON line that the runner takes."""
    # Not before the memory was read: it takes 2 MiB that are nobody's who is measured.
    from importlib.metadata import version  # noqa: PLC0415 - see above

    said = {"peer": peer, "version": version(distribution), "python": platform.python_version()}
    line = {**said, **readings}
    print(json.dumps(line), flush=True)
