"""What tasks must see and pass on, worked out from what ran and what it left."""

import json
from collections.abc import Mapping
from typing import Any

from simulation.executions import Number
from tipman.database import Database
from workflow_simulation.members import Flow, Member
from workflow_simulation.reference import SETTLED, Conflict, Context, merged, said

ADDING = {"eval", "inline", "python", "map"}
"""Types whose object is what they add."""
_REPORTED = (
    "SELECT instance, number, result FROM attempt WHERE outcome = 'succeeded' AND instance IN (??)"
)
_STILL = {"", "waiting", "blocked", "skipped", "suspended"}


class Contexts:
    """What each node saw when it was decided whether it goes on.

    *results* holds the JSON texts that attempts were ended with.
    """

    def __init__(self, results: dict[Number, str]):
        self._results = results
        self.items: dict[bytes, dict[int, Member]] = {}
        """By map, its items by their indices."""
        self.saw: dict[bytes, Context | Conflict] = {}
        self.shown: dict[bytes, Mapping[str, Any]] = {}
        """What an attempt of each node must be given: its `context` and `results`."""
        self.torn: dict[bytes, Conflict] = {}
        """Nodes that can not begin: two tasks wrote what they would see."""
        self._before: dict[bytes, frozenset[str]] = {}
        """By node, the names of those whose values may have come to it."""
        self._uncertain: set[bytes] = set()
        """Nodes of which it depends on chance what they saw: some of it had not settled."""

    def read_reported(self, database: Database, tasks: set[bytes]) -> None:
        """Read what people reported: that does not stand in the log."""
        rows = database.fetch_in(_REPORTED, [*tasks]) if tasks else ()
        for instance, number, result in rows:
            self._results[bytes(instance), number] = result

    def follow(self, member: Member, was: str, name: str, flow: Flow | None) -> None:
        """Keep what a node saw when it stopped waiting."""
        if flow is None or not member.is_node:
            return
        if was == "suspended" and member.born.id in self._uncertain:
            # It was let on before all had settled, and what came since may count or not.
            return
        is_attached = name == "dependencies.added" and member.state != "waiting"
        is_let_on = was in _STILL | SETTLED and was != member.state != "waiting"
        if is_attached or is_let_on:
            self._look(member, flow)

    def look_again(self, member: Member, flow: Flow) -> None:
        """Keep what a node sees that may go on already, and has been given more to look at."""
        if member.born.id in self.saw and member.state != "waiting":
            self._look(member, flow)

    def _look(self, member: Member, flow: Flow) -> None:
        identifier = member.born.id
        saw = self.seen(member, flow)
        self.saw[identifier] = saw
        self.shown.pop(identifier, None)
        self.torn.pop(identifier, None)
        self._uncertain.discard(identifier)
        if self.is_uncertain(member, flow):
            self._uncertain.add(identifier)
        elif isinstance(saw, Conflict):
            self.torn[identifier] = saw
            # What it passes on where two contradict each other is nobody's promise.
            self._uncertain.add(identifier)
        else:
            values = {key: one.value for key, one in saw.items()}
            self.shown[identifier] = {"context": values, "results": self.results(member, flow)}
        above: set[str] = set()
        for need in flow.graph[member.born.name].needs:
            node = flow.nodes.get(need.task)
            if need.is_data and node is not None and node.last_end is not None:
                above |= self._before.get(node.born.id, frozenset()) | {need.task}
        self._before[identifier] = frozenset(above)

    def is_uncertain(self, member: Member, flow: Flow) -> bool:
        """Tell whether chance decides what a node sees, because of when others ended."""
        for need in flow.graph[member.born.name].needs:
            node = flow.nodes.get(need.task)
            if node is None or not need.is_data:
                continue
            is_open = member.told.get(node.born.id) is None
            # What a run leaves to the task that began it is its own affair.
            is_open = is_open or node.born.task.type == "workflow"
            if is_open or node.reopened or node.born.id in self._uncertain:
                return True
        return False

    def seen(self, member: Member, flow: Flow) -> Context | Conflict:
        """Return the merge of what a node's data dependencies pass on, as it was told of them."""
        parts = []
        for need in flow.graph[member.born.name].needs:
            node = flow.nodes.get(need.task)
            if need.is_data and node is not None and member.told.get(node.born.id) is not None:
                parts.append(self.passed_on(node))
        base = {key: said(value, "") for key, value in flow.given.get("input", {}).items()}
        by_name = {node.born.name: node.born.id for node in flow.nodes.values()}

        def above(writer: str) -> frozenset[str]:
            return self._before.get(by_name.get(writer, b""), frozenset())

        return merged(parts or [base], flow.policies, above)

    def passed_on(self, node: Member) -> Context:
        """Return what a node that settled passes on: what it saw, and what it added."""
        saw = self.saw.get(node.born.id, {})
        passed = dict(saw.agreed if isinstance(saw, Conflict) else saw)
        if node.last_end == "succeeded":
            for key, value in self.added(node).items():
                passed[key] = said(value, node.born.name)
        return passed

    def added(self, node: Member) -> Mapping[str, Any]:
        """Return what a node that succeeded adds."""
        result = self.result(node)
        task = node.born.task
        if task is None or task.type not in ADDING or result is None:
            return {}
        return result if isinstance(result, dict) else {node.born.name: result}

    def result(self, node: Member) -> Any:
        """Return the result of a node's last attempt, None where it has none."""
        if node.last_end != "succeeded":
            return None
        if node.born.task.type == "map":
            items = self.items.get(node.born.id, {})
            return [self.result(items[index]) for index in sorted(items)]
        text = self._results.get((node.born.id, node.last))
        return None if text is None else json.loads(text)

    def results(self, member: Member, flow: Flow) -> Mapping[str, Any]:
        """Return the results of a node's data dependencies, by their names.

        What is left by one that did not succeed is None here, whatever it is.
        """
        found = {}
        for need in flow.graph[member.born.name].needs:
            node = flow.nodes.get(need.task)
            if need.is_data and node is not None and member.told.get(node.born.id) in SETTLED:
                found[need.task] = self.result(node)
        return found

    def visible(self, member: Member, flow: Flow) -> dict[str, Any] | None:
        """Return what a rule sees, None where chance or nothing settles who wrote a key."""
        seen = self.seen(member, flow)
        if isinstance(seen, Conflict) or self.is_uncertain(member, flow):
            return None
        values = {key: one.value for key, one in seen.items()}
        return {"results": self.results(member, flow), **values}
