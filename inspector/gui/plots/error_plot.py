"""Error of quantization against the value: the sawtooth of rounding and the wings of clipping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtWidgets import QWidget

from inspector.gui.plots.plot_card import PlotCard
from inspector.gui.theme import Theme

WINGS = 2.0
"""How many steps of error are shown at most: clipping must not flatten the teeth."""


class ErrorPlot(PlotCard):
    """The exact error function of one grid."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("errorPlot", "Error against value", ("value", "error"), parent)
        self._zero: Any = pg.InfiniteLine(angle=0)
        self._curve: Any = pg.PlotCurveItem([0.0, 1.0], [0.0, 0.0])
        self.plot.addItem(self._zero, ignoreBounds=True)
        self._band: Any = pg.PlotCurveItem([0.0, 1.0], [0.0, 0.0])
        self.plot.addItem(self._band, ignoreBounds=True)
        self.plot.addItem(self._curve, ignoreBounds=True)
        self._data: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def show_curve(
        self,
        x: NDArray[np.float64],
        error: NDArray[np.float64],
        step: float,
        span: tuple[float, float],
        note: str,
    ) -> None:
        """Show another error function over the range of the values; long wings run out of sight."""
        self._data = (x, error)
        self._curve.setData(x, error, connect="finite")
        band = np.isnan(x).any()
        self._band.setVisible(bool(band))
        if band:
            self._band.setData(x[1:6], error[1:6])
        low, high = span
        seen = error[(x >= low) & (x <= high)]
        most = float(np.abs(seen).max(initial=0.0)) or float(np.nanmax(np.abs(error))) or 1.0
        reach = min(most, WINGS * step)
        self.plot.setRange(xRange=(low, high), yRange=(-reach, reach), padding=0.05)
        self.show_plot(note)

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """What is shown."""
        return None if self.is_empty() else self._data

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        super().apply_theme(theme)
        self._zero.setPen(pg.mkPen(theme.border))
        fill = pg.mkColor(theme.quantized)
        fill.setAlpha(70)
        self._band.setPen(None)
        self._band.setBrush(fill)
        self._band.setFillLevel(0.0)
        self._curve.setPen(pg.mkPen(theme.quantized, width=1.4))
