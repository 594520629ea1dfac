"""How edges, their labels and the stubs of those that are cut are painted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPolygonF

from inspector.gui.graph_view.boxes import numbers_within
from inspector.gui.graph_view.brushes import ELIDE_MIDDLE, Brushes
from inspector.gui.graph_view.look import CARD_SCALE, TEXT_SCALE, Look
from inspector.gui.graph_view.picture import LABEL_WIDTH, Picture
from inspector.gui.graph_view.stubs import Box, Stub

_LABEL_HEIGHT, _LABEL_GAP = 15.0, 6.0
_ARROW = 7.0, 3.6
_CENTRE = int(Qt.AlignmentFlag.AlignCenter)


def paint_links(
    painter: QPainter, picture: Picture, links: Iterable[int], look: Look, scale: float
) -> None:
    """Curves, with arrowheads and labels where they can be seen."""
    brushes = look.brushes
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(brushes.edge if scale >= CARD_SCALE else brushes.hairline)
    shown = list(links)
    for link in shown:
        painter.drawPath(picture.path(link))
    if scale < CARD_SCALE:
        return
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(brushes.edge.color())
    for link in shown:
        painter.drawPolygon(_arrow(picture, link))


def paint_labels(painter: QPainter, picture: Picture, links: Iterable[int], look: Look) -> None:
    """What the tensors of links are, for links that have a place for a label.

    Of labels that would lie on one another, the one of the first link is shown. That is decided for
    each two alone, so that it does not depend on what else is painted.
    """
    brushes, chosen = look.brushes, list(links)
    if not chosen:
        return
    around = picture.label_boxes[chosen]
    area = QRectF(QPointF(*around[:, :2].min(axis=0)), QPointF(*around[:, 2:].max(axis=0)))
    near = numbers_within(picture.label_boxes, area)
    texts = [look.label(picture.scene.tensors[link]) for link in near.tolist()]
    shown = [brushes.elided(text, LABEL_WIDTH, ELIDE_MIDDLE) for text in texts]
    widths = np.array([brushes.metrics.horizontalAdvance(text) for text in shown])
    places = picture.labels[near]
    wanted = frozenset(chosen)
    for number, link in enumerate(near.tolist()):
        if link not in wanted or not shown[number]:
            continue
        away = np.abs(places[:number] - places[number])
        close = (away[:, 0] < (widths[:number] + widths[number]) / 2 + _LABEL_GAP) & (
            widths[:number] > 0
        )
        if not (close & (away[:, 1] < _LABEL_HEIGHT)).any():
            _label(painter, shown[number], places[number].tolist(), widths[number], brushes)


def _arrow(picture: Picture, link: int) -> QPolygonF:
    """The head at the end of a link, in the direction in which it arrives."""
    (x0, y0), (x, y) = picture.drawing.route(link)[-2:].tolist()
    if picture.direction == "down":
        return _head(x, y, 0, 1 if y >= y0 else -1)
    return _head(x, y, 1 if x >= x0 else -1, 0)


def _head(x: float, y: float, across: int, down: int) -> QPolygonF:
    """An arrowhead at a point, in one of the four directions."""
    back, side = _ARROW
    x0, y0 = x - across * back, y - down * back
    wings = (
        QPointF(x0 - down * side, y0 - across * side),
        QPointF(x0 + down * side, y0 + across * side),
    )
    return QPolygonF([QPointF(x, y), *wings])


def _arrow_head(painter: QPainter, line: Box, brushes: Brushes) -> None:
    """The head of a stub's line, where it comes to its card."""
    x0, y0, x1, y1 = line
    flat = abs(x1 - x0) >= abs(y1 - y0)
    across = 0 if not flat else (1 if x1 >= x0 else -1)
    down = 0 if flat else (1 if y1 >= y0 else -1)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(brushes.edge.color())
    painter.drawPolygon(_head(x1, y1, across, down))


def _label(
    painter: QPainter, text: str, place: Sequence[float], width: float, brushes: Brushes
) -> None:
    """What a tensor is, on a patch of canvas that hides the line behind it."""
    x, y = place
    patch = QRectF(x - width / 2 - 3, y - 8, width + 6, _LABEL_HEIGHT)
    painter.fillRect(patch, brushes.canvas)
    painter.setFont(brushes.body)
    painter.setPen(brushes.muted)
    painter.drawText(patch, _CENTRE, text)


def paint_stub(painter: QPainter, stub: Stub, look: Look, scale: float) -> None:
    """A short dashed line and the label that leads to the other end."""
    if scale < CARD_SCALE:
        return
    brushes = look.brushes
    x0, y0, x1, y1 = stub.line
    painter.setPen(brushes.edge)
    painter.drawLine(QPointF(x0, y0), QPointF(x1, y1))
    if stub.incoming:
        _arrow_head(painter, stub.line, brushes)
    left, top, right, bottom = stub.chip
    chip = QRectF(left, top, right - left, bottom - top)
    painter.setPen(brushes.border)
    painter.setBrush(brushes.raised)
    painter.drawRoundedRect(chip, 7, 7)
    if scale >= TEXT_SCALE:
        painter.setFont(brushes.body)
        painter.setPen(brushes.accent)
        text = brushes.elided(stub.text, chip.width() - 12, ELIDE_MIDDLE)
        painter.drawText(chip, _CENTRE, text)
