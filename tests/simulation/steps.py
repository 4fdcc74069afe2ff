"""The steps of a plan, carried out on a world."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random

from simulation.orders import Orders
from simulation.plan import Plan, Step
from simulation.reports import again
from simulation.violation import ViolationError
from simulation.world import World
from tipman import bus, tipman
from tipman.events import (
    CancelRequested,
    FailReported,
    FinishReported,
    Requested,
    ResumeRequested,
    RetryRequested,
    SuspendRequested,
)
from tipman.handlers import steps

_ACTOR = "simulation"
_ROUNDS_MAX = 2_000
_AIMED = 0.6
"""The share of requests that go where they can change something."""
_OPEN = {"waiting", "delayed", "queued", "running", "backing_off", "awaiting"}
_SENSIBLE: Mapping[type[Requested], set[str]] = {
    CancelRequested: _OPEN | {"suspended"},
    SuspendRequested: _OPEN,
    ResumeRequested: {"suspended", "running"},
    RetryRequested: {"failed", "skipped", "cancelled", "abandoned"},
}


class Player:
    """Carries out a plan, and then lets everything come to its end."""

    def __init__(self, world: World):
        self.world = world
        self._orders = Orders()
        self._do: Mapping[str, Callable[[Random], None]] = {
            "submit_one": self._submit_one,
            "submit_batch": self._submit_batch,
            "submit_calls": self._submit_calls,
            "submit_workflow": self._submit_workflow,
            "submit_refused": self._submit_refused,
            "end_attempt": self._end_attempt,
            "drain": self._drain,
            "refuse_start": self._refuse_start,
            "repeat_report": self._repeat_report,
            "return_detached": self._return_detached,
            "cancel": lambda random: self._ask(CancelRequested, random),
            "suspend": self._suspend,
            "resume": lambda random: self._ask(ResumeRequested, random),
            "retry": lambda random: self._ask(RetryRequested, random),
            "report_outcome": self._report_outcome,
            "advance": self._advance,
            "jump": self._jump,
            "look": lambda _random: self.world.look(),
            "crash": lambda _random: self.world.crash(),
            "crash_after_commit": lambda _random: self._crash_after(0),
            "crash_between_effects": lambda random: self._crash_after(random.randint(1, 3)),
            "crash_in_recovery": lambda random: self.world.crash(again_after=random.randint(0, 2)),
            "stop_in_order": self.world.stop_in_order,
        }

    def play(self, plan: Plan) -> None:
        """Carry out every step, then end all that can end."""
        for step in plan.steps:
            self.take(step)
        self.world.effects_before_crash = None
        self.world.look()
        self._end_all()

    def take(self, step: Step) -> None:
        self._do[step.kind](Random(step.seed))

    # Clients.

    def _submit_one(self, random: Random) -> None:
        world = self.world
        task = self._orders.one(random, world.tasks, world.clock.wall_us())
        world.submit(world.submitter.batch([task], actor=_ACTOR))

    def _submit_batch(self, random: Random) -> None:
        world = self.world
        tasks = self._orders.batch(random, world.tasks, world.clock.wall_us())
        world.submit(world.submitter.batch(tasks, actor=_ACTOR))

    def _submit_calls(self, random: Random) -> None:
        world = self.world
        template, arguments = self._orders.calls(random, world.tasks, world.clock.wall_us())
        world.submit(world.submitter.calls(template, arguments, actor=_ACTOR))

    def _submit_workflow(self, random: Random) -> None:
        world = self.world
        workflow = self._orders.workflow(random)
        now_us = world.clock.wall_us()
        world.submit(world.submitter.workflow(workflow, actor=_ACTOR, now_us=now_us))

    def _submit_refused(self, random: Random) -> None:
        world = self.world
        tasks = self._orders.refused(random, world.tasks, world.clock.wall_us())
        world.submit_in_vain(world.submitter.batch(tasks, actor=_ACTOR))

    def _ask(self, kind: type[Requested], random: Random, data: object = None) -> None:
        among = list(self.world.handed_in)
        if random.random() < _AIMED:
            states = self.world.states()
            among = [i for i in among if states.get(i) in _SENSIBLE[kind]] or among
        if among:
            self.world.publish(kind(random.choice(among), _ACTOR, data))

    def _suspend(self, random: Random) -> None:
        data = random.choice((None, {"in_flight": "finish"}, {"in_flight": "stop"}))
        self._ask(SuspendRequested, random, data)

    def _report_outcome(self, random: Random) -> None:
        waits = [i for i, task in self.world.handed_in.items() if task.type == "wait"]
        if waits:
            kind = random.choice((FinishReported, FinishReported, FailReported))
            instance = random.choice(waits)
            self.world.publish(kind(instance, _ACTOR, {"answer": random.randint(0, 9)}))

    # Executors.

    def _end_attempt(self, random: Random) -> None:
        attached = self.world.executions.attached
        if attached:
            self.world.end_attempt(random.choice(attached), random)

    def _refuse_start(self, _random: Random) -> None:
        self.world.executions.refuses_next = True

    def _repeat_report(self, random: Random) -> None:
        made = self.world.audit.ends.made
        if made:
            self.world.report(again(random.choice(made)))

    def _return_detached(self, random: Random) -> None:
        detached = self.world.executions.detached
        if detached:
            self.world.come_back(random.choice(detached))

    # The engine and the clock.

    def _drain(self, _random: Random) -> None:
        self.world.drain()

    def _advance(self, random: Random) -> None:
        alarm_s = self.world.clock.next_alarm_s() or 0.0
        self.world.clock.advance(random.choice((0.0, 0.001, 1.0, 20.0, alarm_s, alarm_s)))

    def _jump(self, random: Random) -> None:
        self.world.jump(random.choice((-70, -1, -0.000_001, 1, 50, 100_000)))

    def _crash_after(self, effects: int) -> None:
        self.world.effects_before_crash = effects

    # The end.

    def _end_all(self) -> None:
        """Let all attempts end and the clock run: only what waits for somebody may stay open."""
        self._run_down()
        for _ in range(_ROUNDS_MAX):
            suspended = self.world.audit.in_state("suspended")
            awaiting = self.world.audit.in_state("awaiting")
            if not suspended and not awaiting:
                break
            for instance in suspended:
                self.world.publish(ResumeRequested(instance, _ACTOR, None))
            for instance in awaiting:
                self.world.publish(FinishReported(instance, _ACTOR, None))
            self._run_down()
        if left := self.world.audit.open_states():
            raise ViolationError(f"nothing is left to happen, and there are open tasks: {left}")

    def _run_down(self) -> None:
        world = self.world
        for _ in range(_ROUNDS_MAX):
            world.look()
            executions = world.executions
            if executions.open:
                for execution in executions.attached:
                    world.succeed(execution)
                for execution in executions.detached:
                    world.come_back(execution)
                continue
            alarm_s = world.clock.next_alarm_s()
            if alarm_s is None:
                break
            world.clock.advance(alarm_s + 1e-6)
        else:
            raise ViolationError("timers go on for ever")
        left = world.audit.open_states()
        outside = {"suspended", "awaiting"}
        if left and not left & outside:
            raise ViolationError(f"nobody is waited for, and there are open tasks: {left}")


@contextmanager
def limits_of(plan: Plan) -> Iterator[None]:
    """Let the limits of a drain and of the memory be those of *plan*."""
    usual = bus.EVENTS_MAX, bus.ROWS_MAX, tipman.CACHE_MAX, steps.TOLD_APART_MAX
    bus.EVENTS_MAX, bus.ROWS_MAX = plan.events_max, plan.rows_max
    tipman.CACHE_MAX = plan.cache_max
    # Few events a drain, and few that one event stands for.
    steps.TOLD_APART_MAX = min(plan.events_max, usual[-1])
    try:
        yield
    finally:
        bus.EVENTS_MAX, bus.ROWS_MAX, tipman.CACHE_MAX, steps.TOLD_APART_MAX = usual


def play(plan: Plan, world: World) -> None:
    """Carry out *plan* within the limits that it says."""
    with limits_of(plan):
        Player(world).play(plan)
