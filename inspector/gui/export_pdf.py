"""A graph as PDF: one page of the graph's size, with text that can be searched."""

from __future__ import annotations

from typing import BinaryIO

from PySide6.QtCore import QBuffer, QIODevice, QMarginsF, QSizeF
from PySide6.QtGui import QPageSize, QPainter, QPdfWriter

from inspector.errors import SaveError
from inspector.gui.export_parts import Sheet, parts_of

MAX_POINTS = 14_400.0
"""The longest side that readers of PDF promise to show: 200 inches."""
POINTS = 0.75
"""Points in a pixel: 96 pixels are an inch, as in SVG."""
_PER_INCH = 96
"""Units of coordinates, which may be fractions; hatching is as fine as these."""


def page_scale(width: float, height: float, scale: float) -> float:
    """The scale at which a graph of so many pixels fits on a page."""
    return min(scale, MAX_POINTS / POINTS / max(width, height, 1.0))


def write_pdf(file: BinaryIO, sheet: Sheet, creator: str) -> float:
    """Write a whole PDF document.

    Returns:
        The scale at which the graph was drawn.

    Raises:
        CancelledError: the sheet's step asked for it.
        SaveError: Qt does not paint.

    Cost: linear, about 0.1 ms a card; the memory of the file.
    """
    area = sheet.area
    scale = page_scale(area.width(), area.height(), sheet.scale)
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setTitle(sheet.title)
    writer.setCreator(creator)
    writer.setResolution(_PER_INCH)
    sides = QSizeF(area.width(), area.height()) * (POINTS * scale)
    exact = QPageSize.SizeMatchPolicy.ExactMatch
    writer.setPageSize(QPageSize(sides, QPageSize.Unit.Point, "", exact))
    writer.setPageMargins(QMarginsF(0, 0, 0, 0))
    _paint_page(writer, sheet, scale)
    file.write(buffer.data().data())
    return scale


def _paint_page(writer: QPdfWriter, sheet: Sheet, scale: float) -> None:
    painter = QPainter()
    if not painter.begin(writer):
        raise SaveError("The graph cannot be drawn as PDF.", "Try SVG or PNG.")
    try:
        _paint(painter, sheet, scale)
    except BaseException:
        painter.end()
        raise
    # Qt packs the page when painting ends. `end` would keep Python's lock meanwhile, and the window
    # waiting; a painter that nothing refers to any more ends without it.
    del painter


def _paint(painter: QPainter, sheet: Sheet, scale: float) -> None:
    painter.scale(scale, scale)
    painter.translate(-sheet.area.topLeft())
    # The page is whole points large, so up to one larger than the area.
    spare = 1 / (POINTS * scale)
    painter.fillRect(sheet.area.adjusted(0, 0, spare, spare), sheet.look.brushes.canvas)
    parts = parts_of(sheet)
    for number, part in enumerate(parts):
        sheet.step(number, len(parts))
        painter.translate(part.x, part.y)
        part.paint(painter)
        painter.translate(-part.x, -part.y)
