"""Between what is chosen and the sidebar that shows everything about it."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QTabWidget

from inspector.graph.model import Graph
from inspector.gui.bridge import Bridge
from inspector.gui.properties.pane import PropertyPane
from inspector.gui.selection import Chosen, Selection
from inspector.gui.stage import Stage
from inspector.onnxio.loading import Model
from inspector.onnxio.values import Dequantization


class PropertyPresenter(QObject):
    """Fills the sidebar, and chooses between it and the panel of specs.

    The tab that the user chose stays in front. Only for what has no specs the sidebar comes forward
    by itself, and goes back with the next layer.
    """

    def __init__(
        self,
        bridge: Bridge,
        stage: Stage,
        selection: Selection,
        tabs: QTabWidget,
        pane: PropertyPane,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge, self._stage, self._selection = bridge, stage, selection
        self._tabs, self._pane = tabs, pane
        self._model: Model | None = None
        self._wished = 0
        selection.changed.connect(self._chosen)
        stage.changed.connect(lambda _: self.refresh())
        bridge.model_changed.connect(self._model_changed)
        bridge.calibration_changed.connect(self._calibrated)
        tabs.currentChanged.connect(lambda _: self.refresh())
        tabs.tabBarClicked.connect(self._wish)
        pane.tensor_asked.connect(selection.pick)
        pane.node_asked.connect(lambda name: selection.choose_here((name,)))
        pane.body_asked.connect(stage.enter_body)
        pane.failed.connect(bridge.refused)

    def set_model(self, model: Model | None) -> None:
        """The model whose properties are shown; it may be on its way still."""
        self._model = model
        self.refresh()

    def come_forward(self) -> None:
        """Show the sidebar until the user chooses the other tab."""
        self._wished = self._tabs.indexOf(self._pane)
        self._tabs.setCurrentWidget(self._pane)

    def refresh(self) -> None:
        """Show what is chosen, if the sidebar is seen at all."""
        if self._tabs.currentWidget() is not self._pane:
            return
        graph, model, chosen = self._stage.graph(), self._model, self._selection.chosen
        if graph is None or model is None:
            self._pane.clear()
            return
        if chosen.path != self._stage.shown.path:
            return  # the graph that it is of is on its way
        names = tuple(name for name in chosen.names if _has(graph, name))
        if chosen.tensor is not None and chosen.tensor in graph.tensors:
            self._show_tensor(chosen.tensor, model)
        elif len(names) == 1:
            self._pane.show_node(graph, names[0], model)
        elif names:
            self._pane.show_nodes(graph, names)
        else:
            self._pane.show_model(model, graph)

    def _show_tensor(self, name: str, model: Model) -> None:
        graph, calibration = self._stage.graph(), self._bridge.document.calibration
        if graph is None:
            return
        name = self._stored(name, graph)
        known = calibration.tensors.get(name) if calibration and self._stage.is_main() else None
        self._pane.show_tensor(
            graph, name, model, distribution=known, dequantization=self._dequantization(name)
        )

    def _stored(self, name: str, graph: Graph) -> str:
        """The constant that a tensor is where its quantizers are folded, else the tensor itself."""
        staged = self._stage.staged
        if staged is None or self._stage.shown.folding.raw:
            return name
        source = staged.quantized.sources.get(name)
        known = graph.tensors.get(source) if source is not None else None
        return known.name if known is not None and known.constant else name

    def _dequantization(self, name: str) -> Dequantization | None:
        """How the integers of a tensor become real numbers, where the graph says so."""
        staged = self._stage.staged
        if staged is None:
            return None
        found = staged.quantized
        grids = [*found.weights.values(), *found.tensors.values()]
        grid = next((stored for stored in grids if stored.stored == name), None)
        if grid is None or not grid.scale:
            return None
        return Dequantization(grid.scale, grid.zero_point, grid.axis, grid.block_size)

    def _model_changed(self) -> None:
        if not self._bridge.document.is_open:
            self.set_model(None)  # else whoever shows the graph says of which model it is

    def _calibrated(self) -> None:
        if self._selection.chosen.tensor is not None:
            self.refresh()

    def _wish(self, index: int) -> None:
        self._wished = index

    def _chosen(self, chosen: Chosen) -> None:
        has_specs = chosen.is_empty or bool(self._bridge.selected)
        front = self._wished if has_specs else self._tabs.indexOf(self._pane)
        if self._tabs.currentIndex() != front:
            self._tabs.setCurrentIndex(front)
        else:
            self.refresh()


def _has(graph: Graph, name: str) -> bool:
    """Whether a graph has a node of that name."""
    try:
        graph.node(name)
    except KeyError:
        return False
    return True
