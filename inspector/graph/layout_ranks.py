"""Which rank each node of a drawing is in, and which edges are drawn at all.

Ranks start from the longest path, so that all edges lead down. What hangs together by edges of
length one is then moved as one towards what it is linked with by longer ones (as the first half of
the network simplex method does), which puts inputs above their readers; then nodes with more edges
on one side than on the other move to that side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

MANY = 20
"""A tensor that more nodes than this read is not drawn as lines."""
LONG_SPAN = 32
"""Edges over more ranks than this are not drawn as lines."""

_ROUNDS = 3
_SWEEPS = 2

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Ranks of all connected parts, one part after the other, in the order of their first nodes.

    Attributes:
        rows: for each node its rank, counted through all parts.
        parts: for each rank the part it belongs to.
        drawn: for each edge whether it is drawn.
    """

    rows: Ints
    parts: Ints
    drawn: Bools


def rank_nodes(count: int, edges: Ints, wanted: Bools) -> Ranked:
    """Rank the nodes and cut the edges that span too much; O((nodes + edges) log nodes).

    Args:
        count: number of nodes.
        edges: (source, target), all different, sorted, each source below its target.
        wanted: for each edge whether it may be drawn; the others still lead downwards within a
            connected part.
    """
    source, target = edges[:, 0], edges[:, 1]
    drawn = wanted.copy()
    part = components(count, source[drawn], target[drawn])
    rank = np.zeros(count, dtype=np.int64)
    for _ in range(_ROUNDS):
        inner = part[source] == part[target]
        rank = _ranks(count, source[inner], target[inner], drawn[inner], part)
        cut = _cut(rank[target] - rank[source], drawn, count)
        if not cut.any():
            break
        drawn &= ~cut
        part = components(count, source[drawn], target[drawn])
    _, firsts, rows = np.unique(part * (count + 1) + rank, return_index=True, return_inverse=True)
    _, parts = np.unique(part[firsts], return_inverse=True)
    return Ranked(rows.astype(np.int64), parts.astype(np.int64), drawn)


def components(count: int, first: Ints, second: Ints) -> Ints:
    """For each node the lowest node it is connected with."""
    label = np.arange(count)
    while True:
        low = np.minimum(label[first], label[second])
        fresh = label.copy()
        np.minimum.at(fresh, label[first], low)
        np.minimum.at(fresh, label[second], low)
        while not np.array_equal(fresh, shorter := fresh[fresh]):
            fresh = shorter
        if np.array_equal(fresh, label):
            return label
        label = fresh


def _cut(span: Ints, drawn: Bools, count: int) -> Bools:
    """Edges over too many ranks, and the longest of the rest where there are too many to route."""
    cut = drawn & (span > LONG_SPAN)
    routed = np.where(drawn & ~cut, span - 1, 0)
    order = np.argsort(-routed, kind="stable")
    left = routed.sum() - np.cumsum(routed[order]) + routed[order]
    over = order[(left > 4 * count + 2000) & (routed[order] > 0)]
    cut[over] = True
    return cut


def _ranks(count: int, source: Ints, target: Ints, drawn: Bools, part: Ints) -> Ints:
    sources, targets = source.tolist(), target.tolist()
    rank = [0] * count
    for a, b in zip(sources, targets, strict=True):  # by source: all edges to it came before
        if rank[b] <= rank[a]:
            rank[b] = rank[a] + 1
    web = _Web(count, source, target, drawn)
    tight = _lengths(rank, source, target) == 1
    group = components(count, source[tight], target[tight])
    if not np.array_equal(group, part):
        _pull_together(rank, group.tolist(), web)
    for _ in range(_SWEEPS):
        _lean(rank, web)
    return np.array(rank, dtype=np.int64)


def _lengths(rank: Sequence[int], source: Ints, target: Ints) -> Ints:
    ranks = np.array(rank, dtype=np.int64)
    lengths: Ints = ranks[target] - ranks[source]
    return lengths


class _Web:
    """The neighbours of each node as plain lists: walked node by node, arrays are slow."""

    __slots__ = ("above", "below", "starts_above", "starts_below", "weight")

    def __init__(self, count: int, source: Ints, target: Ints, drawn: Bools) -> None:
        by_target = np.argsort(target, kind="stable")
        bounds = np.arange(count + 1)
        self.below: list[int] = target.tolist()
        self.above: list[int] = source[by_target].tolist()
        self.starts_below: list[int] = np.searchsorted(source, bounds).tolist()
        self.starts_above: list[int] = np.searchsorted(target[by_target], bounds).tolist()
        leaving = np.bincount(source[drawn], minlength=count)
        self.weight: list[int] = (leaving - np.bincount(target[drawn], minlength=count)).tolist()

    def readers(self, node: int) -> list[int]:
        return self.below[self.starts_below[node] : self.starts_below[node + 1]]

    def read(self, node: int) -> list[int]:
        return self.above[self.starts_above[node] : self.starts_above[node + 1]]


def _pull_together(rank: list[int], group: list[int], web: _Web) -> None:
    """Move groups, the smallest first, until each connected part is one group."""
    members: dict[int, list[int]] = {}
    for node, label in enumerate(group):
        members.setdefault(label, []).append(node)
    waiting = [(len(nodes), label) for label, nodes in members.items()]
    heapify(waiting)
    while waiting:
        size, label = heappop(waiting)
        nodes = members.get(label, [])
        if len(nodes) != size:
            continue
        shift, other = _shift(nodes, label, rank, group, web)
        if other < 0:
            continue
        for node in nodes:
            rank[node] += shift
            group[node] = other
        members[other] += members.pop(label)
        heappush(waiting, (len(members[other]), other))


def _shift(
    nodes: Sequence[int], label: int, rank: list[int], group: list[int], web: _Web
) -> tuple[int, int]:
    """How far a group may move towards most of its edges, and to which group; -1 if to none."""
    weight = 0
    down, below, up, above = 1 << 60, -1, 1 << 60, -1
    for node in nodes:
        weight += web.weight[node]  # edges inside of the group cancel
        for reader in web.readers(node):
            room = rank[reader] - rank[node] - 1
            if room < down and group[reader] != label:
                down, below = room, group[reader]
        for read in web.read(node):
            room = rank[node] - rank[read] - 1
            if room < up and group[read] != label:
                up, above = room, group[read]
    if below >= 0 and (weight >= 0 or above < 0):
        return down, below
    return -up, above


def _lean(rank: list[int], web: _Web) -> None:
    """Move nodes down to their readers, or up to what they read, where they have more of them."""
    count = len(rank)
    weight = web.weight
    for node in range(count - 1, -1, -1):
        if weight[node] > 0:
            lowest = min(rank[reader] for reader in web.readers(node)) - 1
            rank[node] = max(rank[node], lowest)
    for node in range(count):
        if weight[node] < 0:
            highest = max(rank[read] for read in web.read(node)) + 1
            rank[node] = min(rank[node], highest)
