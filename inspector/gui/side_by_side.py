"""Widgets that share the window: behind one another as tabs, or beside one another."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSplitter, QTabWidget, QWidget


def tabs_of(pages: Sequence[tuple[str, QWidget]]) -> QTabWidget:
    """Pages that take one place, with their titles."""
    tabs = QTabWidget()
    tabs.setObjectName("sideTabs")
    tabs.setAccessibleName("Quantization, properties, recipe")
    tabs.setDocumentMode(True)
    tabs.tabBar().setDrawBase(False)  # Fusion draws it light in dark windows too
    for title, page in pages:
        tabs.addTab(page, title)
    return tabs


class FairSplitter(QSplitter):
    """Widgets beside or above one another, with a line between that can be moved.

    Until somebody moves it, one of them gets a share of whatever room there is, so that a small
    window is not cramped and a large one not empty.

    Args:
        orientation: across or down.
        widgets: two, in order.
        shared: which of them gets the share; the other has the rest.
        share: of all the room.
        least: pixels that it gets at least.
        most: pixels that it gets at most.
    """

    def __init__(
        self,
        orientation: Qt.Orientation,
        widgets: tuple[QWidget, QWidget],
        *,
        shared: int,
        share: float,
        least: int,
        most: int,
    ) -> None:
        super().__init__(orientation)
        self._shared, self._share, self._limits = shared, share, (least, most)
        self._is_own = False
        self.setHandleWidth(1)
        self.setChildrenCollapsible(False)
        for number, widget in enumerate(widgets):
            self.addWidget(widget)
            self.setStretchFactor(number, int(number != shared))
        self.splitterMoved.connect(self._moved)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share the room anew."""
        super().resizeEvent(event)
        if not self._is_own:
            self.setSizes(self._fair())

    def state(self) -> QByteArray:
        """What `restore` brings back; empty where nobody moved the line."""
        return self.saveState() if self._is_own else QByteArray()

    def restore(self, state: QByteArray) -> None:
        """Put the line where it was left."""
        if not state.isEmpty():
            self._is_own = self.restoreState(state)

    def _moved(self) -> None:
        self._is_own = True

    def _fair(self) -> list[int]:
        is_across = self.orientation() == Qt.Orientation.Horizontal
        room = self.width() if is_across else self.height()
        least, most = self._limits
        part = min(max(round(self._share * room), least), most)
        sizes = [part, max(room - part - self.handleWidth(), 0)]
        return sizes if self._shared == 0 else sizes[::-1]


def arranged(
    table: QWidget, graph: QWidget, plots: QWidget, panel: QWidget
) -> tuple[FairSplitter, FairSplitter, FairSplitter]:
    """The panes of the main window: table and graph, the plots below both, the panel on the right.

    Returns:
        The splitters between table and graph, above the plots, and before the panel; the last one
        holds all the others.
    """
    across, down = Qt.Orientation.Horizontal, Qt.Orientation.Vertical
    views = FairSplitter(across, (table, graph), shared=0, share=0.25, least=450, most=760)
    rows = FairSplitter(down, (views, plots), shared=1, share=0.29, least=220, most=620)
    columns = FairSplitter(across, (rows, panel), shared=1, share=0.13, least=300, most=440)
    return views, rows, columns
