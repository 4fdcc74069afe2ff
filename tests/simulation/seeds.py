"""Seeds: which plans are tried, in several processes, and how one that fails is tried again."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from simulation.campaign import Campaign, folder_in_memory
from simulation.plan import Plan

SHARES = min(os.cpu_count() or 1, 8)


@dataclass(frozen=True)
class Seeds:
    """The seeds of one simulation."""

    variable: str
    """What the environment names one seed by; with an S behind it, how many there are."""
    count: int
    """How many are tried if the environment says nothing."""
    tests: str
    """What pytest is given to try one again."""
    plan_of: Callable[[int], Plan]

    def plans(self, share: int = 0, shares: int = 1) -> Iterator[Plan]:
        """Yield one of so many shares of the plans that the environment asks for."""
        seed = os.environ.get(self.variable)
        if seed is None:
            most = int(os.environ.get(f"{self.variable}S", str(self.count)))
            yield from map(self.plan_of, range(share, most, shares))
        elif not share:
            plan = self.plan_of(int(seed))
            steps = os.environ.get("TIPMAN_TEST_STEPS")
            yield plan if not steps else plan.only(map(int, steps.split(",")))

    def explained(self, campaign: Campaign, plan: Plan, failure: Exception) -> str:
        """Return what to show of a plan that failed: what, and how to see it again."""
        kept = campaign.shrink(plan)
        kinds = ", ".join(plan.steps[at].kind for at in kept)
        positions = ",".join(map(str, kept))
        return (
            f"seed {plan.seed}: {type(failure).__name__}: {failure}\n"
            f"with {len(kept)} of {len(plan.steps)} steps: {kinds}\n"
            f"again: {self.variable}={plan.seed} TIPMAN_TEST_STEPS={positions}"
            f" .venv/bin/python -m pytest {self.tests}"
        )

    def failed(
        self, share: int, shares: int, make_campaign: Callable[[Path], Campaign]
    ) -> str | None:
        """Run one share of the plans; return what the first failure was, None for none."""
        with folder_in_memory() as folder:
            campaign = make_campaign(folder)
            for plan in self.plans(share, shares):
                failure = campaign.failure(plan)
                if failure is not None:
                    return self.explained(campaign, plan, failure)
        return None


def failures(failed: Callable[[int, int], str | None]) -> str:
    """Run all shares, each in a process of its own; return what failed in words."""
    with ProcessPoolExecutor(SHARES, get_context("spawn")) as processes:
        shares = [processes.submit(failed, share, SHARES) for share in range(SHARES)]
        return "\n".join(filter(None, [share.result() for share in shares]))
