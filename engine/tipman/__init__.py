"""Durable statecharts, tasks and workflows in one process on one file.

`Engine` runs tasks, `task` makes one of a function or a class; the rest stands in the modules.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tipman.blueprints import workflow as workflow
    from tipman.executors.calls import current_attempt as current_attempt
    from tipman.executors.functions import task as task
    from tipman.handles import Handle as Handle
    from tipman.runtime import Engine as Engine

__all__ = ["Engine", "Handle", "current_attempt", "task", "workflow"]

_PLACES = {
    "Engine": "tipman.runtime",
    "Handle": "tipman.handles",
    "current_attempt": "tipman.executors.calls",
    "task": "tipman.executors.functions",
    "workflow": "tipman.blueprints",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that a part does not load the whole."""
    if name not in _PLACES:
        raise AttributeError(f"module 'tipman' has no attribute {name!r}")
    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value
