"""Keeps all views showing the same selection, specs and figures; views do not know one another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from inspector.graph.recurrent import WHY_FLOAT, is_recurrent
from inspector.gui import figures
from inspector.gui.bridge import Bridge
from inspector.gui.layer_rows import Alone, LayerRow
from inspector.gui.layer_table import LayerPane
from inspector.gui.selection import Chosen, Selection
from inspector.gui.spec_panel import SpecPanel
from inspector.gui.status_strip import StatusStrip
from inspector.gui.tasks import FRAME_MS
from inspector.gui.turns import SLICE_SECONDS
from inspector.gui.weight_size import WeightSize, total_size, weight_size
from inspector.quant.spec import Role
from inspector.report.units import plural
from inspector.session.facts import TensorFacts

if TYPE_CHECKING:
    from inspector.gui.plots.plot_pane import PlotPane

_GATHER_MS = 40
_SLICE_ROWS = 2000
_NO_LAYER = "Select a layer in the graph or the table"
_NO_DATA = "Drop calibration data to see activations"


class Presenter(QObject):
    """From the bridge's signals to the views, and from the views' selection to the bridge."""

    def __init__(
        self,
        bridge: Bridge,
        selection: Selection,
        pane: LayerPane,
        panel: SpecPanel,
        strip: StatusStrip,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._selection, self._pane, self._panel = selection, pane, panel
        self._plots: PlotPane | None = None
        self._strip = strip
        self._alone_of: Callable[[str], Alone | None] = lambda name: None
        self._rows: Iterator[LayerRow] = iter(())
        self._changed: dict[str, None] = {}
        self._bytes: dict[str, WeightSize] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._show_gathered)
        self._size = QTimer(self)
        self._size.setSingleShot(True)
        self._size.setInterval(FRAME_MS)
        self._size.timeout.connect(self._show_size)
        self._connect()

    def show_plots(self, plots: PlotPane) -> None:
        """The plots are there, and follow from now on."""
        self._plots = plots
        plots.layer_picked.connect(lambda name: self.select((name,)))
        plots.changed.connect(self._bridge.change)
        plots.previewed.connect(self._previewed)
        plots.failed.connect(self._bridge.refused)
        known = self._bridge.document.caches.section("Curves of plots")
        plots.use(self._bridge.tasks, known)
        self._show_selection()
        self._show_layer_plot()

    def use_alone(self, alone: Callable[[str], Alone | None]) -> None:
        """Take what layers do alone from here."""
        self._alone_of = alone

    def alone_changed(self) -> None:
        """Show what layers do alone, where that is known."""
        names = [layer.name for layer in self._bridge.document.layers]
        self._pane.show_alone(any(self._alone_of(name) is not None for name in names))
        self._changed.update(dict.fromkeys(names))
        if names and not self._timer.isActive():
            self._timer.start(_GATHER_MS)

    def select(self, names: Sequence[str]) -> None:
        """Select nodes everywhere."""
        self._selection.choose(names)

    def is_settled(self) -> bool:
        """Whether the views show all that is known."""
        turns = self._bridge.turns
        waits = self._timer.isActive() or self._size.isActive()
        waits = waits or self._make_rows in turns or self._show_gathered in turns
        return not waits and self._bridge.is_settled()

    def _connect(self) -> None:
        bridge = self._bridge
        bridge.model_changed.connect(self._model_changed)
        bridge.specs_changed.connect(self._specs_changed)
        bridge.facts_changed.connect(self._facts_changed)
        bridge.misfits_changed.connect(self._misfits_changed)
        bridge.calibration_changed.connect(self._calibration_changed)
        bridge.fidelity_changed.connect(self._fidelity_changed)
        self._selection.changed.connect(self._chosen)
        self._pane.selectionChanged.connect(self.select)
        self._panel.changed.connect(bridge.change)
        self._panel.reset_asked.connect(bridge.reset)

    # What changed

    def _model_changed(self) -> None:
        self._changed.clear()
        self._forget_plots()
        self._bytes.clear()
        self._pane.clear()
        self._rows = figures.bare_rows(self._bridge.document.layers)
        self._bridge.turns.ask(self._make_rows)  # there is much else to do in this turn
        self._edit(self._selection.chosen)

    def _make_rows(self) -> None:
        """A row for each layer, in slices; figures follow, in slices too."""
        rows = list(islice(self._rows, _SLICE_ROWS))
        if rows:
            self._pane.add_rows(rows)
            self._bridge.turns.ask(self._make_rows)
            return
        self._pane.select(self._bridge.selected)
        self._changed.update(dict.fromkeys(layer.name for layer in self._bridge.document.layers))
        self._bridge.turns.ask(self._show_gathered)

    def _chosen(self, chosen: Chosen) -> None:
        self._edit(chosen)
        if self._plots is not None:
            self._plots.mark_layers(self._bridge.selected)

    def _edit(self, chosen: Chosen) -> None:
        """Layers are edited where they are chosen in the model's own graph."""
        self._bridge.select(() if chosen.path else chosen.names)
        self._pane.select(self._bridge.selected)
        self._show_selection()

    def _specs_changed(self, names: Iterable[str]) -> None:
        """Panel and plots follow in the same tick, and so do rows that are not too many."""
        self._changed.update(dict.fromkeys(names))
        self._show_gathered()
        self._show_selection()

    def _misfits_changed(self, names: Iterable[str]) -> None:
        """Another target: the rows say what it does not take."""
        self._changed.update(dict.fromkeys(names))
        self._show_gathered()

    def _facts_changed(self, names: Iterable[str]) -> None:
        """Figures from the background are gathered, so that many of them cost one repaint."""
        names = set(names)
        self._changed.update(dict.fromkeys(names))
        if names & set(self._bridge.selected[:1]):
            self._show_gathered()
            self._show_weights(self._bridge.selected[0])
        elif not self._timer.isActive():
            self._timer.start(_GATHER_MS)

    def _show_gathered(self) -> None:
        """Show what changed, in slices where it is much: those that are looked at first."""
        chosen = [name for name in self._bridge.selected if name in self._changed]
        rows: dict[str, LayerRow] = {}
        until = time.monotonic() + SLICE_SECONDS
        for name in dict.fromkeys((*chosen, *self._changed)):
            if rows and time.monotonic() > until:
                break
            del self._changed[name]
            rows[name] = self._row(name)
        self._weigh(rows)
        self._pane.model.update_rows(rows)
        self._timer.stop()
        if self._changed:
            self._bridge.turns.ask(self._show_gathered)
        else:
            self._show_layer_plot()

    def _forget_plots(self) -> None:
        if self._plots is not None:
            self._plots.forget()

    def _calibration_changed(self) -> None:
        self._forget_plots()
        calibration = self._bridge.document.calibration
        if calibration is None:
            self._strip.show_data("No calibration data" if self._bridge.document.is_open else "")
        else:
            samples = plural(calibration.samples, "sample")
            source = calibration.source if calibration.random else Path(calibration.source).name
            self._strip.show_data(f"{source}, {samples}", random=calibration.random)
        if self._bridge.selected:
            self._show_activations(self._bridge.selected[0])

    def _fidelity_changed(self) -> None:
        if self._bridge.selected and not self._bridge.fidelity_is_stale:
            self._show_activations(self._bridge.selected[0])

    def _previewed(self, role: Role, facts: TensorFacts) -> None:
        """A range is being dragged: its figures keep up, all else follows when it rests."""
        if len(self._bridge.selected) == 1:
            self._panel.show_figures(role, figures.tensor_figures(facts))

    # What is shown

    def _row(self, name: str) -> LayerRow:
        layer = self._bridge.document.layer(name)
        stale = self._bridge.is_stale(name)
        given = self._bridge.planned(name)
        misfit = self._bridge.misfits.of(name)
        row = figures.layer_row(layer, given, self._bridge.sqnr(name), misfit, stale=stale)
        alone = self._alone_of(name)
        return row if alone is None else row._replace(alone=alone)

    def _weigh(self, names: Iterable[str]) -> None:
        """Weigh those that changed anew; what all take is shown when the rest is painted."""
        document = self._bridge.document
        for name in names:
            given = self._bridge.weights_of(name)
            self._bytes[name] = weight_size(document, document.layer(name), given)
        if not self._changed and not self._size.isActive():
            self._size.start()

    def _show_size(self) -> None:
        """What all layers take, once each has been weighed."""
        if not self._changed and len(self._bytes) == len(self._bridge.document.layers):
            self._strip.show_size(*total_size(self._bytes.values()))

    def _show_selection(self) -> None:
        document, selected = self._bridge.document, self._bridge.selected
        chosen = figures.selection(document, selected)
        if not selected:
            self._panel.show_selection(chosen)
            self._panel.show_figures("weights", [])
            self._panel.show_figures("activations", [])
            if self._plots is not None:
                self._plots.show_nothing(_NO_LAYER if document.layers else "")
            return
        name = selected[0]
        limits: dict[Role, tuple[float, float]] = {}
        for role, facts in (
            ("weights", self._bridge.weight_facts(name)),
            ("activations", self._bridge.activation_facts(name)),
        ):
            known = figures.limits(facts)
            if known is not None:
                limits["weights" if role == "weights" else "activations"] = known
        self._panel.show_selection(chosen, limits)
        if self._plots is not None:
            specs = document.recipe.chosen(document.layer(name))
            self._plots.show_chosen(name, specs, len(selected))
        self._show_weights(name)
        self._show_activations(name)

    def _show_weights(self, name: str) -> None:
        document = self._bridge.document
        given = self._bridge.planned(name)
        layer = document.layer(name)
        facts = self._bridge.weight_facts(name)
        single = len(self._bridge.selected) == 1
        shown = figures.tensor_figures(facts, given.why_weights) if single else []
        self._panel.show_figures("weights", shown, given.why_weights)
        if self._plots is None:
            return
        why = "Reading the weights…" if layer.weight else "This layer has no weights of its own"
        request = document.facts.weight_request(layer, given.weights)
        values = request.distribution if request is not None and facts is not None else None
        waiting = facts is None and self._bridge.is_stale(name)
        self._plots.show_weights(name, facts, values, why, waiting=waiting)

    def _show_activations(self, name: str) -> None:
        facts = self._bridge.activation_facts(name)
        single = len(self._bridge.selected) == 1
        why = self._bridge.planned(name).why_activations
        shown = figures.tensor_figures(facts, why) if single else []
        self._panel.show_figures("activations", shown, why)
        if self._plots is None:
            return
        calibration = self._bridge.document.calibration
        layer = self._bridge.document.layer(name)
        tensor = layer.activations[0]
        values = None if calibration is None else calibration.tensors.get(tensor)
        why = _NO_DATA if calibration is None else "This activation was not measured"
        if is_recurrent(layer):
            why = WHY_FLOAT
        offer = calibration is None and not is_recurrent(layer)
        self._plots.show_activations(facts, why, offer=offer, values=values)

    def _show_layer_plot(self) -> None:
        if self._plots is None:
            return
        layers = [layer for layer in self._bridge.document.layers if layer.weight is not None]
        known = self._bridge.all_sqnr()
        self._plots.show_layers(
            [layer.name for layer in layers],
            [known.get(layer.name) for layer in layers],
            self._bridge.selected,
            figures.summary(self._bridge.document, known),
        )
