"""A campaign: databases full of runs whose engines are killed, and what is left of them."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from crash.driver import Orders
from crash_schedules import campaign
from crash_workflows import flows
from crash_workflows.keeper import LAST
from simulation.violation import ViolationError
from tipman.database import Database
from workflow_simulation.examination import Examination

KEEPER = "crash_workflows.keeper"
_HAS_RUNS = "SELECT 1 FROM sqlite_master WHERE name = 'context'"


class Life(campaign.Life):
    """A folder with a database, through many deaths."""

    life_s_max = 0.6

    def finish(self, **orders):
        """Start once more, until all that was open has ended, and check it all."""
        (self.folder / LAST).touch()
        self._nest.start(Orders(str(self.folder), republish=False, **orders))
        status = self._nest.bury()
        if status:
            raise ViolationError(f"the engine ended with {status}: {self._log()[-2000:]}")
        self._examine(is_over=True)

    def _check(self, now):
        """Judge what a kill left."""
        del now
        self._examine(is_over=False)

    def _examine(self, *, is_over):
        """Judge a copy: the next engine is to find the files as the dead one left them."""
        if "Traceback" in self._log():
            raise ViolationError(f"the engine complained: {self._log()[-2000:]}")
        with tempfile.TemporaryDirectory(prefix="tipman-evidence-") as copy:
            for path in self.folder.glob("tipman.db*"):
                if path.suffix in {".db", ".db-wal"}:
                    shutil.copy2(path, copy)
            if not _is_ready(Path(copy) / "tipman.db"):
                return
            with closing(Database(f"sqlite:///{Path(copy) / 'tipman.db'}")) as database:
                database.open()
                examination = Examination(flows.BY_NAME, database)
                examination.judge()
                examination.compare_marks(self._lines("marks"))
                examination.compare_acknowledged(self._lines("acknowledged"))
                if is_over:
                    examination.judge_end()
                self.seen = examination.ends


def _is_ready(path):
    """Tell whether the tables are there, in a file that is whole."""
    with closing(sqlite3.connect(path)) as database:
        if database.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            raise ViolationError("the file is damaged")
        return bool(database.execute(_HAS_RUNS).fetchall())
