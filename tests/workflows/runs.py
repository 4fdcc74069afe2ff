"""Runs for tests: short ways to submit one, and to see where its tasks stand."""

from core.house import PLAIN


def plain(name, *needs, **fields):
    """Return a task of a workflow that waits for others."""
    return {**PLAIN, "name": name, "dependencies": list(needs), **fields}


def chain(house, *names, **workflow):
    """Submit a run of tasks one after the other; return its id, and theirs by name."""
    tasks = [plain(name, *names[max(at - 1, 0) : at]) for at, name in enumerate(names)]
    return started(house, *tasks, **workflow)


def started(house, *tasks, **workflow):
    """Submit a run; return its id, and those of its tasks by name."""
    ids = house.run(*tasks, **workflow)
    return run_of(house, ids), ids


def run_of(house, ids):
    """Return the run that tasks belong to."""
    identifier = next(iter(ids.values()))
    rows = house.reader.fetch("SELECT run FROM instance WHERE id = ?", (identifier,))
    return bytes(rows[0][0])


def states(house, ids):
    """Return the states of tasks by name."""
    return dict(zip(ids, house.states(*ids.values()), strict=True))
