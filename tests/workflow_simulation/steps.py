"""The steps of a plan, carried out on a world of workflows."""

from collections.abc import Callable, Mapping
from random import Random

from simulation.plan import Plan, Step
from simulation.reports import again
from simulation.steps import limits_of
from simulation.violation import ViolationError
from tipman.events import (
    ApproveReported,
    CancelRequested,
    FailReported,
    FinishReported,
    RejectReported,
    Requested,
    ResumeRequested,
    RetryRequested,
    SuspendRequested,
)
from workflow_simulation.flows import Flows
from workflow_simulation.reference import FAILED
from workflow_simulation.world import ACTOR, World

_ROUNDS_MAX = 3_000
_AIMED = 0.8
"""The share of requests that go where they can change something."""
_OPEN = {"waiting", "blocked", "delayed", "queued", "running", "backing_off", "awaiting"}
_SENSIBLE: Mapping[type[Requested], set[str]] = {
    CancelRequested: _OPEN | {"suspended"},
    SuspendRequested: _OPEN,
    ResumeRequested: {"suspended", "running"},
    RetryRequested: FAILED | {"skipped"},
}
_OUTCOMES: Mapping[str, tuple[type[Requested], ...]] = {
    "wait": (FinishReported, FinishReported, FailReported),
    "approval": (ApproveReported, ApproveReported, RejectReported),
}
_IN_FLIGHT = (None, {"in_flight": "finish"}, {"in_flight": "stop"})
Picks = Callable[[], list[bytes]]


class Player:
    """Carries out a plan, and then lets everything come to its end."""

    def __init__(self, world: World):
        self.world = world
        self._flows = Flows()
        self._do: Mapping[str, Callable[[Random], None]] = {
            "submit_run": lambda random: self.world.submit_run(self._flows.one(random)),
            "end_attempt": self._end_attempt,
            "drain": lambda _random: self.world.drain(),
            "report_outcome": self._report_outcome,
            "repeat_report": self._repeat_report,
            "return_detached": self._return_detached,
            **self._requests("", self._tasks),
            **self._requests("_run", self._runs),
            "add_tasks": self._add_tasks,
            "add_dependencies": self._add_dependencies,
            "advance": self._advance,
            "jump": lambda random: self.world.jump(random.choice((-70, -1, 1, 50, 100_000))),
            "look": lambda _random: self.world.look(),
            "crash": lambda _random: self.world.crash(),
            "crash_after_commit": lambda _random: self._crash_after(0),
            "crash_between_effects": lambda random: self._crash_after(random.randint(1, 3)),
            "crash_in_recovery": lambda random: self.world.crash(again_after=random.randint(0, 2)),
            "stop_in_order": self.world.stop_in_order,
        }

    def _requests(self, suffix: str, picks: Picks) -> dict[str, Callable[[Random], None]]:
        return {
            f"cancel{suffix}": lambda random: self._ask(CancelRequested, picks(), random),
            f"suspend{suffix}": lambda random: self._ask(
                SuspendRequested, picks(), random, random.choice(_IN_FLIGHT)
            ),
            f"resume{suffix}": lambda random: self._ask(ResumeRequested, picks(), random),
            f"retry{suffix}": lambda random: self._ask(RetryRequested, picks(), random),
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

    def _tasks(self) -> list[bytes]:
        self.world.audit.ledger.read(self.world.core.database)
        return [*self.world.audit.instances]

    def _runs(self) -> list[bytes]:
        self.world.audit.ledger.read(self.world.core.database)
        return [*self.world.audit.flows]

    def _ask(
        self, kind: type[Requested], among: list[bytes], random: Random, data: object = None
    ) -> None:
        if random.random() < _AIMED:
            members = self.world.audit.members
            among = [i for i in among if members[i].state in _SENSIBLE[kind]] or among
        if among:
            self.world.publish(kind(random.choice(among), ACTOR, data))

    def _add_tasks(self, random: Random) -> None:
        runs = self._runs()
        if runs:
            flow = self.world.audit.flows[random.choice(runs)]
            self.world.add_tasks(flow, self._flows.more(random, [*flow.nodes]))

    def _add_dependencies(self, random: Random) -> None:
        """Ask for one that closes no circle, most times: of a task for one that stands before."""
        runs = self._runs()
        if not runs:
            return
        flow = self.world.audit.flows[random.choice(runs)]
        names = sorted(flow.nodes, key=lambda name: (name[0] == "g", int(name[1:])))
        chosen = sorted(random.sample(range(len(names)), min(2, len(names))), reverse=True)
        if random.random() < 0.1:
            chosen.reverse()
        if len(chosen) == 2:
            task, need = (names[at] for at in chosen)
            said = random.choice((need, {"task": need, "carry": "order"}))
            self.world.add_dependency(flow, task, said)

    def _report_outcome(self, random: Random) -> None:
        handed_in = self.world.handed_in
        asking = [i for i in self._tasks() if handed_in[i].type in _OUTCOMES]
        if asking:
            task = random.choice(asking)
            kind = random.choice(_OUTCOMES[handed_in[task].type])
            self.world.publish(kind(task, ACTOR, {"answer": random.randint(0, 9)}))

    # Executors.

    def _end_attempt(self, random: Random) -> None:
        attached = self.world.executions.attached
        if attached:
            self.world.end_attempt(random.choice(attached), random)

    def _repeat_report(self, random: Random) -> None:
        made = self.world.audit.ends.made
        if made:
            self.world.report(again(random.choice(made)))

    def _return_detached(self, random: Random) -> None:
        detached = self.world.executions.detached
        if detached:
            self.world.come_back(random.choice(detached))

    # The engine and the clock.

    def _advance(self, random: Random) -> None:
        alarm_s = self.world.clock.next_alarm_s() or 0.0
        self.world.clock.advance(random.choice((0.0, 0.001, 1.0, 20.0, alarm_s, alarm_s)))

    def _crash_after(self, effects: int) -> None:
        self.world.effects_before_crash = effects

    # The end.

    def _end_all(self) -> None:
        """Let everything end that can: only what waits for somebody may stay open, till then."""
        for _ in range(_ROUNDS_MAX):
            self._run_down()
            if not self._help():
                break
        else:
            raise ViolationError("somebody must help for ever")
        if left := self.world.audit.open():
            raise ViolationError(f"nothing is left to happen, and there are open: {left}")

    def _help(self) -> bool:
        """Be the person that is waited for; return whether anybody was."""
        judge = self.world.audit
        suspended = [m.born.id for m in judge.members.values() if m.state == "suspended"]
        awaiting = judge.in_state("awaiting")
        for instance in suspended:
            self.world.publish(ResumeRequested(instance, ACTOR, None))
        asking = [i for i in awaiting if self.world.handed_in[i].type in _OUTCOMES]
        for instance in asking:
            kind, *_ = _OUTCOMES[self.world.handed_in[instance].type]
            self.world.publish(kind(instance, ACTOR, None))
        if suspended or asking:
            return True
        blocked = judge.blocked()
        for member in blocked:
            self.world.publish(CancelRequested(member.born.id, ACTOR, None))
        return bool(blocked)

    def _run_down(self) -> None:
        world = self.world
        for _ in range(_ROUNDS_MAX):
            world.quiesce()
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
        world.look()
        if not world.audit.open():
            return
        held = {m.state for m in world.audit.members.values()}
        if not held & {"suspended", "awaiting", "blocked"}:
            raise ViolationError(f"nobody is waited for, and open are {world.audit.open()}")


def play(plan: Plan, world: World) -> None:
    """Carry out *plan* within the limits that it says."""
    with limits_of(plan):
        Player(world).play(plan)
