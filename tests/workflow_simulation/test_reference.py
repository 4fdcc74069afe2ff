"""The rules of the engine against the reference, on many random rules."""

from random import Random

from tipman.triggers import rule_of
from workflow_simulation.flows import rule_among
from workflow_simulation.reference import SETTLED, holds

RULES = 20_000


def test_the_engine_decides_by_every_rule_as_the_reference_does():
    random = Random(5)

    for _ in range(RULES):
        needs = [f"t{n}" for n in range(random.randint(1, 4))]
        rule = rule_among(random, needs)
        states = [None, *sorted(SETTLED)] if random.random() < 0.4 else sorted(SETTLED)
        outcomes = {name: random.choice(states) for name in needs}
        context = {
            "n": random.choice((1, 3, "3", [3], None)),
            "a": random.choice(([1, 3], {"b": 1}, 7)),
            "results": {name: {"n": random.randint(0, 9)} for name in needs},
        }

        decision = rule_of(rule).decide(outcomes, lambda context=context: context)

        wanted = holds(rule, outcomes, context)
        if None in outcomes.values() and wanted is False:
            # What can be told before all have settled is told then.
            wanted = None
        assert decision.holds is wanted, f"{rule} of {outcomes} in {context}: {decision}"
