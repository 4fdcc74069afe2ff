"""The chronicle: the log of a world, folded line by line, and each line judged on the way."""

import json
from collections import Counter

from simulation.executions import Number
from simulation.rows import Line
from simulation.timing import Timing
from simulation.violation import ViolationError
from tipman.charts import move, move_run, public_state
from tipman.database import Database
from tipman.definitions import Task
from tipman.frontier import mark_of
from tipman.ids import parse, text_of
from tipman.outlines import Verdict
from workflow_simulation.closing import Closing
from workflow_simulation.contexts import Contexts
from workflow_simulation.flows import Given
from workflow_simulation.members import Born, Flow, Member, born, graph_of, node_of
from workflow_simulation.queue import Queue
from workflow_simulation.reference import SETTLED, Need, holds, reads_context

_STAYING = {"task.queued", "task.settled", "task.reopened", "run.settled", "run.reopened"}
_FENCED = "attempt.fenced"
_ENDS = {
    "attempt.succeeded",
    "attempt.failed",
    "attempt.timed_out",
    "attempt.lost",
    "attempt.interrupted",
}
_REPORTED = {"finish.reported", "approve.reported"}
_UNDECIDED = {"", "waiting", "blocked", "skipped"}
_GOING_ON = {"queued", "awaiting", "delayed", "running"}
_LINES = (
    'SELECT position, instance, sequence, name, at, "before", "after", data FROM log_line'
    " WHERE position > ? AND (SELECT kind FROM instance WHERE id = instance) IN ('task', 'run')"
    " ORDER BY position, sequence"
)
_MOVES = {"task": move, "run": move_run}


