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
    unmet: str | None = None
    """The dependency because of which it was skipped."""

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
    """The tasks of a run in the order they were submitted, kept up by `hear`."""

    def __init__(self, tasks: Iterable[tuple[bytes, str, str]]) -> None:
        """Begin with id, name and state of every task."""
        self._records = {i: TaskRecord(i, name, state) for i, name, state in tasks}
        self._states = Counter(record.state for record in self._records.values())
        self.active: dict[bytes, TaskRecord] = {}
        """What was seen to start and runs, or waits for the outside; the longest first."""

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
            record.unmet = self._name_of(json.loads(data)["dependency"])
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

    def _name_of(self, text: str) -> str | None:
        record = self._records.get(parse(text) or b"")
        return None if record is None else record.name
