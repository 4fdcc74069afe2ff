"""Kill the engine many times: `python -m crash --kills 2000 [--seed S]`, from the tests folder."""

import argparse
import sys

from crash import campaign


def main():
    parser = argparse.ArgumentParser(prog="python -m crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seed", default=None, help="of a campaign, printed by an earlier one")
    parser.add_argument("--life", default=None, help="live one database again, by its seed")
    given = parser.parse_args()
    if given.life is not None:
        outcome = campaign.replay(given.life)
    else:
        outcome = campaign.run(given.kills, given.seed or campaign.new_seed())
    sys.stdout.write(f"{outcome}\n")
    return 1 if outcome.found else 0


if __name__ == "__main__":
    sys.exit(main())
