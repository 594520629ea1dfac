"""Errors of quantization: against the value, with the wings of clipping, and how often each is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QWidget

from inspector.gui.plots.histogram_plot import CountAxis
from inspector.gui.plots.items import LEVELS_APART, Mapping, PixelItem, StepItem, polygon
from inspector.gui.plots.plot_card import PlotCard, Table
from inspector.gui.theme import Theme
from inspector.quant.spread import ErrorHistogram
from inspector.report.units import count_text, percent_text, value_text

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]

WINGS = 2.0
"""How many steps of error are shown at most: clipping must not flatten the teeth."""
_MARGIN = 8.0


class ErrorItem(PixelItem):
    """The error of one grid: teeth where they are wide enough, else the band that they fill."""

    def __init__(self) -> None:
        super().__init__()
        self._first, self._last, self._step = 0.0, 0.0, 1.0
        self._curve: Curve | None = None
        self._colour = QColor()

    def set_grid(self, first: float, last: float, step: float) -> None:
        """The lowest and the highest level, and the distance between two."""
        self._first, self._last, self._step = first, last, step
        self._curve = None
        self.update()

    def set_curve(self, curve: Curve) -> None:
        """The corners of the function of a grid whose levels are not evenly spaced."""
        self._curve = curve
        self.update()

    def set_colour(self, colour: QColor) -> None:
        """Of the line; the band is fainter."""
        self._colour = colour
        self.update()

    def draw(self, painter: QPainter, mapping: Mapping) -> None:
        """Draw rounding, and clipping on both sides of it."""
        half = self._step / 2
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._curve is not None:
            x, y = self._curve
            painter.setPen(QPen(self._colour, 1.4))
            painter.drawPolyline(polygon(mapping.x(x), mapping.y(y)))
            return
        if self._step * mapping.sx < LEVELS_APART:
            self._draw_band(painter, mapping, half)
        else:
            self._draw_teeth(painter, mapping, half)
        painter.setPen(QPen(self._colour, 1.4))
        seen = mapping.seen
        top = (seen.top() - _MARGIN - mapping.dy) / mapping.sy
        bottom = (seen.bottom() + _MARGIN - mapping.dy) / mapping.sy
        for level, start, end in (
            (self._first, half, max(top, half)),
            (self._last, -half, min(bottom, -half)),
        ):
            x = mapping.x(np.array([level - start, level - end]))
            y = mapping.y(np.array([start, end]))
            painter.drawLine(QPointF(x[0], y[0]), QPointF(x[1], y[1]))

    def _draw_band(self, painter: QPainter, mapping: Mapping, half: float) -> None:
        left, right = mapping.x(np.array([self._first - half, self._last + half]))
        top, bottom = mapping.y(np.array([half, -half]))
        fill = QColor(self._colour)
        fill.setAlpha(70)
        painter.setPen(QPen(self._colour, 1))
        painter.setBrush(fill)
        painter.drawRect(QRectF(left, top, right - left, bottom - top))

    def _draw_teeth(self, painter: QPainter, mapping: Mapping, half: float) -> None:
        left = (mapping.seen.left() - mapping.dx) / mapping.sx
        right = (mapping.seen.right() - mapping.dx) / mapping.sx
        count = round((self._last - self._first) / self._step)
        begin = max(0, int((left - self._first) / self._step) - 1)
        end = min(count, int(max((right - self._first) / self._step, -1.0)) + 1)
        levels = self._first + np.arange(begin, end + 1) * self._step
        x = np.repeat(levels, 2)
        x[0::2] -= half
        x[1::2] += half
        y = np.tile([half, -half], len(levels))
        painter.setPen(QPen(self._colour, 1.4))
        painter.drawPolyline(polygon(mapping.x(x), mapping.y(y)))


class ErrorPlot(PlotCard):
    """The exact error function of one grid."""

    def __init__(self, parent: QWidget | None = None) -> None:
        axes = ("value", "error")
        super().__init__("errorPlot", "Error against value", axes, parent, zoom=(True, True))
        self._zero: Any = pg.InfiniteLine(angle=0)
        self._item = ErrorItem()
        self.add(self._zero)
        self.add(self._item)
        self._data: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._step, self._grid = 1.0, (0.0, 0.0)
        self._places: NDArray[np.float64] | None = None

    def show_curve(
        self,
        x: NDArray[np.float64],
        error: NDArray[np.float64],
        step: float,
        span: tuple[float, float],
        note: str,
        grid: tuple[float, float],
        places: NDArray[np.float64] | None = None,
    ) -> None:
        """Show another error function over the range of the values; long wings run out of sight.

        Args:
            x: corners of the function.
            error: at the corners.
            step: between two levels; the largest where they are not evenly spaced.
            span: what is shown of the values.
            note: in words.
            grid: the lowest and the highest level.
            places: the levels, where they are not evenly spaced.
        """
        self._data, self._step, self._places = (x, error), step, places
        self._item.set_grid(*grid, step)
        if places is not None:
            self._item.set_curve(self._data)
        low, high = span
        seen = error[(x >= low) & (x <= high)]
        most = float(np.abs(seen).max(initial=0.0)) or float(np.nanmax(np.abs(error))) or 1.0
        reach = min(most, WINGS * step)
        self._grid = grid
        self.set_home((low, high), (-reach, reach), 0.05)
        self.show_plot(note)

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """What is shown."""
        return None if self.is_empty() else self._data

    def table(self) -> Table:
        """The corners of the function."""
        shown = self.curve()
        return () if shown is None else (("value", shown[0]), ("error", shown[1]))

    def read_at(self, x: float, _y: float) -> str:
        """The level that a value gets, and its error."""
        low, high = self._grid
        if self._places is not None:
            level = float(self._places[np.abs(self._places - x).argmin()])
        else:
            steps = np.clip(np.rint((x - low) / self._step), 0, round((high - low) / self._step))
            level = low + float(steps) * self._step
        return f"{value_text(x)} → {value_text(level)}, error {value_text(level - x)}"

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        super().apply_theme(theme)
        self._zero.setPen(pg.mkPen(theme.border))
        self._item.set_colour(QColor(theme.quantized))


class ErrorHistogramPlot(PlotCard):
    """How often each error occurs, in steps of the grid; counts are logarithmic."""

    def __init__(self, name: str, title: str, parent: QWidget | None = None) -> None:
        axes = ("error, steps", "count")
        super().__init__(name, title, axes, parent, CountAxis(log=True))
        self._bars = StepItem()
        self._half = [pg.InfiniteLine(pos=place, angle=90) for place in (-0.5, 0.5)]
        for item in (self._bars, *self._half):
            self.add(item)
        self._data: ErrorHistogram | None = None

    def show_errors(self, found: ErrorHistogram) -> None:
        """Show another histogram."""
        self._data = found
        heights = np.log10(1.0 + found.counts)
        self._bars.set_steps(found.edges, heights)
        top = 1.08 * float(heights.max(initial=0.0)) or 1.0
        seen = np.abs(found.edges[:-1][found.counts > 0]).max(initial=0.0)
        reach = float(found.edges[-1]) if seen > 0.55 else 0.75
        self.set_home((-reach, reach), (0.0, top), 0.02)
        sign = "" if found.exact else "≈ "
        beyond = f", {percent_text(found.beyond)} beyond" if found.beyond else ""
        self.show_plot(f"{sign}rms {found.rms:.3f} steps{beyond}")

    def errors(self) -> ErrorHistogram | None:
        """What is shown."""
        return None if self.is_empty() else self._data

    def table(self) -> Table:
        """Bins in steps, with their counts."""
        shown = self.errors()
        if shown is None:
            return ()
        edges = shown.edges
        return (("from, steps", edges[:-1]), ("to, steps", edges[1:]), ("count", shown.counts))

    def read_at(self, x: float, _y: float) -> str:
        """The count of the bin."""
        if self._data is None:
            return ""
        number = int(np.searchsorted(self._data.edges, x, "right")) - 1
        inside = 0 <= number < len(self._data.counts)
        count = round(float(self._data.counts[number])) if inside else 0
        return f"error of {x:.2f} steps: {count_text(count)} values"

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        super().apply_theme(theme)
        fill = pg.mkColor(theme.quantized)
        fill.setAlpha(90)
        self._bars.set_look(pg.mkPen(theme.quantized, width=1), pg.mkBrush(fill))
        for line in self._half:
            line.setPen(pg.mkPen(theme.border, style=pg.QtCore.Qt.PenStyle.DashLine))
