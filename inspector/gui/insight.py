"""What is seen of the whole model: end-to-end figures, the chart of layers, A beside B."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from inspector.gui.actions import Actions
from inspector.gui.bridge import Bridge
from inspector.gui.heat import Heat
from inspector.gui.layer_figures import LayerFigures
from inspector.gui.selection import Selection
from inspector.gui.snapshot import Snapshots
from inspector.gui.snapshot_presenter import SnapshotPresenter
from inspector.gui.status_strip import StatusStrip
from inspector.gui.strip_presenter import StripPresenter

if TYPE_CHECKING:
    from inspector.gui.chart_presenter import ChartPresenter
    from inspector.gui.layer_chart import LayerChart
    from inspector.gui.pinned_plots import PinnedPlots
    from inspector.gui.plots.plot_pane import PlotPane


class Insight(QObject):
    """Builds and connects them.

    Args:
        window: what popups lie over.
        bridge: tells what changes.
        selection: what is chosen.
        heat: knows the error of what enters each layer.
        actions: of the window.
        strip: gets the end-to-end figures.
    """

    def __init__(
        self,
        window: QWidget,
        bridge: Bridge,
        selection: Selection,
        heat: Heat,
        actions: Actions,
        strip: StatusStrip,
    ) -> None:
        super().__init__(window)
        self.layers = LayerFigures(bridge, bridge.tasks, self)
        self.snapshots = Snapshots(bridge, bridge.tasks, self.layers, self)
        self.strip = StripPresenter(bridge, self.snapshots, strip, window)
        self.pinning = SnapshotPresenter(bridge, self.snapshots, actions, self)
        self.plots: PinnedPlots | None = None
        self.chart: ChartPresenter | None = None
        self._sources = bridge, heat, selection, self.layers, self.snapshots

    def show_plots(self, plots: PlotPane) -> None:
        """The plots are there, and show what is pinned as well from now on."""
        from inspector.gui.pinned_plots import PinnedPlots

        bridge, _, selection, _, snapshots = self._sources
        self.plots = PinnedPlots(bridge, selection, snapshots, plots)
        plots.model.then(self.show_chart)

    def show_chart(self, chart: LayerChart) -> None:
        """The chart of all layers is there, and gets their figures from now on."""
        from inspector.gui.chart_presenter import ChartPresenter

        self.chart = ChartPresenter(*self._sources, chart, self)
