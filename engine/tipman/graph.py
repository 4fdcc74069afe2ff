"""Who waits for whom: an order for a graph of names, or the cycle that forbids one."""

from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def find_cycle(dependencies: Mapping[Name, Sequence[Name]]) -> tuple[Name, ...] | None:
    """Return the names of one cycle, each waiting for the next and the last for the first.

    *dependencies* maps a name to those it waits for; names that are no key wait for nothing. The
    cycle is the one met first when the names are walked in their order. Takes time linear in the
    edges and no recursion.

    >>> find_cycle({"pack": ["test"], "test": ["build"], "build": ["pack"]})
    ('pack', 'test', 'build')
    >>> find_cycle({"pack": ["test"], "test": []}) is None
    True

    Source: depth-first search with three colours; Cormen et al., Introduction to Algorithms, 20.3.
    """
    finished: set[Name] = set()
    for root, names in dependencies.items():
        if finished.issuperset(names):
            # Most graphs are written down so that each name comes after those it waits for.
            finished.add(root)
        if root in finished:
            continue
        trail: dict[Name, None] = {root: None}
        branches = [iter(names)]
        while branches:
            name = next(branches[-1], None)
            if name is None:
                branches.pop()
                finished.add(trail.popitem()[0])
            elif name in trail:
                walked = tuple(trail)
                return walked[walked.index(name) :]
            elif name not in finished:
                trail[name] = None
                branches.append(iter(dependencies.get(name, ())))
    return None


def topological_order(dependencies: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
    """Return the keys so that each comes after those it waits for, None when there is a cycle.

    Of the names that could come next, the one that became free first does; those free from the
    start keep their order. Names that are no key are left out.

    >>> topological_order({"pack": ["test"], "test": ["build", "build"], "build": []})
    ('build', 'test', 'pack')

    Source: A. B. Kahn, Topological sorting of large networks, 1962.
    """
    waiting = {name: sum(n in dependencies for n in names) for name, names in dependencies.items()}
    dependents: dict[str, list[str]] = {name: [] for name in dependencies}
    for name, names in dependencies.items():
        for before in names:
            if before in dependents:
                dependents[before].append(name)
    free = deque(name for name, count in waiting.items() if count == 0)
    order: list[str] = []
    while free:
        order.append(done := free.popleft())
        for name in dependents[done]:
            waiting[name] -= 1
            if waiting[name] == 0:
                free.append(name)
    return tuple(order) if len(order) == len(dependencies) else None
