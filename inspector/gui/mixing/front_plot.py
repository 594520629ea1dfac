"""What was found of mixed precision: cost against quality, to be clicked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtWidgets import QComboBox, QPushButton, QWidget

from inspector.gui.inputs import LARGEST, NumberBox
from inspector.gui.layer_marks import MarkItem
from inspector.gui.mixing.shown import Mixture
from inspector.gui.plots.curve_plots import CurveItem
from inspector.gui.plots.plot_card import PlotCard, Table
from inspector.gui.theme import Theme

_NEAR = 0.06
"""How far from a point a click may be, as a share of what is seen."""
_STALE_ALPHA = 90
_VALUE_WIDTH = 72


class FrontPlot(PlotCard):
    """The front as a line, all other choices that were run as faint dots, today's marked.

    Signals:
        picked: number of the choice that was clicked.
        run_asked: the search is wanted.
        best_asked: the choice that the limit led to is to be tried.
        options_changed: others are wanted: (widths, limit), by number, and the limit's number.
    """

    picked = Signal(int)
    run_asked = Signal()
    best_asked = Signal()
    options_changed = Signal(int, int, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(
            "frontPlot",
            "Mixed widths",
            ("size, MB", "output SQNR, dB"),
            parent,
            zoom=(True, True),
        )
        self.mixtures: Sequence[Mixture] = ()
        self.today: int | None = None
        self._stale = False
        self._line = CurveItem()
        self._others, self._now = MarkItem("circle"), MarkItem("diamond")
        for item in (self._others, self._line, self._now):
            self.add(item)
        self.widths, self.limit = QComboBox(self), QComboBox(self)
        for box, name, tip in (
            (self.widths, "searchBits", "The widths to choose from"),
            (self.limit, "searchLimit", "What a choice may cost, or how good it has to be"),
        ):
            box.setObjectName(name)
            box.setAccessibleName(tip)
            box.setToolTip(tip)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
            self.header.addWidget(box)
        self.widths.activated.connect(self._options_changed)
        self.limit.activated.connect(self._limit_chosen)
        self.value = NumberBox(0.0, LARGEST, self)
        self.value.setObjectName("searchValue")
        self.value.setAccessibleName("The limit")
        self.value.setToolTip("The limit; Enter searches")
        self.value.setFixedWidth(_VALUE_WIDTH)
        self.value.valueChanged.connect(self._options_changed)
        self.value.lineEdit().returnPressed.connect(self.run_asked)
        self.value.hide()
        self.header.addWidget(self.value)
        self.take = QPushButton("Take", self)
        self.take.setObjectName("searchTake")
        self.take.setProperty("small", "true")
        self.take.setToolTip("Make the choice that the limit led to today's; Ctrl+Z takes it back")
        self.take.clicked.connect(self.best_asked)
        self.take.hide()
        self.header.addWidget(self.take)
        self.run = QPushButton("Search", self)
        self.run.setObjectName("searchRun")
        self.run.setProperty("small", "true")
        self.run.setToolTip("Find out which width each layer should have (Ctrl+M)")
        self.run.clicked.connect(self.run_asked)
        self.header.addWidget(self.run)

    def set_options(self, widths: Sequence[str], limits: Sequence[tuple[str, str, float]]) -> None:
        """What can be chosen: widths in words, and limits with their unit and usual number."""
        self.widths.addItems(widths)
        for title, *rest in limits:
            self.limit.addItem(title, rest)

    def show_mixtures(
        self,
        mixtures: Sequence[Mixture],
        today: int | None,
        axis: str,
        note: str,
        *,
        best: int | None,
        stale: bool,
    ) -> None:
        """Show choices.

        Args:
            mixtures: that were run.
            today: which of them is today's choice.
            axis: what the cost is, with its unit.
            note: a line of words.
            best: the one that the limit led to.
            stale: they belong to earlier choices.
        """
        self.take.setVisible(best is not None and best != today and not stale)
        self.mixtures, self.today, self._stale = mixtures, today, stale
        front = sorted((m for m in mixtures if m.on_front), key=lambda m: m.cost)
        self._line.set_points(np.array([m.cost for m in front]), np.array([m.sqnr for m in front]))
        rest = [m for m in mixtures if not m.on_front]
        self._others.set_points(np.array([m.cost for m in rest]), np.array([m.sqnr for m in rest]))
        now = [] if today is None else [mixtures[today]]
        self._now.set_points(np.array([m.cost for m in now]), np.array([m.sqnr for m in now]))
        if self._axes["bottom"] != axis:
            self._axes["bottom"] = axis
            self.forget_zoom()
        self.apply_theme(self.theme)
        self._fit()
        self.show_plot(note)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        super().apply_theme(theme)
        line, others = QColor(theme.original), QColor(theme.muted)
        for colour in (line, others) if self._stale else ():
            colour.setAlpha(_STALE_ALPHA)
        self._line.set_look(pg.mkPen(line, width=2), 3.5)
        self._others.set_colour(others)
        self._now.set_colour(QColor(theme.quantized))

    def table(self) -> Table:
        """All choices that were run."""
        if self.is_empty():
            return ()
        every = sorted(self.mixtures, key=lambda m: m.cost)
        return (
            (self._axes["bottom"], np.array([m.cost for m in every])),
            ("bits a weight", np.array([m.bits for m in every])),
            ("output SQNR, dB", np.array([m.sqnr for m in every])),
            ("top-1 agreement", np.array([np.nan if m.top1 is None else m.top1 for m in every])),
            ("on the front", np.array([float(m.on_front) for m in every])),
        )

    def _fit(self) -> None:
        costs = np.array([m.cost for m in self.mixtures])
        sqnr = np.array([m.sqnr for m in self.mixtures])
        sqnr = sqnr[np.isfinite(sqnr)]
        if not sqnr.size:
            return
        low, high = float(costs.min()), float(costs.max())
        bottom, top = float(sqnr.min()), float(sqnr.max())
        width, height = high - low or max(high, 1e-9), top - bottom or 1.0
        self.set_home((low - 0.02 * width, low + 1.02 * width), (bottom, bottom + height), 0.06)

    def _limit_chosen(self) -> None:
        unit, usual = self.limit.currentData()
        self.value.setVisible(bool(unit))
        self.value.blockSignals(True)
        self.value.setSuffix(f" {unit}" if unit else "")
        self.value.setValue(usual)
        self.value.blockSignals(False)
        self._options_changed()
        if unit:
            self.value.setFocus()
            self.value.selectAll()

    def _options_changed(self) -> None:
        self.options_changed.emit(
            self.widths.currentIndex(), self.limit.currentIndex(), self.value.value()
        )

    # Pointer and keys

    def place_at(self, number: int) -> QPointF:
        """Where a choice is, in the plot's coordinates."""
        return QPointF(self.mixtures[number].cost, self.mixtures[number].sqnr)

    def _nearest(self, x: float, y: float) -> int | None:
        """The choice under the pointer, one of the front where two are equally near."""
        if self.is_empty() or not self.mixtures:
            return None
        seen = self.box.viewRect()
        costs = np.array([m.cost for m in self.mixtures])
        sqnr = np.array([m.sqnr for m in self.mixtures])
        front = np.array([m.on_front for m in self.mixtures])
        away = np.hypot((costs - x) / (seen.width() or 1.0), (sqnr - y) / (seen.height() or 1.0))
        away = np.where(np.isfinite(away), away, np.inf) + np.where(front, 0.0, 0.01)
        number = int(np.argmin(away))
        return number if away[number] <= _NEAR else None

    def read_at(self, x: float, y: float) -> str:
        """The figures of the choice under the pointer."""
        number = self._nearest(x, y)
        return "" if number is None else f"{self.mixtures[number].words()}: click to try it"

    def clicked_at(self, place: QPointF) -> None:
        """Try a choice."""
        number = self._nearest(place.x(), place.y())
        if number is not None:
            self.picked.emit(number)

    def key_pressed(self, event: QKeyEvent) -> bool:
        """Left and Right try the choice of the front beside today's; the rest as everywhere."""
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is None or self.is_empty():
            return super().key_pressed(event)
        front = [n for n, mixture in enumerate(self.mixtures) if mixture.on_front]
        front.sort(key=lambda n: self.mixtures[n].cost)
        at = front.index(self.today) + step if self.today in front else len(front) - 1
        self.picked.emit(front[min(max(at, 0), len(front) - 1)])
        return True
