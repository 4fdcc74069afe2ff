"""Decisions: what becomes of an instant, weighed by pure rules from plain values.

Nothing here knows of rows, threads or clocks: who decides says what is open, what waits and what
time it is. Instants are in µs since 1970.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import NamedTuple, Protocol

STRETCH_MIN = 1_001
"""So many consecutive instants that were missed or paused are one row instead of a row each."""
CHUNK = 5_000
"""Instants of a long row that one event takes in."""


class Reason:
    """Why an instant has no run."""

    OVERLAP = "overlap"
    PAUSED = "paused"
    EXCLUDED = "excluded"
    SUPERSEDED = "superseded"
    DOWN = "down"
    ASLEEP = "asleep"
    WINDOW = "window"
    ORPHANED = "orphaned"
    QUOTA = "quota"
    INVALID_INPUT = "invalid_input"


class Instants(Protocol):
    """When something is due."""

    def next_after(self, instant_us: int) -> int | None:
        """Return the first instant strictly after, None for none."""

    def previous_before(self, instant_us: int) -> int | None:
        """Return the last instant strictly before, None for none."""


class Counted(Instants, Protocol):
    """Instants that can be counted without going through them."""

    def count_between(self, after_us: int, until_us: int) -> int:
        """Return how many are due strictly after the one and not after the other."""


class Answer(Enum):
    """What is done about an instant that is due while others may still run."""

    START = "start"
    HOLD = "hold"
    """Submit it, to wait for its turn."""
    REPLACE = "replace"
    """As hold, in place of those that wait."""
    REPLACE_ALL = "replace_all"
    """As replace, and end those that run."""
    SKIP = "skip"


def weigh(overlap: str, *, running: int, waiting: int, queue_max: int) -> Answer:
    """Return what the overlap policy says, *running* and *waiting* being runs of the schedule.

    >>> weigh("queue_one", running=1, waiting=0, queue_max=100)
    <Answer.HOLD: 'hold'>
    """
    if overlap == "allow" or not running + waiting:
        return Answer.START
    match overlap:
        case "queue_one":
            return Answer.SKIP if waiting else Answer.HOLD
        case "queue_all":
            return Answer.SKIP if waiting >= queue_max else Answer.HOLD
        case "latest":
            return Answer.REPLACE
        case "cancel_running":
            return Answer.REPLACE_ALL
        case _:
            return Answer.SKIP


class Backlog(NamedTuple):
    """Of the instants that nobody was there for, those that run all the same."""

    wanted_from: int | None
    wanted_until: int | None


class Policy(NamedTuple):
    """What is caught up: see `tipman.definitions.schedules.CatchUp`."""

    policy: str
    window_us: int
    most: int


def plan_backlog(
    policy: Policy, instants: Instants, *, decided_until: int, until: int, back_at: int
) -> Backlog:
    """Return which of the instants after *decided_until* up to *until* are caught up.

    *back_at* is when somebody was there again, from which the window is counted: later than
    *until* where the last instant still waits for its jitter.
    """
    oldest = max(decided_until + 1, back_at - policy.window_us)
    nothing = Backlog(None, None)
    if policy.policy == "none":
        return nothing
    if policy.policy == "earliest":
        first = instants.next_after(oldest - 1)
        return nothing if first is None or first > until else Backlog(first, first)
    last = instants.previous_before(until + 1)
    if last is None or last < oldest:
        return nothing
    first = last
    for _ in range(0 if policy.policy == "latest" else policy.most - 1):
        earlier = instants.previous_before(first)
        if earlier is None or earlier < oldest:
            break
        first = earlier
    return Backlog(first, last)


def granted(
    dues: Iterable[int],
    overlap: str,
    *,
    running: int,
    queue_max: int,
    runs_left: int | None = None,
) -> list[int]:
    """Return those of *dues*, decided at one moment, that get a run which nothing replaces.

    *running* are open already; none of them ends meanwhile. After *runs_left* it is over.

    >>> granted([1, 2, 3], "skip", running=0, queue_max=100)
    [1]
    >>> granted([1, 2, 3], "latest", running=0, queue_max=100)
    [1, 3]
    """
    started: list[int] = []
    waiting: list[int] = []
    for due in dues:
        if runs_left is not None and len(started) + len(waiting) >= runs_left:
            break
        busy = running + len(started)
        match weigh(overlap, running=busy, waiting=len(waiting), queue_max=queue_max):
            case Answer.START:
                started.append(due)
            case Answer.HOLD:
                waiting.append(due)
            case Answer.REPLACE | Answer.REPLACE_ALL:
                waiting = [due]
            case Answer.SKIP:
                pass
    return started + waiting


def caught_up(backlog: Backlog, instants: Instants) -> list[int]:
    """Return those of a backlog that are run after all, oldest first."""
    found: list[int] = []
    due = backlog.wanted_from
    while due is not None and backlog.wanted_until is not None and due <= backlog.wanted_until:
        found.append(due)
        due = instants.next_after(due)
    return found


class Stretch(NamedTuple):
    """Consecutive instants about which the same is decided."""

    first: int
    last: int
    covers: int
    instants: tuple[int, ...]
    """Each of them, when they have a row each; else empty."""


def stretch_of(instants: Counted, first: int, until: int) -> Stretch:
    """Return the instants from *first* up to *until*."""
    count = instants.count_between(first - 1, until)
    last = instants.previous_before(until + 1)
    if count >= STRETCH_MIN and last is not None:
        return Stretch(first, last, count, ())
    return broken_stretch(instants, first, until, goes_on=False, breaks=lambda _due: False)


def broken_stretch(
    instants: Counted,
    first: int,
    until: int,
    *,
    goes_on: bool,
    breaks: Callable[[int], bool],
    unbroken_until: int = 0,
) -> Stretch:
    """Return the instants from *first* up to *until*, or a first part of them.

    *goes_on* says that a long row is there already, which these continue. *breaks* tells of
    instants about which something else is decided: the stretch ends before one, and that is none
    up to *unbroken_until*, so that as many as there are are counted and not looked at.
    """
    sure = min(until, unbroken_until)
    count = instants.count_between(first - 1, sure) if sure > first else 0
    last = instants.previous_before(sure + 1)
    if last is not None and count >= (1 if goes_on else STRETCH_MIN):
        return Stretch(first, last, count, ())
    found: list[int] = []
    due: int | None = first
    most = CHUNK if goes_on else STRETCH_MIN
    while due is not None and due <= until and len(found) < most:
        if found and breaks(due):
            break
        found.append(due)
        due = instants.next_after(due)
    is_long = goes_on or len(found) >= STRETCH_MIN
    return Stretch(found[0], found[-1], len(found), () if is_long else tuple(found))


def outcome_counts(state: str, failures: int) -> int:
    """Return the number of failures in a row, once a run has settled in this state.

    >>> outcome_counts("failed", 2), outcome_counts("succeeded", 2), outcome_counts("skipped", 2)
    (3, 0, 2)
    """
    if state in {"failed", "abandoned"}:
        return failures + 1
    return 0 if state == "succeeded" else failures
