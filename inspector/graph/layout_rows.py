"""The order within the ranks and the horizontal places, one stretch of ranks at a time.

Where a rank holds a single node, nothing passes it: what is above and what is below can be laid
out apart from one another. All such nodes of a connected part stand on one line, and stretches
that look alike, as the blocks of a deep network do, are worked out once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.graph.coordinates import Layered, assign_x
from inspector.graph.layout_order import LIBRARY_EFFORT, LIBRARY_NODES, effort, ordered

STACK_BYTES = 512 << 20

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rows:
    """A proper layered graph: every link leads from one rank to the next.

    Attributes:
        starts: the first node of each rank, and at the end the number of nodes; nodes are numbered
            rank by rank.
        links: (upper, lower), sorted.
        parts: for each rank the connected part it belongs to, in rising order.
        widths: of each node, with half of the gap to each side.
        virtual: for each node, whether it only routes a long edge.
    """

    starts: Ints
    links: Ints
    parts: Ints
    widths: Floats
    virtual: Bools


def places(rows: Rows) -> Floats:
    """The centre of each node; parts with a rank of one node have it at 0."""
    x = np.zeros(len(rows.widths))
    stretches = _stretches(rows)
    if len(stretches):
        _with_deep_stack(lambda: _fill(x, rows, stretches))
    return x


def _fill(x: Floats, rows: Rows, stretches: Ints) -> None:
    known: dict[tuple[bytes, ...], Floats] = {}
    spare = LIBRARY_EFFORT
    bounds = rows.starts[stretches]
    edges = np.searchsorted(rows.links[:, 0], bounds)
    ends = np.searchsorted(rows.links[:, 1], bounds)
    del ends
    for (top, bottom), (first, last), (begin, end) in zip(
        stretches.tolist(), bounds.tolist(), edges.tolist(), strict=True
    ):
        links = rows.links[begin:end]
        piece = Layered(
            rows.starts[top : bottom + 1] - first,
            links[links[:, 1] < last] - first,
            rows.widths[first:last],
            rows.virtual[first:last],
        )
        key = tuple(a.tobytes() for a in (piece.starts, piece.links, piece.widths, piece.virtual))
        if key not in known:
            needed = effort(piece.starts)
            swiftly = needed > spare or len(piece.widths) > LIBRARY_NODES
            spare -= 0 if swiftly else needed
            known[key] = _stretch(piece, swiftly=swiftly)
        x[first:last] = known[key]


def _stretches(rows: Rows) -> Ints:
    """First and past-the-last rank of what lies between ranks of one node, these included."""
    wide = np.diff(rows.starts) > 1
    fresh = np.concatenate([[True], np.diff(rows.parts) != 0])
    follows = np.concatenate([[False], wide[:-1]]) & ~fresh
    first = np.flatnonzero(wide & ~follows)
    closes = np.concatenate([~follows[1:] | ~wide[1:], [True]])
    last = np.flatnonzero(wide & closes)
    ends = np.concatenate([fresh[1:], [True]])
    first = first - ~fresh[first]
    last = last + ~ends[last]
    return np.column_stack([first, last + 1])


def _stretch(piece: Layered, *, swiftly: bool) -> Floats:
    """Centres in one stretch, its single nodes at the top and bottom at 0."""
    order = ordered(piece.starts, piece.links, swiftly=swiftly)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    links = place[piece.links]
    drawing = Layered(piece.starts, links, piece.widths[order], piece.virtual[order])
    x = assign_x(drawing)
    sizes = np.diff(piece.starts)
    singles = [end for end, size in ((0, sizes[0]), (len(x) - 1, sizes[-1])) if size == 1]
    if singles:
        x -= _spine(x, links, singles)
        x[singles] = 0.0
    return x[place]


def _spine(x: Floats, links: Ints, singles: list[int]) -> float:
    """Where the line through the single nodes fits best: where most of their links are straight."""
    ends = x[links]
    straight = ends[:, 0] == ends[:, 1]
    kept = [int((straight & (links == node).any(axis=1)).sum()) for node in singles]
    if len(singles) == 2 and kept[0] == kept[1]:
        return float(x[singles].mean()) if kept[0] == 0 else float(x[singles[0]])
    return float(x[singles[int(np.argmax(kept))]])


def _with_deep_stack(work: Callable[[], None]) -> None:
    """Run work on a thread with a large stack: fast-sugiyama recurses as deep as the graph."""
    failure: list[BaseException] = []

    def run() -> None:
        try:
            work()
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
