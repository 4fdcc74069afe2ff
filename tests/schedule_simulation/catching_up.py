"""What a start must have caught up: worked out from what was due, and held against the rows.

Judged are downtimes about which there can be no doubt: nobody set the clock, no other downtime was
near, and one revision was in force, on a schedule that nothing ended or paused.
"""

from collections.abc import Iterator, Mapping, Sequence

from schedule_simulation.evidence import Absence, Slot
from schedule_simulation.history import Due, History, Segment
from simulation.violation import ViolationError
from tipman.clock import MICROSECONDS, rfc3339

_NEAR_US = 60 * MICROSECONDS
_LATE_US_MAX = 21 * MICROSECONDS
"""By how much an alarm rings late at most: an engine may die before it does."""
_WINDOW_S = 3_600
_ALL_MAX = 100


def check_catch_up(history: History, slots: Sequence[Slot], absences: Sequence[Absence]) -> None:
    """Judge each downtime of a schedule.

    Raises:
        ViolationError: something was run that was not to be caught up, or the other way round.
    """
    if len(history.segments) > 1 or history.pauses or history.finished_at is not None:
        return
    (segment,) = history.segments
    if "runs_max" in segment.spec:
        return
    decided = {s.due_at: s.decision for s in slots if s.due_until is None}
    decided_at = {s.due_at: s.decided_at for s in slots}
    for absence in _clear(absences):
        missed = [
            due
            for due in _dues_within(history, absence, decided_at)
            if not segment.is_excluded(due.at) and due.at > segment.since
        ]
        wanted = _wanted(segment, missed, absence.until)
        for due in missed:
            # A row for many stands for what was missed.
            is_missed = decided.get(due.at, "missed") == "missed"
            if is_missed == (due.at in wanted):
                raise ViolationError(
                    f"{rfc3339(due.at)} was{'' if is_missed else ' not'} missed,"
                    f" down from {rfc3339(absence.since)} to {rfc3339(absence.until)}"
                )


def _clear(absences: Sequence[Absence]) -> Iterator[Absence]:
    for absence in absences:
        others = [other for other in absences if other is not absence]
        if absence.kind == "down" and all(
            other.until < absence.since - _NEAR_US or other.since > absence.until + _NEAR_US
            for other in others
        ):
            yield absence


def _dues_within(
    history: History, absence: Absence, decided_at: Mapping[int, int]
) -> Iterator[Due]:
    """Yield what was due, and had waited for its jitter, while nobody was there."""
    for due in history.dues(absence.until)[0]:
        if due.ready_at > absence.until or due.ready_at < absence.since - _LATE_US_MAX:
            continue
        # An engine that died right after an instant may have decided about it, or may not.
        if due.ready_at > absence.since or decided_at.get(due.at, absence.until) > absence.since:
            yield due


def _window_us(segment: Segment) -> int:
    asked = segment.spec.get("catch_up", {})
    return round(asked.get("window_s", _WINDOW_S) * MICROSECONDS)


def _wanted(segment: Segment, missed: Sequence[Due], until: int) -> set[int]:
    asked = segment.spec.get("catch_up", {})
    recent = [due.at for due in missed if due.at >= until - _window_us(segment)]
    match asked.get("policy", "latest"):
        case "none":
            return set()
        case "earliest":
            return {*recent[:1]}
        case "all":
            return {*recent[-asked.get("max", _ALL_MAX) :]}
    return {*recent[-1:]}
