"""Figures: how many and how long, counted in committed rows when somebody asks.

What is counted is bounded by what is open, or by what was committed since the last look; nothing
here ever walks over all that has settled.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from tipman.clock import MICROSECONDS, rfc3339
from tipman.database import Database
from tipman.ids import text_of
from tipman.resources import URI

ENTRIES_MAX = 100_000
"""Log entries that one look goes through; the next look goes on from there."""
WAITS_S = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 3600.0)
DURATIONS_S = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 3600.0)


_OPEN = (
    "SELECT i.namespace, t.queue, i.state, count(*), min(i.queued_at)"
    " FROM instance AS i JOIN task AS t ON t.id = i.id WHERE i.settled_at IS NULL"
    " GROUP BY i.namespace, t.queue, i.state"
)
_OPEN_RUNS = (
    "SELECT namespace, state, count(*) FROM instance WHERE settled_at IS NULL AND kind = 'run'"
    " GROUP BY namespace, state"
)
_RUNNING = (
    "SELECT i.id, i.name, i.namespace, t.type, t.queue, i.attempt, i.started_at"
    " FROM instance AS i JOIN task AS t ON t.id = i.id"
    " WHERE i.state = 'running' AND i.id IN (??) ORDER BY i.id"
)
_UPPER = (
    "SELECT max(position) FROM (SELECT position FROM log_entry WHERE position > ?"
    " ORDER BY position LIMIT ?) AS part"
)
_WAITS = (
    "SELECT e.at - i.submitted_at FROM log_entry AS e JOIN instance AS i ON i.id = e.instance"
    " WHERE e.position > ? AND e.position <= ? AND e.name = 'attempt.started'"
    " AND i.opening = 1 AND e.data = '{\"attempt\":1}'"
)
_DURATIONS = (
    "SELECT a.ended_at - a.started_at FROM log_entry AS e JOIN attempt AS a"
    " ON a.instance = e.instance AND a.ended_at = e.at WHERE e.position > ? AND e.position <= ?"
    " AND e.before IN ('executing', 'finishing', 'parking', 'ending', 'cancelling')"
)


class OpenTasks(NamedTuple):
    """Tasks that have not settled and are alike."""

    namespace: str
    queue: str
    state: str
    tasks: int
    queued_since: int | None
    """When the first of them was queued, in µs since 1970; None if none ever was."""


class OpenRuns(NamedTuple):
    """Runs of workflows that have not settled and are alike."""

    namespace: str
    state: str
    runs: int


class Size(NamedTuple):
    """What the database takes, in bytes."""

    database: int
    free: int
    """Of that, what the next rows will use before the file grows."""
    log: int
    """The write-ahead log beside the file."""


def open_tasks(database: Database) -> list[OpenTasks]:
    """Return the tasks that have not settled, counted by namespace, queue and state."""
    return [OpenTasks(*row) for row in database.fetch(_OPEN)]


def open_runs(database: Database) -> list[OpenRuns]:
    """Return the runs that have not settled, counted by namespace and state."""
    return [OpenRuns(*row) for row in database.fetch(_OPEN_RUNS)]


def newest_position(database: Database) -> int:
    """Return where the log ends: how many entries were written so far, those pruned too."""
    return int(database.fetch("SELECT max(position) FROM log_entry")[0][0] or 0)


def running(database: Database, attempts: Sequence[tuple[bytes, int]]) -> list[dict[str, Any]]:
    """Return attempts as JSON objects, without those that are over by now."""
    numbers = dict(attempts)
    return [
        {
            "task": URI + text_of(bytes(identifier)),
            "name": name,
            "namespace": namespace,
            "type": type_,
            "queue": queue,
            "attempt": number,
            "started_at": rfc3339(started_at),
        }
        for identifier, name, namespace, type_, queue, number, started_at in database.fetch_in(
            _RUNNING, list(numbers)
        )
        if number == numbers[bytes(identifier)]
    ]


def size_of(database: Database) -> Size:
    """Return how much room the database takes."""
    if not database.is_sqlite:
        rows = database.fetch("SELECT pg_database_size(current_database())")
        return Size(int(rows[0][0]), 0, 0)
    page, pages, free = (
        int(database.fetch(f"PRAGMA {name}")[0][0])
        for name in ("page_size", "page_count", "freelist_count")
    )
    log = Path(f"{database.path}-wal")
    # Looked at and never opened: closing it would drop SQLite's locks.
    return Size(page * pages, page * free, log.stat().st_size if log.exists() else 0)


class Histogram:
    """How many of all durations seen so far were at most so long."""

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self.bounds_s = tuple(bounds_s)
        self._counts = [0] * (len(self.bounds_s) + 1)
        self.sum_s = 0.0

    def add(self, duration_us: int) -> None:
        """Count one duration; a clock that was set back makes it 0 at least."""
        seconds = max(duration_us, 0) / MICROSECONDS
        self._counts[bisect_left(self.bounds_s, seconds)] += 1
        self.sum_s += seconds

    def buckets(self) -> list[tuple[float, int]]:
        """Return for each bound, the last being infinite, how many were at most so long.

        >>> histogram = Histogram([1.0, 5.0])
        >>> for seconds in (1, 2, 60):
        ...     histogram.add(seconds * 1_000_000)
        >>> histogram.buckets()
        [(1.0, 1), (5.0, 2), (inf, 3)]
        """
        bounds = (*self.bounds_s, inf)
        return list(zip(bounds, accumulate(self._counts), strict=True))


class Latencies:
    """How long tasks waited and attempts took, by what was committed since it was made.

    Rows that were pruned before they were looked at are not in it.
    """

    def __init__(self, position: int) -> None:
        self.position = position
        """Up to where the log was looked at."""
        self.waits = Histogram(WAITS_S)
        self.durations = Histogram(DURATIONS_S)

    def look(self, database: Database) -> None:
        """Take in what was committed since the last look, or the first part of it."""
        upper = database.fetch(_UPPER, (self.position, ENTRIES_MAX))[0][0]
        if upper is None:
            return
        for sql, histogram in ((_WAITS, self.waits), (_DURATIONS, self.durations)):
            for (duration_us,) in database.fetch(sql, (self.position, upper)):
                histogram.add(duration_us)
        self.position = upper
