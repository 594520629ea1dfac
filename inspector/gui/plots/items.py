"""Things on a plot that are drawn straight in pixels: as fast as what can be seen of them.

pyqtgraph's own curves make a path of every bin and stroke it in the plot's coordinates; these map
the arrays to pixels first, so that a plot of 512 bins costs a fraction of a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPen, QPolygonF, QTransform
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from inspector.gui.theme import TEXT_SMALL

Floats = NDArray[np.float64]

LEVELS_APART = 4.0
"""Levels that are closer than so many pixels are a shade."""
_MARGIN = 16.0
_WIDEST_BAR = 64.0


@dataclass(frozen=True, slots=True)
class Mapping:
    """From the plot's coordinates to pixels, and what can be seen of the plot."""

    sx: float
    dx: float
    sy: float
    dy: float
    seen: QRectF

    def x(self, values: Floats) -> Floats:
        """Pixels from the left, never far out of sight."""
        low, high = self.seen.left() - _MARGIN, self.seen.right() + _MARGIN
        return np.asarray(np.clip(values * self.sx + self.dx, low, high))

    def y(self, values: Floats) -> Floats:
        """Pixels from the top, never far out of sight."""
        low, high = self.seen.top() - _MARGIN, self.seen.bottom() + _MARGIN
        return np.asarray(np.clip(values * self.sy + self.dy, low, high))


class PixelItem(pg.GraphicsObject):  # type: ignore[misc]  # pyqtgraph is not typed
    """Draws itself in pixels, within what is seen of the plot."""

    def boundingRect(self) -> QRectF:
        """All that is seen: what is drawn follows the view."""
        return QRectF(self.viewRect())

    def follow(self) -> None:
        """The view has moved."""
        self.prepareGeometryChange()
        self.update()

    def paint(
        self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None
    ) -> None:
        """Draw in pixels."""
        change = painter.worldTransform()
        seen = change.mapRect(self.boundingRect())
        painter.save()
        painter.setWorldTransform(QTransform())
        self.draw(painter, Mapping(change.m11(), change.dx(), change.m22(), change.dy(), seen))
        painter.restore()

    def draw(self, painter: QPainter, mapping: Mapping) -> None:
        """Draw; to be overridden."""


def polygon(x: Floats, y: Floats) -> QPolygonF:
    """Points as Qt takes them."""
    made: QPolygonF = pg.functions.arrayToQPolygonF(x, y)
    return made


class StepItem(PixelItem):
    """Heights between edges, as a filled area, an outline, or both."""

    def __init__(self) -> None:
        super().__init__()
        self._edges: Floats = np.zeros(1)
        self._heights: Floats = np.zeros(0)
        self._pen: QPen | None = None
        self._brush: QBrush | None = None

    def set_steps(self, edges: Floats, heights: Floats) -> None:
        """Show (n + 1,) ascending edges and (n,) heights."""
        self._edges, self._heights = edges, heights
        self.update()

    def set_look(self, pen: QPen | None, brush: QBrush | None) -> None:
        """The outline and the filling; None for none."""
        self._pen, self._brush = pen, brush
        self.update()

    def draw(self, painter: QPainter, mapping: Mapping) -> None:
        """Draw the area, and the line over it."""
        if not len(self._heights):
            return
        edges, heights = visible_steps(mapping.x(self._edges), self._heights)
        x = np.repeat(edges, 2)
        y = np.empty(len(x))
        y[0] = y[-1] = mapping.y(np.zeros(1))[0]
        y[1:-1] = np.repeat(mapping.y(heights), 2)
        shape = polygon(x, y)
        if self._brush is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._brush)
            painter.drawPolygon(shape)
        if self._pen is not None:
            painter.setPen(self._pen)
            painter.drawPolyline(shape)


def visible_steps(edges: Floats, heights: Floats) -> tuple[Floats, Floats]:
    """Steps in pixels without those out of sight, and with one for each pixel at most.

    The highest of those that share a pixel is kept: no spike is lost.
    """
    seen = np.flatnonzero(edges[1:] > edges[:-1])
    if len(seen) < len(heights):
        if not len(seen):
            return edges[:2], heights[:1]
        first, last = int(seen[0]), int(seen[-1])
        edges, heights = edges[first : last + 2], heights[first : last + 1]
    if len(heights) <= edges[-1] - edges[0] + 1:
        return edges, heights
    starts = np.flatnonzero(np.diff(np.floor(edges[:-1]), prepend=-np.inf))
    return np.append(edges[starts], edges[-1]), np.maximum.reduceat(heights, starts)


class BarItem(PixelItem):
    """Bars from zero, each of the same width."""

    def __init__(self) -> None:
        super().__init__()
        self._middles: Floats = np.zeros(0)
        self._heights: Floats = np.zeros(0)
        self._width = 1.0
        self._colour = QColor()

    def set_bars(self, middles: Floats, heights: Floats, width: float) -> None:
        """Show bars of so many heights around these places."""
        self._middles, self._heights, self._width = middles, heights, width
        self.update()

    def set_colour(self, colour: QColor) -> None:
        """Of all bars."""
        self._colour = colour
        self.update()

    def draw(self, painter: QPainter, mapping: Mapping) -> None:
        """Draw them without gaps narrower than a pixel."""
        middle, half = mapping.x(self._middles), min(self._width * mapping.sx, _WIDEST_BAR) / 2
        left = np.rint(middle - half)
        right = np.maximum(np.rint(middle + half), left + 1)
        top, zero = mapping.y(self._heights), float(mapping.y(np.zeros(1))[0])
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._colour)
        painter.drawRects(
            [
                QRectF(x, min(y, zero), end - x, abs(zero - y))
                for x, end, y in zip(left.tolist(), right.tolist(), top.tolist(), strict=True)
            ]
        )


