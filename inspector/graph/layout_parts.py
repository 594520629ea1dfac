"""Where the connected parts of a graph go: side by side, small ones in rows."""

from __future__ import annotations

import math
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

PART_GAP = 64.0
ASPECT = 1.6
"""Width of a block of small parts to its height."""

Floats = NDArray[np.float64]


def arrange(widths: Floats, heights: Floats) -> tuple[Floats, Floats]:
    """The upper left corner of each part: all left edges, all top edges.

    Parts that are much taller than the picture of all would be stand beside one another; what comes
    between them is set in rows, in blocks about as wide as high. O(parts).
    """
    count = len(widths)
    left, top = np.zeros(count), np.zeros(count)
    spread = _spread(widths, heights)
    edge = 0.0
    for tall, group in groupby(range(count), key=(heights > spread).tolist().__getitem__):
        members = np.array(list(group))
        if tall:
            ends = np.cumsum(widths[members] + PART_GAP)
            left[members] = edge + ends - widths[members] - PART_GAP
        else:
            left[members], top[members] = _block(widths[members], heights[members])
            left[members] += edge
        edge = float((left[members] + widths[members]).max()) + PART_GAP
    return left, top


def _spread(widths: Floats, heights: Floats) -> float:
    area = float(((widths + PART_GAP) * (heights + PART_GAP)).sum())
    return max(float(widths.max()), ASPECT * math.sqrt(area))


def _block(widths: Floats, heights: Floats) -> tuple[Floats, Floats]:
    """Places in rows."""
    limit = _spread(widths, heights)
    left, top = [], []
    x = y = tallest = 0.0
    for width, height in zip(widths.tolist(), heights.tolist(), strict=True):
        if x > 0 and x + width > limit:
            x, y, tallest = 0.0, y + tallest + PART_GAP, 0.0
        left.append(x)
        top.append(y)
        x, tallest = x + width + PART_GAP, max(tallest, height)
    return np.array(left), np.array(top)
