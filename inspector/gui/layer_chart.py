"""All layers of the model in one chart: what their weights, inputs and outputs lose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor, QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QComboBox, QLabel, QWidget

from inspector.gui.layer_marks import MarkItem
from inspector.gui.plots.bar_plots import MOST_BARS, worst_of_each
from inspector.gui.plots.items import BarItem
from inspector.gui.plots.plot_card import PlotCard, Table
from inspector.gui.settings import read_setting, write_setting
from inspector.gui.theme import Theme
from inspector.report.units import decibel_text

Floats = NDArray[np.float64]

_SETTING = "plots/layerOrder"
_ORDERS = ("Graph order", "Worst first", "Most changed")
ACTIVATION_MARKS = {False: "#00795c", True: "#3cc79c"}
"""Bluish green of Okabe and Ito, darker on a light ground."""
_STALE_ALPHA = 90


def _no_values() -> Floats:
    return np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class LayerSeries:
    """Figures of all layers in graph order, in dB; NaN where they are not known.

    Attributes:
        names: of the layers.
        weights: SQNR of the weights.
        activations: SQNR of what enters the layer.
        outputs: SQNR at its output, with all that was lost before it.
        before: the same before the last change.
        pinned: the same of the snapshot A.
        is_stale: `outputs` are of an earlier choice.
    """

    names: Sequence[str] = ()
    weights: Floats = field(default_factory=_no_values)
    activations: Floats = field(default_factory=_no_values)
    outputs: Floats = field(default_factory=_no_values)
    before: Floats = field(default_factory=_no_values)
    pinned: Floats = field(default_factory=_no_values)
    is_stale: bool = False


class LayerChart(PlotCard):
    """Bars for the outputs, marks for weights, activations, what was before and what is pinned.

    Signals:
        picked: name of the layer that was clicked.
        seen: whether the chart is in sight, whenever that changes.
    """

    picked = Signal(str)
    seen = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("layerChart", "Layers of the model", ("layer", "SQNR, dB"), parent)
        self._bars, self._marked = BarItem(), BarItem()
        self._weights, self._activations = MarkItem("circle"), MarkItem("triangle")
        self._before, self._pinned = MarkItem("dash"), MarkItem("diamond")
        for item in (
            *(self._bars, self._marked, self._before),
            *(self._weights, self._activations, self._pinned),
        ):
            self.add(item)
        self.series = LayerSeries()
        self._chosen: frozenset[str] = frozenset()
        self._order: NDArray[np.intp] = np.zeros(0, np.intp)
        self._shown: NDArray[np.intp] = np.zeros(0, np.intp)
        self._per_bar = 1
        self.legend = QLabel(self)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setProperty("role", "small")
        self.legend.setToolTip(
            "Output: what has been lost by the end of the layer, all choices together, on a few "
            "samples,\nbefore it is rounded for the layers that read it.\n"
            "Weights and activations: what rounding the layer's own weights and inputs costs."
        )
        self.order = QComboBox(self)
        self.order.setObjectName("layerOrder")
        self.order.setAccessibleName("Order of the layers")
        self.order.addItems(_ORDERS)
        self.order.setCurrentText(read_setting(_SETTING, _ORDERS[0]))
        self.order.setToolTip(
            "How the layers are sorted. Most changed: those whose output differs most\n"
            "from that of the pinned recipe A, or from before the last change."
        )
        self.order.currentTextChanged.connect(self._reorder)
        self.header.addWidget(self.legend)
        self.header.addWidget(self.order)

    def show_series(self, series: LayerSeries, chosen: Sequence[str], note: str) -> None:
        """Show figures of all layers.

        Args:
            series: the figures.
            chosen: names of the selected layers.
            note: a line of words.
        """
        self.series, self._chosen = series, frozenset(chosen)
        self._redraw()
        self._show_legend()
        self.show_plot(note)

    def choose(self, names: Sequence[str]) -> None:
        """Mark other layers."""
        self._chosen = frozenset(names)
        self._redraw()

    def names(self) -> list[str]:
        """The layers from left to right."""
        return [self.series.names[number] for number in self._order.tolist()]

    def table(self) -> Table:
        """All figures, in the order of the chart."""
        if self.is_empty():
            return ()
        series, order = self.series, self._order
        columns: list[tuple[str, Sequence[str] | Floats]] = [("layer", self.names())]
        for title, values in (
            ("weights, dB", series.weights),
            ("activations, dB", series.activations),
            ("output, dB", series.outputs),
            ("output before, dB", series.before),
            ("output of A, dB", series.pinned),
        ):
            if np.isfinite(values).any():
                columns.append((title, values[order]))
        if np.isfinite(series.pinned).any():
            columns.append(("difference to A, dB", difference(series)[order]))
        return columns

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        super().apply_theme(theme)
        self._weights.set_colour(QColor(theme.text))
        self._activations.set_colour(QColor(ACTIVATION_MARKS[theme.dark]))
        self._before.set_colour(QColor(theme.muted))
        self._pinned.set_colour(QColor(theme.clip))
        self._colour_bars()
        self._show_legend()

    # What is drawn

    def _colour_bars(self) -> None:
        for item, colour in (
            (self._bars, self.theme.original),
            (self._marked, self.theme.quantized),
        ):
            made = QColor(colour)
            if self.series.is_stale:
                made.setAlpha(_STALE_ALPHA)
            item.set_colour(made)

    def _redraw(self) -> None:
        series = self.series
        count = len(series.names)
        if not count:
            return
        by = series.outputs if np.isfinite(series.outputs).any() else series.weights
        self._order = np.arange(count)
        # What is not known comes last.
        if self.order.currentText() == _ORDERS[1]:
            self._order = np.argsort(by, kind="stable")
        elif self.order.currentText() == _ORDERS[2]:
            self._order = np.argsort(-np.abs(difference(series)), kind="stable")
        places, self._per_bar = worst_of_each(by[self._order], MOST_BARS)
        self._shown = self._order[np.minimum(places, count - 1)]
        middles = (np.arange(len(places), dtype=np.float64) + 0.5) * self._per_bar - 0.5
        marks = np.array([name in self._chosen for name in series.names])[self._order]
        marked = np.add.reduceat(marks, np.arange(0, count, self._per_bar)) > 0
        heights = np.where(np.isfinite(series.outputs), series.outputs, 0.0)[self._shown]
        wide = 0.8 * self._per_bar
        self._bars.set_bars(middles[~marked], heights[~marked], wide)
        self._marked.set_bars(middles[marked], heights[marked], wide)
        self._colour_bars()
        for item, values in (
            (self._weights, series.weights),
            (self._activations, series.activations),
            (self._before, series.before),
            (self._pinned, series.pinned),
        ):
            item.set_points(middles, values[self._shown], wide)
        self._fit()

    def _fit(self) -> None:
        every = (*self._all(), np.zeros(1))
        known = np.concatenate([values[np.isfinite(values)] for values in every])
        top = float(known.max()) or 1.0
        self.set_home(
            (-0.5, len(self.series.names) - 0.5), (min(0.0, float(known.min())), top), 0.03
        )

    def _all(self) -> tuple[Floats, ...]:
        one = self.series
        return one.weights, one.activations, one.outputs, one.before, one.pinned

    def _show_legend(self) -> None:
        theme, series = self.theme, self.series
        parts = [
            ("▮", theme.original, "output", series.outputs),
            ("●", theme.text, "weights", series.weights),
            ("▲", ACTIVATION_MARKS[theme.dark], "activations", series.activations),
            ("▬", theme.muted, "output before", series.before),
            ("◆", theme.clip, "output of A", series.pinned),
        ]
        self.legend.setText(
            "&nbsp;&nbsp; ".join(
                f'<span style="color:{colour}">{glyph}</span> {text}'
                for glyph, colour, text, values in parts
                if np.isfinite(values).any()
            )
        )

    def _reorder(self, text: str) -> None:
        write_setting(_SETTING, text)
        if len(self.series.names):
            self.forget_zoom()
            self._redraw()

    # Pointer and keys

    def _at(self, x: float) -> int | None:
        number = round(x)
        known = 0 <= number < len(self.series.names)
        return int(self._shown[number // self._per_bar]) if known else None

    def read_at(self, x: float, _y: float) -> str:
        """All figures of a layer."""
        number = self._at(x)
        return "" if number is None else words_of(self.series, number)

    def clicked_at(self, place: QPointF) -> None:
        """Select a layer."""
        number = self._at(place.x())
        if number is not None:
            self.picked.emit(self.series.names[number])

    def key_pressed(self, event: QKeyEvent) -> bool:
        """Left and Right select the layer beside; the rest is as everywhere."""
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is None or self.is_empty() or len(self._chosen) > 1:
            return super().key_pressed(event)
        names = self.names()
        before = [number for number, name in enumerate(names) if name in self._chosen]
        number = before[0] + step if before else 0
        self.picked.emit(names[min(max(number, 0), len(names) - 1)])
        return True

    def showEvent(self, event: QShowEvent) -> None:
        """Tell that the figures are looked at."""
        super().showEvent(event)
        self.seen.emit(True)

    def hideEvent(self, event: QHideEvent) -> None:
        """Tell that nobody looks any more."""
        super().hideEvent(event)
        self.seen.emit(False)


def difference(series: LayerSeries) -> Floats:
    """How many dB each layer's output has gained over A, or since before where nothing is pinned.

    Returns:
        Negative where it has lost; NaN where one of the two is not known.
    """
    other = series.pinned if np.isfinite(series.pinned).any() else series.before
    if len(other) != len(series.outputs):
        return np.full(len(series.names), np.nan)
    with np.errstate(invalid="ignore"):  # two that are infinite are alike
        found: Floats = np.where(series.outputs == other, 0.0, series.outputs - other)
    return found


def words_of(series: LayerSeries, number: int) -> str:
    """All that is known of one layer, in words."""
    parts = []
    for text, values in (("weights", series.weights), ("activations", series.activations)):
        if not np.isnan(values[number]):
            parts.append(f"{text} {decibel_text(float(values[number]))}")
    output = float(series.outputs[number])
    if not np.isnan(output):
        others = [
            f"{text} {decibel_text(float(values[number]))}"
            for text, values in (("before", series.before), ("A", series.pinned))
            if not np.isnan(values[number])
        ]
        change = float(difference(series)[number])
        if np.isfinite(change):
            others.append(f"{change:+.1f} dB".replace("-", "−"))
        beside = f" ({', '.join(others)})" if others else ""
        parts.append(f"output ≈ {decibel_text(output)}{beside}")
    return f"{series.names[number]}: {', '.join(parts) or 'no figures yet'}"
