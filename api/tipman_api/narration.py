"""Narration: a run as it is told on standard output, for people or for programs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tipman.database import Row
from tipman.executors.output import text_of_bytes
from tipman.queries import log_line

from tipman_api.board import Board, Status, TaskRecord
from tipman_api.outlet import Outlet, say
from tipman_api.progress import Progress
from tipman_api.report import Report, error_lines, json_report, summary_line, table_lines

STREAMS = ("stdout", "stderr")
OutputPath = Callable[[bytes, int, str], Path]
"""Gives the file of a task's attempt's stream; it may not be there."""


def warn(text: str) -> None:
    """Say something on standard error."""
    say(f"tipman: {text}")


class Narrator(Protocol):
    """Is told what happens, in order, on one thread."""

    @property
    def refresh_s(self) -> float | None:
        """How often `rest` is to be called while nothing happens, None for not at all."""

    @property
    def wants_results(self) -> bool:
        """Whether the report is to have the results of all tasks."""

    def begin(self, name: str, board: Board) -> None:
        """The run of this name begins, or goes on."""

    def tell(self, record: TaskRecord, line: Row) -> None:
        """A line of the log is about this task, which is as the line left it."""

    def warn(self, text: str) -> None:
        """Something is to be known beside the run."""

    def rest(self) -> None:
        """Nothing more is known for now."""

    def finish(self, report: Report) -> None:
        """The run has ended."""

    def leave(self) -> None:
        """Nothing more will be told, whether the run has ended or not."""


class TextNarrator:
    """Tells people; what a task wrote stands in one piece before its end."""

    wants_results = False

    def __init__(self, outlet: Outlet, output_path: OutputPath, progress: Progress) -> None:
        self._outlet = outlet
        self._output_path = output_path
        self._progress = progress
        self._started: set[bytes] = set()
        self.refresh_s = progress.refresh_s

    def begin(self, name: str, board: Board) -> None:
        """Show the progress, where it is shown."""
        self._progress.begin(name, board)

    def tell(self, record: TaskRecord, line: Row) -> None:
        """Print starts, and ends with what was written before them."""
        name = line[2]
        if record.started_at is not None and record.identifier not in self._started:
            self._start(record)
        if name == "task.settled" and not _never_began(record):
            if record.identifier not in self._started:
                self._start(record)
            self._end(record, "Ended : ")

    def warn(self, text: str) -> None:
        """Say it on standard error, where it is not in the way of the progress."""
        self._progress.hide()
        self._outlet.flush()
        warn(text)

    def rest(self) -> None:
        """Let out what was told, and show where the run is."""
        self._outlet.flush()
        self._progress.show()

    def finish(self, report: Report) -> None:
        """Print what was stopped, the table, and what went wrong."""
        self._progress.hide()
        for record in report.records:
            if record.status is Status.INTERRUPTED:
                self._end(record, "Stopped: ")
        lines = (*table_lines(report), summary_line(report), *error_lines(report))
        for line in lines:
            self._outlet.line(line)
        self._outlet.flush()

    def leave(self) -> None:
        """Give the terminal back."""
        self._progress.hide()

    def _start(self, record: TaskRecord) -> None:
        self._progress.hide()
        self._started.add(record.identifier)
        self._outlet.line(f"Started: {record.name}")

    def _end(self, record: TaskRecord, word: str) -> None:
        self._progress.hide()
        for attempt in range(1, record.attempt + 1):
            for stream in STREAMS:
                self._outlet.end_line()
                self._outlet.copy(self._output_path(record.identifier, attempt, stream))
        self._outlet.line(word + record.name)


class JsonNarrator:
    """Tells programs: an object a line, one for each line of the log and the report at last."""

    refresh_s = None
    wants_results = True

    def __init__(self, outlet: Outlet, output_path: OutputPath) -> None:
        self._outlet = outlet
        self._output_path = output_path

    def begin(self, name: str, board: Board) -> None:
        """Say nothing: the first line says it."""

    def tell(self, record: TaskRecord, line: Row) -> None:
        """Print the line; the end of an attempt has its output beside it."""
        told: dict[str, Any] = {"task": record.name, **log_line(line)}
        if line[2].startswith("attempt.") and line[2] != "attempt.started":
            told |= self._output(record)
        self._print(told)

    def warn(self, text: str) -> None:
        """Say it on standard error."""
        warn(text)

    def rest(self) -> None:
        """Let out what was told."""
        self._outlet.flush()

    def finish(self, report: Report) -> None:
        """Print the report."""
        self._print(json_report(report))
        self._outlet.flush()

    def leave(self) -> None:
        """Do nothing."""

    def _output(self, record: TaskRecord) -> dict[str, str]:
        paths = {s: self._output_path(record.identifier, record.attempt, s) for s in STREAMS}
        return {s: text_of_bytes(path.read_bytes()) for s, path in paths.items() if path.exists()}

    def _print(self, value: dict[str, Any]) -> None:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self._outlet.line(text)


def _never_began(record: TaskRecord) -> bool:
    """Tell whether a task that has settled was skipped, or cancelled before its turn."""
    if record.status is Status.SKIPPED:
        return True
    return record.state == "cancelled" and record.started_at is None and not record.attempt
