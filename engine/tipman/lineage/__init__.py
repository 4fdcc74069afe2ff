"""Lineage: what tasks pass on, worked out from those before them when somebody looks.

Nothing is copied from task to task: a task keeps what it added itself (mostly its result), and
what it saw only where that can not be worked out again. So a run whose tasks add nothing costs
nothing, and one whose tasks add much costs as much as is looked at.
"""

from tipman.lineage.kept import kept_text, saw_of
from tipman.lineage.sources import ADDING, Node, Source, StagedSource, data_of
from tipman.lineage.views import Lineage, View

__all__ = [
    "ADDING",
    "Lineage",
    "Node",
    "Source",
    "StagedSource",
    "View",
    "data_of",
    "kept_text",
    "saw_of",
]
