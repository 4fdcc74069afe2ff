"""Checkup: what may be wrong with a home and its database, each with what to do about it.

Every check looks and changes nothing of what is there. What differs between an engine that runs
and one at rest is left to the caller, who hands in probes of its own.
"""

import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tipman import migrations
from tipman.clock import MICROSECONDS, Clock, SystemClock, rfc3339
from tipman.database import DRIVER_ERRORS, Database
from tipman.effects import StartAttempt
from tipman.errors import DatabaseVersionError, EngineRunningError, TipmanError
from tipman.events import AttemptSucceeded, Report
from tipman.executors.interpreters import interpreter_command
from tipman.executors.processes import ProcessExecutor
from tipman.ids import made_at, parse, text_of
from tipman.leases import held
from tipman.registry.records import hash_in
from tipman.settings import Settings

FREE_BYTES_LOW = 1024**3
FREE_BYTES_LEAST = 64 * 1024**2
CLOCK_S_OFF_MAX = 5.0
INTERPRETER_S_MAX = 20.0
PROCESS_S_MAX = 20.0
_NETWORK = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "gfs2", "glusterfs",
    "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb3", "smbfs",
})  # fmt: skip
_MOUNTS = Path("/proc/self/mountinfo")
_FOUND_MAX = 5
_OPEN_RUNS = "SELECT count(*) FROM instance WHERE kind = 'run' AND settled_at IS NULL"
_STUCK_RUNS = (
    "SELECT r.id FROM instance AS r WHERE r.kind = 'run' AND r.settled_at IS NULL"
    " AND (r.state = 'suspended' OR EXISTS (SELECT 1 FROM instance AS i WHERE i.run = r.id"
    " AND i.settled_at IS NULL AND i.state IN ('blocked', 'suspended'))) ORDER BY r.id LIMIT ?"
)
_LARGE_VALUES = "SELECT DISTINCT result FROM attempt WHERE substr(result, 1, 1) = '@'"
_TOKENS = "SELECT secret FROM token WHERE revoked_at IS NULL"
_NOBODY = bytes(16)


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


class Check(NamedTuple):
    """What was looked at, how it is, and what to do if it is not well."""

    name: str
    state: State
    detail: str
    advice: str = ""

    def view(self) -> dict[str, str]:
        """Return it as a JSON object."""
        return {
            "name": self.name,
            "state": str(self.state),
            "detail": self.detail,
            "advice": self.advice,
        }


