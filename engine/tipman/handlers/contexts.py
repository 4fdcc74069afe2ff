"""What tasks see of those before them: the merge of their contexts, and their results."""

from collections.abc import Mapping
from typing import Any

from tipman.instances import Instance
from tipman.tipman import TIPMan


def values_for_rule(instance: Instance, directory: TIPMan) -> dict[str, Any]:
    """Return what the keys of a rule are looked up in: the context, and `results` beside it."""
    seen = seen_by(instance, directory)
    return {**seen["context"], "results": seen["results"]}


def seen_by(instance: Instance, directory: TIPMan) -> dict[str, Any]:
    """Return what a task sees: `context`, and the `results` of its dependencies by name."""
    if instance.parent is not None:
        item = directory.task_of(instance).item
        if item is not None:
            seen = _seen_by_map(instance.parent, directory)
            return {**seen, "item": item["value"], "index": item["index"]}
    run = None if instance.run is None else directory.runs.find(instance.run)
    return {
        "context": {} if run is None else run.given,
        "results": _results(instance, directory),
    }


def _seen_by_map(identifier: bytes, directory: TIPMan) -> Mapping[str, Any]:
    """Return what a map sees; all its items see the same, so it is looked up once."""
    brood = directory.offspring.of(identifier)
    if brood.seen is None:
        brood.seen = seen_by(directory.load(identifier), directory)
    return brood.seen


def _results(instance: Instance, directory: TIPMan) -> dict[str, Any]:
    dependencies = directory.edges.dependencies_of(instance)
    directory.prefetch(dependencies)
    # A task that is tried again after long may find that what it waited for was pruned.
    found = [directory.find(identifier) for identifier in dependencies]
    return directory.results_of([instance for instance in found if instance is not None])
