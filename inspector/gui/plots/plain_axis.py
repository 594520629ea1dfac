"""An axis that is painted again whenever what is seen of its plot changes, many times a second."""

from __future__ import annotations

import math
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter

_ON_THE_LEFT = int(
    Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextDontClip
)
_BELOW = int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextDontClip)
_TIGHT = 0.8
"""Digits take so much of a line's height."""
_MOST_KNOWN = 500


class PlainAxis(pg.AxisItem):  # type: ignore[misc]  # pyqtgraph is not typed
    """pyqtgraph's axis on the left or at the bottom, with one kind of ticks and nothing else.

    It takes a third of the time: that one measures each text with the painter, looks for ticks of
    several kinds, and records what it paints to play it once.
    """

    def __init__(self, orientation: str, **options: Any) -> None:
        super().__init__(orientation, **options)
        self._widths: tuple[QFont | None, QFontMetricsF, dict[str, float]] | None = None

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Whole multiples of a round number, as far apart as pyqtgraph puts them."""
        levels = self.tickSpacing(low, high, size)
        if not levels:
            return []
        spacing = float(levels[0][0])
        first, last = math.ceil(low / spacing), math.floor(high / spacing)
        return [(spacing, [number * spacing for number in range(first, last + 1)])]

    def paint(self, painter: QPainter, _option: Any, _widget: Any = None) -> None:
        """Paint the line, the ticks, and the texts that have room."""
        bounds = self.mapRectFromParent(self.geometry())
        is_left = self.orientation == "left"
        length = bounds.height() if is_left else bounds.width()
        low, high = self.range
        if length <= 0 or high <= low:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        painter.setPen(self.pen())
        if is_left:
            edge = bounds.right()
            painter.drawLine(
                QPointF(edge - 1, bounds.top() - 1), QPointF(edge - 1, bounds.bottom() + 1)
            )
        else:
            edge = bounds.top()
            painter.drawLine(
                QPointF(bounds.left() - 1, edge + 1), QPointF(bounds.right() + 1, edge + 1)
            )
        found = self.tickValues(low, high, length)
        if not found:
            return
        spacing, values = found[0]
        share = [(value - low) / (high - low) for value in values]
        if is_left:
            places = [bounds.bottom() - part * length for part in share]
        else:
            places = [bounds.left() + part * length for part in share]
        seen = [n for n, part in enumerate(share) if 0.0 <= part <= 1.0]
        self._draw_ticks(painter, [places[n] for n in seen], edge)
        if self.style["showValues"] and seen:
            texts = self.tickStrings([values[n] for n in seen], self.scale, spacing)
            self._draw_texts(painter, texts, [places[n] for n in seen], edge)

    def _draw_ticks(self, painter: QPainter, places: list[float], edge: float) -> None:
        reach = self.style["tickLength"]
        painter.setPen(self.tickPen())
        for place in places:
            if self.orientation == "left":
                painter.drawLine(QPointF(edge, place), QPointF(edge - reach, place))
            else:
                painter.drawLine(QPointF(place, edge), QPointF(place, edge + reach))

    def _draw_texts(
        self, painter: QPainter, texts: list[str], places: list[float], edge: float
    ) -> None:
        metrics, known = self._measure()
        high = metrics.height() * _TIGHT
        is_left, room = self.orientation == "left", self.boundingRect()
        off = max(0, self.style["tickLength"]) + self.style["tickTextOffset"][0 if is_left else 1]
        if self.style["tickFont"] is not None:
            painter.setFont(self.style["tickFont"])
        painter.setPen(self.textPen())
        painter.setClipRect(room.toAlignedRect(), Qt.ClipOperation.IntersectClip)
        widest = 0.0
        for text, place in zip(texts, places, strict=True):
            wide = known.get(text)
            if wide is None:
                wide = known[text] = math.ceil(metrics.horizontalAdvance(text))
            widest = max(widest, wide)
            if is_left:
                rect = QRectF(edge - off - wide, place - high / 2, wide, high)
            else:
                rect = QRectF(place - wide / 2, edge + off, wide, high)
            if room & rect == rect:
                painter.drawText(rect, _ON_THE_LEFT if is_left else _BELOW, text)
        self._updateMaxTextSize(widest if is_left else high)

    def _measure(self) -> tuple[QFontMetricsF, dict[str, float]]:
        """The metrics of the font, and the widths of the texts that were painted before."""
        font = self.style["tickFont"]
        if self._widths is None or self._widths[0] != font or len(self._widths[2]) > _MOST_KNOWN:
            self._widths = font, QFontMetricsF(font or QFont()), {}
        return self._widths[1:]
