"""Plans: from a seed to what happens within some days, each step with a seed of its own.

A step draws from its own seed alone, so a plan from which steps were taken out is still a plan:
that is how a failing one shrinks.
"""

from dataclasses import dataclass, replace
from random import Random

from schedule_simulation.orders import RARE, USUAL, Rhythm

SCHEDULES = 10
DAYS = 30
DAY_S = 86_400
STEPS_MIN, STEPS_MAX = 25, 60
_WEIGHTS = {
    "burst": 1,
    "pause": 5,
    "resume": 6,
    "trigger": 4,
    "change": 6,
    "delete": 1,
    "backfill": 1,
    "crash": 4,
    "crash_after_commit": 6,
    "crash_in_recovery": 1,
    "stop_in_order": 1,
    "suspend": 3,
    "jump": 4,
}
KINDS = tuple(_WEIGHTS)


@dataclass(frozen=True)
class Step:
    """One thing that happens, so many seconds after the beginning."""

    at_s: int
    kind: str
    seed: int


@dataclass(frozen=True)
class Plan:
    """One run: what the engine is told, and what happens to it."""

    seed: int
    days: int
    rhythm: Rhythm
    slots: int
    events_max: int
    """How many events a drain handles at most."""
    rows_max: int
    """After how many rows a drain takes no more events."""
    cache_max: int
    """How many instances are kept in memory."""
    lag_s: float
    """By how much an alarm rings late at most."""
    lead_us: int
    """How long before its instant a decision is prepared; 0 for decisions that are not."""
    steps: tuple[Step, ...]

    def only(self, positions) -> "Plan":
        """Return this plan with the steps at these positions alone."""
        return replace(self, steps=tuple(self.steps[at] for at in positions))


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed, always the same."""
    return _plan(seed, SCHEDULES, DAYS, USUAL)


def long_plan_of(seed: int, *, schedules: int, days: int) -> Plan:
    """Return a plan of years; what is due is due less often."""
    return _plan(seed, schedules, days, RARE)


def _plan(seed: int, schedules: int, days: int, rhythm: Rhythm) -> Plan:
    random = Random(seed)
    weights = [weight * random.choice((0, 1, 1, 4)) for weight in _WEIGHTS.values()]
    if not any(weights):
        weights = list(_WEIGHTS.values())
    most = days * DAY_S
    count = random.randint(STEPS_MIN, STEPS_MAX) * days // DAYS
    moments = [
        *((random.randrange(most // 2), "create") for _ in range(schedules)),
        *((random.randrange(most), kind) for kind in random.choices(KINDS, weights, k=count)),
    ]
    return Plan(
        seed=seed,
        days=days,
        rhythm=rhythm,
        slots=random.choice((1, 3, 64, 64)),
        events_max=random.choice((1, 2, 7, 2_000, 2_000)),
        rows_max=random.choice((1, 9, 20_000, 20_000)),
        cache_max=random.choice((2, 5, 50_000, 50_000)),
        lag_s=random.choice((0, 0, 0.5, 20)),
        lead_us=random.choice((0, 100_000)),
        steps=tuple(Step(at_s, kind, random.getrandbits(48)) for at_s, kind in sorted(moments)),
    )
