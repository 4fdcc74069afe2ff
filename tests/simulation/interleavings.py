"""The seeds of the core's own simulation."""

from simulation.campaign import Campaign
from simulation.plan import plan_of
from simulation.seeds import Seeds

SEEDS = Seeds("TIPMAN_TEST_SEED", 2_000, "tests/simulation/test_interleavings.py", plan_of)


def failed(share: int, shares: int) -> str | None:
    """Run one share of the seeds; return what the first failure was, None for none."""
    return SEEDS.failed(share, shares, Campaign)
