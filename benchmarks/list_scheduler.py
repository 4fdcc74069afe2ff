"""List scheduler: how long a graph takes on so many slots when nothing but the work takes time."""

import heapq
from collections.abc import Mapping, Sequence

Parents = Sequence[Sequence[int]]
"""For each node the nodes it waits for, by position."""


def makespan(durations_s: Sequence[float], parents: Parents, *, slots: int) -> float:
    """Return when the last node ends; a free slot takes the node that has been ready longest.

    Nodes that became ready at one instant start in the order they stand in.

    >>> makespan([1, 2, 3], [[], [], [0, 1]], slots=2)
    5.0
    >>> makespan([1, 2, 3], [[], [], [0, 1]], slots=1)
    6.0

    Source: Graham 1966, "Bounds for certain multiprocessing anomalies".
    """
    children = _children(parents)
    missing = [len(set(above)) for above in parents]
    ready = [(0.0, node) for node, count in enumerate(missing) if not count]
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < slots:
            _, node = heapq.heappop(ready)
            heapq.heappush(running, (now + durations_s[node], node))
        now = running[0][0]
        while running and running[0][0] == now:
            _, node = heapq.heappop(running)
            for child in children[node]:
                missing[child] -= 1
                if not missing[child]:
                    heapq.heappush(ready, (now, child))
    return now


def _children(parents: Parents) -> Mapping[int, Sequence[int]]:
    children: dict[int, list[int]] = {node: [] for node in range(len(parents))}
    for node, above in enumerate(parents):
        for parent in set(above):
            children[parent].append(node)
    return children
