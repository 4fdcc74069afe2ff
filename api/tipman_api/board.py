"""The board: what one run's tasks are doing, told by the lines of the event log alone."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tipman.charts import SETTLED, public_state
from tipman.database import Row
from tipman.ids import parse
from tipman.runs.families import Member

_ENDINGS = frozenset(
    {
        "attempt.succeeded",
        "attempt.failed",
        "attempt.timed_out",
        "attempt.interrupted",
        "attempt.lost",
    }
)
_ACTIVE = frozenset({"running", "awaiting"})


class Status(StrEnum):
    """How a task of a run has ended, or not."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"
    """It had started when the run was stopped."""
    NOT_RUN = "not_run"

    @property
    def words(self) -> str:
        """How people read it.

        >>> Status.NOT_RUN.words
        'not run'
        """
        return self.replace("_", " ")


@dataclass(slots=True)
class TaskRecord:
    """One task of the run; instants are microseconds since 1970 UTC."""

    identifier: bytes
    name: str
    state: str
    attempt: int = 0
    started_at: int | None = None
    """Its first start in this process."""
    attempt_started_at: int | None = None
    settled_at: int | None = None
    error: dict[str, Any] | None = None
    """`{code, message}` of the last attempt that failed."""
    reason: str | None = None
    """Why it was skipped, in words."""

    @property
    def status(self) -> Status:
        """Its status, for now."""
        if self.state == "succeeded":
            return Status.OK
        if self.state == "skipped":
            return Status.SKIPPED
        if self.state in SETTLED:
            return Status.FAILED
        return Status.NOT_RUN if self.started_at is None else Status.INTERRUPTED


class Board:
    """A run and its tasks in the order they were submitted, kept up by `hear` and `join`.

    Tasks of runs that it started are named after the task that did: `deploy/test`.
    """

    def __init__(self, run: bytes, members: Iterable[Member] = ()) -> None:
        """Begin with all that is known of the run."""
        self.run = run
        self.state = "queued"
        """That of the run itself."""
        self._runs = {run: ""}
        """The runs that are shown, each with what stands before the names of its tasks."""
        self._records: dict[bytes, TaskRecord] = {}
        self._states: Counter[str] = Counter()
        self.active: dict[bytes, TaskRecord] = {}
        """What was seen to start and runs, or waits for the outside; the longest first."""
        for member in members:
            self._join(member, member.state)

    def unknown(self, lines: Iterable[Row]) -> list[bytes]:
        """Return the instances that begin with these lines; `join` takes those of the run."""
        return [
            line[0]
            for line in lines
            if line[1] == 1 and line[0] not in self._records and line[0] not in self._runs
        ]

    def join(self, members: Iterable[Member]) -> None:
        """Take in those of some new instances that belong to the run; their lines are to come."""
        for member in members:
            self._join(member, "waiting")

    def _join(self, member: Member, state: str) -> None:
        if member.id in self._records:
            return
        if member.kind == "run" and member.parent in self._records:
            self._runs[member.id] = f"{self._records[member.parent].name}/"
        elif member.run in self._runs:
            name = self._runs[member.run] + member.name
            self._records[member.id] = TaskRecord(member.id, name, state)
            self._states[state] += 1

    @property
    def is_over(self) -> bool:
        """Whether the run has settled, with its hooks."""
        return self.state in SETTLED

    @property
    def is_stuck(self) -> bool:
        """Whether nothing moves any more unless a person decides about a blocked task."""
        resting = self._states["waiting"] + self._states["blocked"]
        return self._states["blocked"] > 0 and self.open_count == resting

    @property
    def records(self) -> Iterable[TaskRecord]:
        """All tasks, in order."""
        return self._records.values()

    def __len__(self) -> int:
        return len(self._records)

    @property
    def open_count(self) -> int:
        """How many tasks have not settled."""
        return len(self._records) - sum(self._states[state] for state in SETTLED)

    def count(self, state: str) -> int:
        """Return how many tasks are in a state."""
        return self._states[state]

    def hear(self, line: Row) -> TaskRecord | None:
        """Take a line of the log; return the task it is about, None for none of this run."""
        identifier, _, name, at, _, _, after, data = line
        if identifier == self.run:
            self.state = public_state(after)
        record = self._records.get(identifier)
        if record is None:
            return None
        state = public_state(after)
        if state != record.state:
            self._move(record, state, at)
        if name == "attempt.started":
            record.attempt = json.loads(data)["attempt"]
        elif name in _ENDINGS:
            ending = json.loads(data)
            record.attempt, record.error = ending["attempt"], ending.get("error")
        elif name == "dependency.settled" and state == "skipped":
            record.reason = self._reason_of(json.loads(data))
        elif name == "task.settled":
            record.settled_at = at
        return record

    def _move(self, record: TaskRecord, state: str, at: int) -> None:
        self._states[record.state] -= 1
        self._states[state] += 1
        record.state = state
        # A task that waits for the outside is in an attempt of which no line tells the number.
        record.attempt += state == "awaiting"
        if state in _ACTIVE:
            record.attempt_started_at = at
            record.started_at = record.started_at or at
            self.active[record.identifier] = record
        else:
            self.active.pop(record.identifier, None)

    def _reason_of(self, settled: dict[str, Any]) -> str | None:
        if "why" in settled:
            return str(settled["why"])
        record = self._records.get(parse(settled["dependency"]) or b"")
        return None if record is None else f"{record.name} did not succeed"
