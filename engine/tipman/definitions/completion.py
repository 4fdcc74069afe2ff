"""Completion: what a task leaves out, from the settings and from itself."""

from collections.abc import Mapping
from typing import Any

from tipman.definitions.shapes import NAME_MAX
from tipman.settings import Settings

TIMED_TYPES = frozenset({"exec", "eval", "python", "inline", "http"})
"""Types that have the setting `timeout_s` unless they say otherwise."""
_ARGUMENTS_OPTIONAL = ("wait", "approval")


def completed_task(given: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return a task's mapping with what it leaves out, from the settings and from itself."""
    completed = dict(given)
    type_ = completed.get("type")
    if "timeout_s" not in completed and isinstance(type_, str) and type_ in TIMED_TYPES:
        completed["timeout_s"] = settings.timeout_s
    if type_ in _ARGUMENTS_OPTIONAL and completed.get("arguments") is None:
        completed["arguments"] = {}
    if completed.get("name") is None:
        completed["name"] = default_name(completed)
    retry = completed.get("retry")
    if isinstance(retry, Mapping) and "attempts_max" not in retry:
        completed["retry"] = {**retry, "attempts_max": settings.attempts_max}
    elif "retry" not in completed and settings.attempts_max != 1:
        completed["retry"] = {"attempts_max": settings.attempts_max}
    return completed


def default_name(given: Mapping[str, Any]) -> str:
    """Return a name for a task without: its key, else what it calls, else its type."""
    arguments = given.get("arguments")
    called = arguments if isinstance(arguments, Mapping) else {}
    for name in (given.get("key"), called.get("task"), called.get("call"), given.get("type")):
        if isinstance(name, str) and name.strip() == name and name.isprintable() and name:
            return name[:NAME_MAX]
    return "task"
