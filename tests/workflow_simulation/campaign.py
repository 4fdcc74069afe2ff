"""A campaign: many seeds, one after the other, each on a database of its own in memory."""

import os
from collections.abc import Iterator
from pathlib import Path

from simulation import campaign
from simulation.plan import Plan
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

SEEDS = 5_000


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


def explained(found: Campaign, plan: Plan, failure: Exception) -> str:
    """Return what to show of a plan that failed: what, and how to see it again."""
    kept = found.shrink(plan)
    kinds = ", ".join(plan.steps[at].kind for at in kept)
    positions = ",".join(map(str, kept))
    return (
        f"seed {plan.seed}: {type(failure).__name__}: {failure}\n"
        f"with {len(kept)} of {len(plan.steps)} steps: {kinds}\n"
        f"again: TIPMAN_TEST_WORKFLOW_SEED={plan.seed} TIPMAN_TEST_STEPS={positions}"
        " .venv/bin/python -m pytest tests/workflow_simulation"
    )


def plans(share: int = 0, shares: int = 1) -> Iterator[Plan]:
    """Yield one of so many shares of the plans that the environment asks for."""
    seed = os.environ.get("TIPMAN_TEST_WORKFLOW_SEED")
    if seed is None:
        most = int(os.environ.get("TIPMAN_TEST_WORKFLOW_SEEDS", str(SEEDS)))
        yield from map(plan_of, range(share, most, shares))
    elif not share:
        plan = plan_of(int(seed))
        steps = os.environ.get("TIPMAN_TEST_STEPS")
        yield plan if not steps else plan.only(map(int, steps.split(",")))


def failed(share: int, shares: int) -> str | None:
    """Run one share of the seeds; return what the first failure was, None for none."""
    with campaign.folder_in_memory() as folder:
        found = Campaign(folder)
        for plan in plans(share, shares):
            failure = found.failure(plan)
            if failure is not None:
                return explained(found, plan, failure)
    return None
