"""Operations: what an engine does for those who look after it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tipman import migrations
from tipman.backup import FOLDER, Backup, back_up, back_up_before, back_up_into
from tipman.clock import Clock, SystemClock, rfc3339
from tipman.core import Core
from tipman.database import DRIVER_ERRORS, Database
from tipman.errors import DatabaseError, UnavailableError
from tipman.figures import running
from tipman.leases import held
from tipman.pruning import absence
from tipman.retention import Pruned
from tipman.settings import Settings
from tipman.telemetry import from_environment
from tipman.verification import Verification, verify
from tipman.version import VERSION
from tipman.views import Views

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

    from tipman.checkup import Checkup


class Migration(NamedTuple):
    """What `migrate` did."""

    applied: list[str]
    """Names, in order; empty when there was nothing to do."""
    backup: Backup | None
    """The copy that was made before, None where there was nothing to lose."""


def migrate(settings: Settings, clock: Clock | None = None) -> Migration:
    """Bring the database of these settings to this version, without an engine.

    A backup goes into the home first; a PostgreSQL database has tools of its own for that.

    Raises:
        EngineRunningError: an engine holds the database.
        DatabaseVersionError: a newer version wrote it; it was not changed.
        DatabaseError: it is not ours, can not be written, or the backup failed.
    """
    url = settings.database_url
    clock = clock or SystemClock()
    database = Database(url)
    try:
        with held(url):
            pending = migrations.check(url)
            made = back_up_before(url, pending, settings.home / FOLDER, clock)
            database.open()
            migrations.migrate(database, pending)
    except DRIVER_ERRORS as error:
        raise DatabaseError(f"can not migrate {database.name}: {error}") from error
    finally:
        database.close()
    return Migration(pending, made)


class Operations(Views):
    """The part of an engine that keeps it in order."""

    settings: Settings
    _stopping: bool

    def backup(self, destination: Path) -> Backup:
        """Copy the database to a file that is not there yet, while the engine goes on.

        Raises:
            InvalidError: there is a file already, no such folder, or it is no SQLite database.
            DatabaseError: the copy could not be written, or is damaged.
        """
        with self._keeping() as database:
            return back_up(database, destination, self.core.clock)

    def backup_at_home(self) -> Backup:
        """As `backup`, into the folder `backups` of the home, under a name that says when."""
        with self._keeping() as database:
            return back_up_into(database, self.settings.home / FOLDER, self.core.clock)

    @contextmanager
    def _keeping(self) -> Iterator[Database]:
        """Lend a connection that can only read; all that its rows refer to stays meanwhile."""
        with self.core.retention.paused(), self.reading() as database:
            yield database

    def export_spans(self, processor: "SpanProcessor") -> None:
        """Hand spans of what happens from now on to a processor of OpenTelemetry's SDK."""
        from tipman.spans import SpanMaker  # noqa: PLC0415 - the SDK need not be installed

        self.core.observe(SpanMaker(processor, self.core.database.reader))

    def prune(self) -> Pruned:
        """Remove all that settled too long ago, or beyond what is kept; return what went.

        Raises:
            UnavailableError: the engine stopped meanwhile; what was removed so far is gone.
        """
        return self.core.retention.prune()

    def preview_pruning(self) -> Pruned:
        """Say what `prune` would remove now."""
        return self.core.retention.preview()

    def verify(self) -> Verification:
        """Fold every log to its row and follow its chain; the engine may go on meanwhile.

        Raises:
            UnavailableError: the engine began to stop before all was looked at.
        """
        with self.reading() as database:
            return verify(database, self._refuse_stopping)

    def _refuse_stopping(self) -> None:
        if self._stopping:
            raise UnavailableError("the engine is stopping")

    def examine(self) -> "Checkup":
        """Look for what may be wrong with this engine's home, database and surroundings."""
        # It brings along what runs processes, which an engine of functions alone never needs.
        from tipman.checkup import Check, State, examine, try_processes  # noqa: PLC0415 - see above

        pid = os.getpid()
        held = Check("lock", State.OK, f"this engine runs as process {pid}, start {self.epoch}")
        return examine(
            self.settings,
            self.core.clock,
            reader=self.core.database.reader,
            probes=(lambda: held, try_processes),
        )

    def workers(self) -> list[dict[str, Any]]:
        """Return who runs attempts, this node alone so far, as JSON objects."""
        core = self.core
        with self.reading() as database:
            began = database.fetch("SELECT started_at FROM epoch WHERE number = ?", (core.epoch,))
            attempts = running(database, core.worker.running)
        node = {
            "node": core.node,
            "pid": os.getpid(),
            "epoch": core.epoch,
            "version": VERSION,
            "started_at": rfc3339(began[0][0]),
            "slots": self.settings.slots,
            "slots_taken": core.frontier.slots_taken,
            "queues": dict(self.settings.queues),
            "attempts": attempts,
        }
        return [node]

    def absence(self, identifier: bytes) -> str:
        """Say of an id that no instance has whether it may have been pruned, and by when."""
        with self.reading() as database:
            return absence(database, identifier)

    @staticmethod
    def _observe(core: Core) -> None:
        telemetry = from_environment(os.environ, core.database.reader)
        if telemetry is not None:
            core.observe(telemetry)
