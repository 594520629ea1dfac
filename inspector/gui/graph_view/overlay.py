"""What is painted over the tiles: selection, hovering, finds, the rubber band."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from inspector.gui.graph_view.boxes import numbers_within
from inspector.gui.graph_view.brushes import Brushes
from inspector.gui.graph_view.distant import DISTANT_SCALE, stain
from inspector.gui.graph_view.lines import paint_labels
from inspector.gui.graph_view.look import TEXT_SCALE, Look
from inspector.gui.graph_view.marks import Marks
from inspector.gui.graph_view.painting import RADIUS
from inspector.gui.graph_view.picture import Picture
from inspector.gui.graph_view.viewport import Viewport

_LEAST = 5.0
"""A marked card is at least this many widget pixels large, so that it is seen from afar."""


def paint_marks(
    painter: QPainter,
    picture: Picture,
    marks: Marks,
    look: Look,
    view: Viewport,
    seen: QRectF,
) -> None:
    """Light up what is marked; the painter has widget coordinates."""
    brushes = look.brushes
    painter.save()
    painter.translate(round(view.x), round(view.y))
    painter.scale(view.scale, view.scale)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if marks.links:
        painter.setPen(_pen(brushes.theme.accent, 2.2))
        shown = set(numbers_within(picture.link_boxes, seen).tolist())
        for link in shown.intersection(marks.links):
            painter.drawPath(picture.path(link))
        if view.scale >= TEXT_SCALE:  # or the lines would strike their own labels out
            labels = set(numbers_within(picture.label_boxes, seen).tolist())
            paint_labels(painter, picture, sorted(labels.intersection(marks.links)), look)
    painter.restore()
    cards = set(numbers_within(picture.boxes, seen).tolist())
    _outline(painter, picture, cards & marks.found, view, brushes.theme.warning, 2.0, 3.0)
    _outline(painter, picture, cards & marks.ends, view, brushes.theme.accent, 1.4, 2.0)
    _outline(painter, picture, cards & marks.selected, view, brushes.theme.accent, 2.6, 1.0)


def _pen(colour: str, width: float) -> QPen:
    pen = QPen(QColor(colour), width)
    pen.setCosmetic(True)
    return pen


def _outline(
    painter: QPainter,
    picture: Picture,
    cards: Iterable[int],
    view: Viewport,
    colour: str,
    width: float,
    gap: float,
) -> None:
    if view.scale < DISTANT_SCALE:
        _stain(painter, picture, cards, view, colour)
        return
    painter.setPen(_pen(colour, width))
    fill = QColor(colour)
    fill.setAlphaF(0.35)
    for number in cards:
        rect = view.to_widget(picture.rect(number))
        rect.translate(round(view.x) - view.x, round(view.y) - view.y)
        short = rect.height() < _LEAST or rect.width() < _LEAST
        if short:
            rect.setSize(rect.size().expandedTo(QRectF(0, 0, _LEAST, _LEAST).size()))
        painter.setBrush(fill if short else Qt.BrushStyle.NoBrush)
        radius = RADIUS * view.scale + gap
        if picture.cards[number].is_pill:
            radius = rect.height() / 2 + gap
        painter.drawRoundedRect(rect.adjusted(-gap, -gap, gap, gap), radius, radius)


def _stain(
    painter: QPainter, picture: Picture, cards: Iterable[int], view: Viewport, colour: str
) -> None:
    """Marked cards that are only some pixels large, any number of them."""
    boxes = picture.boxes[np.fromiter(cards, np.intp)]
    if not len(boxes):
        return
    device = painter.device()
    tone = QColor(colour)
    image = stain(
        boxes,
        (tone.red(), tone.green(), tone.blue()),
        -round(view.x) / view.scale,
        -round(view.y) / view.scale,
        (device.width(), device.height()),
        view.scale,
        round(_LEAST) - 1,
    )
    painter.drawImage(QPointF(0, 0), image)


def paint_rubber_band(painter: QPainter, band: QRectF, brushes: Brushes) -> None:
    """The rectangle that is being drawn around what shall be selected."""
    fill = QColor(brushes.theme.accent)
    fill.setAlphaF(0.12)
    painter.setPen(_pen(brushes.theme.accent, 1.0))
    painter.setBrush(fill)
    painter.drawRect(band)


def paint_veil(painter: QPainter, area: QRect, brushes: Brushes) -> None:
    """Over a picture that is out of date, until the next one is there."""
    veil = QColor(brushes.theme.canvas)
    veil.setAlphaF(0.75)
    painter.fillRect(area, veil)
    painter.setFont(brushes.body)
    painter.setPen(brushes.muted)
    painter.drawText(area, int(Qt.AlignmentFlag.AlignCenter), "Laying the graph out…")


def paint_focus(painter: QPainter, area: QRect, brushes: Brushes) -> None:
    """The ring that is shown to those who came by the keyboard."""
    painter.setPen(QColor(brushes.theme.accent))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(area.adjusted(0, 0, -1, -1))
