"""All plots side by side, and what they show of the selected layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSplitter, QVBoxLayout, QWidget

from inspector.gui.plots.bar_plots import ChannelPlot, LayerErrorPlot
from inspector.gui.plots.error_plot import ErrorPlot
from inspector.gui.plots.histogram_plot import HistogramPlot
from inspector.gui.plots.plot_card import PlotCard
from inspector.gui.plots.shapes import (
    MOST_LINES,
    HistogramShape,
    coarse,
    error_curve,
    levels,
    quantized_bins,
    quantized_steps,
)
from inspector.gui.theme import Theme
from inspector.quant.distribution import ExactDistribution
from inspector.quant.profile import level_counts
from inspector.quant.qparams import QParams
from inspector.report.units import decibel_text, percent_text
from inspector.session.facts import TensorFacts

WING_ROOM = 0.12
"""How much of the grid's width the error plot shows beyond either end."""


class PlotPane(QWidget):
    """The plots at the bottom of the window.

    Signals:
        layer_picked: a layer was clicked in the layer plot.
        random_asked: activations are wanted from random inputs.
    """

    layer_picked = Signal(str)
    random_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("plotPane")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.weights = HistogramPlot("weightHistogram", "Weights", log=False)
        self.activations = HistogramPlot("activationHistogram", "Activations", log=True)
        self.error = ErrorPlot()
        self.channels = ChannelPlot()
        self.layers = LayerErrorPlot()
        self.random = QPushButton("Use random inputs")
        self.random.setObjectName("useRandomInputs")
        self.random.setToolTip("For a first look: figures from random numbers say little")
        self.splitter = QSplitter(Qt.Orientation.Horizontal, self)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setHandleWidth(1)
        for card in self.cards():
            self.splitter.addWidget(card)
        for number in range(self.splitter.count()):
            self.splitter.setStretchFactor(number, 1)
        self.splitter.setSizes([240] * self.splitter.count())
        row = QVBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.splitter)
        self._offer_random()
        self._facts: TensorFacts | None = None
        self._activation_facts: TensorFacts | None = None
        self._sorted: ExactDistribution | None = None
        self._row: int | None = None
        self._layer = ""
        self.channels.picked.connect(self._channel_picked)
        self.layers.picked.connect(self.layer_picked)
        self.random.clicked.connect(self.random_asked)

    def cards(self) -> tuple[PlotCard, ...]:
        """All plots, from left to right."""
        return (self.weights, self.activations, self.error, self.channels, self.layers)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        for card in self.cards():
            card.apply_theme(theme)

    def show_nothing(self, text: str) -> None:
        """No layer is chosen, or no model open."""
        self._layer, self._facts, self._row = "", None, None
        self._activation_facts = None
        for card in (self.weights, self.activations, self.error, self.channels):
            card.show_empty(text)
        self.random.hide()

    def show_weights(
        self, layer: str, facts: TensorFacts | None, values: ExactDistribution | None, why: str
    ) -> None:
        """Show a layer's weights.

        Args:
            layer: its name.
            facts: of its weights; None where they are not known (yet).
            values: the sorted weights, for the histogram of single channels.
            why: what to say where there are no facts.
        """
        same = facts is not None and facts is self._facts and values is self._sorted
        if same and layer == self._layer:
            return
        rows = facts.qparams.rows if facts is not None and facts.qparams is not None else 1
        if layer != self._layer or (self._row is not None and self._row >= rows):
            self._row = None
        self._layer, self._facts, self._sorted = layer, facts, values
        if facts is None:
            for card in (self.weights, self.error, self.channels):
                card.show_empty(why)
            return
        self._draw_weights(facts)

    def show_activations(self, facts: TensorFacts | None, why: str, *, offer: bool) -> None:
        """Show the activations that enter the layer, or why they are not known."""
        self.random.setVisible(facts is None and offer)
        if facts is not None and facts is self._activation_facts:
            return
        self._activation_facts = facts
        if facts is None:
            self.activations.show_empty(why)
            return
        self.activations.show_shape(_tensor_shape(facts))

    def show_layers(
        self, names: Sequence[str], sqnr: Sequence[float | None], chosen: Sequence[str], note: str
    ) -> None:
        """Show the weight SQNR of all layers."""
        if not names:
            self.layers.show_empty("")
        else:
            self.layers.show_layers(names, sqnr, chosen, note)

    def _draw_weights(self, facts: TensorFacts) -> None:
        qp, profile = facts.qparams, facts.profile
        if qp is None or profile is None:
            self.weights.show_shape(_tensor_shape(facts))
            self.error.show_empty("Left in float: no error")
            self.channels.show_empty("Left in float: no error")
            return
        if qp.rows == 1:
            self.weights.show_shape(_tensor_shape(facts))
        else:
            self.weights.show_shape(self._channel_shape(facts))
        row = self._row if self._row is not None else int(np.argmin(profile.sqnr_db))
        span = self._error_span(facts, qp, row)
        step = float(qp.scale.reshape(-1)[row])
        kind = "block" if qp.block else "channel"
        worst = "worst " if self._row is None else ""
        where = "" if qp.rows == 1 else f"{worst}{kind} {row}, "
        note = f"{where}step {step:.3g}"
        self.error.show_curve(*error_curve(qp, row, *span), step, span, note)
        low, high = float(profile.sqnr_db.min()), float(profile.sqnr_db.max())
        what = "block" if qp.block else "channel" if qp.rows > 1 else "tensor"
        note = f"{decibel_text(low)} to {decibel_text(high)} per {what}"
        if qp.rows == 1:
            self.channels.show_empty(f"One scale for the whole tensor: {decibel_text(low)}")
            return
        self.channels.show_channels(profile.sqnr_db, row, note)

    def _error_span(self, facts: TensorFacts, qp: QParams, row: int) -> tuple[float, float]:
        """All values of a row and its whole grid, with room for the wings of clipping."""
        low, high = facts.lo, facts.hi
        if qp.rows > 1 and self._sorted is not None:
            low, high = float(self._sorted.lo[row]), float(self._sorted.hi[row])
        low = min(low, float(qp.lo.reshape(-1)[row]))
        high = max(high, float(qp.hi.reshape(-1)[row]))
        room = WING_ROOM * (high - low) or 0.5
        return low - room, high + room

    def _channel_shape(self, facts: TensorFacts) -> HistogramShape:
        """Weights with a scale for each channel: all of them, or the one that was picked."""
        qp, profile, values, row = facts.qparams, facts.profile, self._sorted, self._row
        assert qp is not None
        assert profile is not None
        low, high = float(qp.lo.min()), float(qp.hi.max())
        edges, counts = coarse(facts.edges, facts.counts)
        if values is None:
            note = _words(float(profile.clipped.mean()), float(profile.zeroed.mean()))
            return HistogramShape(edges, counts, low=low, high=high, note=note)
        if row is None:
            bins = quantized_bins(values, qp, edges)
            note = _words(float(profile.clipped.mean()), float(profile.zeroed.mean()))
            return HistogramShape(edges, counts, edges, bins, None, low, high, note)
        edges, counts = coarse(*values.density(len(facts.counts), row))
        width = float(edges[1] - edges[0])
        steps = quantized_steps(qp, row, level_counts(values, qp, row), width)
        places = levels(qp, row)
        note = _words(float(profile.clipped[row]), float(profile.zeroed[row]))
        lines = places if len(places) <= MOST_LINES else None
        name = "block" if qp.block else "channel"
        note = f"{name} {row}: {note}"
        return HistogramShape(edges, counts, *steps, lines, places[0], places[-1], note)

    def _channel_picked(self, row: int) -> None:
        """Show one channel; picking it again shows all."""
        self._row = None if row == self._row else row
        if self._facts is not None:
            self._draw_weights(self._facts)

    def _offer_random(self) -> None:
        box = QHBoxLayout()
        box.addStretch(1)
        box.addWidget(self.random)
        box.addStretch(1)
        column = QVBoxLayout(self.activations.empty)
        column.addStretch(1)
        column.addLayout(box)
        self.random.hide()


def _tensor_shape(facts: TensorFacts) -> HistogramShape:
    """The histogram of a tensor with one scale."""
    qp, profile = facts.qparams, facts.profile
    edges, counts = coarse(facts.edges, facts.counts)
    if qp is None or profile is None:
        return HistogramShape(edges, counts, note="left in float")
    places = levels(qp, 0)
    sign = "" if facts.exact else "≈ "
    note = sign + _words(float(profile.clipped.mean()), float(profile.zeroed.mean()))
    lines = places if len(places) <= MOST_LINES else None
    low, high = float(places[0]), float(places[-1])
    if facts.levels is None:
        return HistogramShape(edges, counts, None, None, lines, low, high, note)
    width = float(edges[1] - edges[0])
    steps = quantized_steps(qp, 0, facts.levels, width)
    return HistogramShape(edges, counts, *steps, lines, low, high, note)


def _words(clipped: float, zeroed: float) -> str:
    return f"{percent_text(clipped)} clipped, {percent_text(zeroed)} to zero"
