"""The corner points of edges, all at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Chains:
    """The nodes that edges pass: cards at the ends, and one virtual node in each rank between.

    Attributes:
        nodes: the nodes of all edges one after the other.
        starts: where those of each edge start, and at the end how many there are.
    """

    nodes: Ints
    starts: Ints


def chains(source: Ints, target: Ints, span: Ints, count: int) -> Chains:
    """Chains of edges over `span` ranks each; virtual nodes are numbered from `count` on."""
    starts = np.concatenate([[0], np.cumsum(span + 1)])
    nodes = np.full(starts[-1], -1, dtype=np.int64)
    nodes[starts[:-1]] = source
    nodes[starts[1:] - 1] = target
    between = nodes < 0
    nodes[between] = count + np.arange(int(between.sum()))
    return Chains(nodes, starts)


def routes(chains: Chains, x: Floats, upper: Floats, lower: Floats) -> tuple[Floats, Ints]:
    """Corners and starts of the routes: through each node from its upper to its lower end.

    Args:
        chains: what the edges pass.
        x: of each node of the chains.
        upper: where the route enters the node; at an edge's source, where it leaves it.
        lower: where it leaves the node's rank; at an edge's target, where it ends.
    """
    points = np.empty((2 * len(x), 2))
    points[0::2, 0] = points[1::2, 0] = x
    points[0::2, 1], points[1::2, 1] = upper, lower
    starts = 2 * chains.starts
    kept = _distinct(points, starts)
    points, starts = points[kept], _recount(kept, starts)
    kept = ~_within_line(points, starts)
    return points[kept], _recount(kept, starts)


def _distinct(points: Floats, starts: Ints) -> Bools:
    distinct = np.ones(len(points), dtype=np.bool_)
    distinct[1:] = (points[1:] != points[:-1]).any(axis=1)
    distinct[starts[:-1]] = True
    return distinct


def _within_line(points: Floats, starts: Ints) -> Bools:
    """Points between two others straight above and below them say nothing."""
    within = np.zeros(len(points), dtype=np.bool_)
    x = points[:, 0]
    within[1:-1] = (x[:-2] == x[1:-1]) & (x[1:-1] == x[2:])
    within[starts[:-1]] = within[starts[1:] - 1] = False
    return within


def _recount(kept: Bools, starts: Ints) -> Ints:
    counts: Ints = np.concatenate([[0], np.cumsum(kept)])[starts]
    return counts


def gather(corners: Floats, starts: Ints, which: Ints, backward: Bools) -> tuple[Floats, Ints]:
    """Routes in another order, some of them repeated or reversed; none where `which` is -1."""
    none = which < 0
    lengths = np.where(none, 0, np.diff(starts)[which] if len(starts) > 1 else 0)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    first = np.where(backward, starts[which + 1] - 1, starts[which]) if len(starts) > 1 else which
    step = np.where(backward, -1, 1)
    along = np.arange(ends[-1]) - np.repeat(ends[:-1], lengths)
    index = np.repeat(first, lengths) + np.repeat(step, lengths) * along
    return corners[index], ends
