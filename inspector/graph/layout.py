"""Where the nodes and edges of a graph go on the canvas.

Ranks, the order within them and the places follow from the links and the sizes of the cards. The
result depends on nothing but the arguments: the same graph is always drawn the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector import offload
from inspector.graph.layout_parts import arrange
from inspector.graph.layout_ranks import LONG_SPAN, MANY, Ranked, rank_nodes
from inspector.graph.layout_routes import Chains, chains, gather, routes
from inspector.graph.layout_rows import Rows, places

__all__ = ["LONG_SPAN", "MANY", "RANK_GAPS", "Direction", "Layout", "draw", "layout"]

Direction = Literal["down", "right"]
Points = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Drawing = tuple[Points, Points, Ints, float, float]
"""Positions, corners, starts, width and height of a layout."""

NODE_GAP: Final = 28.0
RANK_GAP: Final = 48.0
RANK_GAPS: Final[dict[Direction, float]] = {"down": RANK_GAP, "right": 110.0}
"""Rightwards the labels of the edges stand between the ranks and need room for their width."""
EDGE_GAP: Final = 16.0


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The drawing: pixels, y downwards.

    Attributes:
        positions: top left corners, shape (nodes, 2).
        corners: the corner points of all routes one after the other, shape (points, 2).
        starts: where the route of each edge starts in `corners`, and at the end where the last
            one ends, shape (edges + 1,); a route without points was cut out of the drawing.
        width: of the whole drawing.
        height: of the whole drawing.
    """

    positions: Points
    corners: Points
    starts: Ints
    width: float
    height: float

    @property
    def cut(self) -> Bools:
        """For each edge whether it has no route, shape (edges,)."""
        cut: Bools = np.diff(self.starts) == 0
        return cut

    def route(self, edge: int) -> Points:
        """The corner points of one edge, shape (points, 2)."""
        return self.corners[self.starts[edge] : self.starts[edge + 1]]


def layout(
    sizes: ArrayLike,
    edges: ArrayLike,
    *,
    tensors: ArrayLike | None = None,
    direction: Direction = "down",
    node_gap: float = NODE_GAP,
    rank_gap: float | None = None,
) -> Layout:
    """Place cards in ranks so that edges run one way and no two cards overlap.

    Cost: O((nodes + edges) log nodes) and the crossing minimization of each stretch of ranks that
    looks like no other; large graphs are laid out in the child process, if there is one.

    Args:
        sizes: (width, height) of each node, in the graph's (topological) order.
        edges: (source, target) node numbers; repeats and backward edges are allowed, the latter
            run against the direction.
        tensors: which tensor each edge carries: edges with the same number are one tensor that
            goes to several nodes. By default all are different.
        direction: where the edges run.
        node_gap: pixels between cards side by side.
        rank_gap: pixels between ranks.

    Returns:
        The drawing, its upper left corner at (0, 0).
    """
    gap = RANK_GAPS[direction] if rank_gap is None else rank_gap
    size = np.array(sizes, dtype=np.float64).reshape(-1, 2)
    pairs = np.array(edges, dtype=np.int64).reshape(-1, 2)
    names = np.arange(len(pairs)) if tensors is None else np.array(tensors, dtype=np.int64)
    turned = direction == "right"
    positions, corners, starts, width, height = offload.call(
        draw, size[:, ::-1] if turned else size, pairs, names, node_gap, gap, turned, size=len(size)
    )
    if turned:
        return Layout(positions[:, ::-1], corners[:, ::-1], starts, height, width)
    return Layout(positions, corners, starts, width, height)


def draw(
    sizes: Points, edges: Ints, tensors: Ints, node_gap: float, rank_gap: float, flush: bool
) -> Drawing:
    """Lay out downwards; see :func:`layout`. Arrays in and out, so that any process can do it.

    Args:
        sizes: (width, height) of each node.
        edges: (source, target).
        tensors: the tensor of each edge.
        node_gap: pixels between cards side by side.
        rank_gap: pixels between ranks.
        flush: whether the cards of a rank share their upper edge, not their centre line.
    """
    count = len(sizes)
    if count == 0:
        return np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(len(edges) + 1, np.int64), 0.0, 0.0
    pairs, pair_of, often = _pairs(edges, tensors, count)
    wanted = np.zeros(len(pairs), dtype=np.bool_)
    wanted[pair_of[(pair_of >= 0) & ~often]] = True
    ranked = rank_nodes(count, pairs, wanted)
    sheet = _sheet(sizes, pairs, ranked, node_gap, rank_gap, flush)
    number = np.where(ranked.drawn, np.cumsum(ranked.drawn) - 1, -1)
    shown = np.full(len(edges), -1)
    kept = (pair_of >= 0) & ~often
    shown[kept] = number[pair_of[kept]]
    corners, starts = gather(sheet[1], sheet[2], shown, edges[:, 0] > edges[:, 1])
    return sheet[0], corners, starts, sheet[3], sheet[4]


