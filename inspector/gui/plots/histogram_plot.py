"""Histogram of a tensor with the grid, the clip lines and the quantized histogram over it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtWidgets import QToolButton, QWidget

from inspector.gui.plots.plot_card import PlotCard
from inspector.gui.plots.shapes import HistogramShape
from inspector.gui.theme import Theme
from inspector.report.units import count_tick

_TICK_PIXELS = 22
"""Least distance between two numbers on an axis."""


class CountAxis(pg.AxisItem):  # type: ignore[misc]  # pyqtgraph is not typed
    """Counts as 5, 200, 3k, on a linear axis or on one of log10(1 + count)."""

    def __init__(self, *, log: bool) -> None:
        super().__init__("left")
        self._log = log

    def set_log(self, log: bool) -> None:
        """Whether heights are log10(1 + count)."""
        self._log = log
        self.picture = None
        self.update()

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Powers of ten on the logarithmic axis, no more of them than have room."""
        if not self._log:
            found: list[tuple[float, list[float]]] = super().tickValues(low, high, size)
            return found
        step = max(1, math.ceil(high * _TICK_PIXELS / max(size, 1.0)))
        powers = range(0, int(high) + 1, step)
        return [(float(step), [math.log10(1.0 + 10.0**power) for power in powers])]

    def tickStrings(self, values: list[float], _scale: float, _spacing: float) -> list[str]:
        """Short numbers."""
        return [count_tick(10.0**value - 1.0 if self._log else value) for value in values]


class HistogramPlot(PlotCard):
    """Counts, linear or logarithmic, of the values before and after quantization."""

    def __init__(self, name: str, title: str, *, log: bool, parent: QWidget | None = None) -> None:
        self._counts: Any = CountAxis(log=log)
        super().__init__(name, title, ("value", "count"), parent, self._counts)
        self._shape: HistogramShape | None = None
        self._levels: Any = pg.PlotCurveItem([0.0, 0.0], [0.0, 0.0], connect="pairs")
        self._original: Any = pg.PlotCurveItem([0.0, 1.0], [0.0], stepMode="center", fillLevel=0)
        self._quantized: Any = pg.PlotCurveItem([0.0, 1.0], [0.0], stepMode="center")
        self._low: Any = pg.InfiniteLine(angle=90)
        self._high: Any = pg.InfiniteLine(angle=90)
        for item in (self._original, self._levels, self._quantized, self._low, self._high):
            self.plot.addItem(item, ignoreBounds=True)
        self.log = QToolButton(self)
        self.log.setText("log")
        self.log.setCheckable(True)
        self.log.setProperty("small", "true")
        self.log.setChecked(log)
        self.log.setToolTip("Logarithmic counts: shows the few values far out")
        self.log.setAccessibleName(f"{title}: logarithmic counts")
        self.log.toggled.connect(self._counts.set_log)
        self.log.toggled.connect(self._redraw)
        self.header.addWidget(self.log)

    def show_shape(self, shape: HistogramShape) -> None:
        """Show another histogram; the items stay the same."""
        self._shape = shape
        self._redraw()
        self.show_plot(shape.note)

    def shape(self) -> HistogramShape | None:
        """What is shown."""
        return None if self.is_empty() else self._shape

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        super().apply_theme(theme)
        fill = pg.mkColor(theme.original)
        fill.setAlpha(90)
        self._original.setPen(pg.mkPen(theme.original, width=1))
        self._original.setBrush(fill)
        self._quantized.setPen(pg.mkPen(theme.quantized, width=1.4))
        self._levels.setPen(pg.mkPen(theme.grid, width=1))
        for line in (self._low, self._high):
            line.setPen(pg.mkPen(theme.clip, width=1.4, style=pg.QtCore.Qt.PenStyle.DashLine))

    def _height(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log10(1.0 + counts) if self.log.isChecked() else counts

    def _redraw(self) -> None:
        shape = self._shape
        if shape is None:
            return
        heights = self._height(shape.counts)
        top = float(heights.max(initial=0.0)) * 1.08 or 1.0
        self._original.setData(shape.edges, heights)
        if shape.quantized is None or shape.quantized_edges is None:
            self._quantized.setData([0.0, 0.0], [0.0])
        else:
            drawn = np.minimum(self._height(shape.quantized), top)
            self._quantized.setData(shape.quantized_edges, drawn)
        lines = shape.lines if shape.lines is not None else np.zeros(0)
        x = np.repeat(lines, 2)
        self._levels.setData(x, np.tile([0.0, top], len(lines)))
        self._clip_lines(shape)
        low, high = _extent(shape)
        self.plot.setRange(xRange=(low, high), yRange=(0.0, top), padding=0.02)

    def _clip_lines(self, shape: HistogramShape) -> None:
        for line, value in ((self._low, shape.low), (self._high, shape.high)):
            line.setVisible(value is not None)
            if value is not None:
                line.setValue(value)


def _extent(shape: HistogramShape) -> tuple[float, float]:
    """All values and the grid, unless that is far wider: a symmetric one is twice as wide."""
    low, high = float(shape.edges[0]), float(shape.edges[-1])
    room = high - low
    if shape.low is not None:
        low = min(low, max(shape.low, low - room))
    if shape.high is not None:
        high = max(high, min(shape.high, high + room))
    return low, high
