"""Kin: what stands below a task or ends a run, as it is now, staged by this drain or not."""

from collections.abc import Iterator

from tipman.instances import Instance
from tipman.models import OUTCOMES_BELOW
from tipman.tipman import TIPMan


def children(parent: bytes, directory: TIPMan, condition: str) -> Iterator[Instance]:
    """Yield the children of an instance by a condition on committed rows, and all staged."""
    found = {i.id: i for i in directory.where(f"parent = ? AND {condition}", (parent,))}
    found.update((i.id, i) for i in directory.staged() if i.parent == parent)
    yield from (found[identifier] for identifier in sorted(found))


def outcomes_below(parent: bytes, directory: TIPMan) -> Iterator[tuple[str, str, str | None]]:
    """Yield name, state and result of each child."""
    rows = directory.database.fetch(OUTCOMES_BELOW, (parent,))
    whole = directory.database.values.whole
    found = {
        bytes(row[0]): (row[1], row[2], None if row[3] is None else whole(row[3])) for row in rows
    }
    for child in directory.staged():
        if child.parent == parent:
            _, _, before = found.get(child.id, (None, None, None))
            result = directory.returned.get((child.id, child.attempt), before)
            found[child.id] = (child.name, child.state, result)
    yield from found.values()


def has_failures(instance: Instance, directory: TIPMan) -> bool:
    """Tell whether an instance is a map of which an item ended without success."""
    if instance.early is None or directory.task_of(instance).type != "map":
        return False
    return directory.offspring.of(instance.id).failures > 0


def last_of(run: bytes, directory: TIPMan) -> list[bytes]:
    """Return the tasks of a run's graph that no other depends on, in their order."""
    rows = directory.database.fetch(
        "SELECT id FROM instance WHERE run = ? AND parent IS NULL AND dependents = 0", (run,)
    )
    found = {bytes(row[0]): 0 for row in rows}
    found.update(
        (each.id, each.dependents)
        for each in directory.staged()
        if each.run == run and each.parent is None
    )
    return sorted(identifier for identifier, dependents in found.items() if not dependents)
