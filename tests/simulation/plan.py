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
    "submit_calls": 2,
    "submit_workflow": 3,
    "submit_refused": 2,
    "end_attempt": 24,
    "drain": 22,
    "refuse_start": 1,
    "repeat_report": 2,
    "return_detached": 2,
    "cancel": 4,
    "suspend": 5,
    "resume": 6,
    "retry": 8,
    "report_outcome": 5,
    "advance": 10,
    "jump": 1,
    "look": 5,
    "crash": 1,
    "crash_after_commit": 2,
    "crash_between_effects": 1,
    "crash_in_recovery": 1,
    "stop_in_order": 1,
}
KINDS = tuple(_WEIGHTS)
_ALWAYS = {"submit_one", "end_attempt", "drain"}


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
    rows_max: int
    """After how many rows a drain takes no more events."""
    cache_max: int
    """How many instances are kept in memory."""
    steps: tuple[Step, ...]

    def only(self, positions) -> "Plan":
        """Return this plan with the steps at these positions alone."""
        return replace(self, steps=tuple(self.steps[at] for at in positions))


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed, always the same."""
    random = Random(seed)
    kinds = random.choices(KINDS, _weights(random), k=random.randint(STEPS_MIN, STEPS_MAX))
    kinds[0] = "submit_batch"
    return Plan(
        seed=seed,
        slots=random.choice((1, 2, 3, 5)),
        narrow=random.choice((1, 1, 2)),
        lost_max=random.choice((2, 3, 3)),
        events_max=random.choice((1, 2, 3, 7, 2_000, 2_000)),
        rows_max=random.choice((1, 9, 20_000, 20_000)),
        cache_max=random.choice((2, 5, 50_000, 50_000)),
        steps=tuple(Step(kind, random.getrandbits(48)) for kind in kinds),
    )


def _weights(random: Random) -> list[int]:
    """Return how often each kind of step comes in one plan: some often, some not at all.

    Source: A. Groce and others, Swarm Testing, 2012.
    """
    return [
        weight * random.choice((1, 1, 3) if kind in _ALWAYS else (0, 1, 1, 4))
        for kind, weight in _WEIGHTS.items()
    ]
