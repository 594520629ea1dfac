"""All plots, and what they show of the selected layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from inspector.cache import ByteCache
from inspector.gui.layer_chart import LayerChart
from inspector.gui.mixing.front_plot import FrontPlot
from inspector.gui.mixing.sensitivity_plot import SensitivityPlot
from inspector.gui.plots.bar_plots import ChannelPlot, LayerErrorPlot
from inspector.gui.plots.beside import Beside
from inspector.gui.plots.channel_plots import ChannelHeatPlot, ChannelRangePlot
from inspector.gui.plots.curve_plots import BitsPlot, TradeoffPlot
from inspector.gui.plots.error_plot import ErrorHistogramPlot, ErrorPlot
from inspector.gui.plots.histogram_plot import HistogramPlot
from inspector.gui.plots.plot_card import PlotCard
from inspector.gui.plots.plot_export import PlotMenu
from inspector.gui.plots.plot_pages import Entry, Late, Page, PlotPages, there
from inspector.gui.plots.plot_work import PlotWork
from inspector.gui.plots.range_edits import RangeEdits
from inspector.gui.plots.role_plots import RolePlots
from inspector.gui.plots.shapes import error_curve, levels
from inspector.gui.plots.shown import Subject, error_span
from inspector.gui.tasks import Tasks
from inspector.gui.theme import Theme
from inspector.quant.distribution import Distribution, ExactDistribution
from inspector.quant.spec import LayerSpecs
from inspector.quant.spread import Boxes, Heat
from inspector.report.units import decibel_text
from inspector.session.facts import TensorFacts

_FLOAT = "Left in float: no error"
_ON_ITS_WAY = "Computing… (this is from before)"


class PlotPane(QWidget):
    """The plots at the bottom of the window.

    Attributes:
        row: the channel of the weights that was picked; None for all.

    Signals:
        layer_picked: a layer was clicked in the layer plot.
        random_asked: activations are wanted from random inputs.
        changed: a SpecChange, from dragging a range or choosing a method.
        previewed: (role, TensorFacts) while a range is dragged.
        failed: an InspectorError that the user must know of.
        row_picked: number of the channel or block of the weights that is looked at alone.
    """

    layer_picked = Signal(str)
    random_asked = Signal()
    changed = Signal(object)
    previewed = Signal(str, object)
    failed = Signal(object)
    row_picked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("plotPane")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.weights = HistogramPlot("weightHistogram", "Weights", log=False)
        self.activations = HistogramPlot("activationHistogram", "Activations", log=True)
        self.error = ErrorPlot()
        self.channels, self.layers = ChannelPlot(), LayerErrorPlot()
        self.weight_errors = Late(lambda: ErrorHistogramPlot("errorHistogram", "Weight errors"))
        self.activation_errors = Late(
            lambda: ErrorHistogramPlot("activationErrors", "Activation errors")
        )
        self.ranges, self.heat = Late(ChannelRangePlot), Late(ChannelHeatPlot)
        self.weight_bits = Late(lambda: BitsPlot("weightBits", "Weights: SQNR by bits"))
        self.weight_tradeoff = Late(
            lambda: TradeoffPlot("weightTradeoff", "Weights: clip or round")
        )
        self.activation_bits = Late(lambda: BitsPlot("activationBits", "Activations: SQNR by bits"))
        self.activation_tradeoff = Late(
            lambda: TradeoffPlot("activationTradeoff", "Activations: clip or round")
        )
        self.model = Late(LayerChart)
        self.sensitivity, self.front = Late(SensitivityPlot), Late(FrontPlot)
        self._theme: Theme | None = None
        self._menus: list[PlotMenu] = []
        self.random = QPushButton("Use random inputs")
        self.random.setObjectName("useRandomInputs")
        self.random.setToolTip("For a first look: figures from random numbers say little")
        self._offer_random()
        self._work: PlotWork | None = None
        self._layer = self._no_weights = ""
        self.row: int | None = None
        self._why = ""
        self._channels: tuple[Boxes, Heat] | None = None
        self._of_weights = RolePlots(
            RangeEdits("weights", self),
            self.weights, self.weight_errors, self.weight_bits, self.weight_tradeoff,
        )  # fmt: skip
        self._of_activations = RolePlots(
            RangeEdits("activations", self),
            self.activations, self.activation_errors, self.activation_bits,
            self.activation_tradeoff,
        )  # fmt: skip
        self.beside = Beside(self)
        for entry in self.cards():
            if isinstance(entry, PlotCard):
                self._adopt(entry)
            else:
                entry.then(self._adopt)
        self.pages = PlotPages(self.cards(), self._pages())
        row = QVBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.pages)
        self._connect()

    def _pages(self) -> tuple[Page, ...]:
        return (
            Page(
                "Distribution",
                "Values with their grid, and what quantizing them costs",
                (self.weights, self.activations, self.error, self.channels, self.layers),
            ),
            Page(
                "Error",
                "The error of each value, and how often each error is",
                (self.error, self.weight_errors, self.activation_errors),
            ),
            Page(
                "Channels",
                "The channels side by side: ranges, values, SQNR",
                (self.ranges, self.heat, self.channels),
            ),
            Page(
                "Trade-off",
                "What other widths, methods and thresholds would cost",
                (
                    self.weight_bits,
                    self.weight_tradeoff,
                    self.activation_bits,
                    self.activation_tradeoff,
                ),
            ),
            Page("Layers", "All layers of the model", (self.model,)),
            Page("Widths", "Which layers matter, and mixtures", (self.sensitivity, self.front)),
        )

    def cards(self) -> tuple[Entry, ...]:
        """All plots, from left to right."""
        return (
            self.weights,
            self.activations,
            self.error,
            self.weight_errors,
            self.activation_errors,
            self.ranges,
            self.heat,
            self.channels,
            self.weight_bits,
            self.weight_tradeoff,
            self.activation_bits,
            self.activation_tradeoff,
            self.layers,
            self.model,
            self.sensitivity,
            self.front,
        )

    def _connect(self) -> None:
        self.pages.turned.connect(self._redraw)
        self.channels.picked.connect(self._channel_picked)
        for late in (self.ranges, self.heat):
            late.then(lambda card: card.picked.connect(self._channel_picked))
            late.then(lambda card: card.show_empty(self._no_weights))
        self.layers.picked.connect(self.layer_picked)
        self.random.clicked.connect(self.random_asked)
        for plots in (self._of_weights, self._of_activations):
            plots.edits.changed.connect(self.changed)
            plots.edits.previewed.connect(partial(self._preview, plots))

    def _adopt(self, card: PlotCard) -> None:
        """A plot has been made."""
        menu = PlotMenu(card, self)
        menu.failed.connect(self.failed)
        menu.subtitle = self._layer
        self._menus.append(menu)
        if self._theme is not None:
            card.apply_theme(self._theme)

    def use(self, tasks: Tasks, known: ByteCache) -> None:
        """Run what takes time with these, and keep what is found there."""
        self._work = PlotWork(tasks, self.failed.emit, known)
        self.pages.make_rest(tasks.is_busy)

    def forget(self) -> None:
        """Another model or other calibration data: nothing that was found holds any more."""
        for plots in (self._of_weights, self._of_activations):
            plots.edits.forget()
        if self._work is not None:
            self._work.forget()

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme
        for card in there(self.cards()):
            card.apply_theme(theme)
        self.beside.apply_theme(theme)

    # What is shown

    def show_nothing(self, text: str) -> None:
        """No layer is chosen, or no model open."""
        self._layer, self.row = "", None
        self.pages.show_of("", 0)
        for plots in (self._of_weights, self._of_activations):
            plots.subject = None
            plots.show_empty(text)
        self._show_no_weights(text)
        self.random.hide()
        self._ask()

    def show_chosen(self, layer: str, chosen: LayerSpecs, layers: int) -> None:
        """What is written down for a layer: where a range set by hand goes back to.

        Args:
            layer: its name.
            chosen: its specs.
            layers: how many are selected; the plots show the first.
        """
        self.pages.show_of(layer, layers)
        for plots in (self._of_weights, self._of_activations):
            plots.edits.show(layer, chosen)

    def show_weights(
        self,
        layer: str,
        facts: TensorFacts | None,
        values: ExactDistribution | None,
        why: str,
        *,
        waiting: bool = False,
    ) -> None:
        """Show a layer's weights.

        Args:
            layer: its name.
            facts: of its weights; None where they are not known (yet).
            values: the sorted weights, for the histogram of single channels.
            why: what to say where there are no facts.
            waiting: they are on their way; what was shown of the layer stays until then.
        """
        before = self._of_weights.subject
        if before is not None and before.layer == layer:
            if facts is before.facts and values is before.values:
                return
            if waiting:
                others = (self.layers, *self._of_activations.cards())
                for card in there(e for e in self.pages.page.cards if e not in others):
                    card.say(_ON_ITS_WAY)
                return
        rows = facts.qparams.rows if facts is not None and facts.qparams is not None else 1
        if layer != self._layer or (self.row is not None and self.row >= rows) or rows == 1:
            self.row = None
        if layer != self._layer:
            for card in there(self.cards()):
                card.forget_zoom()
            for menu in self._menus:
                menu.subtitle = layer
        self._layer, self._why = layer, why
        subject = None
        if facts is not None:
            subject = Subject("weights", layer, facts, values, self.row)
        self._of_weights.subject = subject
        self._draw_weights()
        self._ask()

    def show_activations(
        self,
        facts: TensorFacts | None,
        why: str,
        *,
        offer: bool,
        values: Distribution | None = None,
    ) -> None:
        """Show the activations that enter the layer, or why they are not known."""
        self.random.setVisible(facts is None and offer)
        plots = self._of_activations
        before = plots.subject
        if facts is not None and before is not None and facts is before.facts:
            return
        if facts is None:
            plots.subject = None
            plots.show_empty(why)
        else:
            plots.subject = Subject("activations", self._layer, facts, values)
            plots.draw(self.pages.page.cards)
        self._ask()

    def show_layers(
        self, names: Sequence[str], sqnr: Sequence[float | None], chosen: Sequence[str], note: str
    ) -> None:
        """Show the weight SQNR of all layers."""
        if not names:
            self.layers.show_empty("")
        else:
            self.layers.show_layers(names, sqnr, chosen, note)

    def mark_layers(self, chosen: Sequence[str]) -> None:
        """Mark other layers as selected among all."""
        self.layers.mark(chosen)

    def _redraw(self) -> None:
        """Another page: draw what was not drawn while nobody saw it."""
        self._draw_weights()
        if self._of_activations.subject is not None:
            self._of_activations.draw(self.pages.page.cards)
        self._ask()

    def _draw_weights(self) -> None:
        subject, page = self._of_weights.subject, self.pages.page.cards
        if subject is None:
            if self._layer:
                self._of_weights.show_empty(self._why)
                self._show_no_weights(self._why)
            return
        self._of_weights.draw(page)
        if subject.facts.profile is None:
            self._show_no_weights(_FLOAT)
        elif not subject.facts.counts.any():
            self._show_no_weights("There are no values")
        else:
            self._draw_error(subject)
            self._draw_channels(subject)

    def _preview(self, plots: RolePlots, subject: Subject) -> None:
        """While a range is dragged."""
        plots.draw(self.pages.page.cards, subject)
        if plots is self._of_weights:
            self._draw_error(subject)
            self._draw_channels(subject)
        self.previewed.emit(subject.role, subject.facts)

    def _show_no_weights(self, text: str) -> None:
        self._no_weights = text
        for card in there((self.error, self.channels, self.ranges, self.heat)):
            card.show_empty(text)

    def _draw_error(self, subject: Subject) -> None:
        qp = subject.facts.qparams
        if qp is None or self.error not in self.pages.page.cards:
            return
        row = subject.worst
        at = row if qp.rows > 1 else 0
        span, step = error_span(subject), float(qp.scale.reshape(-1)[at])
        words, places = f"step {step:.3g}", None
        if qp.table is not None:
            words, places = f"scale {step:.3g}", levels(qp, at)
            step = float(np.diff(places).max())
        worst = "worst " if subject.row is None else ""
        where = "" if qp.rows == 1 else f"{worst}{subject.what} {row}, "
        grid = float(qp.lo.reshape(-1)[at]), float(qp.hi.reshape(-1)[at])
        curve = error_curve(qp, at, *span)
        self.error.show_curve(*curve, step, span, where + words, grid, places)

    def _draw_channels(self, subject: Subject) -> None:
        qp, profile, page = subject.facts.qparams, subject.facts.profile, self.pages.page.cards
        assert qp is not None
        assert profile is not None
        low, high = float(profile.sqnr_db.min()), float(profile.sqnr_db.max())
        if qp.rows == 1:
            for card in there((self.channels, self.ranges, self.heat)):
                card.show_empty(f"One scale for the whole tensor: {decibel_text(low)}")
            return
        if self.channels in page:
            sign = "" if subject.facts.exact else "≈ "
            note = f"{sign}{decibel_text(low)} to {decibel_text(high)} per {subject.what}"
            self.channels.show_channels(profile.sqnr_db, subject.worst, note)
        if self._channels is not None and self.ranges in page:
            self._show_channels(self._channels)

    def _show_channels(self, found: tuple[Boxes, Heat]) -> None:
        self._channels, subject = found, self._of_weights.subject
        if subject is None or subject.facts.qparams is None:
            return
        qp, boxes = subject.facts.qparams, found[0]
        if qp.rows != len(boxes.order):
            return
        grid = (qp.lo.reshape(-1).astype(float), qp.hi.reshape(-1).astype(float))
        self.ranges().show_boxes(boxes, grid, subject.row, subject.what)
        self.heat().show_heat(found[1], subject.row, subject.what)

    # What takes time

    def _ask(self) -> None:
        """Ask for all that this page shows of the present layer and is not known yet."""
        if self._work is None:
            return
        page = self.pages.page.cards
        wishes = self._of_weights.wishes(page)
        subject = self._of_weights.subject
        if subject is not None and self.ranges in page:
            wishes += self._of_weights.channel_wishes(self._show_channels)
        wishes += self._of_activations.wishes(page)
        self._work.want(wishes)

    def _channel_picked(self, row: int) -> None:
        """Show one channel; picking it again shows all."""
        self.row = None if row == self.row else row
        self._of_weights.pick(self.row)
        self.beside.pick(self.row)
        self._draw_weights()
        self._ask()
        if self.row is not None:
            self.row_picked.emit(self.row)

    def _offer_random(self) -> None:
        column = QVBoxLayout(self.activations.empty)
        column.addStretch(1)
        column.addWidget(self.random, 0, Qt.AlignmentFlag.AlignHCenter)
        self.random.hide()
