"""Where the nodes and edges of a graph go on the canvas.

Ranks and the order within them come from fast-sugiyama; places follow from the sizes of the
cards. The result depends on nothing but the arguments: the same graph is always drawn the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import fast_sugiyama
import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.graph.coordinates import Layered, assign_x

NODE_GAP = 28.0
RANK_GAP = 48.0
RANK_GAPS = {"down": RANK_GAP, "right": 110.0}
"""Rightwards the labels of the edges stand between the ranks and need room for their width."""

EDGE_GAP = 16.0
PART_GAP = 64.0
STACK_BYTES = 512 << 20
LONG_SPAN = 40
"""Edges over more ranks than this are cut when the drawing would drown in their detours."""

Points = NDArray[np.float64]
Edge = tuple[int, int]
Direction = Literal["down", "right"]
_Position = tuple[int, tuple[float, float]]
_Drawing = tuple[Sequence[_Position], float, float, Sequence[Edge] | None]
_T = TypeVar("_T")


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
    starts: NDArray[np.int64]
    width: float
    height: float

    @property
    def cut(self) -> NDArray[np.bool_]:
        """For each edge whether it has no route, shape (edges,)."""
        cut: NDArray[np.bool_] = np.diff(self.starts) == 0
        return cut

    def route(self, edge: int) -> Points:
        """The corner points of one edge, shape (points, 2)."""
        return self.corners[self.starts[edge] : self.starts[edge + 1]]


@dataclass(frozen=True, slots=True)
class _Part:
    """One connected part as ranks of node numbers; numbers past the real nodes route edges."""

    layers: tuple[tuple[int, ...], ...]
    links: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class _Placed:
    nodes: dict[int, tuple[float, float]]
    chains: dict[Edge, list[tuple[float, float]]]
    width: float
    height: float


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
    size = np.asarray(sizes, dtype=np.float64).reshape(-1, 2)
    pairs = [(int(a), int(b)) for a, b in np.asarray(edges, dtype=np.int64).reshape(-1, 2)]
    if direction == "down":
        return _downwards([(w, h) for w, h in size.tolist()], pairs, node_gap, gap)
    turned = _downwards([(h, w) for w, h in size.tolist()], pairs, node_gap, gap)
    return Layout(
        turned.positions[:, ::-1].copy(),
        turned.corners[:, ::-1].copy(),
        turned.starts,
        turned.height,
        turned.width,
    )


def _downwards(
    sizes: Sequence[tuple[float, float]], edges: Sequence[Edge], node_gap: float, rank_gap: float
) -> Layout:
    if not sizes:
        return _flat(np.zeros((0, 2)), [np.zeros((0, 2)) for _ in edges], 0.0, 0.0)
    forward = sorted({(min(e), max(e)) for e in edges if e[0] != e[1]})
    drawn = _within_budget(forward, len(sizes))
    parts = _with_deep_stack(lambda: _parts(drawn, len(sizes)))
    placed = [_place(part, sizes, node_gap, rank_gap) for part in parts]
    return _join(placed, sizes, edges)


def _flat(positions: Points, routes: Sequence[Points], width: float, height: float) -> Layout:
    starts = np.concatenate([[0], np.cumsum([len(route) for route in routes])]).astype(np.int64)
    corners = np.concatenate([np.zeros((0, 2)), *routes])
    return Layout(positions, corners, starts, width, height)


def _with_deep_stack(work: Callable[[], _T]) -> _T:
    """Run work on a thread with a large stack: fast-sugiyama recurses as deep as the graph."""
    result: list[_T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:
            failure.append(error)

    before = threading.stack_size()
    threading.stack_size(STACK_BYTES)
    try:
        thread = threading.Thread(target=run, name="layout")
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def _within_budget(edges: Sequence[Edge], count: int) -> list[Edge]:
    """Leave out the longest edges where routing them would need far more points than nodes."""
    rank = [0] * count
    for source, target in edges:  # sorted by source, and every edge leads to a higher number
        rank[target] = max(rank[target], rank[source] + 1)
    budget = 4 * count + 2000
    total = sum(rank[b] - rank[a] for a, b in edges)
    kept = list(edges)
    if total <= budget:
        return kept
    longest = sorted(edges, key=lambda e: rank[e[0]] - rank[e[1]])
    dropped = set()
    for source, target in longest:
        span = rank[target] - rank[source]
        if total <= budget or span <= LONG_SPAN:
            break
        dropped.add((source, target))
        total -= span
    return [edge for edge in kept if edge not in dropped]


def _parts(edges: Sequence[Edge], count: int) -> list[_Part]:
    """Connected parts in the order of their first node; nodes without edges are parts too."""
    used = sorted({node for edge in edges for node in edge})
    number = {node: index for index, node in enumerate(used)}
    parts = []
    if edges:
        # Dense numbers, so that the library's own routing nodes can be told by theirs.
        drawings = fast_sugiyama.from_edges(
            [(number[a], number[b]) for a, b in edges],
            vertex_spacing=10,
            dummy_vertices=True,
            dummy_size=0.3,
            ranking_type="minimize",
            check_layout=False,
        )
        names = [*used, *range(count, count + _highest(drawings) + 1 - len(used))]
        parts = [_part(positions, links or (), names) for positions, _, _, links in drawings]
    parts += [_Part(((node,),), ()) for node in range(count) if node not in number]
    return sorted(parts, key=lambda part: min(min(layer) for layer in part.layers))


def _highest(drawings: Sequence[_Drawing]) -> int:
    return max(node for positions, *_ in drawings for node, _ in positions)


def _part(positions: Sequence[_Position], links: Sequence[Edge], names: Sequence[int]) -> _Part:
    ranks: dict[float, list[tuple[float, int]]] = {}
    for node, (x, y) in positions:
        ranks.setdefault(-y, []).append((x, names[node]))  # the library's y points upwards
    layers = tuple(tuple(node for _, node in sorted(ranks[y])) for y in sorted(ranks))
    return _Part(layers, tuple(sorted((names[a], names[b]) for a, b in links)))


def _place(
    part: _Part, sizes: Sequence[tuple[float, float]], node_gap: float, rank_gap: float
) -> _Placed:
    """Coordinates for one part, its upper left corner at (0, 0)."""
    nodes = [node for layer in part.layers for node in layer]
    local = {node: index for index, node in enumerate(nodes)}
    above: list[list[int]] = [[] for _ in nodes]
    below: list[list[int]] = [[] for _ in nodes]
    for source, target in part.links:
        below[local[source]].append(local[target])
        above[local[target]].append(local[source])
    real = len(sizes)
    widths = [sizes[n][0] + node_gap if n < real else EDGE_GAP for n in nodes]
    layers = [[local[node] for node in layer] for layer in part.layers]
    virtual = [node >= real for node in nodes]
    x = assign_x(Layered(layers, above, below, widths, virtual))
    bands = _bands(part.layers, sizes, rank_gap)
    band = {node: bands[rank] for rank, layer in enumerate(part.layers) for node in layer}
    width = float((x + np.array(widths) / 2).max())
    centres = {node: float(x[local[node]]) for node in nodes}
    chains = _chains(part.links, centres, band, real)
    placed = {
        node: (centres[node] - sizes[node][0] / 2, sum(band[node]) / 2 - sizes[node][1] / 2)
        for node in nodes
        if node < real
    }
    return _Placed(placed, chains, width, bands[-1][1])


def _bands(
    layers: Sequence[Sequence[int]], sizes: Sequence[tuple[float, float]], gap: float
) -> list[tuple[float, float]]:
    """The top and bottom of each rank, as tall as its tallest card."""
    bands = []
    top = 0.0
    for layer in layers:
        height = max((sizes[node][1] for node in layer if node < len(sizes)), default=0.0)
        bands.append((top, top + height))
        top += height + gap
    return bands


def _chains(
    links: Sequence[Edge],
    centres: dict[int, float],
    band: dict[int, tuple[float, float]],
    real: int,
) -> dict[Edge, list[tuple[float, float]]]:
    """For each edge the corners between its ends, straight down through every rank passed."""
    following = {a: b for a, b in links if a >= real}
    chains = {}
    for source, first in links:
        if source >= real:
            continue
        corners = [(centres[source], band[source][1])]
        node = first
        while node >= real:
            corners += [(centres[node], band[node][0]), (centres[node], band[node][1])]
            node = following[node]
        corners.append((centres[node], band[node][0]))
        chains[(source, node)] = corners
    return chains


def _join(
    parts: Sequence[_Placed], sizes: Sequence[tuple[float, float]], edges: Sequence[Edge]
) -> Layout:
    """Set the parts side by side in rows and collect the routes in the order of the edges."""
    positions = np.zeros((len(sizes), 2))
    chains: dict[Edge, Points] = {}
    limit = max(max(p.width for p in parts), 1.6 * sum(p.width * p.height for p in parts) ** 0.5)
    left = top = row = width = 0.0
    for part in parts:
        if left > 0 and left + part.width > limit:
            left, top, row = 0.0, top + row + PART_GAP, 0.0
        offset = np.array([left, top])
        for node, place in part.nodes.items():
            positions[node] = place + offset
        for edge, corners in part.chains.items():
            chains[edge] = np.array(corners) + offset
        width = max(width, left + part.width)
        left, row = left + part.width + PART_GAP, max(row, part.height)
    heights = np.array([size[1] for size in sizes])
    routes = [_route(edge, chains, positions, heights) for edge in edges]
    return _flat(positions, routes, width, top + row)


def _route(edge: Edge, chains: dict[Edge, Points], positions: Points, heights: Points) -> Points:
    upper, lower = min(edge), max(edge)
    corners = chains.get((upper, lower))
    if corners is None:
        return np.zeros((0, 2))
    start = (corners[0, 0], positions[upper, 1] + heights[upper])
    end = (corners[-1, 0], positions[lower, 1])
    points: Points = np.vstack([start, corners, end])
    changed = np.any(np.diff(points, axis=0) != 0, axis=1)
    points = points[np.concatenate([[True], changed])]
    return points if edge == (upper, lower) else points[::-1]
