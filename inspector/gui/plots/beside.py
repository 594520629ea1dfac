"""What a pinned recipe (A) does, drawn dashed beside today's on the same plots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QLabel

from inspector.gui.plots.bar_plots import ChannelPlot
from inspector.gui.plots.curve_plots import BitsPlot, CurveItem, TradeoffPlot
from inspector.gui.plots.error_plot import ErrorItem, ErrorPlot
from inspector.gui.plots.histogram_plot import HistogramPlot
from inspector.gui.plots.items import StepItem
from inspector.gui.plots.plot_card import PlotCard
from inspector.gui.plots.plot_pages import Late
from inspector.gui.plots.shapes import channel_bars
from inspector.gui.plots.shown import Subject, histogram_shape, note_of
from inspector.gui.theme import Theme
from inspector.report.units import decibel_text

if TYPE_CHECKING:
    from inspector.gui.plots.plot_pane import PlotPane

_DOT = Qt.PenStyle.DotLine
_Draw = Callable[[Subject | None], None]


@dataclass(slots=True)
class _Overlay:
    """What is laid over one card: how it is drawn and coloured, and the word for it."""

    card: PlotCard
    word: QLabel
    draw: _Draw
    colour: Callable[[QColor], None]


class Beside(QObject):
    """Lays A over the plots of today's choice.

    Args:
        pane: all plots; those that are not made yet get theirs when they are.
    """

    def __init__(self, pane: PlotPane) -> None:
        super().__init__(pane)
        self._theme: Theme | None = None
        self._shown: dict[str, Subject | None] = {"weights": None, "activations": None}
        self._overlays: dict[str, list[_Overlay]] = {"weights": [], "activations": []}
        for role, card in (("weights", pane.weights), ("activations", pane.activations)):
            self._lay(role, card, self._over_histogram(card))
            card.log.toggled.connect(lambda _: self._draw_all())
        self._lay("weights", pane.error, _over_error(pane.error))
        self._lay("weights", pane.channels, _over_channels(pane.channels))
        self._follow("weights", pane.weight_bits, pane.weight_tradeoff)
        self._follow("activations", pane.activation_bits, pane.activation_tradeoff)

    def _follow(self, role: str, bits: Late[BitsPlot], tradeoff: Late[TradeoffPlot]) -> None:
        bits.then(lambda card: self._lay(role, card, _over_bits(card)))
        tradeoff.then(lambda card: self._lay(role, card, _over_tradeoff(card)))

    def show(self, role: str, subject: Subject | None) -> None:
        """What A does to the layer that is shown; None where that is what is done today."""
        before = self._shown[role]
        if _are_alike(before, subject):
            return
        self._shown[role] = subject
        self._draw(role)

    def shown(self, role: str) -> Subject | None:
        """What is laid over the plots of a role."""
        return self._shown[role]

    def pick(self, row: int | None) -> None:
        """Show one channel of the weights, or all."""
        subject = self._shown["weights"]
        if subject is not None:
            self.show("weights", replace(subject, row=row))

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme
        for overlay in (*self._overlays["weights"], *self._overlays["activations"]):
            overlay.colour(QColor(theme.text))

    # Inside

    def _lay(self, role: str, card: PlotCard, over: tuple[_Draw, Callable[[QColor], None]]) -> None:
        word = QLabel("┄ A", card)
        word.setProperty("role", "small")
        card.header.insertWidget(1, word)
        word.hide()
        overlay = _Overlay(card, word, *over)
        self._overlays[role].append(overlay)
        if self._theme is not None:
            overlay.colour(QColor(self._theme.text))
        self._draw_one(overlay, self._shown[role])

    def _draw_all(self) -> None:
        for role in self._shown:
            self._draw(role)

    def _draw(self, role: str) -> None:
        for overlay in self._overlays[role]:
            self._draw_one(overlay, self._shown[role])

    def _draw_one(self, overlay: _Overlay, subject: Subject | None) -> None:
        if subject is not None and subject.facts.qparams is None:
            subject = None
        overlay.draw(subject)
        overlay.word.setVisible(subject is not None)
        if subject is not None:
            overlay.word.setToolTip(_words(subject))

    def _over_histogram(self, card: HistogramPlot) -> tuple[_Draw, Callable[[QColor], None]]:
        steps = StepItem()
        ends = [pg.InfiniteLine(angle=90) for _ in range(2)]
        for item in (steps, *ends):
            card.add(item)

        def draw(subject: Subject | None) -> None:
            shape = None if subject is None else histogram_shape(_within(subject))
            for end, place in zip(ends, _ends(shape), strict=True):
                end.setVisible(place is not None)
                if place is not None:
                    end.setValue(place)
            if shape is None or shape.quantized is None or shape.quantized_edges is None:
                steps.set_steps(np.zeros(1), np.zeros(0))
                return
            counts = shape.quantized
            heights = np.log10(1.0 + counts) if card.log.isChecked() else counts
            top = np.log10(1.0 + shape.counts) if card.log.isChecked() else shape.counts
            highest = 1.08 * float(top.max(initial=1.0))
            steps.set_steps(shape.quantized_edges, np.minimum(heights, highest))

        def colour(text: QColor) -> None:
            steps.set_look(pg.mkPen(text, width=1, style=_DOT), None)
            for end in ends:
                end.setPen(pg.mkPen(text, width=1.2, style=_DOT))

        return draw, colour


def _over_error(card: ErrorPlot) -> tuple[_Draw, Callable[[QColor], None]]:
    item = ErrorItem()
    card.add(item)

    def draw(subject: Subject | None) -> None:
        item.setVisible(subject is not None)
        qp = None if subject is None else subject.facts.qparams
        if subject is None or qp is None:
            return
        row = _within(subject).worst if qp.rows > 1 else 0
        low, high = float(qp.lo.reshape(-1)[row]), float(qp.hi.reshape(-1)[row])
        item.set_grid(low, high, float(qp.scale.reshape(-1)[row]))

    def colour(text: QColor) -> None:
        faint = QColor(text)
        faint.setAlpha(120)
        item.set_colour(faint)

    return draw, colour


def _over_channels(card: ChannelPlot) -> tuple[_Draw, Callable[[QColor], None]]:
    steps = StepItem()
    card.add(steps)

    def draw(subject: Subject | None) -> None:
        profile = None if subject is None else subject.facts.profile
        if profile is None or len(profile.sqnr_db) < 2:
            steps.set_steps(np.zeros(1), np.zeros(0))
            card.reach_to(0.0)
        else:
            edges, heights, _ = channel_bars(profile.sqnr_db)
            steps.set_steps(edges, heights)
            card.reach_to(float(heights.max(initial=0.0)))

    def colour(text: QColor) -> None:
        steps.set_look(pg.mkPen(text, width=1, style=_DOT), None)

    return draw, colour


def _over_bits(card: BitsPlot) -> tuple[_Draw, Callable[[QColor], None]]:
    def place(subject: Subject) -> tuple[float, float]:
        return float(subject.facts.spec.bits), _sqnr(subject)

    return _dot(card, place)


def _over_tradeoff(card: TradeoffPlot) -> tuple[_Draw, Callable[[QColor], None]]:
    def place(subject: Subject) -> tuple[float, float]:
        qp = subject.facts.qparams
        assert qp is not None
        reach = max(-float(qp.lo.min()), float(qp.hi.max()), 1e-300)
        return float(np.log2(reach)), -_sqnr(subject)

    return _dot(card, place)


def _dot(
    card: PlotCard, place: Callable[[Subject], tuple[float, float]]
) -> tuple[_Draw, Callable[[QColor], None]]:
    mark = CurveItem()
    mark.setZValue(9)
    card.add(mark)

    def draw(subject: Subject | None) -> None:
        x, y = (np.nan, np.nan) if subject is None else place(subject)
        mark.set_points(np.array([x]), np.array([y]))

    return draw, lambda text: mark.set_look(pg.mkPen(text, width=2), 4.0)


def _are_alike(one: Subject | None, other: Subject | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.facts is other.facts and (one.layer, one.row) == (other.layer, other.row)


def _within(subject: Subject) -> Subject:
    """The subject without its row where A has no such row: its scale may be for the tensor."""
    qp, row = subject.facts.qparams, subject.row
    return replace(subject, row=None) if qp is None or (row or 0) >= qp.rows else subject


def _ends(shape: Any) -> tuple[float | None, float | None]:
    return (None, None) if shape is None else (shape.low, shape.high)


def _sqnr(subject: Subject) -> float:
    """SQNR in dB of the whole tensor, or of the row that was picked."""
    profile, row = subject.facts.profile, _within(subject).row
    assert profile is not None
    if row is not None and len(profile.sqnr_db) > 1:
        return float(profile.sqnr_db[row])
    return float(profile.total_sqnr_db)


def _words(subject: Subject) -> str:
    profile = subject.facts.profile
    assert profile is not None
    row = _within(subject).row if len(profile.sqnr_db) > 1 else None
    figures = note_of(profile, row, exact=subject.facts.exact)
    return (
        f"Dotted: the pinned recipe A.\n{subject.facts.spec}: {decibel_text(_sqnr(subject))}, "
        f"{figures}"
    )
