"""Cards that are only a few pixels large, many thousands at a time: painted by numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

MAX_CARD = 26
"""No card is wider or higher than this many pixels at the zooms that this is for."""

DISTANT_SCALE = 0.08


def raster(
    boxes: NDArray[np.float64], colours: NDArray[np.uint8], left: float, top: float, side: int,
    scale: float, background: tuple[int, int, int],
) -> QImage:  # fmt: skip
    """A square image of cards, each at least one pixel large.

    Args:
        boxes: left, top, right, bottom of each card, shape (n, 4), in picture pixels.
        colours: red, green, blue of each card, shape (n, 3).
        left: of the square, in picture pixels.
        top: of the square, in picture pixels.
        side: of the square, in image pixels.
        scale: image pixels in a picture pixel.
        background: red, green and blue where there is no card.

    Cost: linear in the number of cards and in their pixels, all in numpy.
    """
    image = np.empty((side, side, 4), np.uint8)
    image[...] = (*background[::-1], 255)
    flat = image.reshape(-1, 4)
    x0 = np.floor((boxes[:, 0] - left) * scale).astype(np.int64)
    y0 = np.floor((boxes[:, 1] - top) * scale).astype(np.int64)
    wide = np.clip(np.round((boxes[:, 2] - boxes[:, 0]) * scale), 1, MAX_CARD).astype(np.int64)
    high = np.clip(np.round((boxes[:, 3] - boxes[:, 1]) * scale), 1, MAX_CARD).astype(np.int64)
    # Every pixel of every card in one pass: cards do not overlap, so these are at most the image's.
    pixels = wide * high
    card = np.repeat(np.arange(len(boxes)), pixels)
    order = np.arange(len(card)) - np.repeat(np.cumsum(pixels) - pixels, pixels)
    x = x0[card] + order % wide[card]
    y = y0[card] + order // wide[card]
    inside = (x >= 0) & (x < side) & (y >= 0) & (y < side)
    flat[y[inside] * side + x[inside], :3] = colours[card[inside], ::-1]
    return QImage(image.data, side, side, 4 * side, QImage.Format.Format_RGB32).copy()
