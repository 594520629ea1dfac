"""Where the labels of links are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.graph.layout import Direction, Layout

_LEAVING, _MEETING, _CROWD = 0.32, 0.68, 0.2
"""Where on its curve a label is: near the end where curves are apart."""
_RIGHTWARDS = 0.5
"""Rightwards labels are long along the curve, and would reach into cards anywhere else."""


def label_places(
    links: NDArray[np.int32], tensors: NDArray[np.int64], drawing: Layout, direction: Direction
) -> NDArray[np.float64]:
    """One label for each tensor, where its curve leaves the others.

    Curves that leave one card part towards their targets; those of different cards meet there. A
    label goes to the end where its curve is alone, nearer to it the more curves meet.

    Args:
        links: (source, target) of each link.
        tensors: a number for the tensor of each link.
        drawing: the routes of the links.
        direction: where they run.

    Returns:
        The middle of each link's label, shape (links, 2); NaN for none.
    """
    places = np.full((len(tensors), 2), np.nan)
    lengths = np.diff(drawing.starts)
    drawn = np.flatnonzero(lengths > 1)
    labelled = drawn[np.unique(tensors[drawn], return_index=True)[1]]
    if not len(labelled):
        return places
    main = 1 if direction == "down" else 0
    across = 1 - main
    link_of = np.repeat(np.arange(len(tensors)), lengths)
    starts, ends = drawing.corners[:-1], drawing.corners[1:]
    inside = link_of[:-1] == link_of[1:]
    slanted = np.flatnonzero(inside & (starts[:, across] != ends[:, across]))
    first, last = np.full(len(tensors), -1), np.full(len(tensors), -1)
    first[link_of[slanted[::-1]]] = slanted[::-1]
    last[link_of[slanted]] = slanted
    crowded = np.bincount(links[:, 0])[links[labelled, 0]] > 1
    meeting = np.bincount(links[:, 1])[links[labelled, 1]] > 2
    piece = np.where(crowded, last[labelled], first[labelled])
    straight = piece < 0
    piece = np.where(straight, drawing.starts[labelled + 1] - 2, piece)
    t = np.where(crowded, _MEETING, np.where(meeting, _CROWD, _LEAVING))
    t = t if direction == "down" else np.full_like(t, _RIGHTWARDS)
    t = np.where(straight, 0.5, t)
    begin, end = starts[piece], ends[piece]
    aside = np.where(straight, t, 3 * t**2 - 2 * t**3)
    ahead = np.where(straight, t, 1.5 * (1 - t) ** 2 * t + 1.5 * (1 - t) * t**2 + t**3)
    places[labelled, across] = begin[:, across] + (end - begin)[:, across] * aside
    places[labelled, main] = begin[:, main] + (end - begin)[:, main] * ahead
    return places
