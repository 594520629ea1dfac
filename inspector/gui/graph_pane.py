"""The graph with what floats over it: where one is, finding, the legend, the small map."""

from __future__ import annotations

from PySide6.QtWidgets import QVBoxLayout, QWidget

from inspector.gui.find_bar import FindBar
from inspector.gui.graph_view.legend import HeatLegend
from inspector.gui.graph_view.minimap import Minimap
from inspector.gui.graph_view.view import GraphView
from inspector.gui.tasks import Tasks
from inspector.gui.theme import Theme
from inspector.gui.trail import Trail


class GraphPane(QWidget):
    """Puts the parts together; what floats keeps itself in its corner."""

    def __init__(self, tasks: Tasks, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumWidth(240)
        self.trail = Trail(self)
        self.view = GraphView(self)
        self.legend = HeatLegend(self.view)
        self.minimap = Minimap(self.view)
        self.find_bar = FindBar(tasks, self.view)
        self.view.camera.covered = self.find_bar.covered
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.trail)
        column.addWidget(self.view, 1)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        for part in (self.view, self.legend, self.minimap, self.find_bar):
            part.apply_theme(theme)
