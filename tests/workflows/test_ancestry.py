"""Lineage looked at from any place: the same as if every context had been handed on."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tipman.context import EMPTY, Context, extended, merge, merge_agreed
from tipman.errors import MergeConflictError
from tipman.ids import text_of
from tipman.jsontext import dumps
from tipman.lineage import Lineage, Node, Source, kept_text

RUN = bytes([255] * 16)


class Rows(Source):
    """A graph in memory; *frozen* are what some of its tasks are kept to have seen."""

    def __init__(self, graph: list[Any], policy: Any) -> None:
        self.graph, self.policy = graph, policy
        self.frozen: dict[int, Context] = {}
        self.looked_at: list[bytes] = []

    def nodes(self, ids):
        self.looked_at += ids
        return {each: self._node(each[0]) for each in ids if each[0] < len(self.graph)}

    def _node(self, at: int) -> Node:
        _, added, succeeded = self.graph[at]
        state = "succeeded" if succeeded else "failed"
        kept = kept_text(None, self.frozen[at]) if at in self.frozen else None
        options = dumps({"merge": self.policy} if self.policy != "error" else {})
        return Node(f"t{at}", state, RUN, "eval", options, json.dumps(added), kept)

    def needs(self, ids):
        found = {each: [key(d) for d in needed(each[0], self.graph)] for each in ids}
        return {each: needs for each, needs in found.items() if needs}

    def above(self, ids):
        found: set[int] = set()
        pending = [each[0] for each in ids]
        while pending:
            more = [d for d in needed(pending.pop(), self.graph) if d not in found]
            found.update(more)
            pending += more
        return (key(at) for at in found)

    def input_of(self, _run):
        return {"x": "input", "day": "today"}


def key(at: int) -> bytes:
    return bytes([at] * 16)


def needed(at: int, graph: list[Any]) -> list[int]:
    return [*dict.fromkeys(d for d in graph[at][0] if d < at)]


tasks = st.tuples(
    st.lists(st.integers(0, 11), max_size=3),
    st.dictionaries(st.sampled_from("xyz"), st.integers(0, 3), max_size=2),
    st.booleans() | st.just(value=True),
)
graphs = st.lists(tasks, min_size=1, max_size=12)
policies = st.sampled_from(["error", "first", "last", "concat", {"x": "last"}])


def handed_on(graph: list[Any], policy: Any) -> list[tuple[Context | None, Context]]:
    """Return what every task sees, None for a conflict, and what it passes on."""
    base = extended(EMPTY, text_of(RUN), {"x": "input", "day": "today"})
    found: list[tuple[Context | None, Context]] = []
    for at, (_, added, succeeded) in enumerate(graph):
        met = [found[d][1] for d in needed(at, graph)] or [base]
        try:
            seen = merge(met, policy).context
        except MergeConflictError:
            seen = None
        agreed = merge_agreed(met, policy)
        writes = added if succeeded else {}
        found.append((seen, extended(agreed, text_of(key(at)), writes)))
    return found


def shown(context: Context) -> Any:
    return {name: (entry.value, entry.writers) for name, entry in context.items()}


@given(graphs, policies, st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)))
def test_what_is_seen_is_what_would_have_been_handed_on(graph, policy, remembered, frozen):
    rows = Rows(graph, policy)
    lineage = Lineage(rows, None)
    expected = handed_on(graph, policy)
    options = dumps({"merge": policy} if policy != "error" else {})

    for at, (seen, passed) in enumerate(expected):
        needs = [key(d) for d in needed(at, graph)]
        try:
            found = lineage.seen(needs, RUN, options).context
        except MergeConflictError:
            found = None
        assert (found is None) == (seen is None)
        if found is not None and seen is not None:
            assert shown(found) == shown(seen)
            if at in remembered:
                lineage.remember(key(at), found)
            if at in frozen:
                rows.frozen[at] = found
        assert shown(lineage.passed_on(key(at))) == shown(passed)


def test_what_lies_above_a_task_that_looked_is_not_looked_at_again():
    graph = [([at - 1] if at else [], {"x": at}, True) for at in range(60)]
    rows = Rows(graph, "error")
    lineage = Lineage(rows, None)
    lineage.remember(key(50), lineage.seen([key(49)], RUN, "{}").context)
    rows.looked_at.clear()

    seen = lineage.seen([key(58)], RUN, "{}").context

    assert seen["x"].value == 58
    assert sorted({each[0] for each in rows.looked_at}) == [*range(50, 59)]


def test_what_lies_far_above_is_fetched_in_one_go():
    graph = [([at - 1] if at else [], {f"k{at}": at}, True) for at in range(200)]
    lineage = Lineage(Rows(graph, "error"), None)

    seen = lineage.seen([key(198)], RUN, "{}").context

    assert {name for name in seen if name.startswith("k")} == {f"k{at}" for at in range(199)}
