"""A graph as PNG, written band by band: only one band is ever in memory."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage, QPainter

from inspector.errors import SaveError
from inspector.gui.export_parts import FULL, Sheet
from inspector.gui.graph_view.area import AreaPainter

MAX_SIDE = 16_000
MAX_PIXELS = 120_000_000
TILE = 512
"""Pixels; a multiple of 8, so that hatching goes on from tile to tile."""
LEGIBLE = 0.5
"""Down to this scale everything is shown: small text can be enlarged where blank cards cannot."""
_DOTS_PER_METRE = 96 / 0.0254
_UP = 2
"""The PNG filter that writes the difference from the row above."""


@dataclass(frozen=True, slots=True)
class Raster:
    """How large a picture gets: pixels, and pixels in a pixel of the graph."""

    width: int
    height: int
    scale: float


def raster_of(area: QRectF, scale: float) -> Raster:
    """The size of a picture, made smaller where it would be more than others can open."""
    width, height = max(area.width(), 1.0), max(area.height(), 1.0)
    fitting = min(
        scale, MAX_SIDE / width, MAX_SIDE / height, math.sqrt(MAX_PIXELS / (width * height))
    )
    sides = [max(math.floor(side * fitting + 0.5), 1) for side in (width, height)]
    return Raster(sides[0], sides[1], fitting)


def write_png(file: BinaryIO, sheet: Sheet) -> Raster:
    """Write a whole PNG file.

    Returns:
        How large it became.

    Raises:
        CancelledError: the sheet's step asked for it.

    Cost: linear in the pixels, about 2 s for the largest; the memory of a band of 512 rows.
    """
    size = raster_of(sheet.area, sheet.scale)
    file.write(b"\x89PNG\r\n\x1a\n")
    file.write(_chunk(b"IHDR", struct.pack(">IIBBBBB", size.width, size.height, 8, 2, 0, 0, 0)))
    dots = round(_DOTS_PER_METRE * size.scale)
    file.write(_chunk(b"pHYs", struct.pack(">IIB", dots, dots, 1)))
    title = sheet.title.encode("utf-8", "replace")
    file.write(_chunk(b"iTXt", b"Title\0\0\0\0\0" + title.replace(b"\0", b"")))
    area_painter = AreaPainter(sheet.picture, sheet.look)
    packer = zlib.compressobj(6)
    above = np.zeros((1, 3 * size.width), np.uint8)
    for top in range(0, size.height, TILE):
        sheet.step(top, size.height)
        band = _band(area_painter, sheet.area, size, top)
        rows = np.empty((len(band), 1 + 3 * size.width), np.uint8)
        rows[:, 0] = _UP
        np.subtract(band, np.vstack([above, band[:-1]]), out=rows[:, 1:])
        above = band[-1:]
        _write_data(file, packer.compress(rows.tobytes()))
    _write_data(file, packer.flush())
    file.write(_chunk(b"IEND", b""))
    return size


def _band(painter: AreaPainter, area: QRectF, size: Raster, top: int) -> NDArray[np.uint8]:
    """The rows of a band, red, green and blue side by side."""
    height = min(TILE, size.height - top)
    band = np.empty((height, size.width, 3), np.uint8)
    for left in range(0, size.width, TILE):
        width = min(TILE, size.width - left)
        tile = _tile(painter, area, size.scale, left, top)
        pixels = np.frombuffer(tile.constBits(), np.uint8).reshape(TILE, TILE, 4)
        band[:, left : left + width] = pixels[:height, :width, :3]
    return band.reshape(height, -1)


def _tile(area_painter: AreaPainter, area: QRectF, scale: float, left: int, top: int) -> QImage:
    # The order of its bytes is the same on every machine.
    image = QImage(TILE, TILE, QImage.Format.Format_RGBX8888)
    painter = QPainter()
    if not painter.begin(image):
        raise SaveError("The graph cannot be drawn as PNG.", "Try SVG or PDF.")
    try:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(-left, -top)
        painter.scale(scale, scale)
        painter.translate(-area.left(), -area.top())
        place = QRectF(
            area.left() + left / scale, area.top() + top / scale, TILE / scale, TILE / scale
        )
        area_painter.paint(painter, place, max(scale, FULL) if scale >= LEGIBLE else scale)
    finally:
        painter.end()
    return image


def _write_data(file: BinaryIO, data: bytes) -> None:
    if data:
        file.write(_chunk(b"IDAT", data))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
