"""Horizontal places for the nodes of a layered drawing whose cards have different widths.

The method is that of Brandes and Köpf, "Fast and Simple Horizontal Coordinate Assignment"
(Graph Drawing 2001), with blocks compacted as a graph of separations so that every node may
have its own width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Layered:
    """A layered graph: what goes above, beside and below what is decided already.

    Nodes are numbered rank by rank from the top, in each rank from left to right.

    Attributes:
        starts: the first node of each rank, and at the end the number of nodes.
        links: (upper, lower) node of each link, always from one rank to the next.
        widths: for every node, its width including half of the gap to each side.
        virtual: for every node, whether it only routes a long edge.
    """

    starts: Ints
    links: Ints
    widths: Floats
    virtual: Bools


def assign_x(graph: Layered) -> Floats:
    """Centres of all nodes, shape (nodes,): long edges straight, cards never overlapping.

    Cost: O(nodes + links log links); the walks along blocks are plain Python.
    """
    count = len(graph.widths)
    conflicts = _conflicts(graph)
    turned = _from_the_right(graph.starts)
    candidates = []
    for upward in (False, True):
        for mirrored in (False, True):
            # Each of the four drawings is the downward, leftmost one of a renumbered graph;
            # reversing all numbers turns both ways at once.
            name = turned if upward != mirrored else np.arange(count)
            starts = graph.starts
            links = name[graph.links]
            if upward:
                name = count - 1 - name
                starts = count - starts[::-1]
                links = count - 1 - links[:, ::-1]
            widths = np.empty_like(graph.widths)
            widths[name] = graph.widths
            root = _align(links, conflicts, count)
            x = _compact(starts, root, widths)[name]
            candidates.append(-x if mirrored else x)
    return _balance(candidates, graph.widths)


def _from_the_right(starts: Ints) -> Ints:
    """For every node its number when all ranks are numbered from the right."""
    turned: Ints = np.repeat(starts[:-1] + starts[1:] - 1, np.diff(starts)) - np.arange(starts[-1])
    return turned


def _conflicts(graph: Layered) -> Bools:
    """For each link whether it crosses a piece of a long edge and must give way to it.

    Links of other ranks lie wholly before or after in the numbers, so all ranks are done at once.
    """
    upper, lower = graph.links[:, 0], graph.links[:, 1]
    inner = graph.virtual[upper] & graph.virtual[lower]
    count = len(graph.widths)
    rightmost = np.full(count + 1, -1)
    np.maximum.at(rightmost, lower[inner] + 1, upper[inner])
    leftmost = np.full(count + 1, count)
    np.minimum.at(leftmost, lower[inner], upper[inner])
    before = np.maximum.accumulate(rightmost)
    after = np.minimum.accumulate(leftmost[::-1])[::-1]
    crossed: Bools = (before[lower] > upper) | (after[lower + 1] < upper)
    return crossed & ~inner


def _align(links: Ints, conflicts: Bools, count: int) -> Ints:
    """Blocks of nodes that share one vertical line; returns the root of each node's block."""
    order = np.lexsort((links[:, 0], links[:, 1]))
    above = links[order, 0].tolist()
    crossing = conflicts[order].tolist()
    starts = np.searchsorted(links[order, 1], np.arange(count + 1)).tolist()
    root = list(range(count))
    reached = -1  # of the rank above; nodes of the next one have higher numbers anyway
    for node in range(count):
        first, last = starts[node], starts[node + 1] - 1
        if last < first:
            continue
        for index in range((first + last) // 2, (first + last + 1) // 2 + 1):
            other = above[index]
            if reached < other and not crossing[index]:
                root[node] = root[other]
                reached = other
                break
    return np.array(root, dtype=np.int64)


def _compact(starts: Ints, root: Ints, widths: Floats) -> Floats:
    """Push every block as far left as its neighbours allow, then close the gaps it leaves."""
    count = len(root)
    left = np.delete(np.arange(count), starts[1:] - 1)
    gap = (widths[left] + widths[left + 1]) / 2
    pair = root[left] * count + root[left + 1]
    pairs, inverse = np.unique(pair, return_inverse=True)
    gaps = np.zeros(len(pairs))
    np.maximum.at(gaps, inverse, gap)
    first, second = np.divmod(pairs, count)
    blocks = np.unique(root)
    number = np.zeros(count, dtype=np.int64)
    number[blocks] = np.arange(len(blocks))
    x = _push(number[first], number[second], gaps, len(blocks))
    places: Floats = x[number[root]]
    return places


def _push(first: Ints, second: Ints, gaps: Floats, count: int) -> Floats:
    """Places of blocks, given which stands at least how far before which; sorted by `first`."""
    starts = np.searchsorted(first, np.arange(count + 1)).tolist()
    waiting = np.bincount(second, minlength=count).tolist()
    following, room = second.tolist(), gaps.tolist()
    x = [0.0] * count
    order = [block for block in range(count) if not waiting[block]]
    for block in order:  # grows while it is walked: a topological order of the blocks
        here = x[block]
        for index in range(starts[block], starts[block + 1]):
            other = following[index]
            if x[other] < (place := here + room[index]):
                x[other] = place
            waiting[other] -= 1
            if not waiting[other]:
                order.append(other)
    for block in reversed(order):
        nearest = starts[block], starts[block + 1]
        if nearest[0] < nearest[1]:
            x[block] = max(x[block], min(x[following[i]] - room[i] for i in range(*nearest)))
    return np.array(x, dtype=np.float64)


def _balance(candidates: Sequence[Floats], widths: Floats) -> Floats:
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
    middle: Floats = (ordered[1] + ordered[2]) / 2
    return middle - float((middle - widths / 2).min())
