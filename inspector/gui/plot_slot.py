"""Where the plots are, once they are made: a graph need not wait for them to be on the screen."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from inspector.gui.tasks import Tasks
from inspector.gui.theme import Theme

if TYPE_CHECKING:
    from inspector.gui.plots.plot_pane import PlotPane

LEAST_HEIGHT = 236
"""Pixels that the plots need."""
_CHANNEL = "plots"


class PlotSlot(QWidget):
    """Keeps the place of the plots, and makes them when they are asked for.

    Signals:
        made: the PlotPane, as soon as it is there.
    """

    made = Signal(object)

    def __init__(self, tasks: Tasks, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tasks = tasks
        self._theme: Theme | None = None
        self.pane: PlotPane | None = None
        self.setMinimumHeight(LEAST_HEIGHT)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)

    def make(self) -> PlotPane:
        """Make the plots, if they are not there yet."""
        from inspector.gui.plots.plot_pane import PlotPane

        if self.pane is None:
            self.pane = PlotPane()
            if self._theme is not None:
                self.pane.apply_theme(self._theme)
            self.made.emit(self.pane)
            self._column.addWidget(self.pane)
        return self.pane

    def make_soon(self) -> None:
        """Make them in a moment: what they are made with is imported in the background first."""
        if self.pane is None and not self._tasks.is_busy(_CHANNEL):
            self._tasks.submit(
                _CHANNEL,
                lambda _: import_module("inspector.gui.plots.plot_pane"),
                self._imported,
            )

    def _imported(self, _module: object) -> None:
        self.make()

    def remember(self) -> None:
        """Keep what the user has arranged for the next time."""
        if self.pane is not None:
            self.pane.pages.remember()

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme
        if self.pane is not None:
            self.pane.apply_theme(theme)
