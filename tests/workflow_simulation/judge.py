"""The judge: reads what the core has committed and checks every promise about runs against it."""

from collections import Counter, defaultdict

from simulation.executions import Execution, Executions, Number
from simulation.plan import Plan
from simulation.violation import ViolationError
from tipman.clock import MICROSECONDS, ManualClock
from tipman.core import Core
from tipman.database import Database
from tipman.definitions import Task
from tipman.events import Event
from tipman.ids import text_of
from tipman.scheduler import ALARM_S_MAX
from workflow_simulation.chronicle import Chronicle
from workflow_simulation.contexts import ADDING, Contexts
from workflow_simulation.ends import Ends
from workflow_simulation.flows import CHILD, Given
from workflow_simulation.members import Flow, Member
from workflow_simulation.offspring import check_caller, check_map
from workflow_simulation.queue import Queue
from workflow_simulation.reasons import check_reasons
from workflow_simulation.reference import FAILED, SETTLED, holds, outcome_of, reads_context

_ROWS = (
    "SELECT id, state, configuration, sequence, opening, attempt,"
    " coalesce(wake_at, times_out_at), settled_at FROM instance"
    " WHERE kind IN ('task', 'run') ORDER BY id"
)
_EDGES = "SELECT dependent, dependency FROM dependency ORDER BY dependent, position"
_ONCE = {"suspend.requested", "resume.requested", "retry.requested", "cancel.requested"}


