"""The audit: reads what the core has committed and checks every promise against it.

It has a model of its own of the queue and of the slots, driven by nothing but the log.
"""

from collections import Counter

from simulation.executions import Executions, Number
from simulation.ledger import Ledger
from simulation.plan import Plan
from simulation.reports import AttemptEnds
from simulation.rows import InstanceRow, instances
from simulation.violation import ViolationError
from tipman import queries
from tipman.clock import MICROSECONDS, ManualClock, rfc3339
from tipman.core import Core
from tipman.database import Database
from tipman.definitions import Task
from tipman.events import Event, Submission, TasksSubmitted
from tipman.frontier import mark_of
from tipman.ids import text_of
from tipman.scheduler import ALARM_S_MAX

UNSUCCESSFUL = {"failed", "skipped", "cancelled", "abandoned"}
_OUTCOMES = {"finish.reported", "fail.reported"}
SETTLED = UNSUCCESSFUL | {"succeeded"}
_ONCE = {"suspend.requested", "resume.requested", "retry.requested", "cancel.requested"}
"""Requests of which the log has one line each; an early outcome has a second when it counts."""


class Audit:
    """What is known of all lives of one world."""

    def __init__(self, plan: Plan, handed_in: dict[bytes, Task]):
        self._handed_in = handed_in
        self.started: set[Number] = set()
        self.ends = AttemptEnds()
        self._acknowledged: Counter[tuple[bytes, str]] = Counter()
        self._possible: Counter[tuple[bytes, str]] = Counter()
        """What was asked for and not refused, also where the answer died with an engine."""
        self.ledger = Ledger(plan, handed_in, self.ends.detached)

    @property
    def instances(self):
        """The ids of all tasks that are on disk."""
        return self.ledger.instances

    def in_state(self, state: str) -> list[bytes]:
        """Return the tasks that the log has in this state."""
        return [i for i, folded in self.ledger.instances.items() if folded.state == state]

    def open_states(self) -> set[str]:
        """Return the states of all tasks that have not settled."""
        return {folded.state for folded in self.ledger.instances.values()} - SETTLED

    # What happens.

    def dependencies_of(self, submission: Submission) -> None:
        """Remember whom a task will wait for."""
        keys = {task.key: identifier for identifier, task in self._handed_in.items()}
        self.ledger.edges[submission.instance] = tuple(
            reference if isinstance(reference, bytes) else keys[reference]
            for reference in submission.dependencies
        )

    def asked(self, event: Event) -> None:
        """Take note of a wish."""
        self._possible[event.instance, event.wire] += 1

    def refused(self, event: Event) -> None:
        """Take note that a wish changed nothing."""
        self._possible[event.instance, event.wire] -= 1

    def acknowledged(self, event: Event) -> None:
        """Take note of a promise that the core gave."""
        if isinstance(event, TasksSubmitted):
            self._acknowledged.update((s.instance, event.wire) for s in event.submissions)
        elif event.wire != "cancel.requested":
            # Cancelling what is cancelled is accepted, and changes nothing.
            self._acknowledged[event.instance, event.wire] += 1

    def end_life(self, database: Database) -> None:
        """Read to the end of what an engine committed; its slots are nobody's any more."""
        self.ledger.read(database)
        self.ledger.forget_slots()
        self.ends.detached.clear()

    # What must hold.

    def check(self, core: Core, executions: Executions, known: dict[bytes, Task]) -> None:
        """Check all that must hold when nothing moves."""
        self.ledger.read(core.database)
        rows = instances(core.database)
        self._check_promises(rows, known)
        self.ledger.compare(rows, core.database)
        states = {identifier: row.state for identifier, row in rows.items()}
        for row in rows.values():
            self._check_dependencies(row, states)
            if row.state not in SETTLED:
                self._check_reason(core, row, executions, states)
        self._check_executions(rows, executions)
        if core.database.fetch("SELECT 1 FROM inbox"):
            raise ViolationError("events are left over and nobody takes them up")

    def _check_promises(self, rows: dict[bytes, InstanceRow], known: dict[bytes, Task]) -> None:
        for identifier in known:
            if identifier not in rows:
                raise ViolationError(f"acknowledged and gone: {text_of(identifier)}")
        for identifier in rows:
            if identifier not in self._handed_in:
                raise ViolationError(f"refused, and there all the same: {text_of(identifier)}")
        for asked, times in self._acknowledged.items():
            if self.ledger.named[asked] < times:
                raise ViolationError(f"acknowledged and not in the log: {asked[1]}")
        for asked, times in self._possible.items():
            if asked[1] in _ONCE and self.ledger.named[asked] > times:
                raise ViolationError(f"refused and in the log: {asked[1]}")
            if asked[1] in _OUTCOMES and self.ledger.ended_wait[asked] > times:
                raise ViolationError(f"counted more often than it came: {asked[1]}")

    def _check_dependencies(self, row: InstanceRow, states: dict[bytes, str]) -> None:
        dependencies = [states[d] for d in self.ledger.edges[row.id]]
        counted = (row.dependencies_remaining, row.dependencies_unmet)
        want = (
            sum(s not in SETTLED for s in dependencies),
            sum(s in UNSUCCESSFUL for s in dependencies),
        )
        if counted != want:
            raise ViolationError(
                f"{text_of(row.id)} counts {counted} dependencies that are open and that"
                f" ended badly; there are {want}"
            )
        cause = None if row.cause is None else bytes(row.cause)
        if row.state != "skipped":
            if cause is not None:
                raise ViolationError(f"{text_of(row.id)} is {row.state} and has a cause")
        elif cause not in self.ledger.edges[row.id] or states[cause] not in UNSUCCESSFUL:
            raise ViolationError(f"{text_of(row.id)} is skipped without a cause")

    def _check_reason(
        self, core: Core, row: InstanceRow, executions: Executions, states: dict[bytes, str]
    ) -> None:
        """Check that `explain` names what an open task waits for, and that it is there."""
        task = self._handed_in[row.id]
        mark = mark_of(task.namespace, task.exclusive)
        obstacle = core.frontier.obstacle(task.namespace, task.queue, mark)
        reasons = queries.explain(core.database, row.id, obstacle)["waiting_for"]
        open_uris = [
            queries.URI + text_of(d) for d in self.ledger.edges[row.id] if states[d] not in SETTLED
        ]
        kinds = {reason["kind"] for reason in reasons}
        fine = {
            "waiting": bool(open_uris) and [reason["uri"] for reason in reasons] == open_uris,
            "queued": kinds == {"slot"} and not self.ledger.may_start(row.id),
            "delayed": kinds == {"timer"} and row.wake_at is not None,
            "backing_off": kinds == {"timer"} and row.wake_at is not None,
            "running": kinds == {"attempt"} and (row.id, row.attempt) in executions.open,
            "awaiting": kinds == {"event"},
            "suspended": kinds == {"event"},
        }
        if not fine[row.state] or (obstacle == "its turn" and row.state == "queued"):
            raise ViolationError(f"{text_of(row.id)} is {row.state} for ever: {reasons}")
        timing = self.ledger.instances[row.id].timing
        if row.wake_at != timing.deadline(row.configuration):
            raise ViolationError(f"{text_of(row.id)} has a timer for another instant: {reasons}")
        if row.state == "awaiting" and timing.has_early_outcome:
            raise ViolationError(f"{text_of(row.id)} waits for what was reported already")
        if row.wake_at is not None and reasons[0]["until"] != rfc3339(row.wake_at):
            raise ViolationError(f"explain names another timer than {row.wake_at}: {reasons}")

    def _check_executions(self, rows: dict[bytes, InstanceRow], executions: Executions) -> None:
        running = {(row.id, row.attempt) for row in rows.values() if row.state == "running"}
        attached = {execution.number for execution in executions.attached}
        if running != attached:
            raise ViolationError("the rows and the executors disagree about what is running")

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
