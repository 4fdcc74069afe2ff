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
from tipman.clock import ManualClock, rfc3339
from tipman.core import Core
from tipman.database import Database
from tipman.definitions import Task
from tipman.events import Event, Submission, TasksSubmitted
from tipman.frontier import mark_of
from tipman.ids import text_of

UNSUCCESSFUL = {"failed", "skipped", "cancelled", "abandoned"}
SETTLED = UNSUCCESSFUL | {"succeeded"}
_ALARM_S_MAX = 30


class Audit:
    """What is known of all lives of one world."""

    def __init__(self, plan: Plan, handed_in: dict[bytes, Task]):
        self._handed_in = handed_in
        self.started: set[Number] = set()
        self.ends = AttemptEnds()
        self._asked: Counter[tuple[bytes, str]] = Counter()
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

    def acknowledged(self, event: Event) -> None:
        """Take note of a promise that the core gave."""
        if isinstance(event, TasksSubmitted):
            self._asked.update((s.instance, event.wire) for s in event.submissions)
        elif event.wire != "cancel.requested":
            # Cancelling what is cancelled is accepted, and changes nothing.
            self._asked[event.instance, event.wire] += 1

    def end_life(self, database: Database) -> None:
        """Read to the end of what an engine committed; its slots are nobody's any more."""
        self.ledger.read(database)
        self.ledger.forget_slots()
        self.ends.detached.clear()

    # What must hold.

    def check(
        self, core: Core, executions: Executions, clock: ManualClock, known: dict[bytes, Task]
    ) -> None:
        """Check all that must hold when nothing moves."""
        self.ledger.read(core.database)
        rows = instances(core.database)
        for identifier in known:
            if identifier not in rows:
                raise ViolationError(f"acknowledged and gone: {text_of(identifier)}")
        for asked, times in self._asked.items():
            if self.ledger.named[asked] < times:
                raise ViolationError(f"acknowledged and not in the log: {asked[1]}")
        states = {identifier: row.state for identifier, row in rows.items()}
        self.ledger.compare(rows)
        for row in rows.values():
            self._check_dependencies(row, states)
            if row.state not in SETTLED:
                self._check_reason(core, row, executions)
        self._check_executions(rows, executions)
        self._check_alarm(rows, clock)
        self.ledger.compare_kept(core.database)

    def _check_dependencies(self, row: InstanceRow, states: dict[bytes, str]) -> None:
        dependencies = [states[d] for d in self.ledger.edges[row.id]]
        if row.state not in SETTLED:
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
        if row.state == "skipped":
            cause = None if row.cause is None else bytes(row.cause)
            if cause not in self.ledger.edges[row.id] or states[cause] not in UNSUCCESSFUL:
                raise ViolationError(f"{text_of(row.id)} is skipped without a cause")

    def _check_reason(self, core: Core, row: InstanceRow, executions: Executions) -> None:
        """Check that `explain` names what an open task waits for, and that it is there."""
        task = self._handed_in[row.id]
        obstacle = core.frontier.obstacle(task.queue, mark_of(task.namespace, task.exclusive))
        reasons = queries.explain(core.database, row.id, obstacle)["waiting_for"]
        kinds = {reason["kind"] for reason in reasons}
        fine = {
            "waiting": kinds == {"task"},
            "queued": kinds == {"slot"} and obstacle != "its turn",
            "delayed": kinds == {"timer"} and row.wake_at is not None,
            "backing_off": kinds == {"timer"} and row.wake_at is not None,
            "running": kinds == {"attempt"} and (row.id, row.attempt) in executions.open,
            "awaiting": kinds == {"event"},
            "suspended": kinds == {"event"},
        }
        if not fine[row.state]:
            raise ViolationError(f"{text_of(row.id)} is {row.state} for ever: {reasons}")
        if kinds == {"timer"} and reasons[0]["until"] != rfc3339(row.wake_at):
            raise ViolationError(f"explain names another timer than {row.wake_at}: {reasons}")

    def _check_executions(self, rows: dict[bytes, InstanceRow], executions: Executions) -> None:
        running = {(row.id, row.attempt) for row in rows.values() if row.state == "running"}
        attached = {execution.number for execution in executions.attached}
        if running != attached:
            raise ViolationError("the rows and the executors disagree about what is running")

    def _check_alarm(self, rows: dict[bytes, InstanceRow], clock: ManualClock) -> None:
        wakes = [row.wake_at for row in rows.values() if row.wake_at is not None]
        if not wakes:
            return
        until_s = max((min(wakes) - clock.wall_us()) / 1e6, 0.0)
        alarm_s = clock.next_alarm_s()
        longest_s = min(until_s, _ALARM_S_MAX) if until_s else _ALARM_S_MAX
        if alarm_s is None or alarm_s > longest_s + 1e-5:
            raise ViolationError(f"a deadline in {until_s} s, and the alarm rings in {alarm_s} s")
