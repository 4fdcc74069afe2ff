"""The ledger of offspring: how the items of maps stand, counted in memory, derived from rows.

The bus's thread alone changes anything here. A brood comes into memory before the first change of
a drain to one of its items is counted; from then on every change is counted as it is staged, so a
drain that fails must not go on.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tipman.charts import SETTLED, UNSUCCESSFUL
from tipman.database import Database
from tipman.frontier import Group

_COUNT = "SELECT state, count(*) FROM instance WHERE parent = ? GROUP BY state"


@dataclass
class Brood:
    """The items of a map: how many are open, and how many have ended, by state."""

    open: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    plan: Any = None
    """What its map is to do, made by whoever makes its items, None while nobody has looked."""
    groups: tuple[Group, ...] | None = None
    """What its items share slots with, besides what all of their run do; None as above."""
    seen: Mapping[str, Any] | None = None
    """What its map sees of the tasks before it, and so every item; None as above."""
    again: list[tuple[int, bytes]] | None = None
    """The items that are still to be opened again, by their places; None as above."""
    done: Mapping[int, bytes] | None = None
    """The items that are taken over from another run, by their places; None as above."""
    looks: bool = False
    """Whether its map is to look whenever an item settles, and not only when the last does."""

    @property
    def made(self) -> int:
        """How many items there are."""
        return self.open + self.ended.total()

    @property
    def failures(self) -> int:
        """How many items ended without success."""
        return sum(self.ended[state] for state in UNSUCCESSFUL)

    def count(self, state: str, items: int = 1) -> None:
        """Take note that so many more items are in a state."""
        if state in SETTLED:
            self.ended[state] += items
        else:
            self.open += items

    def settled(self, state: str) -> bool:
        """Take note that an item has settled; return whether its map is to look."""
        self.open -= 1
        self.ended[state] += 1
        return self.looks or self.plan is None or not self.open or state in UNSUCCESSFUL

    def reopened(self, was: str) -> None:
        """Take note that an item that had settled is open again."""
        self.ended[was] -= 1
        self.open += 1


class Offspring:
    """The broods of the maps that are in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._broods: dict[bytes, Brood] = {}

    def of(self, parent: bytes) -> Brood:
        """Return the brood of a map; without items it is empty."""
        brood = self._broods.get(parent)
        if brood is None:
            brood = self._broods[parent] = Brood()
            for state, items in self._database.fetch(_COUNT, (parent,)):
                brood.count(state, items)
        return brood

    def forget(self, identifier: bytes) -> None:
        """Drop the brood of a map whose instance memory drops as well."""
        self._broods.pop(identifier, None)
