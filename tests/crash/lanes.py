"""Lanes: databases that die again and again, side by side, and what they went through in all."""

import shutil
import threading
from collections import Counter
from dataclasses import dataclass, field

from crash.nest import Nest

LANES = 2
KILLS_A_LIFE = 12


@dataclass
class Outcome:
    """What a campaign did and found."""

    seed: str
    kills: int = 0
    landed: int = 0
    """How many deaths came where they were aimed."""
    seen: Counter = field(default_factory=Counter)
    """What the databases held in the end, so that it shows that something was tried."""
    found: list = field(default_factory=list)

    def add(self, life):
        """Count what one database went through; its folder stays if something is wrong."""
        self.kills += life.kills
        self.landed += life.landed
        self.seen += life.seen
        if life.found is not None:
            self.found.append(f"{life.folder} (life {life.seed}): {life.found}")
        else:
            shutil.rmtree(life.folder)

    def __str__(self):
        seen = ", ".join(f"{count} {word}" for word, count in self.seen.most_common())
        said = f"seed {self.seed}: {self.kills} kills, {self.landed} where aimed; {seen}"
        return "\n".join([said, *self.found])


def run(kills, seed, keeper, kind):
    """Kill so many times in all: children of the module *keeper*, lives of the class *kind*."""
    outcome, lock = Outcome(seed), threading.Lock()
    lanes = [
        threading.Thread(
            target=_run_lane,
            args=(f"{seed}.{n}", kills // LANES + (n < kills % LANES), keeper, kind),
            kwargs={"outcome": outcome, "lock": lock},
            daemon=True,
        )
        for n in range(LANES)
    ]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    return outcome


def _run_lane(seed, kills, keeper, kind, *, outcome, lock):
    nest = Nest(keeper)
    try:
        for number, first in enumerate(range(0, kills, KILLS_A_LIFE)):
            life = kind(f"{seed}.{number}", nest)
            life.live(min(KILLS_A_LIFE, kills - first))
            with lock:
                outcome.add(life)
    finally:
        nest.close()
