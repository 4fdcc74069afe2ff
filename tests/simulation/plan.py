"""Plans: from a seed to the settings of a run and its steps, each with a seed of its own.

A step draws from its own seed alone, so a plan from which steps were taken out is still a plan:
that is how a failing one shrinks.
"""

from dataclasses import dataclass, replace
from random import Random

STEPS_MIN, STEPS_MAX = 12, 60
_WEIGHTS = {
    "submit_one": 12,
    "submit_batch": 10,
    "end_attempt": 24,
    "drain": 22,
    "repeat_report": 2,
    "return_detached": 2,
    "cancel": 4,
    "suspend": 5,
    "resume": 6,
    "retry": 6,
    "report_outcome": 5,
    "advance": 10,
    "look": 5,
    "crash": 1,
    "crash_after_commit": 2,
    "crash_between_effects": 1,
    "stop_in_order": 1,
}
KINDS = tuple(_WEIGHTS)


@dataclass(frozen=True)
class Step:
    """One thing that happens to the core."""

    kind: str
    seed: int


@dataclass(frozen=True)
class Plan:
    """One run: what the engine is told, and what happens to it."""

    seed: int
    slots: int
    narrow: int
    """The slots of the queue `narrow`, the one that has a limit."""
    lost_max: int
    events_max: int
    """How many events a drain handles at most."""
    steps: tuple[Step, ...]

    def only(self, positions) -> "Plan":
        """Return this plan with the steps at these positions alone."""
        return replace(self, steps=tuple(self.steps[at] for at in positions))


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed, always the same."""
    random = Random(seed)
    kinds = random.choices(KINDS, list(_WEIGHTS.values()), k=random.randint(STEPS_MIN, STEPS_MAX))
    return Plan(
        seed=seed,
        slots=random.choice((1, 2, 3, 5)),
        narrow=random.choice((1, 1, 2)),
        lost_max=random.choice((2, 3, 3)),
        events_max=random.choice((1, 2, 3, 7, 2_000, 2_000)),
        steps=tuple(Step(kind, random.getrandbits(48)) for kind in kinds),
    )
