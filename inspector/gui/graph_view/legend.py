"""The legend of the heat colours."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QLinearGradient, QPainter

from inspector.gui.graph_view.painting import Brushes
from inspector.gui.theme import heat

WIDTH, HEIGHT, MARGIN = 150.0, 46.0, 8.0


@dataclass(frozen=True, slots=True)
class Legend:
    """What the heat colours mean: a quantity with its unit, and the range shown."""

    title: str
    low: float
    high: float
    unit: str


def paint_legend(painter: QPainter, area: QRect, legend: Legend, brushes: Brushes) -> None:
    """Paint it into the lower left corner."""
    box = QRectF(MARGIN, area.height() - HEIGHT - MARGIN, WIDTH, HEIGHT)
    painter.setPen(brushes.border)
    painter.setBrush(brushes.card)
    painter.drawRoundedRect(box, 6, 6)
    painter.setFont(brushes.body)
    painter.setPen(brushes.text)
    inner = box.adjusted(10, 4, -10, -6)
    top = QRectF(inner.left(), inner.top(), inner.width(), 15)
    painter.drawText(top, int(Qt.AlignmentFlag.AlignLeft), legend.title)
    bar = QRectF(inner.left(), inner.top() + 17, inner.width(), 6)
    gradient = QLinearGradient(QPointF(bar.left(), 0), QPointF(bar.right(), 0))
    for step in range(11):
        gradient.setColorAt(step / 10, heat(step / 10))
    painter.fillRect(bar, gradient)
    painter.setPen(brushes.muted)
    ends = QRectF(inner.left(), bar.bottom() + 1, inner.width(), 14)
    low, high = f"{legend.low:g}", f"{legend.high:g} {legend.unit}"
    painter.drawText(ends, int(Qt.AlignmentFlag.AlignLeft), low)
    painter.drawText(ends, int(Qt.AlignmentFlag.AlignRight), high)
