"""The order of nodes within their ranks, with few crossings.

fast-sugiyama finds the best orders, but the time it takes grows with the square of the width of
ranks. Where that would be too much, a few sweeps put each node near the middle of its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import itemgetter

import fast_sugiyama
import numpy as np
from numpy.typing import NDArray

SIMPLEX_NODES = 1500
"""In larger graphs the library's network simplex takes too long."""
LIBRARY_NODES = 20_000
LIBRARY_EFFORT = 300_000
"""About this many microseconds are what the library may take for one drawing."""

_SWEEPS = 4

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def effort(starts: Ints) -> int:
    """What the library would need for the order within these ranks, in about microseconds."""
    sizes = np.diff(starts)
    return int((sizes * sizes).sum()) + int(starts[-1])


def ordered(starts: Ints, links: Ints, *, swiftly: bool) -> Ints:
    """The nodes rank by rank, in each rank from left to right.

    Args:
        starts: the first node of each rank, and at the end the number of nodes.
        links: (upper, lower) node of each link, from one rank to the next.
        swiftly: settle for more crossings.
    """
    if swiftly:
        return _by_sweeps(starts, links)
    return _by_library(starts, links)


def _by_library(starts: Ints, links: Ints) -> Ints:
    count = int(starts[-1])
    rank = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    small = count <= SIMPLEX_NODES
    pairs: list[tuple[int, int]] = [(a, b) for a, b in links.tolist()]
    drawings = fast_sugiyama.from_edges(
        # Small graphs it ranks so that links are short, which gives the ranks they have.
        pairs if small else [*pairs, *_held(links, rank)],
        vertex_spacing=10,
        dummy_vertices=False,
        ranking_type="minimize" if small else "up",
        check_layout=False,
    )
    x = np.zeros(count)
    apart = np.zeros(count, dtype=np.int64)
    for number, (positions, *_) in enumerate(drawings):
        for node, (across, _) in positions:
            if node < count:
                x[node], apart[node] = across, number
    return np.lexsort((x, apart, rank))


def _held(links: Ints, rank: Ints) -> list[tuple[int, int]]:
    """Links to a chain of further nodes, which keep nodes that nothing leads to in their ranks."""
    count = len(rank)
    read = np.zeros(count, dtype=np.bool_)
    read[links[:, 1]] = True
    loose = np.flatnonzero(~read & (rank > 0))
    if len(loose) == 0:
        return []
    chain = [0, *range(count, count + int(rank[loose].max()) - 1)]
    held = list(pairwise(chain))
    return held + [(chain[rank[node] - 1], node) for node in loose.tolist()]


def _by_sweeps(starts: Ints, links: Ints) -> Ints:
    count = int(starts[-1])
    bounds = starts.tolist()
    place = [0.0] * count
    ranks = range(len(bounds) - 1)
    above = _Neighbours(links[:, 1], links[:, 0], count)
    below = _Neighbours(links[:, 0], links[:, 1], count)
    rows = [list(range(bounds[rank], bounds[rank + 1])) for rank in ranks]
    for rank in ranks:
        _set(rows[rank], place)
    for sweep in range(_SWEEPS):
        _sweep(rows, place, *((ranks[1:], above) if sweep % 2 == 0 else (ranks[-2::-1], below)))
    return np.array([node for row in rows for node in row], dtype=np.int64)


class _Neighbours:
    """The neighbours of each node in the rank above or below, as flat lists."""

    __slots__ = ("others", "starts")

    def __init__(self, nodes: Ints, others: Ints, count: int) -> None:
        by_node = np.argsort(nodes, kind="stable")
        self.others: list[int] = others[by_node].tolist()
        self.starts: list[int] = np.searchsorted(nodes[by_node], np.arange(count + 1)).tolist()


def _sweep(
    rows: list[list[int]], place: list[float], ranks: Iterable[int], near: _Neighbours
) -> None:
    """Put the nodes of one rank after the other near the middle of their neighbours."""
    starts, others = near.starts, near.others
    for rank in ranks:
        row = rows[rank]
        if len(row) == 1:
            continue
        keyed = []
        for node in row:
            first, last = starts[node], starts[node + 1]
            if first == last:
                keyed.append((place[node], node))
            else:
                middle = sum([place[other] for other in others[first:last]]) / (last - first)
                keyed.append((middle, node))
        keyed.sort(key=itemgetter(0))
        row = [node for _, node in keyed]
        rows[rank] = row
        _set(row, place)


def _set(row: Sequence[int], place: list[float]) -> None:
    """Places within a rank from 0 to 1."""
    step = 1.0 / len(row)
    here = step / 2
    for node in row:
        place[node] = here
        here += step
