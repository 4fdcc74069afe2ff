"""Engines with one protection taken away, to prove that the checker would see it.

Each function replaces methods of the engine's classes in the child's own process; nothing of this
exists in the product.
"""

import sys
from pathlib import Path

import tipman.core
from tipman.bus import Bus
from tipman.database import Database
from tipman.events import AttemptSucceeded
from tipman.executors import link
from tipman.handlers import attempts
from tipman.models import INSERT_LOG_ENTRY
from tipman.registry.models import UPSERT_ANSWER
from tipman.registry.register import Registry
from tipman.tipman import TIPMan
from tipman.worker import Worker


def republish_reports():
    """Send each attempt's report once more when the task's next attempt starts, as a late one.

    With the owner and attempt check, it is written down as fenced and changes nothing.
    """
    earlier = {}
    start = Worker._start

    def remembering(pass_on):
        def report(self, event):
            earlier[event.instance] = event
            pass_on(self, event)

        return report

    def start_and_republish(self, effect):
        late = earlier.pop(effect.instance, None)
        if late is not None and late.attempt < effect.attempt:
            self._publish(AttemptSucceeded(late.instance, late.attempt, late.epoch, "null"))
        start(self, effect)

    Worker.report = remembering(Worker.report)
    Worker.hand_in = remembering(Worker.hand_in)
    Worker._start = start_and_republish


def acknowledge_before_commit():
    """Answer publishers when their event is handled, and not yet on disk."""
    plain = Bus._take

    def take(self, queue, effects, answers):
        plain(self, queue, effects, answers)
        for answer in answers:
            answer.receipt.settle(answer.error)
        answers.clear()

    Bus._take = take


def no_fencing():
    """Believe every report, whoever it comes from."""
    attempts._is_current = lambda _instance, _event: True


def two_transactions():
    """Commit the state, then the log."""
    plain = Database.execute_many

    def execute_many(self, text, rows):
        if text in INSERT_LOG_ENTRY:
            self.peewee.commit()
            self.peewee.begin("IMMEDIATE")
        return plain(self, text, rows)

    Database.execute_many = execute_many


def leftovers_in_memory():
    """Keep what a drain has not reached in memory only."""
    Bus._leave_rest = lambda _self: None


STANDING = (
    "SELECT started_at, queued_at, attempt, wake_at, id FROM instance WHERE kind = 'schedule'"
)
STAND = "UPDATE instance SET started_at = ?, queued_at = ?, attempt = ?, wake_at = ? WHERE id = ?"
BARE_SLOT = (
    "CREATE TABLE bare_slot AS SELECT * FROM slot",
    "DROP TABLE slot",
    "ALTER TABLE bare_slot RENAME TO slot",
)


def no_cleanup():
    """Run a nursery that dies without killing what is below it."""
    program = Path(__file__).with_name("careless_nursery.py")
    link.nursery_command = lambda arguments: [
        sys.executable, "-I", "-S", "-B", str(program), *arguments,
    ]  # fmt: skip


def no_recovery():
    """Start without closing what died with earlier engines."""
    tipman.core.recover = lambda *_args, **_kwargs: []


def effects_before_commit():
    """Start attempts before it is on disk that they were started."""
    plain = Bus._take

    def take(self, queue, effects, answers):
        plain(self, queue, effects, answers)
        self.perform(list(effects), [])
        effects.clear()

    Bus._take = take


def forget_answers():
    """Keep no answer for a repeat."""
    Registry.keep_answer = lambda *_: None


def answers_of_their_own():
    """Keep answers for repeats in a transaction after that of the write."""
    write, committed = Registry.write, Registry.committed

    def write_the_rest(self, now_us):
        self.late, self._answers = self._answers, {}
        write(self, now_us)

    def write_answers(self):
        late = getattr(self, "late", {})
        if late:
            with self._database.transaction():
                self._database.execute_many(UPSERT_ANSWER, list(late.values()))
            self.late = {}
        committed(self)

    Registry.write, Registry.committed = write_the_rest, write_answers


def arm_later():
    """Commit a decision first, then where its schedule stands; and let slots have no key."""
    write, committed = TIPMan.write, TIPMan.committed

    def write_decisions(self):
        if not hasattr(self, "late"):
            for statement in BARE_SLOT:
                self.database.execute(statement)
        before = {row[-1]: row for row in self.database.fetch(STANDING)}
        write(self)
        after = self.database.fetch(STANDING)
        self.late = [row for row in after if before.get(row[-1], row) != row]
        self.database.execute_many(STAND, [before[row[-1]] for row in self.late])

    def write_where_it_stands(self):
        entries = committed(self)
        if getattr(self, "late", []):
            self.arm_late()
        return entries

    def arm_late(self):
        with self.database.transaction():
            self.database.execute_many(STAND, self.late)
        self.late = []

    TIPMan.write, TIPMan.committed = write_decisions, write_where_it_stands
    TIPMan.arm_late = arm_late


CONTROLS = {
    "arm_later": arm_later,
    "acknowledge_before_commit": acknowledge_before_commit,
    "no_fencing": no_fencing,
    "two_transactions": two_transactions,
    "leftovers_in_memory": leftovers_in_memory,
    "no_cleanup": no_cleanup,
    "no_recovery": no_recovery,
    "effects_before_commit": effects_before_commit,
    "forget_answers": forget_answers,
    "answers_of_their_own": answers_of_their_own,
}
