"""A whole graph as a small image: numpy only, so that it can be made anywhere.

Cards are rectangles of their colour. Where many fall on one pixel, as they do in large graphs, the
pixel has their mean colour, so that what is drawn last does not decide. All rectangles are filled
at once: each adds its colour at its corners, and running sums along both axes spread it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_ACROSS = 56.0
"""Pixels that a very long graph is at least given across, where its true shape would be a hair."""

_THINNEST = 2
"""Pixels that a card has at least, across the image."""

_MOST_DOTS = 60_000
"""So many pixels are touched for all wires together; beyond that long ones become dotted, and of
very many only some are drawn: they are a hint, and the cards matter more."""

_FAINT = 0.35
"""How much of the wires' colour is seen."""


@dataclass(frozen=True, slots=True)
class Projection:
    """From the coordinates of a picture to pixels of its overview; the axes may differ in scale.

    Attributes:
        left: of the picture.
        top: of the picture.
        across: pixels for each unit of x.
        down: pixels for each unit of y.
        width: of the overview, in pixels.
        height: of the overview, in pixels.
    """

    left: float
    top: float
    across: float
    down: float
    width: int
    height: int

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of a point of the picture."""
        return (x - self.left) * self.across, (y - self.top) * self.down

    def point(self, x: float, y: float) -> tuple[float, float]:
        """The point of the picture at a pixel."""
        return x / self.across + self.left, y / self.down + self.top


def project(
    bounds: tuple[float, float, float, float], limit: tuple[int, int], ratio: float = 1.0
) -> Projection:
    """How a picture of these bounds is fitted into so many pixels.

    True to shape, unless the picture is so long that nothing would be left across: then the short
    side gets `LEAST_ACROSS` pixels, and the long one is squeezed.

    Args:
        bounds: (left, top, width, height) of the picture.
        limit: most pixels (across, down).
        ratio: device pixels for each pixel.
    """
    left, top, wide, high = bounds
    wide, high = max(wide, 1.0), max(high, 1.0)
    scale = min(limit[0] / wide, limit[1] / high)
    width = min(max(wide * scale, LEAST_ACROSS), float(limit[0])) * ratio
    height = min(max(high * scale, LEAST_ACROSS), float(limit[1])) * ratio
    return Projection(
        left, top, width / wide, height / high, max(round(width), 1), max(round(height), 1)
    )


def overview(
    boxes: NDArray[np.float64],
    colours: NDArray[np.uint8],
    projection: Projection,
    background: tuple[int, int, int],
    wires: NDArray[np.float64] | None = None,
    wire_colour: tuple[int, int, int] = (128, 128, 128),
) -> NDArray[np.uint8]:
    """Paints the cards of a graph, and faintly its wires behind them.

    Args:
        boxes: (n, 4) left, top, right, bottom of each card, in the picture's coordinates.
        colours: (n, 3) of each card.
        projection: from those to pixels.
        background: where nothing is.
        wires: (m, 4) ends x, y, x, y of straight lines.
        wire_colour: theirs, before it is made faint.

    Returns:
        (height, width, 3) pixels.

    Cost: linear in cards and pixels; 20,000 cards in some milliseconds.
    """
    base = np.asarray(background, np.float64)
    image = np.broadcast_to(base, (projection.height, projection.width, 3)).copy()
    if wires is not None and len(wires):
        image[_touched(wires, projection)] += _FAINT * (np.asarray(wire_colour) - base)
    if len(boxes):
        count, total = _sums(boxes, colours, projection)
        covered = count > 0
        image[covered] = total[covered] / count[covered, None]
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _spans(
    low: NDArray[np.float64], high: NDArray[np.float64], least: int, end: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First pixels and the pixels behind the last, within 0..end, at least `least` of them."""
    last = max(end - least, 0)
    first = np.clip(np.nan_to_num(np.rint(low)), 0, last).astype(np.int64)
    behind = np.clip(np.nan_to_num(np.rint(high)), 0, end).astype(np.int64)
    return first, np.minimum(np.maximum(behind, first + least), end)


def _sums(
    boxes: NDArray[np.float64], colours: NDArray[np.uint8], to: Projection
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How many cards lie on each pixel, and the sum of their colours."""
    x0, x1 = _spans(
        (boxes[:, 0] - to.left) * to.across,
        (boxes[:, 2] - to.left) * to.across,
        _THINNEST,
        to.width,
    )
    y0, y1 = _spans(
        (boxes[:, 1] - to.top) * to.down, (boxes[:, 3] - to.top) * to.down, 1, to.height
    )
    wide = to.width + 1
    corners = np.concatenate((y0 * wide + x0, y1 * wide + x1, y0 * wide + x1, y1 * wide + x0))
    signs = np.repeat([1.0, 1.0, -1.0, -1.0], len(boxes))
    weights = [signs, *(signs * np.tile(colours[:, i].astype(np.float64), 4) for i in range(3))]
    size = wide * (to.height + 1)
    planes = np.stack([np.bincount(corners, weight, size) for weight in weights])
    planes = planes.reshape(4, to.height + 1, wide)
    sums = np.rint(planes.cumsum(axis=1).cumsum(axis=2)[:, : to.height, : to.width])
    return sums[0], np.moveaxis(sums[1:], 0, -1)


def _touched(wires: NDArray[np.float64], to: Projection) -> NDArray[np.bool_]:
    """The pixels that straight lines go through."""
    wires = wires[:: 2 * len(wires) // _MOST_DOTS + 1]
    ends = np.nan_to_num(wires - [to.left, to.top, to.left, to.top])
    ends = ends * [to.across, to.down, to.across, to.down]
    ends = np.clip(ends, 0, [to.width - 1, to.height - 1] * 2)
    start, delta = ends[:, :2], ends[:, 2:] - ends[:, :2]
    steps = np.ceil(np.abs(delta).max(axis=1)).astype(np.int64) + 1
    steps = np.minimum(steps, max(_MOST_DOTS // len(wires), 2))
    which = np.repeat(np.arange(len(wires)), steps)
    number = np.arange(len(which)) - np.repeat(np.cumsum(steps) - steps, steps)
    along = number / np.maximum(steps[which] - 1, 1)
    points = np.rint(start[which] + along[:, None] * delta[which]).astype(np.int64)
    touched = np.zeros((to.height, to.width), np.bool_)
    touched[points[:, 1], points[:, 0]] = True
    return touched