class Checkup(NamedTuple):
    """All checks, in order."""

    checks: tuple[Check, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing is a fault; a warning is none."""
        return all(check.state is not State.FAULT for check in self.checks)

    def view(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"ok": self.is_well, "checks": [check.view() for check in self.checks]}


Probe = Callable[[], Check]


def examine(
    settings: Settings,
    clock: Clock,
    *,
    reader: Callable[[], Database],
    probes: Iterable[Probe] = (),
) -> Checkup:
    """Look at everything; *reader* opens a connection that can not write."""
    return Checkup(tuple(_checks(settings, clock, reader, probes)))


def examine_at_rest(settings: Settings, clock: Clock | None = None) -> Checkup:
    """Look for what may be wrong with a home and its database that no engine uses."""
    url = settings.database_url
    holding = ExitStack()
    lock = Check("lock", State.OK, "no engine holds the database")
    try:
        holding.enter_context(held(url))
    except EngineRunningError as error:
        lock = Check("lock", State.WARNING, str(error), "ask the engine that runs")
    except TipmanError as error:
        lock = Check("lock", State.FAULT, str(error), "name the right database")

    def reader() -> Database:
        database = Database(url, read_only=True)
        database.open()
        return database

    with holding:
        probes = (lambda: lock, try_processes)
        return examine(settings, clock or SystemClock(), reader=reader, probes=probes)


def _checks(
    settings: Settings, clock: Clock, reader: Callable[[], Database], probes: Iterable[Probe]
) -> Iterator[Check]:
    yield from _of_places(settings)
    yield _interpreter(settings)
    for probe in probes:
        yield probe()
    pending = _migrations(settings.database_url)
    yield pending
    if pending.state is State.FAULT:
        return
    try:
        database = reader()
    except TipmanError as error:
        yield Check("database", State.FAULT, str(error), "restore a backup")
        return
    try:
        yield from _of_database(database, settings, clock)
    except DRIVER_ERRORS as error:
        yield Check("database", State.FAULT, f"can not be read: {error}", "restore a backup")
    finally:
        database.close()


# Places.


def _of_places(settings: Settings) -> Iterator[Check]:
    yield _private("home", settings.home, 0o700)
    token = settings.home / "token"
    if token.exists():
        yield _private("token", token, 0o600)
    database = Database(settings.database_url)
    if database.path is None:
        return
    if database.path.exists():
        yield _private("database file", database.path, 0o600, settings.home)
    yield _free(database.path.parent)
    yield _file_system(database.path.parent)


def _private(name: str, path: Path, mode: int, home: Path | None = None) -> Check:
    try:
        found = path.stat()
    except OSError as error:
        advice = "name another with --home, or start the engine once, which makes it"
        return Check(name, State.FAULT, f"{path}: {error.strerror}", advice)
    if found.st_uid != os.geteuid():
        detail = f"{path} belongs to the user {found.st_uid}, this is {os.geteuid()}"
        return Check(name, State.FAULT, detail, f"chown {os.geteuid()} {path}")
    open_to = stat.S_IMODE(found.st_mode) & ~mode
    if not open_to:
        return Check(name, State.OK, f"{path}, {stat.S_IMODE(found.st_mode):04o}")
    is_inside = home is not None and path.absolute().is_relative_to(home.absolute())
    is_shielded = is_inside and home is not None and not stat.S_IMODE(home.stat().st_mode) & 0o077
    state = State.OK if is_shielded else State.FAULT
    detail = f"{path} is {stat.S_IMODE(found.st_mode):04o}"
    if is_shielded:
        return Check(name, state, f"{detail}, in a home that is closed to others")
    return Check(name, state, f"{detail}: others get at it", f"chmod {mode:o} {path}")


def _free(folder: Path) -> Check:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check("disk", State.FAULT, f"{folder}: {error.strerror}", "make the folder")
    detail = f"{free // 1024**2:,} MiB free at {folder}"
    if free >= FREE_BYTES_LOW:
        return Check("disk", State.OK, detail)
    state = State.WARNING if free >= FREE_BYTES_LEAST else State.FAULT
    return Check("disk", state, detail, "make room: a full disk stops the engine")


def _file_system(folder: Path) -> Check:
    kind = kind_of_mount(folder.resolve(), _mounts())
    if kind is None:
        return Check("file system", State.OK, "its kind can not be told here")
    if kind in _NETWORK:
        advice = "keep it on a local disk: SQLite's locks and its log need one"
        return Check("file system", State.WARNING, f"{folder} is on {kind}", advice)
    return Check("file system", State.OK, f"{folder} is on {kind}")


def _mounts() -> str:
    try:
        return _MOUNTS.read_text("utf-8", "surrogateescape")
    except OSError:
        return ""


def kind_of_mount(folder: Path, mounts: str) -> str | None:
    r"""Return the kind of file system a folder is on, by the text of `/proc/self/mountinfo`.

    >>> mounts = "1 2 0:1 / / rw - ext4 a rw\n2 1 0:2 / /srv rw - nfs4 b rw"
    >>> kind_of_mount(Path("/srv/x"), mounts), kind_of_mount(Path("/tmp"), mounts)
    ('nfs4', 'ext4')

    Source: proc_pid_mountinfo(5).
    """
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        parts = fields.split(" ")
        if len(parts) < 5 or not rest:  # noqa: PLR2004 - the fifth field is the place
            continue
        place = Path(parts[4].replace("\\040", " "))
        depth = len(place.parts)
        if folder.is_relative_to(place) and (found is None or depth >= found[0]):
            found = (depth, rest.split(" ")[0])
    return None if found is None else found[1]


# Programs.


def _interpreter(settings: Settings) -> Check:
    command = interpreter_command(settings.python, "python")[0]
    code = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
    advice = "set `python` to an interpreter of version 3.8 or newer"
    try:
        done = subprocess.run(  # noqa: S603 - the very program that runs users' code
            [command, "-I", "-c", code],
            capture_output=True,
            text=True,
            timeout=INTERPRETER_S_MAX,
            stdin=subprocess.DEVNULL,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Check("python", State.FAULT, f"{command} can not be run: {error}", advice)
    version = done.stdout.strip()
    if tuple(map(int, version.split("."))) < (3, 8):
        return Check("python", State.FAULT, f"{command} is {version}", advice)
    return Check("python", State.OK, f"{command}, {version}")


def try_processes() -> Check:
    """Start what starts the processes of tasks, and one of them; end both."""
    advice = "see the log; tasks of the types exec, eval and python can not run"
    reports: SimpleQueue[Report | str] = SimpleQueue()
    with TemporaryDirectory(prefix="tipman-doctor-") as name:
        folder = Path(name)
        executor = ProcessExecutor(
            reports.put, attempts=folder / "attempts", cwd=folder, on_death=reports.put
        )
        start = StartAttempt(
            _NOBODY, 1, 0, "exec", "doctor", "default", {"argv": ["true"]}, {}, None, {}, None
        )
        try:
            executor.start(start)
            report = reports.get(timeout=PROCESS_S_MAX)
        except Empty:
            report = f"nothing was heard of a process within {PROCESS_S_MAX:g} s"
        finally:
            executor.close()
    if isinstance(report, AttemptSucceeded):
        return Check("processes", State.OK, "a process can be started and ended")
    return Check("processes", State.FAULT, str(report), advice)


# Database.


def _migrations(url: str) -> Check:
    try:
        pending = migrations.check(url)
    except DatabaseVersionError as error:
        return Check("migrations", State.FAULT, str(error), "upgrade Tipman, or restore a backup")
    except TipmanError as error:
        return Check("migrations", State.FAULT, str(error), "name the right database")
    if pending == migrations.known():
        return Check("migrations", State.FAULT, "the database is new", "start the engine once")
    if pending:
        detail = "not applied: " + ", ".join(pending)
        return Check("migrations", State.WARNING, detail, "tipman migrate, or start the engine")
    return Check("migrations", State.OK, "all applied")


def _of_database(database: Database, settings: Settings, clock: Clock) -> Iterator[Check]:
    if database.is_sqlite:
        yield _sqlite(database)
        yield _pages(database)
    else:
        [(version,)] = database.fetch("SELECT version()")
        yield Check("postgresql", State.OK, str(version))
    yield from _access(database, settings.home / "token")
    yield _clock(database, clock)
    yield _runs(database)
    yield _values(database)
    yield _leftovers(database, settings.home / "attempts")


def _sqlite(database: Database) -> Check:
    [(mode,)] = database.fetch("PRAGMA journal_mode")
    detail = f"SQLite {sqlite3.sqlite_version}, journal {mode}"
    if mode != "wal":
        return Check("sqlite", State.WARNING, detail, "start the engine, which turns WAL on")
    return Check("sqlite", State.OK, detail)


def _pages(database: Database) -> Check:
    rows = database.fetch("PRAGMA quick_check(5)")
    if rows == [("ok",)]:
        return Check("integrity", State.OK, "every page is sound")
    detail = "; ".join(str(row[0]) for row in rows)
    return Check("integrity", State.FAULT, detail, "stop the engine and restore a backup")


def _access(database: Database, token: Path) -> Iterator[Check]:
    """Look whether the home's token lets anybody in, where there are tokens at all."""
    known = {bytes(row[0]) for row in database.fetch(_TOKENS)}
    if hash_in(token) in known:
        yield Check("access", State.OK, f"the token in {token} is known")
    elif known:
        advice = f"with no server: tipman token create NAME --scope admin > {token}"
        yield Check("access", State.WARNING, f"{token} has no token of this database", advice)


def _clock(database: Database, clock: Clock) -> Check:
    now = clock.wall_us()
    began = database.fetch("SELECT max(started_at) FROM epoch")[0][0] or 0
    # By the primary key from its end; `max` of a blob is not known to every database.
    newest = database.fetch("SELECT id FROM instance ORDER BY id DESC LIMIT 1")
    latest = max(began, made_at(bytes(newest[0][0])) if newest else 0)
    behind_s = (latest - now) / MICROSECONDS
    if behind_s > CLOCK_S_OFF_MAX:
        detail = f"it is {rfc3339(now)}, but something was written at {rfc3339(latest)}"
        return Check("clock", State.FAULT, detail, "set the clock of this machine")
    return Check("clock", State.OK, rfc3339(now))


def _values(database: Database) -> Check:
    """Look for large values that are missing from beside the database."""
    referred_to = {str(row[0]) for row in database.fetch(_LARGE_VALUES)}
    missing = sorted(referred_to.difference(database.values.references()))
    if not missing:
        return Check("values", State.OK, f"{len(referred_to):,} large values are in files")
    some = ", ".join(missing[:_FOUND_MAX])
    detail = f"of {len(referred_to):,} large values these are missing: {some}"
    return Check("values", State.FAULT, detail, "put the folder `values` back beside the database")


def _runs(database: Database) -> Check:
    """Look for runs of workflows that go on only when somebody does something."""
    total = database.fetch(_OPEN_RUNS)[0][0]
    waiting = [bytes(row[0]) for row in database.fetch(_STUCK_RUNS, (_FOUND_MAX + 1,))]
    if not waiting:
        return Check("runs", State.OK, f"{total:,} runs of workflows are open")
    some = ", ".join(map(text_of, waiting[:_FOUND_MAX]))
    more = ", …" if len(waiting) > _FOUND_MAX else ""
    detail = f"of {total:,} open runs these have suspended or blocked tasks: {some}{more}"
    return Check("runs", State.WARNING, detail, "tipman explain says what each waits for")


def _leftovers(database: Database, attempts: Path) -> Check:
    names = sorted(path.name for path in attempts.iterdir()) if attempts.is_dir() else []
    ids = [identifier for name in names if (identifier := parse(name)) is not None]
    there = database.fetch_in("SELECT id FROM instance WHERE id IN (??)", ids)
    left = sorted({*ids} - {bytes(row[0]) for row in there})
    if not left:
        return Check("attempts", State.OK, f"{len(ids):,} folders of attempts, each with its task")
    some = ", ".join(map(text_of, left[:_FOUND_MAX]))
    detail = f"{len(left):,} folders in {attempts} have no task in this database: {some}"
    advice = "remove them, unless another database uses this home"
    return Check("attempts", State.WARNING, detail, advice)