class Chronicle:
    """All instances of a world as the log makes them.

    *givens* are the workflows that runs may be of, by their names; *tasks* takes every task on
    disk.
    """

    def __init__(
        self,
        lost_max: int,
        givens: dict[str, Given],
        tasks: dict[bytes, Task],
        contexts: Contexts,
        detached: set[Number],
        queue: Queue,
    ):
        self._lost_max = lost_max
        self._givens = givens
        self.flows: dict[bytes, Flow] = {}
        """All runs."""
        self.closing = Closing()
        self._tasks = tasks
        self._contexts = contexts
        self._detached = detached
        self._position = 0
        self._lines = 0
        self.members: dict[bytes, Member] = {}
        self.named: Counter[tuple[bytes, str]] = Counter()
        self.queue = queue

    def read(self, database: Database) -> None:
        """Fold what was committed since the last time."""
        found = database.fetch(_LINES, (self._position,))
        lines = [Line(row[0], bytes(row[1]), *row[2:]) for row in found]
        unknown = {line.instance for line in lines} - self.members.keys()
        if unknown:
            # A run is there before its tasks.
            for found in sorted(
                born(database, [*unknown]).values(), key=lambda b: b.kind != "run"
            ):
                self._begin(found)
        self._contexts.read_reported(
            database, {line.instance for line in lines if line.name in _REPORTED}
        )
        for line in lines:
            self._position = line.position
            self._lines += 1
            self._fold(line)

    # One line.

    def _fold(self, line: Line) -> None:
        member = self.members.get(line.instance)
        if member is None:
            raise ViolationError(f"{text_of(line.instance)} has a log and no row")
        data = {} if line.data is None else json.loads(line.data)
        where = f"line {line.sequence} of {self.label(member)} ({line.name}, {data})"
        member.sequence += 1
        self.named[line.instance, line.name] += 1
        if line.sequence != member.sequence:
            raise ViolationError(f"{where} comes where line {member.sequence} must be")
        if line.name == "event.failed":
            raise ViolationError(f"{where}: a handler failed")
        was = member.state
        if self._is_announced(line):
            self._stay(member, line, where)
        else:
            self._step(member, line, data, where)
        if member.born.kind == "run":
            self._follow_run(member, line, where)
        else:
            self._follow(member, line, data, was, where)

    def _begin(self, found: Born) -> None:
        member = self.members[found.id] = Member.new(found)
        if found.task is not None:
            self._tasks[found.id] = found.task
            member.timing = Timing(found.task, self._lost_max)
            self._place(member)
        elif found.kind == "run":
            given = self._givens[found.name]
            flow = Flow(found.id, member, given, graph_of(given), parent=found.parent)
            self.flows[found.id] = flow
            self.queue.limit_group(found.id, given.get("slots"))

    def _place(self, member: Member) -> None:
        """Put a task to the run that it belongs to."""
        if member.born.run is None:
            return
        flow = self.flows[member.born.run]
        self.queue.join(member.born.id, flow.id)
        if member.born.task.item is not None:
            items = self._contexts.items.setdefault(member.born.parent, {})
            items[member.born.task.item["index"]] = member
        if not member.is_node:
            return
        if member.born.name in flow.nodes:
            raise ViolationError(f"{self.label(member)} is there twice")
        flow.nodes[member.born.name] = member
        if member.born.name not in flow.graph:
            if member.born.name not in flow.added:
                raise ViolationError(f"{self.label(member)}: nobody asked for it")
            added = flow.added[member.born.name]
            flow.graph[member.born.name] = node_of(added, flow.given)

    @staticmethod
    def _is_announced(line: Line) -> bool:
        """Tell whether a line only says what the step before it brought about."""
        if line.name == "run.reopened":
            return line.before == line.after
        return line.name in _STAYING or line.name == _FENCED

    @staticmethod
    def _stay(member: Member, line: Line, where: str) -> None:
        if line.after != member.configuration:
            raise ViolationError(f"{where} moves, and must not")
        if line.name == "run.settled" and member.settled > member.reopened:
            raise ViolationError(f"{where}: twice in one opening")
        member.settled += line.name in {"task.settled", "run.settled"}
        member.reopened += line.name == "task.reopened"

    @staticmethod
    def _step(member: Member, line: Line, data: dict, where: str) -> None:
        if line.before != member.configuration:
            raise ViolationError(f"{where} does not follow on {member.configuration}")
        take = _MOVES[member.born.kind]
        step = take(member.snapshot, line.name, Verdict(data.get("verdict", "")))
        if step is None and line.after == member.configuration:
            # Something was written down that moves nothing, as what a task has begun.
            return
        if step is None or step.configuration != line.after:
            raise ViolationError(f"{where}: the chart does not lead to {line.after}")
        member.snapshot, member.configuration = step.snapshot, step.configuration
        member.state = public_state(member.configuration)

    def label(self, member: Member) -> str:
        """Return how a message names an instance."""
        name, run = member.born.name, member.born.run
        of = "" if run is None else f" of {text_of(run)}"
        return f"{member.born.kind} {name}{of} ({text_of(member.born.id)})"

    # Tasks.

    def _follow(self, member: Member, line: Line, data: dict, was: str, where: str) -> None:
        if member.timing is None:
            raise ViolationError(f"{where}: is no task and no run")
        member.timing.follow(line, data, was, member.state)
        self._hear(member, line, data, where)
        if line.name == "task.reopened" and member.born.run is not None:
            self.flows[member.born.run].reopened_at = self._lines
        if was != member.state and was in _UNDECIDED:
            self._judge_decision(member, where)
        if was != member.state and member.state in SETTLED:
            self._settle(member)
        self._queue_follows(member, line, data, was, where)
        if line.after == "succeeded":
            member.last = member.timing.attempt
        if line.name == "task.submitted" and member.born.parent in self.flows:
            self.closing.begin(self.flows[member.born.parent], member, where)
        self._contexts.follow(member, was, line.name, self._flow_of(member))

    def _flow_of(self, member: Member) -> Flow | None:
        return None if member.born.run is None else self.flows[member.born.run]

    def _settle(self, member: Member) -> None:
        member.last_end, member.settled_at = member.state, self._lines
        flow = self._flow_of(member)
        if flow is not None and member.is_node:
            flow.ended = [i for i in flow.ended if i != member.born.id] + [member.born.id]

    def _hear(self, member: Member, line: Line, data: dict, where: str) -> None:
        """Take note of what the task was told of its dependencies."""
        if line.name == "task.submitted" and member.is_node:
            member.growth = self.flows[member.born.run].growths
            member.told = {d: self._seen_by_new(member, d) for d in self.needed(member)}
            return
        if line.name == "dependencies.added":
            added = [parse(text) for text in data["dependencies"]]
            self._attach(member, added, {parse(text) for text in data.get("order", ())})
            self._contexts.look_again(member, self.flows[member.born.run])
            return
        if line.name not in {"dependency.settled", "dependency.reopened"} or not member.is_node:
            return
        dependency = parse(data["dependency"])
        if dependency not in member.told:
            raise ViolationError(f"{where}: that is no dependency")
        is_settled = line.name == "dependency.settled"
        if (member.told[dependency] is None) != is_settled:
            raise ViolationError(f"{where}: it was told before")
        end = self.members[dependency].last_end
        if is_settled and end is None:
            raise ViolationError(f"{where}: it has not settled")
        member.told[dependency] = end if is_settled else None

    def _seen_by_new(self, member: Member, dependency: bytes) -> str | None:
        """Return how what a new task waits for has ended, if it was there before."""
        other = self.members[dependency]
        return other.state if other.is_settled and other.growth < member.growth else None

    def _attach(self, member: Member, dependencies: list[bytes], order: set[bytes]) -> None:
        """Let a node wait for more; what has settled counts at once."""
        flow = self.flows[member.born.run]
        node = flow.graph[member.born.name]
        added = [Need(self.members[d].born.name, is_data=d not in order) for d in dependencies]
        flow.graph[member.born.name] = node._replace(needs=(*node.needs, *added))
        for dependency in dependencies:
            other = self.members[dependency]
            member.told[dependency] = other.state if other.is_settled else None

    def needed(self, member: Member) -> list[bytes]:
        """Return the dependencies of a node, in the order in which they are named."""
        flow = self._flow_of(member)
        if flow is None:
            return []
        needs = flow.graph[member.born.name].needs
        return [flow.nodes[need.task].born.id for need in needs if need.task in flow.nodes]

    def _judge_decision(self, member: Member, where: str) -> None:
        """Check that a rule was evaluated when it could be, and rightly."""
        flow = self._flow_of(member)
        if flow is None or not member.is_node:
            return
        node = flow.graph[member.born.name]
        told = [self._outcome(member, flow.nodes[need.task]) for need in node.needs]
        if member.state in _GOING_ON:
            if None in told and not node.is_early:
                raise ViolationError(f"{where} goes on while it waits: {told}")
            wanted = True
        elif member.state in {"skipped", "blocked"}:
            if None in told:
                raise ViolationError(f"{where}: {member.state} while it waits: {told}")
            wanted = False
        else:
            return
        outcomes = dict(zip((need.task for need in node.needs), told, strict=True))
        context = self._contexts.visible(member, flow)
        if context is None and reads_context(node.rule):
            return
        if holds(node.rule, outcomes, context or {}) is not wanted:
            raise ViolationError(f"{where}: {member.state}, by {node.rule} of {outcomes}")
        if (member.state == "blocked") != (not wanted and node.blocks(told)):
            raise ViolationError(f"{where}: {member.state}, and its run says {node.on_failure}")

    @staticmethod
    def _outcome(member: Member, dependency: Member) -> str | None:
        """Return how a dependency ended, as a task was told or could see for itself."""
        told = member.told.get(dependency.born.id)
        return dependency.state if told is None and dependency.is_settled else told

    def _queue_follows(self, member: Member, line: Line, data: dict, was: str, where: str) -> None:
        identifier, name = member.born.id, line.name
        ended = name in _ENDS and (identifier, data["attempt"]) not in self._detached
        if ended or (name == _FENCED and data["report"] == "attempt.returned"):
            self.queue.release(identifier, data["attempt"])
        if name == "attempt.started":
            self._judge_start(member, where)
            self.queue.start(identifier, data["attempt"])
        elif was == "queued" != member.state:
            self.queue.remove(identifier)
        elif member.state == "queued" != was:
            task = self._tasks[identifier]
            mark = mark_of(task.namespace, task.exclusive)
            self.queue.add(identifier, task.priority, line.at, task.queue, mark)

    def _judge_start(self, member: Member, where: str) -> None:
        run = member.born.run
        if run is None:
            return
        if self.members[run].state == "suspended":
            raise ViolationError(f"{where}: its run is suspended")
        self.closing.start(self.flows[run], member, where)

    # Runs.

    def _follow_run(self, member: Member, line: Line, where: str) -> None:
        flow = self.flows[member.born.id]
        if line.name == "parent.closed":
            flow.parent = None
        flow.growths += line.name in {"run.submitted", "tasks.added"}
        if line.name == "run.reopened":
            member.reopened += 1
            if not line.after.startswith("closing"):
                # Else a hook is tried again, and no other.
                self.closing.reopen(flow)
        elif line.after == "cancelling":
            flow.was_cancelled = True
        elif line.after == "overdue":
            flow.was_late = True
        elif line.after == "failing":
            flow.was_failing = True
        elif line.name == "run.drained" and flow.open:
            raise ViolationError(f"{where}, and there are open nodes: {flow.open}")
        elif line.name == "run.settled":
            self.closing.end(flow, where)