class Judge:
    """What is known of all lives of one world.

    It has the shape of `simulation.audit.Audit`, for the world that both live in.
    """

    def __init__(self, plan: Plan, handed_in: dict[bytes, Task]):
        self.givens: dict[str, Given] = {CHILD["name"]: CHILD}
        """The workflows that runs may be of, by their names."""
        self.started: set[Number] = set()
        self.ends = Ends()
        self._contexts = Contexts(self.ends.results)
        self.ledger = Chronicle(
            plan.lost_max,
            self.givens,
            handed_in,
            self._contexts,
            self.ends.detached,
            Queue(plan.slots, {"narrow": plan.narrow}),
        )
        self._handed_in = handed_in
        self._acknowledged: Counter[tuple[bytes, str]] = Counter()
        self._possible: Counter[tuple[bytes, str]] = Counter()
        """What was asked for and not refused, also where the answer died with an engine."""

    @property
    def flows(self) -> dict[bytes, Flow]:
        """All runs that are on disk."""
        return self.ledger.flows

    @property
    def members(self) -> dict[bytes, Member]:
        """All that is on disk."""
        return self.ledger.members

    @property
    def instances(self) -> list[bytes]:
        """The ids of all tasks that are on disk."""
        return [m.born.id for m in self.members.values() if m.born.kind == "task"]

    def in_state(self, state: str) -> list[bytes]:
        """Return the tasks that the log has in this state."""
        return [i for i in self.instances if self.members[i].state == state]

    # What happens.

    def asked(self, event: Event) -> None:
        """Take note of a wish."""
        self._possible[event.instance, event.wire] += 1

    def refused(self, event: Event) -> None:
        """Take note that a wish changed nothing."""
        self._possible[event.instance, event.wire] -= 1

    def acknowledged(self, event: Event) -> None:
        """Take note of a promise that the core gave."""
        if event.wire != "cancel.requested":
            # Cancelling what is cancelled is accepted, and changes nothing.
            self._acknowledged[event.instance, event.wire] += 1

    def end_life(self, database: Database) -> None:
        """Read to the end of what an engine committed; its slots are nobody's any more."""
        self.ledger.read(database)
        self.ledger.queue.forget_slots()
        self.ends.detached.clear()

    def look_at(self, execution: Execution, database: Database) -> None:
        """Look at an attempt before it ends: it was given what its task sees."""
        self.ledger.read(database)
        self._check_shown(execution)

    # What must hold when nothing moves.

    def check(self, core: Core, executions: Executions, known: dict[bytes, Task]) -> None:
        """Check all that must hold when nothing moves."""
        self.ledger.read(core.database)
        self._check_rows(core.database)
        self._check_edges(core.database)
        self._check_promises(known)
        for flow in self.flows.values():
            self._check_run(flow)
            if not flow.run.is_settled:
                check_reasons(flow, self.members, core.database)
        for identifier in self.in_state("queued"):
            if self.ledger.queue.may_start(identifier):
                raise ViolationError(f"{self._label(identifier)} is queued, and a slot is free")
        running = {(i, self.members[i].timing.attempt) for i in self.in_state("running")}
        if running != {execution.number for execution in executions.attached}:
            raise ViolationError("the log and the executors disagree about what is running")
        if core.database.fetch("SELECT 1 FROM inbox"):
            raise ViolationError("events are left over and nobody takes them up")

    def _label(self, identifier: bytes) -> str:
        return self.ledger.label(self.members[identifier])

    def _check_shown(self, execution: Execution) -> None:
        """Check that an attempt was given what its task sees."""
        identifier = execution.effect.instance
        member = self.members[identifier]
        if not member.is_node or member.born.task.type not in ADDING:
            return
        wanted = self._contexts.shown.get(identifier)
        if torn := self._contexts.torn.get(identifier):
            raise ViolationError(f"{self._label(identifier)} has begun in spite of {torn}")
        if wanted is None:
            return
        given = execution.effect.context
        results = {
            n: r if wanted["results"].get(n) is not None else None
            for n, r in given["results"].items()
        }
        if {**given, "results": results} != wanted:
            raise ViolationError(f"{self._label(identifier)} was given {given}, not {wanted}")

    def _check_rows(self, database: Database) -> None:
        rows = {bytes(row[0]): row for row in database.fetch(_ROWS)}
        if rows.keys() != self.members.keys():
            raise ViolationError("there are rows without a log, or the other way round")
        for identifier, row in rows.items():
            _, state, configuration, sequence, opening, _, _, settled_at = row
            member = self.members[identifier]
            said = (member.state, member.configuration, member.sequence, member.reopened + 1)
            if said != (state, configuration, sequence, opening):
                raise ViolationError(f"{self._label(identifier)}: the log folds to {said}: {row}")
            settled = member.reopened + (settled_at is not None)
            if member.born.kind == "task" and member.settled != settled:
                raise ViolationError(f"{self._label(identifier)} did not settle once an opening")
            if (settled_at is not None) != (state in SETTLED):
                raise ViolationError(f"{self._label(identifier)}: settled at {settled_at}: {row}")

    def _check_edges(self, database: Database) -> None:
        found = defaultdict(list)
        for dependent, dependency in database.fetch(_EDGES):
            found[bytes(dependent)].append(bytes(dependency))
        for flow in self.flows.values():
            for node in flow.nodes.values():
                if found[node.born.id] != self.ledger.needed(node):
                    raise ViolationError(f"{self._label(node.born.id)}: {found[node.born.id]}")

    def _check_promises(self, known: dict[bytes, Task]) -> None:
        for identifier in known:
            if identifier not in self.members:
                raise ViolationError(f"acknowledged and gone: {text_of(identifier)}")
        for asked, times in self._acknowledged.items():
            if self.ledger.named[asked] < times:
                raise ViolationError(f"acknowledged and not in the log: {asked[1]}")
        for asked, times in self._possible.items():
            # A run that a task began is asked by that task, too.
            is_alone = asked[0] in self.flows and self.members[asked[0]].born.parent is None
            if asked[1] in _ONCE and is_alone and self.ledger.named[asked] > times:
                raise ViolationError(f"refused and in the log: {asked[1]}")

    # Runs.

    def _check_run(self, flow: Flow) -> None:
        if flow.nodes.keys() != flow.graph.keys():
            raise ViolationError(f"run {text_of(flow.id)} has nodes {[*flow.nodes]}")
        for node in flow.nodes.values():
            self._check_node(flow, node)
        run = self.members[flow.id]
        open_ = flow.open
        if run.is_settled:
            self._check_end(flow, run, open_)
        elif not open_ and run.state != "suspended" and not flow.closing:
            raise ViolationError(
                f"run {text_of(flow.id)} is {run.configuration} with nothing open"
            )
        if flow.given.get("on_failure") == "fail_fast" and run.configuration == "working":
            self._check_fail_fast(flow)

    def _check_node(self, flow: Flow, member: Member) -> None:
        if member.born.task.type == "map":
            check_map(member, self._contexts.items.get(member.born.id, {}))
        if member.born.task.type == "workflow":
            check_caller(member, [f for f in self.flows.values() if f.parent == member.born.id])
        node = flow.graph[member.born.name]
        ends = {d: self.members[d] for d in self.ledger.needed(member)}
        actual = {d: other.state if other.is_settled else None for d, other in ends.items()}
        if member.state in {"waiting", "blocked", "skipped"} and member.told != actual:
            raise ViolationError(
                f"{self._label(member.born.id)} was told {[*member.told.values()]} of"
                f" {[*actual.values()]}"
            )
        outcomes = {self.members[d].born.name: state for d, state in actual.items()}
        context = self._contexts.visible(member, flow)
        if context is None and reads_context(node.rule):
            return
        truth = holds(node.rule, outcomes, context or {})
        is_known = node.is_early and truth
        if member.state == "waiting" and (None not in outcomes.values() or is_known):
            raise ViolationError(f"{self._label(member.born.id)} waits for nothing: {outcomes}")
        if member.state in {"skipped", "blocked"} and truth is not False:
            raise ViolationError(
                f"{self._label(member.born.id)} is {member.state} without a cause:"
                f" {node.rule} of {outcomes}"
            )

    def _check_fail_fast(self, flow: Flow) -> None:
        """Check that nothing failed since something was tried again, or since the beginning."""
        broken = [
            node.born.name
            for node in flow.nodes.values()
            if node.state in {"failed", "abandoned"} and node.settled_at > flow.reopened_at
        ]
        if broken:
            raise ViolationError(f"{broken} failed, and the run goes on that fails fast")

    def _check_end(self, flow: Flow, run: Member, open_: list[str]) -> None:
        if open_ or flow.closing:
            raise ViolationError(
                f"run {text_of(flow.id)} has settled, and open are {open_}, {flow.closing}"
            )
        states = [node.state for node in flow.nodes.values()]
        wanted = {outcome_of(states, was_cancelled=flow.was_cancelled)}
        if flow.was_late or flow.was_failing:
            # Cancelled after its time was over: both are said of it, unless a task failed.
            wanted = {"failed", *(("cancelled",) if flow.was_cancelled else ())}
        if run.state not in wanted:
            raise ViolationError(f"run {text_of(flow.id)} is {run.state} of {Counter(states)}")

    @staticmethod
    def check_alarm(database: Database, clock: ManualClock, *, has_jumped: bool) -> None:
        """Check that an alarm is set for the next deadline; that a jump is noticed in time."""
        ((wake_at,),) = database.fetch("SELECT min(coalesce(wake_at, times_out_at)) FROM instance")
        if wake_at is None:
            return
        until_s = (wake_at - clock.wall_us()) / MICROSECONDS
        if until_s < 0 and not has_jumped:
            raise ViolationError(f"a deadline {-until_s} s ago, and nothing came of it")
        longest_s = ALARM_S_MAX if has_jumped else min(until_s, ALARM_S_MAX)
        alarm_s = clock.next_alarm_s()
        if alarm_s is None or alarm_s > longest_s + 1e-5:
            raise ViolationError(f"a deadline in {until_s} s, and the alarm rings in {alarm_s} s")

    # The end.

    def blocked(self) -> list[Member]:
        """Return the nodes that wait for a person's decision."""
        return [self.members[i] for i in self.in_state("blocked")]

    def open(self) -> list[str]:
        """Return what has not settled, as messages name it."""
        return [
            f"{self.ledger.label(m)} {m.state}" for m in self.members.values() if not m.is_settled
        ]

    def failed(self, flow: Flow) -> list[Member]:
        """Return the nodes of a run that failed."""
        return [node for node in flow.nodes.values() if node.state in FAILED]
