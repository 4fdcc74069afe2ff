"""What is wrong between the tasks of a workflow: names that are none, twice or in a circle."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from tipman.definitions.reachability import reach_faults
from tipman.definitions.tasks import FAULTS_MAX, UnknownDependencyFault, cycle_faults, twice
from tipman.errors import Fault
from tipman.spelling import hint
from tipman.triggers import rule_faults


def edge_faults(items: Sequence[object]) -> list[Fault]:
    """Return what is wrong between the tasks, also where tasks are wrong in themselves."""
    mappings: list[Mapping[Any, Any]] = [i if isinstance(i, Mapping) else {} for i in items]
    names = [name if isinstance(name := item.get("name"), str) else None for item in mappings]
    needs = [needs_of(item) for item in mappings]
    faults = [*islice(twice("name", names), FAULTS_MAX)]
    faults += islice(_unknown_dependencies(names, needs), FAULTS_MAX)
    return faults or [*cycle_faults(names, needs)] or _unreachable(mappings, names, needs)


def _unreachable(
    mappings: Sequence[Mapping[Any, Any]],
    names: Sequence[str | None],
    needs: Sequence[Sequence[str]],
) -> list[Fault]:
    """Return the tasks that can never run, where every rule is known to be one."""
    rules = [item.get("when") for item in mappings]
    known = [name for name in names if name is not None]
    if len(known) < len(names) or any(not name for needed in needs for name in needed):
        return []
    if any(
        rule is not None and rule_faults(rule, needed)
        for rule, needed in zip(rules, needs, strict=True)
    ):
        return []
    return [*islice(reach_faults(known, needs, rules), FAULTS_MAX)]


def needs_of(item: Mapping[Any, Any]) -> list[str]:
    """Return the names of a task's dependencies as they stand in its mapping, "" for no name."""
    value = item.get("dependencies")
    found = value if isinstance(value, list | tuple) else ()
    names = [need.get("task") if isinstance(need, Mapping) else need for need in found]
    return [name if isinstance(name, str) else "" for name in names]


def _unknown_dependencies(
    names: Sequence[str | None], needs: Sequence[Sequence[str]]
) -> Iterator[Fault]:
    known = {name: None for name in names if name is not None}
    for at, needed in enumerate(needs):
        for index, name in enumerate(needed):
            if name and name not in known:
                detail = f"no task is named `{name}`{hint(name, known)}"
                yield UnknownDependencyFault(f"/tasks/{at}/dependencies/{index}", detail)