def _pairs(edges: Ints, tensors: Ints, count: int) -> tuple[Ints, Ints, Bools]:
    """The links that are to be drawn.

    Returns:
        The different links from lower to higher numbers, sorted; which of them each edge is, -1
        for a loop; and whether too many nodes read the edge's tensor.
    """
    low, high = edges.min(axis=1), edges.max(axis=1)
    key = low * count + high
    keys, pair_of = np.unique(key, return_inverse=True)
    pairs = np.column_stack(np.divmod(keys, count))
    proper = pairs[:, 0] != pairs[:, 1]
    number = np.where(proper, np.cumsum(proper) - 1, -1)
    _, tensor = np.unique(tensors, return_inverse=True)
    readings = np.unique(tensor * count + edges[:, 1])
    readers = np.bincount(readings // count, minlength=1)
    return pairs[proper], number[pair_of], readers[tensor] > MANY


def _sheet(
    sizes: Points, pairs: Ints, ranked: Ranked, node_gap: float, rank_gap: float, flush: bool
) -> Drawing:
    """The drawing of the links that are drawn, in their order."""
    count = len(sizes)
    drawn = pairs[ranked.drawn]
    row = ranked.rows
    span = row[drawn[:, 1]] - row[drawn[:, 0]]
    web = chains(drawn[:, 0], drawn[:, 1], span, count)
    along = np.arange(len(web.nodes)) - np.repeat(web.starts[:-1], span + 1)
    rank = np.repeat(row[drawn[:, 0]], span + 1) + along
    rows = np.concatenate([row, rank[web.nodes >= count]])
    virtual = np.arange(len(rows)) >= count
    widths = np.concatenate([sizes[:, 0] + node_gap, np.full(len(rows) - count, EDGE_GAP)])
    x = _across(rows, web, ranked.parts, widths, virtual)
    top, bottom = _bands(row, sizes[:, 1], ranked.parts, rank_gap)
    half = np.where(virtual, EDGE_GAP, widths - node_gap) / 2
    x, shift, width, height = _arrange(x, half, ranked.parts[rows], bottom, ranked.parts)
    top, bottom = top + shift, bottom + shift
    y = top[row] if flush else (top[row] + bottom[row] - sizes[:, 1]) / 2
    positions = np.column_stack([x[:count] - sizes[:, 0] / 2, y])
    first, last = along == 0, np.zeros(len(along), dtype=np.bool_)
    last[web.starts[1:] - 1] = True
    ends = np.where(web.nodes < count, web.nodes, 0)
    upper = np.where(first, y[ends] + sizes[ends, 1], top[rank])
    lower = np.where(last, y[ends], bottom[rank])
    corners, starts = routes(web, x[web.nodes], upper, lower)
    return positions, corners, starts, width, height


def _across(rows: Ints, web: Chains, parts: Ints, widths: Points, virtual: Bools) -> Points:
    """The centre of every node, each part for itself."""
    order = np.argsort(rows, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    upper = np.delete(web.nodes, web.starts[1:] - 1)
    lower = np.delete(web.nodes, web.starts[:-1])
    links = np.column_stack([place[upper], place[lower]])
    links = links[np.lexsort((links[:, 1], links[:, 0]))]
    starts = np.searchsorted(rows[order], np.arange(len(parts) + 1))
    x: Points = places(Rows(starts, links, parts, widths[order], virtual[order]))[place]
    return x


def _bands(row: Ints, heights: Points, parts: Ints, gap: float) -> tuple[Points, Points]:
    """The top and bottom of each rank, as tall as its tallest card; each part begins at 0."""
    tall = np.zeros(len(parts))
    np.maximum.at(tall, row, heights)
    bottom = np.cumsum(tall + gap) - gap
    top = bottom - tall
    first = np.searchsorted(parts, parts)
    return top - top[first], bottom - top[first]


def _arrange(
    x: Points, half: Points, part: Ints, bottom: Points, parts: Ints
) -> tuple[Points, Points, float, float]:
    """Set the parts beside one another.

    Returns:
        The centres of all nodes, how far each rank moves down, the whole width and height.
    """
    count = int(parts[-1]) + 1
    low, high, height = np.full(count, np.inf), np.full(count, -np.inf), np.zeros(count)
    np.minimum.at(low, part, x - half)
    np.maximum.at(high, part, x + half)
    np.maximum.at(height, parts, bottom)
    left, top = arrange(high - low, height)
    moved: Points = x + (left - low)[part]
    return moved, top[parts], float((left + high - low).max()), float((top + height).max())
