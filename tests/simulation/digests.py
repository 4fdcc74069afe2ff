"""Prints the digest of each seed that is named, one a line."""

import sys

from simulation.campaign import Campaign, folder_in_memory
from simulation.plan import plan_of


def main() -> None:
    """Run the seeds that the command line names."""
    with folder_in_memory() as folder:
        campaign = Campaign(folder)
        for seed in sys.argv[1:]:
            sys.stdout.write(campaign.run(plan_of(int(seed))) + "\n")


if __name__ == "__main__":
    main()
