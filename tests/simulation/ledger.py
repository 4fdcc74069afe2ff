"""The ledger: the log of a world, folded line by line into what the rows must be."""

import json
from collections import Counter
from dataclasses import dataclass

from simulation.executions import Number
from simulation.plan import Plan
from simulation.queue_model import QueueModel
from simulation.rows import InstanceRow, Line, lines_after
from simulation.timing import Timing
from simulation.violation import ViolationError
from tipman.charts import INITIAL, move
from tipman.database import Database
from tipman.definitions import Task
from tipman.frontier import mark_of
from tipman.ids import text_of
from tipman.outlines import Verdict
from tipman.statecharts import Snapshot

_STAYING = {"task.queued", "task.settled", "task.reopened", "attempt.fenced"}
_ENDS = {
    "attempt.succeeded",
    "attempt.failed",
    "attempt.timed_out",
    "attempt.lost",
    "attempt.interrupted",
}


@dataclass(slots=True)
class Folded:
    """One instance as its log lines make it."""

    snapshot: Snapshot = INITIAL.snapshot
    configuration: str = ""
    state: str = ""
    sequence: int = 0
    reopened: int = 0
    settled: int = 0
    timing: Timing | None = None


class Ledger:
    """Folds the log, and checks each line on the way."""

    def __init__(self, plan: Plan, tasks: dict[bytes, Task], detached: set[Number]):
        self._tasks = tasks
        self._detached = detached
        self._position = 0
        self.edges: dict[bytes, tuple[bytes, ...]] = {}
        self.instances: dict[bytes, Folded] = {}
        self.named: Counter[tuple[bytes, str]] = Counter()
        self.ended_wait: Counter[tuple[bytes, str]] = Counter()
        """What came to tasks that waited for a report."""
        self._queue = QueueModel(plan.slots, {"narrow": plan.narrow})
        self._lost_max = plan.lost_max
        self._outcomes: dict[Number, str] = {}
        """How the attempts that had a slot ended."""

    def read(self, database: Database) -> None:
        """Fold what was committed since the last time."""
        for line in lines_after(database, self._position):
            self._position = line.position
            self._fold(line)

    def forget_slots(self) -> None:
        """The engine has ended: nothing runs, what is queued stays queued."""
        self._queue.forget_slots()

    def _fold(self, line: Line) -> None:
        folded = self.instances.setdefault(line.instance, Folded())
        self.named[line.instance, line.name] += 1
        folded.sequence += 1
        where = f"line {line.sequence} of {text_of(line.instance)} ({line.name})"
        if line.sequence != folded.sequence:
            raise ViolationError(f"{where} comes where line {folded.sequence} must be")
        data = {} if line.data is None else json.loads(line.data)
        if line.name == "event.failed":
            raise ViolationError(f"{where}: a handler failed: {data}")
        if line.name in _STAYING:
            if line.after != folded.configuration:
                raise ViolationError(f"{where} moves, and must not")
            folded.settled += line.name == "task.settled"
            folded.reopened += line.name == "task.reopened"
        else:
            self._step(folded, line, data, where)
        self._follow(line, data, folded)

    @staticmethod
    def _step(folded: Folded, line: Line, data: dict, where: str) -> None:
        if line.before != folded.configuration:
            raise ViolationError(f"{where} does not follow on {folded.configuration}")
        step = move(folded.snapshot, line.name, Verdict(data.get("verdict", "")))
        if step is None or step.configuration != line.after:
            raise ViolationError(f"{where}: the chart does not lead to {line.after}")
        folded.snapshot, folded.configuration = step.snapshot, step.configuration

    def _follow(self, line: Line, data: dict, folded: Folded) -> None:
        """Let the model of the queue see the line."""
        instance, name = line.instance, line.name
        was, folded.state = folded.state, _state(folded.configuration)
        if folded.timing is None:
            folded.timing = Timing(self._tasks[instance], self._lost_max)
        folded.timing.follow(line, data, was, folded.state)
        if was == "awaiting":
            self.ended_wait[instance, name] += 1
        if name in _ENDS:
            self._outcomes[instance, data["attempt"]] = name.removeprefix("attempt.")
        ended = name in _ENDS and (instance, data["attempt"]) not in self._detached
        if ended or (name == "attempt.fenced" and data["report"] == "attempt.returned"):
            self._queue.release(instance, data["attempt"])
        if name == "attempt.started" or (was != folded.state == "awaiting"):
            self._check_dependencies(instance, name)
        if name == "attempt.started":
            self._queue.start(instance, data["attempt"])
        elif was == "queued" != folded.state:
            self._queue.remove(instance)
        elif folded.state == "queued" != was:
            task = self._tasks[instance]
            mark = mark_of(task.namespace, task.exclusive)
            self._queue.add(instance, task.priority, line.at, task.queue, mark)

    def _check_dependencies(self, instance: bytes, name: str) -> None:
        for dependency in self.edges[instance]:
            if self.instances[dependency].state != "succeeded":
                raise ViolationError(
                    f"{text_of(instance)}: {name} before {text_of(dependency)} succeeded"
                )

    # What must hold when nothing moves.

    def may_start(self, instance: bytes) -> bool:
        """Tell whether a queued task could have a slot now."""
        return self._queue.may_start(instance)

    def compare(self, rows: dict[bytes, InstanceRow], database: Database) -> None:
        """Compare what is in the tables with the log."""
        self._compare_instances(rows)
        self._compare_edges(database)
        self._compare_attempts(database)
        self._compare_kept(database)

    def _compare_instances(self, rows: dict[bytes, InstanceRow]) -> None:
        if rows.keys() != self.instances.keys():
            raise ViolationError("there are rows without a log, or the other way round")
        for identifier, folded in self.instances.items():
            row, who = rows[identifier], text_of(identifier)
            said = (folded.state, folded.configuration, folded.sequence, folded.reopened + 1)
            if said != (row.state, row.configuration, row.sequence, row.opening):
                raise ViolationError(f"{who}: the log folds to {said}, not to {row}")
            if folded.settled != folded.reopened + (row.settled_at is not None):
                raise ViolationError(f"{who} did not settle once per opening")

    def _compare_edges(self, database: Database) -> None:
        edges = database.fetch(
            "SELECT dependent, dependency FROM dependency ORDER BY dependent, position"
        )
        found: dict[bytes, tuple[bytes, ...]] = dict.fromkeys(self.instances, ())
        for dependent, dependency in edges:
            found[bytes(dependent)] += (bytes(dependency),)
        if any(found[instance] != self.edges[instance] for instance in found):
            raise ViolationError("the dependencies are not those that were handed in")

    def _compare_attempts(self, database: Database) -> None:
        ended = database.fetch(
            "SELECT a.instance, a.number, a.outcome FROM attempt AS a"
            " JOIN task AS t ON t.id = a.instance WHERE t.type <> 'wait'"
        )
        if {(bytes(i), number): outcome for i, number, outcome in ended} != self._outcomes:
            raise ViolationError("the attempts did not end as the log says")

    def _compare_kept(self, database: Database) -> None:
        """Compare counters and fields with the attempts that succeeded."""
        ended = database.fetch(
            "SELECT t.type, t.exclusive FROM attempt AS a JOIN task AS t ON t.id = a.instance"
            " WHERE a.outcome = 'succeeded'"
        )
        kept = dict(database.fetch("SELECT kind, value FROM kept"))
        for kind, times in (
            ("counter", sum(row[0] == "counter" for row in ended)),
            ("class", sum(row[1] is not None for row in ended)),
        ):
            if int(kept.get(kind, 0)) != times:
                raise ViolationError(
                    f"{kind}: {times} attempts succeeded, {kept.get(kind)} is kept"
                )


def _state(configuration: str) -> str:
    running = {"executing", "finishing", "parking", "ending", "cancelling"}
    return "running" if configuration in running else configuration
