"""A plot with its title, one line of words, and something to say when there is nothing to plot."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from inspector.gui.spec_panel import ElidedLabel
from inspector.gui.theme import LIGHT, SPACE_S, SPACE_XS, TEXT_SMALL, Theme

BOTTOM_PIXELS = 30
"""Room for the numbers below a plot and for what they are of."""


class PlotCard(QFrame):
    """The frame that all plots share; `plot` is pyqtgraph's plot item."""

    def __init__(
        self,
        name: str,
        title: str,
        axes: tuple[str, str],
        parent: QWidget | None = None,
        left: Any = None,
    ) -> None:
        """An empty plot.

        Args:
            name: of the widget.
            title: above the plot.
            axes: what runs along the bottom and up the left side, with the unit.
            parent: of the widget.
            left: the axis on the left, where the usual one will not do.
        """
        super().__init__(parent)
        self._axes = dict(zip(("bottom", "left"), axes, strict=True))
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setMinimumWidth(170)
        self.theme = LIGHT
        self.title = QLabel(title, self)
        self.title.setProperty("role", "section")
        self.note = ElidedLabel(self, Qt.TextElideMode.ElideRight)
        self.note.setProperty("role", "small")
        own = {} if left is None else {"left": left}
        self._widget = pg.PlotWidget(self, axisItems=own)
        self.plot: Any = self._widget.getPlotItem()
        self.empty = QLabel(self)
        self.empty.setProperty("role", "muted")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.header = QHBoxLayout()
        self._stack = QStackedLayout()
        self._arrange()
        self._calm()
        self.show_empty("")

    def show_empty(self, text: str) -> None:
        """Say why there is nothing to plot."""
        self.empty.setText(text)
        self.note.set_full_text("")
        self._stack.setCurrentIndex(1)

    def is_empty(self) -> bool:
        """Whether there is nothing to plot."""
        return self._stack.currentIndex() == 1

    def show_plot(self, note: str) -> None:
        """Show the plot with a line of words."""
        self.note.set_full_text(note)
        self._stack.setCurrentIndex(0)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self.theme = theme
        self._widget.setBackground(theme.surface)
        for side in ("bottom", "left"):
            axis = self.plot.getAxis(side)
            axis.setPen(pg.mkPen(theme.border))
            axis.setTextPen(pg.mkPen(theme.muted))
            axis.setLabel(
                self._axes[side], **{"color": theme.muted, "font-size": f"{TEXT_SMALL - 1}px"}
            )

    def _arrange(self) -> None:
        self.header.setSpacing(SPACE_XS)
        self.header.addWidget(self.title)
        self.header.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_S, SPACE_S, SPACE_S, SPACE_XS)
        column.setSpacing(2)
        column.addLayout(self.header)
        column.addWidget(self.note)
        self._stack.addWidget(self._widget)
        self._stack.addWidget(self.empty)
        column.addLayout(self._stack, 1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def _calm(self) -> None:
        """Few lines, no buttons, no drag: the data speaks."""
        self._widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._widget.setFrameShape(QFrame.Shape.NoFrame)
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        self.plot.getViewBox().setMouseEnabled(x=False, y=False)
        self.plot.getViewBox().setDefaultPadding(0.02)
        font = self.font()
        font.setPixelSize(TEXT_SMALL - 1)
        for side in ("bottom", "left"):
            axis = self.plot.getAxis(side)
            axis.setStyle(tickFont=font, tickLength=-4, maxTickLevel=0, tickTextOffset=4)
            axis.enableAutoSIPrefix(False)
        self.plot.getAxis("bottom").setHeight(BOTTOM_PIXELS)
