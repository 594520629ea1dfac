"""Horizontal places for the nodes of a layered drawing whose cards have different widths.

The method is that of Brandes and Köpf, "Fast and Simple Horizontal Coordinate Assignment"
(Graph Drawing 2001), with blocks compacted as a graph of separations so that every node may
have its own width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Layers = Sequence[Sequence[int]]
Neighbours = Sequence[Sequence[int]]
Conflicts = set[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Layered:
    """A layered graph: what goes above, beside and below what is decided already.

    Attributes:
        layers: node numbers by rank from the top, each rank from left to right.
        above: for every node, its neighbours one rank up.
        below: for every node, its neighbours one rank down.
        widths: for every node, its width including half of the gap to each side.
        virtual: for every node, whether it only routes a long edge.
    """

    layers: Layers
    above: Neighbours
    below: Neighbours
    widths: Sequence[float]
    virtual: Sequence[bool]


def assign_x(graph: Layered) -> NDArray[np.float64]:
    """Centres of all nodes, shape (nodes,): long edges straight, cards never overlapping."""
    conflicts = _conflicts(graph)
    candidates = []
    for upward in (False, True):
        layers = list(reversed(graph.layers)) if upward else list(graph.layers)
        neighbours = graph.below if upward else graph.above
        for mirrored in (False, True):
            ordered = [list(reversed(layer)) for layer in layers] if mirrored else layers
            root = _align(ordered, neighbours, conflicts, len(graph.widths))
            x = _compact(ordered, root, graph.widths)
            candidates.append(-x if mirrored else x)
    return _balance(candidates, np.asarray(graph.widths))


def _positions(layers: Layers, count: int) -> list[int]:
    position = [0] * count
    for layer in layers:
        for place, node in enumerate(layer):
            position[node] = place
    return position


def _conflicts(graph: Layered) -> Conflicts:
    """Pairs (upper, lower) whose edge crosses a piece of a long edge and must give way to it."""
    position = _positions(graph.layers, len(graph.widths))
    conflicts: Conflicts = set()
    for upper, lower in pairwise(graph.layers):
        start, first = 0, 0
        for index, node in enumerate(lower):
            inner = _inner_above(graph, node)
            last = index == len(lower) - 1
            if inner is None and not last:
                continue
            end = position[inner] if inner is not None else len(upper) - 1
            for other in lower[first : index + 1]:
                for neighbour in graph.above[other]:
                    place = position[neighbour]
                    straight = graph.virtual[neighbour] and graph.virtual[other]
                    if (place < start or place > end) and not straight:
                        conflicts.add((neighbour, other))
            first, start = index + 1, end
    return conflicts


def _inner_above(graph: Layered, node: int) -> int | None:
    if not graph.virtual[node]:
        return None
    return next((other for other in graph.above[node] if graph.virtual[other]), None)


def _align(layers: Layers, neighbours: Neighbours, conflicts: Conflicts, count: int) -> list[int]:
    """Blocks of nodes that share one vertical line; returns the root of each node's block."""
    position = _positions(layers, count)
    root = list(range(count))
    linked = [False] * count
    for layer in layers:
        reached = -1
        for node in layer:
            near = sorted(neighbours[node], key=position.__getitem__)
            if not near:
                continue
            middle = len(near) - 1
            for index in range(middle // 2, (middle + 1) // 2 + 1):
                other = near[index]
                free = root[node] == node and not linked[other]
                crossing = (other, node) in conflicts or (node, other) in conflicts
                if free and reached < position[other] and not crossing:
                    linked[other] = True
                    root[node] = root[other]
                    reached = position[other]
    return root


def _compact(layers: Layers, root: list[int], widths: Sequence[float]) -> NDArray[np.float64]:
    """Push every block as far left as its neighbours allow, then close the gaps it leaves."""
    count = len(root)
    following: list[dict[int, float]] = [{} for _ in range(count)]
    waiting = [0] * count
    for layer in layers:
        for left, right in pairwise(layer):
            a, b = root[left], root[right]
            gap = (widths[left] + widths[right]) / 2
            if b not in following[a]:
                waiting[b] += 1
            following[a][b] = max(gap, following[a].get(b, 0.0))
    order = [node for node in range(count) if root[node] == node and waiting[node] == 0]
    x = [0.0] * count
    for block in order:  # grows while it is walked: a topological order of the blocks
        for other, gap in following[block].items():
            x[other] = max(x[other], x[block] + gap)
            waiting[other] -= 1
            if waiting[other] == 0:
                order.append(other)
    for block in reversed(order):
        if following[block]:
            room = min(x[other] - gap for other, gap in following[block].items())
            x[block] = max(x[block], room)
    return np.array([x[root[node]] for node in range(count)], dtype=np.float64)


def _balance(
    candidates: Sequence[NDArray[np.float64]], widths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Line the four drawings up with the narrowest of them and take their average median."""
    lows = [float((x - widths / 2).min()) for x in candidates]
    highs = [float((x + widths / 2).max()) for x in candidates]
    narrow = min(range(len(candidates)), key=lambda i: highs[i] - lows[i])
    shifted = []
    for index, x in enumerate(candidates):
        mirrored = index % 2 == 1
        shift = highs[narrow] - highs[index] if mirrored else lows[narrow] - lows[index]
        shifted.append(x + shift)
    ordered = np.sort(np.stack(shifted), axis=0)
    middle: NDArray[np.float64] = (ordered[1] + ordered[2]) / 2
    return middle - float((middle - widths / 2).min())
