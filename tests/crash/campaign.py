"""A campaign: many kills, on many databases, by two lanes at once, all drawn from one seed."""

import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from crash import aims
from crash.life import Life
from crash.nest import Nest

LANES = 2
KILLS_A_LIFE = 12
SHOWN_MAX = 30
RANDOM_SHARE = 0.45
RANDOM_S_MAX = 0.35


@dataclass
class Outcome:
    """What a campaign did and found; `found` holds (folder, seed of the life, violation)."""

    seed: str
    kills: Counter = field(default_factory=Counter)
    landed: Counter = field(default_factory=Counter)
    lives: int = 0
    tasks: int = 0
    attempts: int = 0
    acknowledged: int = 0
    seconds: float = 0.0
    found: list = field(default_factory=list)

    def add(self, life):
        """Count what one database went through."""
        self.kills += life.kills
        self.landed += life.landed
        self.lives += 1
        self.tasks += life.tasks
        self.attempts += life.attempts
        self.acknowledged += life.claims.acknowledged
        self.found += [(str(life.folder), life.seed, what) for what in life.found]

    def __str__(self):
        places = ", ".join(
            f"{place} {self.landed[place]}/{count}" for place, count in sorted(self.kills.items())
        )
        said = (
            f"seed {self.seed}: {self.kills.total()} kills of {self.lives} databases in"
            f" {self.seconds:.0f} s, {self.acknowledged} requests acknowledged,"
            f" {self.tasks} tasks, {self.attempts} attempts, {len(self.found)} violations"
        )
        found = [
            f"{folder} (life {seed}): {what}" for folder, seed, what in self.found[:SHOWN_MAX]
        ]
        lines = [said, f"landed/aimed: {places}", *found]
        return "\n".join(lines)


def new_seed():
    """Return a seed that is short enough to be typed again."""
    return secrets.token_hex(3)


@dataclass(frozen=True)
class Course:
    """What is killed, and how: by default the engine, behind its socket."""

    nest: Callable = Nest
    life: Callable = Life
    kills_a_life: int = KILLS_A_LIFE
    places: Mapping = field(default_factory=lambda: aims.PLACES)
    random_share: float = RANDOM_SHARE
    random_s_max: float = RANDOM_S_MAX


def run(kills, seed, course=Course()):
    """Kill so many times; a life that is found wrong ends, and keeps its folder."""
    outcome = Outcome(seed)
    shares = [kills // LANES + (lane < kills % LANES) for lane in range(LANES)]
    lock = threading.Lock()
    began = time.perf_counter()
    lanes = [
        threading.Thread(
            target=_run_lane, args=(f"{seed}.{lane}", share, outcome, lock, course), daemon=True
        )
        for lane, share in enumerate(shares)
    ]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    outcome.seconds = time.perf_counter() - began
    return outcome


def replay(seed, course=Course()):
    """Live one life again, by the seed that a violation was printed with."""
    outcome = Outcome(seed)
    nest = course.nest()
    try:
        outcome.add(_live(seed, course.kills_a_life, nest, course))
    finally:
        nest.close()
    return outcome


def _run_lane(seed, kills, outcome, lock, course):
    nest = course.nest()
    try:
        for number, first in enumerate(range(0, kills, course.kills_a_life)):
            kills_now = min(course.kills_a_life, kills - first)
            life = _live(f"{seed}.{number}", kills_now, nest, course)
            with lock:
                outcome.add(life)
    finally:
        nest.close()


def _live(seed, kills, nest, course):
    dice = random.Random(seed)
    drain_events_max = dice.choice([None, None, 3, 10])
    durability = dice.choice(["full", "full", "normal"])
    life = course.life(seed, nest, drain_events_max=drain_events_max, durability=durability)
    try:
        for number in range(kills):
            places = course.places if number or not course.places else aims.FIRST_BOOT
            if not _kill(life, dice, places, course):
                return life
        life.finish()
    finally:
        life.close()
    return life


def _kill(life, dice, places, course):
    if not course.places or dice.random() < course.random_share:
        return life.round(within_s=dice.uniform(0, course.random_s_max))
    place, (first, last) = dice.choice(list(places.items()))
    return life.round(place, dice.randint(first, last))
