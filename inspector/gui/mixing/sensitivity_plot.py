"""The layers by how much they matter, as a chart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtWidgets import QComboBox, QLabel, QPushButton, QWidget

from inspector.gui.layer_chart import ACTIVATION_MARKS
from inspector.gui.layer_marks import MarkItem
from inspector.gui.mixing.shown import Ranking, words_of
from inspector.gui.plots.items import BarItem
from inspector.gui.plots.plot_card import PlotCard, Table
from inspector.gui.theme import Theme

_STALE_ALPHA = 90


class SensitivityPlot(PlotCard):
    """Bars for layers alone; marks for their weights, activations, the estimate, and the rest.

    Signals:
        picked: name of the layer that was clicked.
        width_chosen: another width is wanted.
        run_asked: the figures are wanted, or wanted anew.
    """

    picked = Signal(str)
    width_chosen = Signal(int)
    run_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(
            "sensitivityPlot", "Sensitivity of layers", ("layer", "output SQNR, dB"), parent
        )
        self.ranking = Ranking()
        self._chosen: frozenset[str] = frozenset()
        self._bars, self._marked, self._old = BarItem(), BarItem(), BarItem()
        self._weights, self._activations = MarkItem("circle"), MarkItem("triangle")
        self._estimate, self._rest = MarkItem("dash"), MarkItem("diamond")
        for item in (self._bars, self._marked, self._old, self._estimate):
            self.add(item)
        for item in (self._weights, self._activations, self._rest):
            self.add(item)
        self.legend = QLabel(self)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setProperty("role", "small")
        self.legend.setToolTip(
            "How near the model's outputs are to the float model's when only this layer is\n"
            "quantized, when only its weights or activations are, and when all layers but it are."
        )
        self.bits_box = QComboBox(self)
        self.bits_box.setObjectName("sensitivityBits")
        self.bits_box.setAccessibleName("Width")
        self.bits_box.setToolTip("The width that layers are quantized to")
        self.run = QPushButton("Find", self)
        self.run.setObjectName("sensitivityRun")
        self.run.setProperty("small", "true")
        self.run.setToolTip("Quantize one layer after another (Ctrl+Shift+M)")
        for widget in (self.bits_box, self.run):
            self.header.addWidget(widget)
        self.body.insertWidget(1, self.legend)
        self.bits_box.hide()
        self.run.clicked.connect(self.run_asked)
        self.bits_box.activated.connect(
            lambda index: self.width_chosen.emit(int(self.bits_box.itemData(index)))
        )

    def show_ranking(
        self,
        ranking: Ranking,
        widths: Sequence[int],
        bits: int,
        chosen: Sequence[str],
        note: str,
    ) -> None:
        """Show layers.

        Args:
            ranking: their figures.
            widths: that can be shown.
            bits: the one that is.
            chosen: names of the selected layers.
            note: a line of words.
        """
        self.ranking = ranking
        if [self.bits_box.itemData(n) for n in range(self.bits_box.count())] != list(widths):
            self.bits_box.clear()
            for width in widths:
                self.bits_box.addItem(f"{width} bits", width)
        self.bits_box.setCurrentIndex(self.bits_box.findData(bits))
        self.bits_box.setVisible(len(widths) > 1)
        self._show_legend()
        self.choose(chosen)
        self._fit()
        self.show_plot(note)

    def choose(self, names: Sequence[str]) -> None:
        """Mark other layers."""
        self._chosen = frozenset(names)
        one = self.ranking
        places = np.arange(len(one.names), dtype=np.float64)
        heights = np.where(np.isfinite(one.both), one.both, 0.0)
        marks = np.array([name in self._chosen for name in one.names], np.bool_)
        for item, kept in (
            (self._bars, ~marks & ~one.stale),
            (self._marked, marks),
            (self._old, ~marks & one.stale),
        ):
            item.set_bars(places[kept], heights[kept], 0.8)
        for mark, values in (
            (self._weights, one.weights),
            (self._activations, one.activations),
            (self._estimate, one.estimate),
            (self._rest, one.rest),
        ):
            mark.set_points(places, values, 0.8)

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        super().apply_theme(theme)
        faded = QColor(theme.original)
        faded.setAlpha(_STALE_ALPHA)
        self._bars.set_colour(QColor(theme.original))
        self._marked.set_colour(QColor(theme.quantized))
        self._old.set_colour(faded)
        self._weights.set_colour(QColor(theme.text))
        self._activations.set_colour(QColor(ACTIVATION_MARKS[theme.dark]))
        self._estimate.set_colour(QColor(theme.muted))
        self._rest.set_colour(QColor(theme.clip))
        self._show_legend()

    def table(self) -> Table:
        """All figures, in the order of the chart."""
        one = self.ranking
        if self.is_empty():
            return ()
        return (
            ("layer", list(one.names)),
            ("layer alone, dB", one.both),
            ("its weights alone, dB", one.weights),
            ("its activations alone, dB", one.activations),
            ("all layers but it, dB", one.rest),
            ("estimate of the layer alone, dB", one.estimate),
        )

    def _fit(self) -> None:
        one = self.ranking
        values = np.concatenate([one.both, one.weights, one.activations, one.rest])
        if not np.isfinite(one.both).any():
            values = one.estimate
        known = values[np.isfinite(values)]
        top = float(known.max(initial=0.0)) or 1.0
        low = min(0.0, float(known.min(initial=0.0)))
        self.set_home((-0.5, max(len(one.names), 1) - 0.5), (low, top), 0.03)

    def _show_legend(self) -> None:
        theme, one = self.theme, self.ranking
        parts = [
            ("▮", theme.original, "layer alone", one.both),
            ("●", theme.text, "weights", one.weights),
            ("▲", ACTIVATION_MARKS[theme.dark], "activations", one.activations),
            ("◆", theme.clip, "all but it", one.rest),
            ("▬", theme.muted, "≈ estimate", one.estimate),
        ]
        self.legend.setText(
            "&nbsp;&nbsp; ".join(
                f'<span style="color:{colour}">{glyph}</span> {text}'
                for glyph, colour, text, values in parts
                if np.isfinite(values).any()
            )
        )

    # Pointer and keys

    def _at(self, x: float) -> int | None:
        number = round(x)
        return number if 0 <= number < len(self.ranking.names) else None

    def read_at(self, x: float, _y: float) -> str:
        """All figures of a layer."""
        number = self._at(x)
        return "" if number is None else words_of(self.ranking, number)

    def clicked_at(self, place: QPointF) -> None:
        """Select a layer."""
        number = self._at(place.x())
        if number is not None:
            self.picked.emit(self.ranking.names[number])

    def key_pressed(self, event: QKeyEvent) -> bool:
        """Left and Right select the layer beside; the rest is as everywhere."""
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is None or self.is_empty() or len(self._chosen) > 1:
            return super().key_pressed(event)
        names = list(self.ranking.names)
        before = [number for number, name in enumerate(names) if name in self._chosen]
        number = before[0] + step if before else 0
        self.picked.emit(names[min(max(number, 0), len(names) - 1)])
        return True
