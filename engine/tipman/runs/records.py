"""Records: what a run is of and where its tasks stand, as the bus works with it."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tipman.charts import SETTLED
from tipman.database import Row

STOPPING = frozenset({"cancelling", "failing", "overdue"})
"""Leaves of the chart in which all that is open of a run is cancelled."""


@dataclass
class Record:
    """The row of a run, and how many of its nodes are in which state.

    A node is a task of the run's graph. Items of a map, child runs, hooks and compensations are
    told of to their parents and do not count.
    """

    id: bytes
    name: str
    content: str
    input: str
    """JSON text."""
    submitted_at: int
    version: int | None = None
    settings: str = "{}"
    """JSON text of what the workflow says of all its tasks."""
    parent: bytes | None = None
    depth: int = 0
    origin: bytes | None = None
    open: int = 0
    """How many nodes have not settled."""
    ended: Counter[str] = field(default_factory=Counter)
    """How many nodes have settled, by state."""
    has_begun: bool = False
    """Whether it is known that a task of it has begun."""
    aftermath: int = 0
    """How many of its compensations and hooks have not settled."""
    configuration: str = ""
    """The leaf of the chart that its instance is in."""

    @classmethod
    def from_row(cls, row: Row) -> "Record":
        """Return what a row of `SELECT_RUN` says, its nodes not counted yet."""
        identifier, name, content, given, at, version, settings, parent, depth, origin = row
        above, source = (None if each is None else bytes(each) for each in (parent, origin))
        return cls(
            bytes(identifier), name, content, given, at, version, settings, above, depth, source
        )

    def row(self) -> Row:
        """Return all columns."""
        return (
            self.id, self.name, self.content, self.input, self.submitted_at, self.version,
            self.settings, self.parent, self.depth, self.origin,
        )  # fmt: skip

    @cached_property
    def said(self) -> Mapping[str, Any]:
        """What the workflow says of all its tasks."""
        found: dict[str, Any] = json.loads(self.settings)
        return found

    @cached_property
    def given(self) -> Mapping[str, Any]:
        """The input."""
        found: dict[str, Any] = json.loads(self.input)
        return found

    def count(self, state: str, nodes: int = 1) -> None:
        """Take note that so many more nodes are in a state."""
        if state in SETTLED:
            self.ended[state] += nodes
        else:
            self.open += nodes

    @property
    def is_suspended(self) -> bool:
        """Whether nothing more of it starts until somebody lets it go on."""
        return self.configuration in {"suspended", "suspended_anew"}

    @property
    def is_stopping(self) -> bool:
        """Whether no more of its nodes start: they are cancelled."""
        return self.configuration in STOPPING

    @property
    def outcome(self) -> str:
        """How it ends when no node is open and nobody cancelled it."""
        return "failed" if self.ended["failed"] or self.ended["abandoned"] else "succeeded"
