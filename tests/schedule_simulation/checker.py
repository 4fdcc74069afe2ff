"""The checker: reads nothing but rows and its own list of what was due."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NoReturn

from schedule_simulation.catching_up import check_catch_up
from schedule_simulation.evidence import Absence, Evidence, Line, Run, Setback, Slot
from schedule_simulation.history import Due, History
from simulation.violation import ViolationError
from tipman.clock import rfc3339
from tipman.ids import parse, text_of

_SETTLED = {"succeeded", "failed", "skipped", "cancelled", "abandoned"}
_REASONS = {
    "run": {None},
    "skipped": {"overlap", "paused", "excluded", "superseded"},
    "missed": {"down", "asleep", "window"},
}
_LONG_MIN = 1_001
_LATE_US_MAX = 21_000_000
"""An engine that dies so shortly after an instant may not have seen it."""


def check(
    evidence: Evidence,
    now: int,
    absences: Sequence[Absence] | None = None,
    setbacks: Sequence[Setback] = (),
) -> None:
    """Judge what is left by the wall clock's *now*; *absences* are None where nobody knows them.

    Raises:
        ViolationError: a promise was broken; the message says which, and of which schedule.
    """
    folding = Folding(evidence, setbacks)
    for line in evidence.lines:
        folding.fold(line)
    rows = {bytes(s): [*slots] for s, slots in groupby(evidence.slots, key=lambda r: r.schedule)}
    if not rows.keys() <= folding.histories.keys():
        raise ViolationError("there are slots of schedules that nobody made")
    for identifier, history in folding.histories.items():
        slots = rows.get(identifier, [])
        try:
            _check_covered(history, [s for s in slots if not s.backfill and not s.manual], now)
            _check_rows(history, slots, absences)
            _check_logged(history, slots)
            if absences is not None and not setbacks:
                check_catch_up(
                    history, [s for s in slots if not s.backfill and not s.manual], absences
                )
        except ViolationError as error:
            raise ViolationError(f"{text_of(identifier)} {history.policies}: {error}") from error
    _check_runs(evidence, folding.settled)


# Each instant once.


def _check_covered(history: History, slots: Iterable[Slot], now: int) -> None:
    """Go through what was due and the rows side by side."""
    dues, limit = history.dues(now)
    at = 0
    for slot in slots:
        # Decisions come in order, so nothing before one may be open.
        if at < len(dues) and dues[at].at < slot.due_at:
            _undecided(dues[at])
        if at == len(dues) or dues[at].at != slot.due_at:
            raise ViolationError(f"{shown(slot)}: nothing was due then, or it is decided twice")
        first, at = at, at + 1
        while slot.due_until is not None and at < len(dues) and dues[at].at <= slot.due_until:
            at += 1
        _check_span(slot, dues[first:at])
    for due in dues[at:]:
        if due.ready_at <= limit:
            _undecided(due)


def _undecided(due: Due) -> NoReturn:
    raise ViolationError(f"nothing was decided about {rfc3339(due.at)}")


def _check_span(slot: Slot, dues: Sequence[Due]) -> None:
    if slot.count != len(dues) or (slot.due_until or slot.due_at) != dues[-1].at:
        raise ViolationError(f"{shown(slot)}: {len(dues)} instants lie between")
    if slot.due_until is not None and slot.count < _LONG_MIN:
        raise ViolationError(f"{shown(slot)}: so few instants have a row each")
    last = dues[-1]
    if slot.decided_at < (last.ready_at if slot.decision == "run" else last.at):
        raise ViolationError(f"{shown(slot)}: was decided early, at {rfc3339(slot.decided_at)}")
    is_excluded = {due.segment.is_excluded(due.at) for due in dues}
    if slot.reason == "excluded" and is_excluded != {True}:
        raise ViolationError(f"{shown(slot)}: it is not")
    if slot.reason != "excluded" and True in is_excluded and slot.reason != "paused":
        raise ViolationError(f"{shown(slot)}: it was excluded")


# Each row by itself.


def _check_rows(
    history: History, slots: Iterable[Slot], absences: Sequence[Absence] | None
) -> None:
    for slot in slots:
        if slot.reason not in _REASONS[slot.decision]:
            raise ViolationError(f"{shown(slot)}: that is no reason for {slot.decision}")
        has_run = slot.decision == "run" or slot.reason == "superseded"
        if has_run != (slot.instance is not None):
            raise ViolationError(f"{shown(slot)}: a run and its instance go together")
        if (slot.reason in {"overlap", "superseded"}) != (slot.blocking is not None):
            raise ViolationError(f"{shown(slot)}: what blocks goes with overlap")
        if slot.decided_at < (slot.due_until or slot.due_at):
            raise ViolationError(f"{shown(slot)}: was decided early")
        if slot.reason == "paused" and not history.was_paused(slot.due_at):
            raise ViolationError(f"{shown(slot)}: it was not")
        if slot.decision == "missed" and absences is not None:
            _check_missed(slot, history, absences)


def _check_missed(slot: Slot, history: History, absences: Sequence[Absence]) -> None:
    # An engine that dies before it sees that a clock jumped leaves the next one to call it down.
    kinds = {"asleep"} if slot.reason == "asleep" else {"down", "asleep"}
    for due in (slot.due_at, slot.due_until or slot.due_at):
        ready_at = history.latest_at(due) + _LATE_US_MAX
        if not any(a.kind in kinds and a.since <= ready_at and due <= a.until for a in absences):
            raise ViolationError(f"{shown(slot)}: somebody was there then")


def _check_logged(history: History, slots: Iterable[Slot]) -> None:
    count = sum(slot.count for slot in slots if not slot.backfill and not slot.manual)
    if count != history.decided:
        raise ViolationError(f"the log decided about {history.decided} instants, rows {count}")


# Runs.


def _check_runs(evidence: Evidence, settled: Counter[bytes]) -> None:
    """Each run has one row and settles once."""
    of_slots = Counter(bytes(s.instance) for s in evidence.slots if s.instance is not None)
    if of_slots.keys() != evidence.runs.keys() or any(n != 1 for n in of_slots.values()):
        raise ViolationError("runs and rows do not belong to one another one by one")
    for identifier, run in evidence.runs.items():
        if settled[identifier] != (run.state in _SETTLED):
            raise ViolationError(f"run {text_of(identifier)} settled {settled[identifier]} times")


@dataclass(slots=True)
class Going:
    """The runs of a schedule that have not settled, those of backfills left out."""

    held: set[bytes] = field(default_factory=set)
    free: set[bytes] = field(default_factory=set)
    untold: set[bytes] = field(default_factory=set)
    """Settled, and the schedule has yet to hear of it."""


class Folding:
    """Folds the whole log in its order: histories, and what runs beside what."""

    def __init__(self, evidence: Evidence, setbacks: Sequence[Setback]):
        self._runs = evidence.runs
        self._slots = {bytes(s.instance): s for s in evidence.slots if s.instance is not None}
        self._replaced = Counter(
            text_of(bytes(s.blocking))
            for s in evidence.slots
            if s.reason == "superseded" and s.blocking is not None and not s.manual
        )
        self._setbacks = setbacks
        self.histories: dict[bytes, History] = {}
        self._going: defaultdict[bytes, Going] = defaultdict(Going)
        self._begun: dict[bytes, int] = {}
        self.settled: Counter[bytes] = Counter()

    def fold(self, line: Line) -> None:
        """Take in the next line."""
        identifier = bytes(line.instance)
        run = self._runs.get(identifier)
        if run is not None:
            self._fold_run(run, line)
            return
        if line.name == "schedule.created":
            self.histories[identifier] = History(identifier, self._replaced)
        history = self.histories.get(identifier)
        if history is None:
            return
        history.fold(line)
        going = self._going[identifier]
        if line.name == "slot.settled":
            going.untold.discard(parse(json.loads(line.data or "")["run"]))
        elif line.name == "slot.decided":
            self._check_blocking(going, json.loads(line.data or ""))

    @staticmethod
    def _check_blocking(going: Going, data: dict) -> None:
        if data.get("reason") == "overlap":
            blocking = parse(data["blocking"])
            if blocking not in going.held | going.free | going.untold:
                raise ViolationError(f"{data}: what blocks is over")

    def _fold_run(self, run: Run, line: Line) -> None:
        slot = self._slots.get(bytes(run.id))
        if slot is None:
            raise ViolationError(f"run {text_of(bytes(run.id))} has no row")
        self.settled[bytes(run.id)] += line.name == "task.settled"
        self._begun.setdefault(bytes(run.id), line.position)
        if line.name == "attempt.started":
            self._check_start(slot, line)
        if slot.backfill:
            return
        identifier, going = bytes(run.id), self._going[bytes(run.schedule)]
        policies = self.histories[bytes(run.schedule)].policies
        if line.name == "task.submitted":
            self._check_begin(identifier, going, policies, line)
        if line.after in _SETTLED:
            if identifier in going.held | going.free:
                going.untold.add(identifier)
            going.held.discard(identifier)
            going.free.discard(identifier)
        elif line.after == "waiting":
            going.held.add(identifier)
            _check_held(going, policies)
        elif identifier not in going.free:
            going.held.discard(identifier)
            _check_free(going, policies, slot)
            going.free.add(identifier)

    @staticmethod
    def _check_begin(identifier: bytes, going: Going, policies: dict, line: Line) -> None:
        overlap = policies.get("overlap", "skip")
        if overlap == "skip" and going.held | going.free:
            raise ViolationError(f"{text_of(identifier)} overlaps another run ({line.name})")

    def _check_start(self, slot: Slot, line: Line) -> None:
        # Its time had come when it was submitted; the clock may have been set back since.
        begun = self._begun[bytes(line.instance)]
        back = sum(s.microseconds for s in self._setbacks if s.position >= begun)
        if slot.due_at > line.at + back:
            raise ViolationError(f"{shown(slot)}: started early, at {rfc3339(line.at)}")


def _check_held(going: Going, policies: dict) -> None:
    most = {"queue_one": 1, "queue_all": policies.get("queue_max", 100)}
    # Where nothing runs, one of them has its turn and is about to leave.
    waiting = len(going.held) - (not going.free)
    if waiting > most.get(policies.get("overlap", "skip"), waiting):
        raise ViolationError(f"{len(going.held)} runs wait for their turn under {policies}")


def _check_free(going: Going, policies: dict, slot: Slot) -> None:
    if going.free and policies.get("overlap", "skip") != "allow":
        raise ViolationError(f"{shown(slot)}: two runs at once under {policies}")


def shown(slot: Slot) -> str:
    """Return a row as a message names it."""
    until = "" if slot.due_until is None else f" to {rfc3339(slot.due_until)} ({slot.count})"
    reason = f" {slot.reason}" if slot.reason else ""
    return f"{rfc3339(slot.due_at)}{until}: {slot.decision}{reason}"
