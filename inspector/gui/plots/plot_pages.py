"""Plots side by side, a few at a time: a bar of tabs says which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSplitter, QTabBar, QVBoxLayout, QWidget

from inspector.gui.plots.plot_card import PlotCard
from inspector.gui.settings import read_setting, write_setting

_SETTING = "plots/page"
LEAST_HEIGHT = 236


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """Some of the plots.

    Attributes:
        name: on its tab.
        tip: what one finds there.
        cards: from left to right, in the order of all cards.
    """

    name: str
    tip: str
    cards: tuple[PlotCard, ...]


class PlotPages(QWidget):
    """The cards of one page, and tabs for the others.

    Args:
        cards: all of them, from left to right.
        pages: which of them are seen together.

    Signals:
        turned: another page is shown.
    """

    turned = Signal()

    def __init__(self, cards: Sequence[PlotCard], pages: Sequence[Page]) -> None:
        super().__init__()
        self._all, self._pages = tuple(cards), tuple(pages)
        self._sizes: dict[int, list[int]] = {}
        self.tabs = QTabBar(self)
        self.tabs.setObjectName("plotPages")
        self.tabs.setAccessibleName("Pages of plots")
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.splitter = QSplitter(Qt.Orientation.Horizontal, self)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setHandleWidth(1)
        for number, card in enumerate(cards):
            self.splitter.addWidget(card)
            self.splitter.setStretchFactor(number, 1)
        for number, page in enumerate(pages):
            self.tabs.addTab(page.name)
            self.tabs.setTabToolTip(number, page.tip)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.tabs)
        column.addWidget(self.splitter, 1)
        self.setMinimumHeight(LEAST_HEIGHT)
        names = [page.name for page in pages]
        before = read_setting(_SETTING, names[0])
        self._number = names.index(before) if before in names else 0
        self.tabs.setCurrentIndex(self._number)
        self._show()
        self.tabs.currentChanged.connect(self._turn)

    @property
    def page(self) -> Page:
        """What is shown."""
        return self._pages[self._number]

    def turn_to(self, name: str) -> None:
        """Show the page of a name."""
        self.tabs.setCurrentIndex([page.name for page in self._pages].index(name))

    def _turn(self, number: int) -> None:
        self._sizes[self._number] = self.splitter.sizes()
        self._number = number
        write_setting(_SETTING, self.page.name)
        self._show()
        self.turned.emit()

    def _show(self) -> None:
        shown = set(self.page.cards)
        for card in self._all:
            card.setVisible(card in shown)
        even = [240 if card in shown else 0 for card in self._all]
        self.splitter.setSizes(self._sizes.get(self._number, even))
