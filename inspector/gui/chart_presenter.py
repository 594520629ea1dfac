"""Keeps the chart of all layers up to date."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer

from inspector.gui.bridge import Bridge
from inspector.gui.heat import Heat
from inspector.gui.layer_chart import LayerChart, LayerSeries
from inspector.gui.layer_figures import LayerFigures
from inspector.gui.selection import Selection
from inspector.gui.snapshot import Snapshots
from inspector.report.units import decibel_text, plural

_GATHER_MS = 40
_NO_DATA = "Drop calibration data to see what is lost at each layer's output"


class ChartPresenter(QObject):
    """From what is known of the layers to the chart, and from a click there to the selection."""

    def __init__(
        self,
        bridge: Bridge,
        heat: Heat,
        selection: Selection,
        figures: LayerFigures,
        snapshots: Snapshots,
        chart: LayerChart,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._heat = bridge, heat
        self._figures, self._snapshots, self._chart = figures, snapshots, chart
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_GATHER_MS)
        self._timer.timeout.connect(self._show)
        for signal in (
            *(bridge.model_changed, bridge.facts_changed, bridge.specs_changed),
            *(heat.changed, figures.changed, snapshots.changed),
        ):
            signal.connect(self._gather)
        selection.changed.connect(self._chosen)
        chart.seen.connect(self._seen)
        chart.picked.connect(lambda name: selection.choose((name,)))
        if chart.isVisible():
            self._seen(True)

    def is_settled(self) -> bool:
        """Whether the chart shows all that is known."""
        return not self._timer.isActive()

    def _seen(self, in_sight: bool) -> None:
        self._figures.set_active(in_sight)
        if in_sight:
            self._show()

    def _chosen(self) -> None:
        """At once: the next key may ask for the layer beside."""
        if self._chart.isVisible():
            self._chart.choose(self._bridge.selected)

    def _gather(self) -> None:
        """Many changes at once are drawn once, and none while nobody looks."""
        if self._chart.isVisible() and not self._timer.isActive():
            self._timer.start()

    def _show(self) -> None:
        """Cost: linear in the number of layers."""
        self._timer.stop()
        layers = self._bridge.document.layers
        if not layers:
            self._chart.show_empty("")
            return
        names = tuple(layer.name for layer in layers)
        figures, pinned = self._figures, self._snapshots.pinned
        known = self._heat.numbers()
        series = LayerSeries(
            names,
            _column(names, self._bridge.all_sqnr()),
            _column(names, known.get("asqnr", {})),
            _column(names, figures.outputs),
            _column(names, figures.before),
            _column(names, {} if pinned is None else pinned.outputs),
            figures.is_stale,
        )
        self._chart.show_series(series, self._bridge.selected, self._note(series))

    def _note(self, series: LayerSeries) -> str:
        figures, document = self._figures, self._bridge.document
        if document.calibration is None or document.dataset is None:
            return _NO_DATA
        if figures.error:
            return figures.error
        known = np.flatnonzero(np.isfinite(series.outputs))
        if not known.size:
            return "Stopped" if figures.is_stopped else "Comparing the outputs of all layers…"
        worst = int(known[np.argmin(series.outputs[known])])
        text = (
            f"lowest output ≈ {decibel_text(float(series.outputs[worst]))}, {series.names[worst]}"
        )
        pinned = self._snapshots.pinned
        both = np.isfinite(series.outputs) & np.isfinite(series.pinned)
        if pinned is not None and both.any():
            better = int((series.outputs[both] > series.pinned[both] + 0.05).sum())
            worse = int((series.outputs[both] < series.pinned[both] - 0.05).sum())
            text += f"; against A {plural(better, 'layer')} better, {worse} worse"
        return f"{text} (of an earlier choice)" if figures.is_stale else text


def _column(names: tuple[str, ...], known: Mapping[str, float]) -> NDArray[np.float64]:
    return np.array([known.get(name, np.nan) for name in names], np.float64)
