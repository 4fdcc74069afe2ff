"""Aimed deaths: the child kills itself at the n-th time that it passes a chosen place.

The places are put around methods of the engine's classes, in the child's own process.
"""

import os
import random
import resource
import signal
import threading
from collections import Counter
from contextlib import contextmanager

import peewee
from crash.tasks import LANDED
from tipman.bus import Bus
from tipman.database import Database
from tipman.leases import FileLock
from tipman.tipman import TIPMan

LIFE = {
    "commit.before": (1, 60),
    "commit.after": (1, 60),
    "effects.after": (1, 60),
    "write": (1, 200),
    "acknowledged": (1, 60),
    "checkpoint": (1, 8),
}
"""Places while the engine serves, and between which numbers the n-th passing is chosen."""
BOOT = {"boot.locked": (1, 1), "boot.statement": (1, 16), "boot.commit": (1, 3)}
FIRST_BOOT = {"boot.statement": (1, 60)}
"""The first start makes the tables, too."""
CLOSE = {"close.statement": (1, 6)}
PROCESS = {"process": (1, 1)}
"""Killed by one of its own tasks, while others and their grandchildren run."""
PLACES = {**LIFE, **BOOT, **CLOSE, **PROCESS}


class Aim:
    """Counts passings of the place that was chosen, and kills at the right one."""

    def __init__(self, place, nth):
        self._place = place
        self._nth = nth
        self._passed = Counter()
        self._lock = threading.Lock()
        self._phase = ""

    def enter(self, phase):
        """Begin a phase: `boot`, `life` or `close`; some places count in one only."""
        self._phase = phase

    def passed(self, place):
        """Note a passing; does not return if it was the one."""
        if self.is_now(place):
            die()

    def passed_in_phase(self, place):
        """Note a passing of a place that is named after the phase."""
        self.passed(f"{self._phase}.{place}")

    def is_now(self, place):
        """Note a passing and tell whether it was the one."""
        if place != self._place:
            return False
        with self._lock:
            self._passed[place] += 1
            return self._passed[place] == self._nth


def die():
    """Be killed as by kill -9, from inside; the log says that it was on purpose."""
    os.write(2, f"{LANDED}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def install(aim):
    """Put the places around the engine's methods."""
    _around_transactions(aim)
    before(Bus, "_answer", lambda: aim.passed("effects.after"))
    before(Database, "execute_many", lambda: aim.passed("write"))
    _before_statements(aim)
    after(FileLock, "take", lambda: aim.passed("boot.locked"))
    if hasattr(TIPMan, "arm_late"):
        before(TIPMan, "arm_late", lambda: aim.passed("arm.before"))
    _with_checkpoints(aim)


def _around_transactions(aim):
    plain = Database.transaction

    @contextmanager
    def transaction(self):
        with plain(self):
            yield
            aim.passed("commit.before")
            aim.passed_in_phase("commit")
        aim.passed("commit.after")

    Database.transaction = transaction


def _before_statements(aim):
    def note():
        aim.passed_in_phase("statement")

    before(peewee.SqliteDatabase, "execute_sql", note)
    plain = Database.open

    def open_and_watch(self):
        plain(self)
        run = self._run

        def noted(*args):
            note()
            return run(*args)

        # Once it is open, most statements go to the driver's connection without Peewee.
        self._run = noted

    Database.open = open_and_watch


def before(owner, name, note):
    """Note a passing whenever a method is called."""
    plain = getattr(owner, name)

    def method(self, *args, **kwargs):
        note()
        return plain(self, *args, **kwargs)

    setattr(owner, name, method)


def after(owner, name, note):
    """Note a passing whenever a method has returned."""
    plain = getattr(owner, name)

    def method(self, *args, **kwargs):
        result = plain(self, *args, **kwargs)
        note()
        return result

    setattr(owner, name, method)


def _with_checkpoints(aim):
    """Have every fourth drain checkpoint the log, and die somewhere inside of one."""
    plain = Bus._drain
    drains = Counter()

    def drain(self, *args, **kwargs):
        result = plain(self, *args, **kwargs)
        drains["all"] += 1
        if drains["all"] % 4 == 0 and aim.is_now("checkpoint"):
            # SQLite works without the interpreter's lock, so this thread kills it in the middle.
            threading.Thread(target=_die_after, args=(random.uniform(0, 0.004),)).start()
            while True:
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._database.execute("PRAGMA user_version = 0")
        return result

    # Inside the turn: nobody else uses the connection meanwhile.
    Bus._drain = drain


def _die_after(delay_s):
    threading.Event().wait(delay_s)
    die()


def limit_files(bytes_max):
    """Let no file of this process grow beyond; writing there fails as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, bytes_max))
