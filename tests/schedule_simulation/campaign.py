"""A campaign: many seeds, one after the other, each on a database of its own in memory."""

from pathlib import Path

from schedule_simulation.plan import plan_of
from schedule_simulation.steps import play
from schedule_simulation.world import World
from simulation import campaign
from simulation.seeds import Seeds

SEEDS = Seeds("TIPMAN_TEST_SCHEDULE_SEED", 500, "tests/schedule_simulation", plan_of)


class Campaign(campaign.Campaign):
    """Runs plans; *make_world* is another than `World` where a protection is switched off."""

    def __init__(self, folder: Path, make_world=World):
        super().__init__(folder, make_world, play)


def failed(share: int, shares: int) -> str | None:
    """Run one share of the seeds; return what the first failure was, None for none."""
    return SEEDS.failed(share, shares, Campaign)