class LevelItem(PixelItem):
    """The levels of a grid as lines where they are far enough apart, else as a shade."""

    def __init__(self) -> None:
        super().__init__()
        self._first, self._step, self._count = 0.0, 0.0, 0
        self._places: NDArray[np.float64] | None = None
        self._colour = QColor()

    def set_levels(self, first: float, step: float, count: int) -> None:
        """Levels from `first` on; a step of 0 means only that the grid reaches over `count`."""
        self._first, self._step, self._count = first, step, count
        self._places = None
        self.update()

    def set_places(self, places: NDArray[np.float64]) -> None:
        """Levels that are not evenly spaced, ascending: lines, in a shade where they are dense."""
        self.set_levels(float(places[0]), 0.0, len(places))
        self._places = places

    def set_reach(self, low: float, high: float) -> None:
        """Many grids: only what all of them cover is known."""
        self.set_levels(low, high - low, -1)

    def clear(self) -> None:
        """No grid."""
        self.set_levels(0.0, 0.0, 0)

    def set_colour(self, colour: QColor) -> None:
        """Of the lines; the shade is fainter."""
        self._colour = colour
        self.update()

    def draw(self, painter: QPainter, mapping: Mapping) -> None:
        """Draw lines or a shade from the bottom to the top."""
        if not self._count:
            return
        if self._places is not None:
            self._draw_places(painter, mapping, mapping.x(self._places))
            return
        seen, steps = mapping.seen, max(self._count - 1, 1)
        apart = self._step * mapping.sx
        if self._count < 0 or apart < LEVELS_APART:
            ends = np.array([self._first, self._first + steps * self._step])
            low, high = mapping.x(ends)
            shade = QColor(self._colour)
            shade.setAlphaF(0.28)
            painter.fillRect(QRectF(low, seen.top(), high - low, seen.height()), shade)
            return
        begin = max(0, int((seen.left() - mapping.dx - self._first * mapping.sx) / apart))
        end = (seen.right() - mapping.dx - self._first * mapping.sx) / apart
        numbers = np.arange(begin, min(self._count, int(max(end, -1.0)) + 1))
        places = np.rint((self._first + numbers * self._step) * mapping.sx + mapping.dx) + 0.5
        painter.setPen(QPen(self._colour, 1))
        painter.drawLines([QLineF(x, seen.top(), x, seen.bottom()) for x in places.tolist()])

    def _draw_places(self, painter: QPainter, mapping: Mapping, x: NDArray[np.float64]) -> None:
        """A shade from each level to the next where they are close, and lines elsewhere."""
        seen, close = mapping.seen, np.diff(x) < LEVELS_APART
        shade = QColor(self._colour)
        shade.setAlphaF(0.28)
        edges = np.flatnonzero(np.diff(np.concatenate(([False], close, [False])).astype(np.int8)))
        for first, last in edges.reshape(-1, 2).tolist():
            area = QRectF(x[first], seen.top(), x[last] - x[first], seen.height())
            painter.fillRect(area, shade)
        alone = ~(np.append(close, False) & np.insert(close, 0, False))
        inside = alone & (x >= seen.left()) & (x <= seen.right())
        painter.setPen(QPen(self._colour, 1))
        lines = np.rint(x[inside]) + 0.5
        painter.drawLines([QLineF(at, seen.top(), at, seen.bottom()) for at in lines.tolist()])


@dataclass(frozen=True, slots=True)
class EndLabel:
    """What is written beside a point of a plot.

    Attributes:
        x: of the point.
        y: of the point.
        text: what is written.
        colour: of the text.
        after: the text begins at the point instead of ending there.
    """

    x: float
    y: float
    text: str
    colour: str
    after: bool = False


class LabelItem(PixelItem):
    """Names of curves, written beside their ends and kept apart from one another."""

    def __init__(self) -> None:
        super().__init__()
        self._labels: tuple[EndLabel, ...] = ()

    def set_labels(self, labels: tuple[EndLabel, ...]) -> None:
        """Show other labels."""
        self._labels = labels
        self.update()

    def draw(self, painter: QPainter, mapping: Mapping) -> None:
        """Write each label beside its point, or as near as there is room."""
        font = painter.font()
        font.setPixelSize(TEXT_SMALL - 1)
        painter.setFont(font)
        metrics, seen = QFontMetricsF(font), mapping.seen
        high = metrics.height()
        wanted = [mapping.y(np.array([label.y]))[0] for label in self._labels]
        placed = spread(wanted, high, seen.top() + high / 2, seen.bottom() - high / 2)
        for label, middle in zip(self._labels, placed, strict=True):
            width = metrics.horizontalAdvance(label.text)
            x = mapping.x(np.array([label.x]))[0]
            left = min(x if label.after else x - width, seen.right() - 3 - width)
            left = max(left, seen.left() + 2)
            painter.setPen(QColor(label.colour))
            painter.drawText(QPointF(left, middle + metrics.ascent() - high / 2), label.text)


def spread(wanted: list[float], apart: float, low: float, high: float) -> list[float]:
    """Places as near to the wanted ones as may be, in their order, so far apart, and within.

    Args:
        wanted: where each would like to be.
        apart: least distance between two.
        low: the first place that may be taken.
        high: the last; where there is too little room for all, they come closer together.
    """
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    if len(order) > 1:
        apart = min(apart, (high - low) / (len(order) - 1))
    places = [0.0] * len(order)
    before = low - apart
    for number in order:
        before = places[number] = max(wanted[number], before + apart)
    after = high + apart
    for number in reversed(order):
        after = places[number] = min(places[number], after - apart)
    return places
