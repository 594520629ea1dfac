"""Cards that are only a few pixels large, many thousands at a time: painted by numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

MAX_CARD = 60
"""No card is wider or higher than this many pixels at the zooms that this is for, but for some with
very many lines, whose lower part is left out then."""

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
    pixels, card = _pixels(boxes, left, top, (side, side), scale)
    image.reshape(-1, 4)[pixels, :3] = colours[card, ::-1]
    return QImage(image.data, side, side, 4 * side, QImage.Format.Format_RGB32).copy()


def stain(
    boxes: NDArray[np.float64], colour: tuple[int, int, int], left: float, top: float,
    size: tuple[int, int], scale: float, least: int,
) -> QImage:  # fmt: skip
    """An image of cards in one colour, with nothing between them.

    Args:
        boxes: as for :func:`raster`.
        colour: red, green and blue.
        left: of the image, in picture pixels.
        top: of the image, in picture pixels.
        size: of the image, in its pixels.
        scale: image pixels in a picture pixel.
        least: image pixels that each card has at least on each side.
    """
    wide, high = size
    image = np.zeros((high, wide, 4), np.uint8)
    pixels, _ = _pixels(boxes, left, top, size, scale, least)
    image.reshape(-1, 4)[pixels] = (*colour[::-1], 255)
    return QImage(image.data, wide, high, 4 * wide, QImage.Format.Format_ARGB32).copy()


def _pixels(
    boxes: NDArray[np.float64],
    left: float,
    top: float,
    size: tuple[int, int],
    scale: float,
    least: int = 1,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every pixel of every card in one pass: its number in the image, and that of the card."""
    x0 = np.floor((boxes[:, 0] - left) * scale).astype(np.int64)
    y0 = np.floor((boxes[:, 1] - top) * scale).astype(np.int64)
    wide = np.clip(np.round((boxes[:, 2] - boxes[:, 0]) * scale), least, MAX_CARD).astype(np.int64)
    high = np.clip(np.round((boxes[:, 3] - boxes[:, 1]) * scale), least, MAX_CARD).astype(np.int64)
    # Cards do not overlap, so their pixels are at most those of the image, and some at its edge.
    pixels = wide * high
    card = np.repeat(np.arange(len(boxes)), pixels)
    order = np.arange(len(card)) - np.repeat(np.cumsum(pixels) - pixels, pixels)
    x = x0[card] + order % wide[card]
    y = y0[card] + order // wide[card]
    inside = (x >= 0) & (x < size[0]) & (y >= 0) & (y < size[1])
    return y[inside] * size[0] + x[inside], card[inside]
