"""A campaign: many seeds, one after the other, each on a database of its own in memory."""

from pathlib import Path

from simulation import campaign
from simulation.seeds import Seeds
from tipman.clock import ManualClock
from tipman.core import Core
from tipman.definitions import workflow_of
from tipman.definitions.contents import kept
from tipman.registrations import WorkflowAdded
from tipman.settings import Settings
from workflow_simulation.flows import CHILD
from workflow_simulation.plan import plan_of
from workflow_simulation.steps import play
from workflow_simulation.world import ACTOR, World

SEEDS = Seeds("TIPMAN_TEST_WORKFLOW_SEED", 5_000, "tests/workflow_simulation", plan_of)


class Campaign(campaign.Campaign):
    """Runs plans; *make_world* is another than `World` where a protection is switched off."""

    def __init__(self, folder: Path, make_world=World):
        super().__init__(folder, make_world, play)
        core = Core(f"sqlite:///{self.template}", Settings(), ManualClock(), lambda _core: {})
        source, content = kept(workflow_of(CHILD, default_name=""))
        name = CHILD["name"]
        core.bus.publish_nowait(WorkflowAdded(name, ACTOR, "default", content, source))
        core.recover()
        core.close()


def failed(share: int, shares: int) -> str | None:
    """Run one share of the seeds; return what the first failure was, None for none."""
    return SEEDS.failed(share, shares, Campaign)
