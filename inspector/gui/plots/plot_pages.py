"""Plots side by side, a few at a time: a bar of tabs says which.

A plot is made when its page is first turned to, when somebody asks for it, or in a quiet moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QTabBar, QVBoxLayout, QWidget

from inspector.gui.plot_slot import LEAST_HEIGHT
from inspector.gui.plots.plot_card import PlotCard
from inspector.gui.settings import read_setting, write_setting
from inspector.gui.still import ElidedLabel
from inspector.gui.theme import SPACE_S

_SETTING = "plots/page"
_SIZES = "plots/sizes/"
_EVEN = 240
_QUIET_MS = 150

C = TypeVar("C", bound=PlotCard)


class Late(Generic[C]):
    """A plot that is made when it is called for.

    Attributes:
        made: the plot; None as long as nobody has called for it.
    """

    def __init__(self, make: Callable[[], C]) -> None:
        self._make = make
        self._waiting: list[Callable[[C], object]] = []
        self.made: C | None = None

    def __call__(self) -> C:
        """The plot, made now if it is not there yet."""
        if self.made is None:
            self.made = self._make()
            for use in self._waiting:
                use(self.made)
        return self.made

    def then(self, use: Callable[[C], object]) -> None:
        """Do something with the plot: at once if it is there, else as soon as it is."""
        if self.made is None:
            self._waiting.append(use)
        else:
            use(self.made)


Entry = PlotCard | Late[Any]
"""A plot, or one that is made when it is needed."""


def there(entries: Iterable[Entry]) -> list[PlotCard]:
    """The plots that are there by now."""
    made = (entry if isinstance(entry, PlotCard) else entry.made for entry in entries)
    return [card for card in made if card is not None]


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
    cards: tuple[Entry, ...]


class PlotPages(QWidget):
    """The cards of one page, and tabs for the others.

    Args:
        cards: all of them, from left to right.
        pages: which of them are seen together.

    Signals:
        turned: another page is shown.
    """

    turned = Signal()

    def __init__(self, cards: Sequence[Entry], pages: Sequence[Page]) -> None:
        super().__init__()
        self._all, self._pages = tuple(cards), tuple(pages)
        self._sizes: dict[int, list[int]] = {}
        self.tabs = QTabBar(self)
        self.tabs.setObjectName("plotPages")
        self.tabs.setAccessibleName("Pages of plots")
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.of = ElidedLabel(self, Qt.TextElideMode.ElideLeft)
        self.of.setObjectName("plottedLayer")
        self.of.setProperty("role", "small")
        self.of.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.splitter = QSplitter(Qt.Orientation.Horizontal, self)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setHandleWidth(1)
        names = [page.name for page in pages]
        before = read_setting(_SETTING, names[0])
        self._number = names.index(before) if before in names else 0
        for number, entry in enumerate(cards):
            if isinstance(entry, PlotCard):
                self._insert(number, entry)
            else:
                entry.then(partial(self._insert, number))
        for number, page in enumerate(pages):
            self.tabs.addTab(page.name)
            self.tabs.setTabToolTip(number, page.tip)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, SPACE_S, 0)
        head.addWidget(self.tabs)
        head.addWidget(self.of, 1)
        column.addLayout(head)
        column.addWidget(self.splitter, 1)
        self.setMinimumHeight(LEAST_HEIGHT)
        self.tabs.setCurrentIndex(self._number)
        self._show()
        self.tabs.currentChanged.connect(self._turn)
        self._quiet = QTimer(self)
        self._quiet.setInterval(_QUIET_MS)

    @property
    def page(self) -> Page:
        """What is shown."""
        return self._pages[self._number]

    def show_of(self, layer: str, chosen: int) -> None:
        """Say whose plots these are where several layers are chosen."""
        self.of.set_full_text(f"{layer}: first of {chosen} layers" if chosen > 1 else "")

    def turn_to(self, name: str) -> None:
        """Show the page of a name."""
        self.tabs.setCurrentIndex([page.name for page in self._pages].index(name))

    def made(self) -> tuple[PlotCard, ...]:
        """The plots that are there by now, from left to right."""
        return tuple(there(self._all))

    def seen(self) -> tuple[PlotCard, ...]:
        """The plots of the page that is shown."""
        return tuple(there(self.page.cards))

    def make_rest(self, busy: Callable[[], bool]) -> None:
        """Make what is missing, one plot at a time, in moments in which nothing else is done."""

        def make_one() -> None:
            late = (entry for entry in self._all if not isinstance(entry, PlotCard))
            missing = next((entry for entry in late if entry.made is None), None)
            if missing is None:
                self._quiet.stop()
            elif not busy():
                missing()

        self._quiet.timeout.connect(make_one)
        self._quiet.start()

    def remember(self) -> None:
        """Keep how wide the plots of each page are for the next time."""
        self._measure()
        for number, sizes in self._sizes.items():
            write_setting(_SIZES + self._pages[number].name, " ".join(map(str, sizes)))

    def _insert(self, number: int, card: PlotCard) -> None:
        if self._all[number] not in self.page.cards:
            card.hide()  # before it is there, or those in sight would move
        place = len(there(self._all[:number]))
        self.splitter.insertWidget(place, card)
        self.splitter.setStretchFactor(place, 1)

    def _turn(self, number: int) -> None:
        self._measure()
        self._number = number
        write_setting(_SETTING, self.page.name)
        self._show()
        self.turned.emit()

    def _show(self) -> None:
        shown = {entry if isinstance(entry, PlotCard) else entry() for entry in self.page.cards}
        for card in self.made():
            card.setVisible(card in shown)
        sizes = iter(self._sizes.get(self._number) or _remembered(self.page))
        self.splitter.setSizes([next(sizes) if card in shown else 0 for card in self.made()])

    def _measure(self) -> None:
        """How wide the plots are that are seen."""
        shown = set(self.seen())
        sizes = zip(self.made(), self.splitter.sizes(), strict=True)
        widths = [size for card, size in sizes if card in shown]
        if all(widths):  # it was on the screen
            self._sizes[self._number] = widths


def _remembered(page: Page) -> list[int]:
    """The widths of a page's plots the last time; all the same where nothing is known."""
    found = read_setting(_SIZES + page.name, "").split()
    if len(found) == len(page.cards) and all(size.isdecimal() for size in found):
        return [int(size) for size in found]
    return [_EVEN] * len(page.cards)
