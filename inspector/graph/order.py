"""An order that keeps edges forwards and otherwise changes nothing."""

from __future__ import annotations

import heapq
from collections.abc import Iterable


def stable_order(count: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    """The numbers 0 to count - 1, each behind those that an edge comes from.

    Of those that may come next it takes the lowest, and where a cycle leaves none, the lowest of
    all that are left. O((count + edges) log count).
    """
    targets: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for source, target in edges:
        if source != target:
            targets[source].append(target)
            waiting[target] += 1
    ready = [number for number in range(count) if not waiting[number]]
    taken = [False] * count
    order: list[int] = []
    lowest = 0
    while len(order) < count:
        while lowest < count and taken[lowest]:
            lowest += 1
        number = heapq.heappop(ready) if ready else lowest
        if taken[number]:
            continue
        taken[number] = True
        order.append(number)
        for target in targets[number]:
            waiting[target] -= 1
            if not waiting[target] and not taken[target]:
                heapq.heappush(ready, target)
    return order
