"""The report: what became of every task of a run, as a table and as JSON."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tipman.charts import SETTLED
from tipman.clock import MICROSECONDS, rfc3339
from tipman.ids import text_of

from tipman_api.board import Status, TaskRecord
from tipman_api.tables import GAP, padded, width_of

_HEAD = ("Task", "Status", "Attempts", "Time", "")
_RIGHT = frozenset({2, 3})


class Outcome(StrEnum):
    """How a run has ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Report:
    """A run at its end; `results` and `errors` by the ids of tasks, where they are known.

    `error` is that of the run itself.
    """

    workflow: str
    state: str
    """That of the run."""
    elapsed_s: float
    records: Sequence[TaskRecord]
    results: Mapping[bytes, Any]
    errors: Mapping[bytes, Mapping[str, Any]]
    error: Mapping[str, Any] | None = None

    @property
    def counts(self) -> Counter[Status]:
        """How many tasks have each status."""
        return Counter(record.status for record in self.records)

    @property
    def outcome(self) -> Outcome:
        """A run that has not settled is interrupted; its state says how any other ended."""
        if self.state not in SETTLED:
            return Outcome.INTERRUPTED
        return Outcome.SUCCEEDED if self.state == "succeeded" else Outcome.FAILED

    def error_of(self, record: TaskRecord) -> Mapping[str, Any] | None:
        """Return `{code, message, traceback?}` of a task that did not succeed."""
        return self.errors.get(record.identifier, record.error)


def table_lines(report: Report) -> Iterator[str]:
    """Yield a table with a line for each task, in the order of the file."""
    rows = [_HEAD, *map(_row, report.records)]
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            padded(cell, width, right=index in _RIGHT)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield GAP.join(cells).rstrip()


def summary_line(report: Report) -> str:
    """Return the run in a line."""
    total = len(report.records)
    counted = report.counts
    counts = ", ".join(f"{counted[status]} {status.words}" for status in Status if counted[status])
    noun = "task" if total == 1 else "tasks"
    return f"{report.workflow}: {total} {noun}, {counts} in {report.elapsed_s:.2f} s"


def error_lines(report: Report) -> Iterator[str]:
    """Yield what went wrong: with the run, where no task says it, and with each that failed."""
    if report.error is not None and not report.error["code"].startswith("task_"):
        yield ""
        yield f"{report.workflow} failed: {report.error['code']}: {report.error['message']}"
    for record in report.records:
        error = report.error_of(record) if record.status is Status.FAILED else None
        if error is not None:
            yield ""
            yield f"{record.name} {record.state}: {error['code']}: {error['message']}"
            yield from (f"  {line}" for line in (error.get("traceback") or "").splitlines())


def json_report(report: Report) -> dict[str, Any]:
    """Return the report as a JSON object."""
    counts = report.counts
    return {
        "workflow": report.workflow,
        "outcome": str(report.outcome),
        "elapsed_s": round(report.elapsed_s, 6),
        "counts": {str(status): counts[status] for status in Status},
        "error": report.error,
        "tasks": [_json_task(report, record) for record in report.records],
    }


def _json_task(report: Report, record: TaskRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "id": text_of(record.identifier),
        "status": str(record.status),
        "state": record.state,
        "attempts": record.attempt,
        "started_at": _instant(record.started_at),
        "settled_at": _instant(record.settled_at),
        "result": report.results.get(record.identifier),
        "error": None if record.status is Status.OK else report.error_of(record),
    }


def _row(record: TaskRecord) -> tuple[str, ...]:
    return (
        record.name,
        record.status.words,
        str(record.attempt) if record.attempt else "-",
        _time(record),
        record.reason or ("cancelled" if record.state == "cancelled" else ""),
    )


def _time(record: TaskRecord) -> str:
    if record.started_at is None or record.settled_at is None:
        return "-"
    return f"{(record.settled_at - record.started_at) / MICROSECONDS:.2f} s"


def _instant(value: int | None) -> str | None:
    return None if value is None else rfc3339(value)
