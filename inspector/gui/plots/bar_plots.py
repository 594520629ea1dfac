"""Figures as bars: SQNR of each channel of a layer, and of each layer of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Signal
from PySide6.QtWidgets import QWidget

from inspector.gui.plots.plot_card import PlotCard
from inspector.gui.plots.shapes import channel_bars
from inspector.gui.theme import Theme
from inspector.report.units import decibel_text

MOST_BARS = 256
"""More bars than this are slower to paint than the eye can tell them apart."""


def worst_of_each(values: NDArray[np.float64], most: int) -> tuple[NDArray[np.intp], int]:
    """One value for each bar where there are more values than bars.

    Args:
        values: shape (n,), NaN where they are not known.
        most: bars at most.

    Returns:
        The number of the lowest value of each bar, and how many values a bar stands for.
    """
    per_bar = max(1, -(-len(values) // most))
    filled = np.full(-(-len(values) // per_bar) * per_bar, np.inf)
    filled[: len(values)] = np.where(np.isnan(values), np.inf, values)
    lowest = filled.reshape(-1, per_bar).argmin(axis=1)
    return lowest + np.arange(len(lowest)) * per_bar, per_bar


class ChannelPlot(PlotCard):
    """SQNR of each channel.

    Signals:
        picked: the channel that was clicked.
    """

    picked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("channelPlot", "SQNR per channel", ("channel", "dB"), parent)
        self._bars: Any = pg.PlotCurveItem([0.0, 1.0], [0.0], stepMode="center", fillLevel=0)
        self._mark: Any = pg.InfiniteLine(angle=90)
        self.plot.addItem(self._bars)
        self.plot.addItem(self._mark, ignoreBounds=True)
        self.plot.scene().sigMouseClicked.connect(self._clicked)
        self._count = 0
        self._sorted = False

    def show_channels(self, sqnr: NDArray[np.float64], chosen: int, note: str) -> None:
        """Show the SQNR in dB of every channel and mark one."""
        edges, heights, self._sorted = channel_bars(sqnr)
        self._count = len(sqnr)
        self._bars.setData(edges, heights)
        self._mark.setVisible(not self._sorted)
        self._mark.setValue(chosen)
        low, high = min(0.0, float(heights.min())), float(heights.max(initial=1.0))
        self.plot.setRange(xRange=(edges[0], edges[-1]), yRange=(low, high), padding=0.03)
        self.show_plot(note)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        super().apply_theme(theme)
        fill = pg.mkColor(theme.original)
        fill.setAlpha(110)
        self._bars.setPen(pg.mkPen(theme.original, width=1))
        self._bars.setBrush(fill)
        self._mark.setPen(pg.mkPen(theme.quantized, width=1.6))

    def _clicked(self, event: Any) -> None:
        place = self.plot.getViewBox().mapSceneToView(event.scenePos())
        channel = round(place.x())
        if not self.is_empty() and not self._sorted and 0 <= channel < self._count:
            self.picked.emit(channel)


class LayerErrorPlot(PlotCard):
    """Weight SQNR of every layer, in graph order; a click selects the layer.

    Signals:
        picked: name of the layer that was clicked.
    """

    picked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("layerErrorPlot", "SQNR per layer", ("layer", "dB"), parent)
        self._bars: Any = pg.BarGraphItem(x=[0.0], height=[0.0], width=0.8)
        self.plot.addItem(self._bars)
        self.plot.scene().sigMouseClicked.connect(self._clicked)
        self.plot.scene().sigMouseMoved.connect(self._moved)
        self._names: Sequence[str] = ()
        self._values: NDArray[np.float64] = np.zeros(0)
        self._chosen: frozenset[str] = frozenset()
        self._summary = ""
        self._shown: NDArray[np.intp] = np.zeros(0, np.intp)
        self._per_bar = 1

    def show_layers(
        self, names: Sequence[str], sqnr: Sequence[float | None], chosen: Sequence[str], note: str
    ) -> None:
        """Show the weight SQNR in dB; what is not known yet has no bar."""
        self._names = tuple(names)
        self._values = np.array([np.nan if v is None else v for v in sqnr], dtype=np.float64)
        self._chosen = frozenset(chosen)
        self._summary = note
        self._redraw()
        self.show_plot(note)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        super().apply_theme(theme)
        self._redraw()

    def _redraw(self) -> None:
        if not len(self._names):
            return
        shown, self._per_bar = worst_of_each(self._values, MOST_BARS)
        heights = np.where(np.isfinite(self._values[shown]), self._values[shown], 0.0)
        marks = np.array([name in self._chosen for name in self._names])
        marked = np.add.reduceat(marks, np.arange(0, len(marks), self._per_bar)) > 0
        brushes = (pg.mkBrush(self.theme.original), pg.mkBrush(self.theme.quantized))
        self._shown = shown
        self._bars.setOpts(
            x=(np.arange(len(shown)) + 0.5) * self._per_bar - 0.5,
            height=heights,
            width=0.8 * self._per_bar,
            pen=None,
            brushes=[brushes[int(mark)] for mark in marked],
        )
        top = float(heights.max(initial=1.0)) or 1.0
        low = min(0.0, float(heights.min(initial=0.0)))
        self.plot.setRange(xRange=(-0.5, len(self._names) - 0.5), yRange=(low, top), padding=0.03)

    def _at(self, scene: QPointF) -> int | None:
        if self.is_empty() or not self.plot.sceneBoundingRect().contains(scene):
            return None
        number = round(self.plot.getViewBox().mapSceneToView(scene).x())
        known = 0 <= number < len(self._names)
        return int(self._shown[number // self._per_bar]) if known else None

    def _clicked(self, event: Any) -> None:
        number = self._at(event.scenePos())
        if number is not None:
            self.picked.emit(self._names[number])

    def _moved(self, scene: QPointF) -> None:
        number = self._at(scene)
        if number is None:
            self.note.set_full_text("" if self.is_empty() else self._summary)
            return
        value = float(self._values[number])
        self.note.set_full_text(f"{self._names[number]}: {decibel_text(value)}")
