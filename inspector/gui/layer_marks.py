"""Small marks on a plot, drawn in pixels."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from inspector.gui.plots.items import Mapping, PixelItem

Shape = Literal["circle", "triangle", "diamond", "dash"]

SIZE = 3.5
"""Half the width of a mark in pixels."""


class MarkItem(PixelItem):
    """A mark at each point.

    Args:
        shape: of every mark.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self._shape: Shape = shape
        self._x: NDArray[np.float64] = np.zeros(0)
        self._y: NDArray[np.float64] = np.zeros(0)
        self._width = 1.0
        self._colour = QColor()

    def set_points(
        self, x: NDArray[np.float64], y: NDArray[np.float64], width: float = 1.0
    ) -> None:
        """Show marks at points whose y is finite; `width` is that of dashes, as the plot counts."""
        known = np.isfinite(y)
        self._x, self._y, self._width = x[known], y[known], width
        self.update()

    def set_colour(self, colour: QColor) -> None:
        """Of all marks."""
        self._colour = colour
        self.update()

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What is shown."""
        return self._x, self._y

    def draw(self, painter: QPainter, mapping: Mapping) -> None:
        """Draw all marks."""
        if not len(self._x):
            return
        if self._shape == "dash":
            self._draw_dashes(painter, mapping)
            return
        x, y = mapping.x(self._x), mapping.y(self._y)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._colour)
        room = abs(mapping.sx) * self._width / 2
        size = min(SIZE, max(room, 1.5))
        for place in map(QPointF, x.tolist(), y.tolist()):
            if self._shape == "circle":
                painter.drawEllipse(place, size, size)
            else:
                painter.drawPolygon(_polygon(self._shape, place, size))

    def _draw_dashes(self, painter: QPainter, mapping: Mapping) -> None:
        left = mapping.x(self._x - self._width / 2)
        right = np.maximum(mapping.x(self._x + self._width / 2), left + 1)
        y = np.rint(mapping.y(self._y))
        painter.setPen(QPen(self._colour, 2))
        painter.drawLines(
            [
                QLineF(a, c, b, c)
                for a, b, c in zip(left.tolist(), right.tolist(), y.tolist(), strict=True)
            ]
        )


def _polygon(shape: Shape, place: QPointF, size: float) -> QPolygonF:
    x, y = place.x(), place.y()
    if shape == "triangle":
        corners = [(x - size, y + size), (x + size, y + size), (x, y - size)]
    else:
        corners = [(x - size, y), (x, y - size), (x + size, y), (x, y + size)]
    return QPolygonF([QPointF(*corner) for corner in corners])
