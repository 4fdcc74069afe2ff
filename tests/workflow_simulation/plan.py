"""Plans: from a seed to the settings of a simulation and its steps, each with its own seed.

A step draws from its own seed alone, so a plan from which steps were taken out is still a plan:
that is how a failing one shrinks.
"""

from random import Random

from simulation.plan import Plan, Step

STEPS_MIN, STEPS_MAX = 6, 36
_WEIGHTS = {
    "submit_run": 4,
    "end_attempt": 30,
    "drain": 24,
    "report_outcome": 8,
    "repeat_report": 1,
    "return_detached": 1,
    "cancel": 2,
    "suspend": 3,
    "resume": 4,
    "retry": 4,
    "cancel_run": 2,
    "suspend_run": 3,
    "resume_run": 4,
    "retry_run": 4,
    "add_tasks": 2,
    "add_dependencies": 5,
    "advance": 9,
    "jump": 1,
    "look": 3,
    "crash": 1,
    "crash_after_commit": 2,
    "crash_between_effects": 1,
    "crash_in_recovery": 1,
    "stop_in_order": 1,
}
KINDS = tuple(_WEIGHTS)
_ALWAYS = {"end_attempt", "drain"}


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed, always the same."""
    random = Random(seed)
    kinds = random.choices(KINDS, _weights(random), k=random.randint(STEPS_MIN, STEPS_MAX))
    kinds[0] = "submit_run"
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
