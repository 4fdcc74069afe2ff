"""Checkpoints: SQLite's log is written back into the database's file while nobody waits for it.

A commit only appends to the log. SQLite would write it back within the commit that makes it too
long, and whatever that commit lets out, or answers, would wait for all of it.
"""

import logging

from tipman.database import DRIVER_ERRORS, Database

LOG_PAGES = 1_000
"""Pages in the log, about, when it is written back: it is small then, and stays in memory."""
_PAGES_A_COMMIT = 6
_ROWS_A_PAGE = 16
"""What drains of one task and of thousands write, within a fifth: SQLite tells nobody how long its
log is. Where it is wrong by much, `database.LOG_PAGES_MAX` holds."""
_log = logging.getLogger(__name__)


class Checkpoints:
    """When the log is written back, by the connection that wrote it; for whoever has the turn."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pages = 0.0
        self._rows = 0
        self._is_failing = False
        self.is_due = False
        """Whether the log has grown by enough; from any thread."""

    def note(self) -> None:
        """Take note of a commit."""
        rows = self._database.rows_changed
        self._pages += _PAGES_A_COMMIT + (rows - self._rows) / _ROWS_A_PAGE
        self._rows = rows
        self.is_due = self._pages >= LOG_PAGES

    def take(self) -> None:
        """Write back what no reader stands in the way of; the rest is for the next time.

        Should it fail, nothing is lost: all of it stays in the log, which goes on growing.
        """
        self._pages = 0.0
        self.is_due = False
        try:
            self._database.write_back()
        except DRIVER_ERRORS as error:
            if not self._is_failing:
                _log.error(
                    "can not write the log back into %s: %s; what was committed stays in %s-wal, "
                    "which grows until there is room",
                    self._database.path, error, self._database.path,
                )  # fmt: skip
            self._is_failing = True
            return
        if self._is_failing:
            _log.warning("the log of %s is written back again", self._database.path)
        self._is_failing = False
