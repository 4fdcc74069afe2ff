"""Worlds in which one protection is switched off; the checker must notice each."""

from schedule_simulation.world import World
from simulation.world import Crashed
from tipman.schedules.ledger import Ledger

_SLOT_WITHOUT_KEY = (
    "CREATE TABLE bare_slot AS SELECT * FROM slot",
    "DROP TABLE slot",
    "ALTER TABLE bare_slot RENAME TO slot",
)


STANDING = (
    "SELECT started_at, queued_at, attempt, wake_at, id FROM instance WHERE kind = 'schedule'"
)
STAND = "UPDATE instance SET started_at = ?, queued_at = ?, attempt = ?, wake_at = ? WHERE id = ?"


class _Late:
    """Writes a decision in one transaction, and in the next one where its schedule stands."""

    def __init__(self, world):
        self._world, self._database = world, world.core.database
        self._write, self._committed = world.core.directory.write, world.core.directory.committed
        self._late = []

    def write(self):
        before = {row[-1]: row for row in self._database.fetch(STANDING)}
        self._write()
        self._late = [
            row for row in self._database.fetch(STANDING) if before.get(row[-1], row) != row
        ]
        self._database.execute_many(STAND, [before[row[-1]] for row in self._late])

    def committed(self):
        entries = self._committed()
        if self._late and self._world.effects_before_crash is not None:
            raise Crashed
        if self._late:
            with self._database.transaction():
                self._database.execute_many(STAND, self._late)
        return entries


class FiringAndArmingApart(World):
    """The decision and the next deadline are not committed together."""

    def guard(self):
        late = _Late(self)
        self.core.directory.write, self.core.directory.committed = late.write, late.committed


class WithoutTheKey(FiringAndArmingApart):
    """The same, and nothing keeps an instant from having two rows."""

    def guard(self):
        super().guard()
        with self.core.database.transaction():
            for statement in _SLOT_WITHOUT_KEY:
                self.core.database.execute(statement)


class _ForgetfulLedger(Ledger):
    """Does not know after a start what was submitted before it."""

    def prefetch(self, identifiers):
        wanted = [*identifiers]
        missing = [i for i in wanted if i not in self._records]
        super().prefetch(wanted)
        for identifier in missing:
            self._records[identifier].open.clear()


class ForgettingRuns(World):
    """Overlap is decided against memory, not against rows."""

    def guard(self):
        self.core.directory.schedules = _ForgetfulLedger(self.core.database)


class DeafToTheClock(World):
    """Whoever was away thinks that it was there all the time, and has nothing to catch up."""

    def _boot(self):
        super()._boot()
        self.core.handlers.firing.awake_since = 1 << 62


class BlindToDowntimes(World):
    """Who was down runs all that was due meanwhile, whatever is to be caught up."""

    def guard(self):
        self.core.handlers.firing.awake_since = 0


class Hasty(World):
    """What was prepared is committed as soon as it is."""

    def guard(self):
        self.clock.wait = lambda _seconds: None


ALL = (
    FiringAndArmingApart, WithoutTheKey, ForgettingRuns, DeafToTheClock, BlindToDowntimes, Hasty,
)  # fmt: skip
