"""Finds what the pinned recipe (A) does to the layer that the plots show."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer

from inspector.errors import InspectorError
from inspector.graph.model import Layer
from inspector.gui.bridge import Bridge
from inspector.gui.evaluation import answered
from inspector.gui.figures import on_grid
from inspector.gui.plots.plot_pane import PlotPane
from inspector.gui.plots.shown import Subject
from inspector.gui.selection import Selection
from inspector.gui.snapshot import Snapshots
from inspector.quant.distribution import Distribution
from inspector.quant.qparams import QParams
from inspector.quant.spec import QuantSpec
from inspector.session.facts import ActivationResponse, TensorFacts, WeightResponse

_CHANNEL = "plots of A"


class PinnedPlots(QObject):
    """Keeps the plots' A up to date; what is not known of it is found in the background."""

    def __init__(
        self, bridge: Bridge, selection: Selection, snapshots: Snapshots, plots: PlotPane
    ) -> None:
        super().__init__(plots)
        self._bridge, self._snapshots, self._plots = bridge, snapshots, plots
        self._failed: object = None
        self._on_grid: tuple[TensorFacts, QParams, TensorFacts] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._show)
        for signal in (
            *(snapshots.changed, bridge.model_changed, bridge.calibration_changed),
            *(bridge.specs_changed, bridge.facts_changed, bridge.fidelity_changed),
            selection.changed,
        ):
            signal.connect(self._soon)

    def _soon(self, *_: object) -> None:
        if self._snapshots.pinned is not None or self._is_shown():
            self._timer.start()

    def _is_shown(self) -> bool:
        beside = self._plots.beside
        return any(beside.shown(role) is not None for role in ("weights", "activations"))

    def _show(self) -> None:
        pinned, selected = self._snapshots.pinned, self._bridge.selected
        beside, document = self._plots.beside, self._bridge.document
        if pinned is None or not selected:
            beside.show("weights", None)
            beside.show("activations", None)
            return
        layer = document.layer(selected[0])
        then, now = pinned.recipe.resolve(layer), document.specs_of(layer.name)
        weights = self._weights(layer, then.weights) if then.weights != now.weights else None
        beside.show("weights", weights)
        activations = None
        if then.activations != now.activations:
            activations = self._activations(layer, then.activations)
        beside.show("activations", activations)

    def _weights(self, layer: Layer, spec: QuantSpec) -> Subject | None:
        facts = self._bridge.document.facts
        request = facts.weight_request(layer, spec)
        if request is None or spec.is_float:
            return None
        known = facts.known_weight(layer, spec)
        if known is None:
            self._find(request.run, (layer.name, spec))
            return None
        row = self._plots.row
        return Subject("weights", layer.name, known, request.distribution, row)

    def _activations(self, layer: Layer, spec: QuantSpec) -> Subject | None:
        """On the grid that A would be written with, where that is known."""
        document, pinned, tensor = self._bridge.document, self._snapshots.pinned, layer.activations
        calibration = document.calibration
        if calibration is None or spec.is_float or tensor[0] not in calibration.tensors:
            return None
        request = document.facts.activation_request(tensor[0], spec)
        known = document.facts.known_activation(tensor[0], spec)
        if known is None and request is not None:
            self._find(request.run, (tensor[0], spec))
        if known is None or pinned is None:
            return None
        values = calibration.tensors[tensor[0]]
        grid = None if pinned.grids is None else pinned.grids.at(tensor[0], layer.name)
        if grid is not None:
            known = self._moved(known, values, grid)
        return Subject("activations", layer.name, known, values)

    def _moved(self, facts: TensorFacts, values: Distribution, grid: QParams) -> TensorFacts:
        """The facts on another grid, found once as long as neither changes."""
        kept = self._on_grid
        if kept is None or kept[0] is not facts or kept[1] is not grid:
            self._on_grid = kept = facts, grid, on_grid(facts, values, grid)
        return kept[2]

    def _find(self, run: object, what: object) -> None:
        if self._failed == what or not callable(run):
            return

        def arrived(answer: WeightResponse | ActivationResponse | InspectorError) -> None:
            if isinstance(answer, InspectorError):
                self._failed = what  # the strip says so of A as a whole
            elif self._bridge.document.facts.accept(answer):
                self._timer.start()

        self._bridge.tasks.submit(f"{_CHANNEL} {what}", lambda _: answered(run), arrived)
