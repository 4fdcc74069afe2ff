"""Worlds in which one protection is switched off; the audit must notice each."""

from dataclasses import replace

from simulation.world import World
from tipman.events import DependencySettled


class WithoutQueueLimits(World):
    """The frontier knows of no slots of queues."""

    def begin_life(self):
        self.settings = replace(self.settings, queues={})
        super().begin_life()


class WithoutRecovery(World):
    """A start does not look at what the engines before it left."""

    def recover(self):
        self.core.scheduler.start()


class Forgetful(list):
    """Takes raised events, and loses every tenth `DependencySettled`."""

    def __init__(self):
        super().__init__()
        self._seen = 0

    def append(self, event):
        self._seen += isinstance(event, DependencySettled)
        if not isinstance(event, DependencySettled) or self._seen % 10:
            super().append(event)

    def extend(self, events):
        for event in events:
            self.append(event)


class LosingInternalEvents(World):
    """One event in ten that handlers publish for a dependent never arrives."""

    def recover(self):
        self.core.directory.raised = Forgetful()
        super().recover()


class InboxInMemoryOnly(World):
    """What a bounded drain leaves over dies with the engine."""

    def recover(self):
        with self.core.database.transaction():
            self.core.database.execute("DELETE FROM inbox")
        super().recover()


class _AnyNumber(int):
    """A number that passes for every other one."""

    __hash__ = int.__hash__

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False


class WithoutFencing(World):
    """A report that comes late passes for one of the current attempt."""

    def report(self, report):
        any_owner = {"attempt": _AnyNumber(report.attempt), "epoch": _AnyNumber(report.epoch)}
        super().report(replace(report, **any_owner))


class WithoutAcknowledgedCommits(World):
    """Something is acknowledged, and is not on disk."""

    def submit(self, event):
        super().submit(event)
        self.audit.acknowledged(event)


ALL = (
    WithoutQueueLimits,
    WithoutRecovery,
    LosingInternalEvents,
    InboxInMemoryOnly,
    WithoutFencing,
    WithoutAcknowledgedCommits,
)
