"""The part of a plot that pyqtgraph paints: a box with an axis to its left and one below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QGraphicsGridLayout, QWidget

from inspector.gui.plots.plain_axis import PlainAxis


class Plot(pg.GraphicsWidget):  # type: ignore[misc]  # pyqtgraph is not typed
    """What we use of pyqtgraph's PlotItem, without the dialogs that each of those builds.

    A plot takes 3 ms to make instead of 20, and the window has many.

    Args:
        axes: those on the "left" and at the "bottom", where the usual ones will not do.
    """

    def __init__(self, axes: Mapping[str, Any]) -> None:
        super().__init__()
        self.box: Any = pg.ViewBox(parent=self, enableMenu=False)
        self._axes: dict[str, Any] = {}
        grid = QGraphicsGridLayout()
        grid.setContentsMargins(1, 1, 1, 1)
        grid.setHorizontalSpacing(0)
        grid.setVerticalSpacing(0)
        self.setLayout(grid)
        grid.addItem(self.box, 0, 1)
        for side, row, column in (("left", 0, 0), ("bottom", 1, 1)):
            axis = axes.get(side) or PlainAxis(side, parent=self)
            axis.linkToView(self.box)
            axis.setZValue(0.5)  # over what is plotted
            axis.setFlag(axis.GraphicsItemFlag.ItemNegativeZStacksBehindParent)
            axis.setCacheMode(axis.CacheMode.DeviceCoordinateCache)  # they hardly ever change
            grid.addItem(axis, row, column)
            self._axes[side] = axis
        grid.setRowStretchFactor(0, 1)
        grid.setColumnStretchFactor(1, 1)

    def axis(self, side: str) -> Any:
        """The axis on the "left" or at the "bottom"."""
        return self._axes[side]


class _Listener(Protocol):
    """Who answers the keys."""

    def key_pressed(self, event: QKeyEvent) -> bool: ...
    def focus_changed(self, focused: bool, /) -> None: ...


class PlotView(pg.GraphicsView):  # type: ignore[misc]  # pyqtgraph is not typed
    """pyqtgraph's view, which gives keys and focus to its card.

    Args:
        card: who answers them.
        axes: as of Plot.
        parent: of the widget.
    """

    def __init__(self, card: _Listener, axes: Mapping[str, Any], parent: QWidget) -> None:
        super().__init__(parent)
        self._card = card
        self.enableMouse(False)
        self.plot = Plot(axes)
        self.setCentralItem(self.plot)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let the card answer; what it does not know goes on to the window."""
        if not self._card.key_pressed(event):
            event.ignore()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the ring."""
        super().focusInEvent(event)
        self._card.focus_changed(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Hide the ring."""
        super().focusOutEvent(event)
        self._card.focus_changed(False)
