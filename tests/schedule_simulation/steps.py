"""The steps of a plan, carried out on a world."""

from collections.abc import Callable, Mapping
from random import Random

from schedule_simulation import orders
from schedule_simulation.checker import check
from schedule_simulation.evidence import evidence_of
from schedule_simulation.plan import DAY_S, Plan
from schedule_simulation.world import ACTOR, World
from simulation.steps import limits_of
from tipman.clock import MICROSECONDS
from tipman.events import (
    BackfillRequested,
    PauseRequested,
    ResumeRequested,
    ScheduleDeleted,
    TriggerRequested,
)
from tipman.schedules.backfills import Backfill

_END_S = 120
"""So long after the last step, all that is due must have been decided."""
_DOWN_S = (0, 0, 1, 60, 3_600, 20_000, DAY_S)
_JUMPS_S = (-DAY_S, -3_600, -60, -1, 1, 60, 3_600, DAY_S)


class Player:
    """Carries out a plan."""

    def __init__(self, world: World):
        self.world = world
        self._rhythm = world.plan.rhythm
        self._do: Mapping[str, Callable[[Random], None]] = {
            "create": self._create,
            "burst": self._burst,
            "pause": self._asker(PauseRequested),
            "resume": self._asker(ResumeRequested),
            "trigger": self._asker(TriggerRequested),
            "change": self._change,
            "delete": self._delete,
            "backfill": self._backfill,
            "crash": self._crash,
            "crash_after_commit": self._crash_after_commit,
            "crash_in_recovery": self._crash_in_recovery,
            "stop_in_order": self._stop_in_order,
            "suspend": lambda random: world.suspend(random.choice((1, 60, 3_600, DAY_S))),
            "jump": lambda random: world.set_clock(random.choice(_JUMPS_S)),
        }

    def play(self, plan: Plan) -> None:
        """Carry out every step at its time; the last days see whether all goes on."""
        for step in plan.steps:
            self.world.run_until(step.at_s * MICROSECONDS)
            self._do[step.kind](Random(step.seed))
        self.world.run_until(plan.days * DAY_S * MICROSECONDS)
        self.world.run_until(self.world.clock.boot_us() + _END_S * MICROSECONDS)
        self.world.look()

    def _one(self, random: Random) -> bytes | None:
        return random.choice(self.world.schedules) if self.world.schedules else None

    def _create(self, random: Random) -> None:
        self.world.create(orders.specification(random, self.world.clock.wall_us(), self._rhythm))

    def _burst(self, random: Random) -> None:
        """Be down for long while something is due every few seconds."""
        schedule = self.world.create(orders.dense(random))
        self._go_on(random.randint(1, 60))
        if random.random() < 0.5:
            self.world.publish(PauseRequested(schedule, ACTOR, None))
            self._go_on(random.choice((60, 20_000)))
            self.world.publish(ResumeRequested(schedule, ACTOR, None))
        else:
            self.world.down_s = random.choice((60, 5_000, 20_000))
            self.world.drains_before_crash = random.choice((None, 0, 2))
            self.world.crash()
        self._go_on(random.randint(1, 60))
        self.world.publish(ScheduleDeleted(schedule, ACTOR))

    def _go_on(self, seconds: int) -> None:
        self.world.run_until(self.world.clock.boot_us() + seconds * MICROSECONDS)

    def _asker(self, kind) -> Callable[[Random], None]:
        def ask(random: Random) -> None:
            schedule = self._one(random)
            if schedule is not None:
                self.world.publish(kind(schedule, ACTOR, None))

        return ask

    def _change(self, random: Random) -> None:
        schedule = self._one(random)
        if schedule is not None:
            now = self.world.clock.wall_us()
            self.world.change(schedule, orders.changes(random, now, self._rhythm))

    def _delete(self, random: Random) -> None:
        schedule = self._one(random)
        if schedule is not None:
            self.world.publish(ScheduleDeleted(schedule, ACTOR))

    def _backfill(self, random: Random) -> None:
        schedule, now = self._one(random), self.world.clock.wall_us()
        if schedule is None:
            return
        asked = Backfill(
            now - random.randint(1, 5) * DAY_S * MICROSECONDS,
            now,
            random.choice(("missing", "failed", "all")),
            random.choice(("forwards", "backwards")),
            random.choice((1, 3)),
        )
        self.world.publish(BackfillRequested(schedule, ACTOR, asked))

    # How an engine ends.

    def _crash(self, random: Random) -> None:
        """Die between any two drains from now on."""
        self.world.down_s = random.choice(_DOWN_S)
        self.world.drains_before_crash = random.choice((0, 1, 2, 5, 20))

    def _crash_after_commit(self, random: Random) -> None:
        """Die at the next commit, before the world hears of all of it."""
        self.world.down_s = random.choice(_DOWN_S)
        self.world.effects_before_crash = random.choice((0, 0, 1))

    def _crash_in_recovery(self, random: Random) -> None:
        self.world.down_s = random.choice(_DOWN_S)
        self.world._end_life()
        self.world.effects_before_crash = 0
        self.world.begin_life()
        self.world.effects_before_crash = None

    def _stop_in_order(self, random: Random) -> None:
        self.world.down_s = random.choice(_DOWN_S)
        self.world.rest()
        self.world.stop_in_order()


def play(plan: Plan, world: World) -> None:
    """Carry out *plan* within the limits that it says, and check what is left of it."""
    with limits_of(plan):
        Player(world).play(plan)
    check(evidence_of(world.core.database), world.clock.wall_us(), world.absences, world.setbacks)
