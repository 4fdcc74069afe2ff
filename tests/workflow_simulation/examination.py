"""An examination: what must be true of the rows that an engine left, whenever it was killed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from simulation.violation import ViolationError
from tipman.database import Database
from tipman.ids import parse, text_of
from workflow_simulation.chronicle import Chronicle
from workflow_simulation.contexts import Contexts
from workflow_simulation.flows import Given
from workflow_simulation.members import Member
from workflow_simulation.queue import Unwatched
from workflow_simulation.reference import SETTLED

LOST_MAX = 3
_ROWS = (
    "SELECT id, state, configuration, sequence, opening FROM instance"
    " WHERE kind IN ('task', 'run')"
)
_CHILDREN = "SELECT id FROM workflow_run WHERE parent = ? ORDER BY id DESC LIMIT 1"
_RUNS = "SELECT id, parent FROM workflow_run WHERE parent IS NOT NULL"
_CARED_FOR = "SELECT id, parent FROM instance WHERE kind = 'run' AND parent IS NOT NULL"
"""Runs within tasks, but for those that their task has abandoned."""


class Examination:
    """Folds the whole log of a database, which judges every line, and compares rows with it."""

    def __init__(self, givens: Mapping[str, Given], database: Database):
        self._database = database
        contexts = Contexts({})
        self._chronicle = Chronicle(LOST_MAX, dict(givens), {}, contexts, set(), Unwatched())

    @property
    def _members(self) -> Mapping[bytes, Member]:
        return self._chronicle.members

    @property
    def ends(self) -> Counter[str]:
        """How many instances of each kind ended how."""
        return Counter(f"{m.born.kind}s {m.state}" for m in self._members.values())

    def judge(self) -> None:
        """Check all that must hold at any moment."""
        self._chronicle.read(self._database)
        rows = {bytes(row[0]): row[1:] for row in self._database.fetch(_ROWS)}
        if rows.keys() != self._members.keys():
            raise ViolationError("there are rows without a log, or the other way round")
        for identifier, row in rows.items():
            member = self._members[identifier]
            said = (member.state, member.configuration, member.sequence, member.reopened + 1)
            if said != row:
                raise ViolationError(f"{self._chronicle.label(member)}: {said} is not {row}")
        for flow in self._chronicle.flows.values():
            if flow.nodes.keys() != flow.graph.keys():
                raise ViolationError(f"run {text_of(flow.id)} is there in part: {[*flow.nodes]}")
        self._check_children()
        if not self._database.fetch("SELECT 1 FROM inbox"):
            self._check_rest()

    def _check_rest(self) -> None:
        """Check that nothing waits for what has happened: no event is on its way."""
        for flow in self._chronicle.flows.values():
            for node in flow.nodes.values():
                needed = [self._members[i] for i in self._chronicle.needed(node)]
                ends = {m.born.id: m.state if m.is_settled else None for m in needed}
                if node.state in {"waiting", "blocked", "skipped"} and node.told != ends:
                    label = self._chronicle.label(node)
                    raise ViolationError(f"{label}: was told {node.told.values()} of {ends}")
            if flow.run.configuration == "working" and not flow.open:
                raise ViolationError(f"run {text_of(flow.id)} works, and nothing of it is open")
        for run, parent in self._database.fetch(_RUNS):
            child, task = self._members[bytes(run)], self._members[bytes(parent)]
            if child.is_settled and task.state == "awaiting" and self._is_last(child, task):
                raise ViolationError(f"{self._chronicle.label(task)} waits for a run that ended")

    def _is_last(self, child: Member, task: Member) -> bool:
        """Tell whether a run is the last that a task has begun."""
        rows = self._database.fetch(_CHILDREN, (task.born.id,))
        return bytes(rows[0][0]) == child.born.id

    def _check_children(self) -> None:
        """Check that each child run has its task, and each task one child at a time."""
        for _, parent in self._database.fetch(_RUNS):
            if bytes(parent) not in self._members:
                raise ViolationError(f"a run of {text_of(bytes(parent))}, which is not there")
        children = defaultdict(list)
        for run, parent in self._database.fetch(_CARED_FOR):
            children[bytes(parent)].append(self._members[bytes(run)])
        for parent, runs in children.items():
            if sum(run.state not in SETTLED for run in runs) > 1:
                raise ViolationError(f"{text_of(parent)} has two open runs")

    def compare_marks(self, lines: Iterable[str]) -> None:
        """Compare with what attempts left outside: nothing ran twice, or without a log."""
        marks = Counter(tuple(line.split()) for line in lines)
        if twice := [mark for mark, count in marks.items() if count > 1]:
            raise ViolationError(f"attempts were started twice: {twice}")
        for task, number, _ in marks:
            member = self._members.get(parse(task))
            if member is None or member.timing.attempt < int(number):
                raise ViolationError(f"attempt {number} of {task} ran, and is not in the log")

    def compare_acknowledged(self, lines: Iterable[str]) -> None:
        """Compare with what was acknowledged: `run` or the name of an event, and an id."""
        told = Counter(tuple(line.split()) for line in lines)
        for (what, text), times in told.items():
            identifier = parse(text)
            if identifier not in self._members:
                raise ViolationError(f"acknowledged, and not there: {what} {text}")
            if what in {"run", "cancel.requested"}:
                continue
            if self._chronicle.named[identifier, what] < times:
                raise ViolationError(f"acknowledged, and not in the log: {what} {text}")

    def judge_end(self) -> None:
        """Check that nothing is open."""
        left = [
            f"{self._chronicle.label(m)} {m.state}"
            for m in self._members.values()
            if m.state not in SETTLED
        ]
        if left:
            raise ViolationError(f"nothing is left to happen, and open are {left}")
        if self._database.fetch("SELECT 1 FROM inbox"):
            raise ViolationError("events are left over")
