"""What other widths and thresholds would cost: SQNR against bits, and clipping against rounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QWidget

from inspector.gui.plots.items import EndLabel, LabelItem, PixelItem, polygon
from inspector.gui.plots.items import Mapping as Pixels
from inspector.gui.plots.plain_axis import PlainAxis
from inspector.gui.plots.plot_card import PlotCard, Table
from inspector.gui.plots.range_ticks import method_name
from inspector.gui.theme import Theme
from inspector.quant.curves import BITS, Tradeoff
from inspector.quant.metrics import decibels
from inspector.quant.spec import RangeMethod
from inspector.report.units import decibel_text, value_text

Floats = NDArray[np.float64]

_COLOURS = {
    "minmax": ("#5d6470", "#aab3c2"),
    "percentile": ("#2560c8", "#78a9ff"),
    "kl": ("#8a3264", "#e08cc0"),
    "mse": ("#c45f00", "#f5a623"),
}
_OTHER = ("#1e6b3a", "#6fd08c")
"""Light and dark, the last for what is seldom chosen; told apart by every kind of colour vision,
and named beside the curves."""
_FLOOR = -120.0
"""Errors fainter than this are drawn at it."""
_NAMES_ROOM = 4.6
"""Bits' room on the right for the names of the curves."""
_WORSE, _BETTER = 26.0, 9.0
"""How many dB are shown above the best threshold's noise, and below."""


def colour_of(method: RangeMethod, *, dark: bool) -> str:
    """The colour of a method's curve."""
    return _COLOURS.get(method.kind, _OTHER)[int(dark)]


class CurveItem(PixelItem):
    """A line through points."""

    def __init__(self) -> None:
        super().__init__()
        self._x: Floats = np.zeros(0)
        self._y: Floats = np.zeros(0)
        self._pen: Any = pg.mkPen("#000000")
        self._dots = 0.0

    def set_points(self, x: Floats, y: Floats) -> None:
        """Show another line."""
        self._x, self._y = x, y
        self.update()

    def set_look(self, pen: Any, dots: float = 0.0) -> None:
        """The pen, and the radius of a dot at each point."""
        self._pen, self._dots = pen, dots
        self.update()

    def draw(self, painter: Any, mapping: Pixels) -> None:
        """Draw it."""
        known = np.isfinite(self._y)
        if not known.any():
            return
        x, y = mapping.x(self._x[known]), mapping.y(self._y[known])
        painter.setRenderHint(painter.RenderHint.Antialiasing)
        painter.setPen(self._pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(polygon(x, y))
        if self._dots:
            painter.setBrush(self._pen.color())
            painter.setPen(Qt.PenStyle.NoPen)
            size = 2 * self._dots
            for left, top in zip((x - size / 2).tolist(), (y - size / 2).tolist(), strict=True):
                painter.drawEllipse(pg.QtCore.QRectF(left, top, size, size))


@dataclass(frozen=True, slots=True)
class Present:
    """The choice that is in use now.

    Attributes:
        method: how its range is chosen.
        bits: its width.
        sqnr: in dB, what it gives.
    """

    method: RangeMethod
    bits: int
    sqnr: float


class BitsPlot(PlotCard):
    """SQNR for each bit-width, one curve for each range method."""

    def __init__(self, name: str, title: str, parent: QWidget | None = None) -> None:
        bottom = BitAxis("bottom")
        super().__init__(name, title, ("bits", "dB"), parent, bottom=bottom, zoom=(True, True))
        self._items: dict[RangeMethod, CurveItem] = {}
        self._labels, self._mark = LabelItem(), CurveItem()
        self.add(self._mark)
        self.add(self._labels)
        self._curves: dict[RangeMethod, Floats] = {}
        self._now: Present | None = None

    def show_curves(
        self, curves: Mapping[RangeMethod, Floats], present: Present, note: str
    ) -> None:
        """Show the curves that are known, and where the present choice is."""
        self._curves, self._now = dict(curves), present
        for method, item in self._items.items():
            if method not in curves:
                item.set_points(np.zeros(0), np.zeros(0))
        for method in curves:
            if method not in self._items:
                self._items[method] = CurveItem()
                self.add(self._items[method])
        self._redraw()
        finite = [v[np.isfinite(v)] for v in (*self._curves.values(), np.array([present.sqnr]))]
        known = np.concatenate(finite)
        low, high = float(known.min(initial=0.0)), float(known.max(initial=10.0))
        self.set_home((BITS[0] - 0.5, BITS[-1] + _NAMES_ROOM), (low, high), 0.04)
        self.show_plot(note)

    def curves(self) -> Mapping[RangeMethod, Floats]:
        """What is shown."""
        return {} if self.is_empty() else self._curves

    def present(self) -> Present | None:
        """The marked choice."""
        return None if self.is_empty() else self._now

    def table(self) -> Table:
        """One column for each method."""
        if self.is_empty():
            return ()
        curves = [(f"{method}, dB", curve) for method, curve in self._curves.items()]
        return (("bits", np.array(BITS)), *curves)

    def read_at(self, x: float, _y: float) -> str:
        """The best method at a width, and the others."""
        bits = min(max(round(x), BITS[0]), BITS[-1])
        values = {m: float(curve[bits - BITS[0]]) for m, curve in self._curves.items()}
        best = sorted(values, key=lambda method: -values[method])
        texts = [f"{method_name(m)} {decibel_text(values[m])}" for m in best]
        return f"{bits} bits: {', '.join(texts)}"

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        super().apply_theme(theme)
        self._redraw()

    def _redraw(self) -> None:
        bits = np.array(BITS, np.float64)
        labels = []
        for method, curve in self._curves.items():
            item, colour = self._items[method], colour_of(method, dark=self.theme.dark)
            lit = self._now is not None and method == self._now.method
            item.set_points(bits, curve)
            item.set_look(pg.mkPen(colour, width=2.0 if lit else 1.3))
            at = int(np.flatnonzero(np.isfinite(curve))[-1]) if np.isfinite(curve).any() else 0
            place = bits[at] + 0.3, curve[at]
            labels.append(EndLabel(*place, method_name(method), colour, after=True))
        finite = [label for label in labels if np.isfinite(label.y)]
        self._labels.set_labels(tuple(finite))
        if self._now is not None:
            self._mark.set_points(np.array([float(self._now.bits)]), np.array([self._now.sqnr]))
        self._mark.set_look(pg.mkPen(self.theme.clip, width=2), 4.0)
        self._mark.setZValue(10)


class BitAxis(PlainAxis):
    """Widths, no others."""

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Every second width, or every fourth where there is little room."""
        every = 2 if size / max(high - low, 1.0) * 2 > 20 else 4
        return [(1.0, [float(bits) for bits in BITS if bits % every == 0 and low <= bits <= high])]

    def tickStrings(self, values: list[float], _scale: float, _spacing: float) -> list[str]:
        """Whole numbers."""
        return [f"{value:.0f}" for value in values]


class PowerAxis(PlainAxis):
    """Values along an axis of their logarithms to base 2."""

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Round numbers 1, 2, 5, 10 and so on, no more of them than have room."""
        spans = range(int(np.floor(low * np.log10(2))), int(np.ceil(high * np.log10(2))) + 1)
        tens = [10.0**power for power in spans]
        most = max(size / 44.0, 1.0)
        for parts in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
            places = [float(np.log2(part * ten)) for ten in tens for part in parts]
            seen = [place for place in places if low <= place <= high]
            if len(seen) <= most:
                break
        every = max(1, int(np.ceil(len(seen) / most)))
        return [(1.0, seen[::every])]

    def tickStrings(self, values: list[float], _scale: float, _spacing: float) -> list[str]:
        """The values themselves."""
        return [f"{2.0**value:.6g}" for value in values]


class TradeoffPlot(PlotCard):
    """Noise in dB below the signal against the clip threshold: clipping, rounding, and both.

    Signals:
        moved: (low, high) of the range whose threshold is dragged.
        rested: (low, high) at the end of a drag.
    """

    moved = Signal(float, float)
    rested = Signal(float, float)

    def __init__(self, name: str, title: str, parent: QWidget | None = None) -> None:
        axes, bottom = ("clip threshold", "noise, dB"), PowerAxis("bottom")
        super().__init__(name, title, axes, parent, bottom=bottom, zoom=(True, True))
        self._parts = {part: CurveItem() for part in ("clipping", "rounding", "total")}
        self._labels, self._mark = LabelItem(), CurveItem()
        self.line: Any = pg.InfiniteLine(angle=90, movable=True)
        self.line.setCursor(Qt.CursorShape.SizeHorCursor)
        for item in (*self._parts.values(), self._labels, self.line, self._mark):
            self.add(item)
        self._data: Tradeoff | None = None
        self._moving = False
        self._frame = QTimer(self)
        self._frame.setSingleShot(True)
        self._frame.setInterval(0)
        self._frame.timeout.connect(lambda: self.moved.emit(*self._range()))
        self.line.sigDragged.connect(self._dragged)
        self.line.sigPositionChangeFinished.connect(self._let_go)

    def show_tradeoff(self, found: Tradeoff, now: tuple[float, float] | None) -> None:
        """Show the curves, and the threshold and noise in dB of the present choice."""
        self._data = found
        x = np.log2(found.threshold)
        curves = self._noise()
        for part, curve in curves.items():
            self._parts[part].set_points(x, curve)
        self._mark.setVisible(now is not None)
        self.line.setVisible(now is not None)
        if now is not None:
            place = float(np.log2(max(now[0], 1e-300)))
            self._mark.set_points(np.array([place]), np.array([max(now[1], _FLOOR)]))
            if not self._moving:
                self.line.setValue(place)
        total = curves["total"]
        best = int(np.argmin(total))
        first, low, top = self._frame_of(total, None if now is None else now[1])
        self._label(x, curves, first)
        if not self._moving:
            self.set_home((float(x[first]), float(x[-1])), (low, top), 0.03)
        reach = value_text(float(found.threshold[best]))
        least = f"best {decibel_text(-float(total[best]))} at {reach}"
        self.show_plot(least if now is None else f"{least}, now {decibel_text(-now[1])}")

    def tradeoff(self) -> Tradeoff | None:
        """What is shown."""
        return None if self.is_empty() else self._data

    def table(self) -> Table:
        """Errors for each threshold."""
        found = self.tradeoff()
        if found is None:
            return ()
        return (
            ("threshold", found.threshold),
            ("from", found.lo),
            ("to", found.hi),
            ("clipping, mean square", found.clipping),
            ("rounding, mean square", found.rounding),
            ("total, mean square", found.total),
        )

    def read_at(self, x: float, _y: float) -> str:
        """The SQNR at a threshold, and which part of the noise is larger."""
        found = self._data
        if found is None:
            return ""
        number = int(np.argmin(np.abs(np.log2(found.threshold) - x)))
        noise = {part: float(curve[number]) for part, curve in self._noise().items()}
        return (
            f"±{value_text(float(found.threshold[number]))}: SQNR {decibel_text(-noise['total'])}, "
            f"clipping {decibel_text(noise['clipping'])}, "
            f"rounding {decibel_text(noise['rounding'])}"
        )

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        super().apply_theme(theme)
        colours = self._colours()
        for part, item in self._parts.items():
            item.set_look(pg.mkPen(colours[part], width=2.0 if part == "total" else 1.3))
        dash = Qt.PenStyle.DashLine
        self.line.setPen(pg.mkPen(theme.clip, width=1.2, style=dash))
        self.line.setHoverPen(pg.mkPen(theme.clip, width=2.6))
        self._mark.set_look(pg.mkPen(theme.clip, width=2), 4.0)
        if self._data is not None:
            curves = self._noise()
            first = self._frame_of(curves["total"], None)[0]
            self._label(np.log2(self._data.threshold), curves, first)

    def _colours(self) -> dict[str, str]:
        theme = self.theme
        return {"clipping": theme.clip, "rounding": theme.original, "total": theme.text}

    def _noise(self) -> dict[str, Floats]:
        """The parts in dB below the signal."""
        found = self._data
        assert found is not None
        parts = {"clipping": found.clipping, "rounding": found.rounding, "total": found.total}
        power = found.power or 1.0
        return {
            part: np.maximum(-decibels(np.full(len(value), power), value), _FLOOR)
            for part, value in parts.items()
        }

    def _frame_of(self, total: Floats, now: float | None) -> tuple[int, float, float]:
        """The first threshold that is worth showing, and the ends of the noise."""
        best = int(np.argmin(total))
        worth = np.flatnonzero(total <= total[best] + _WORSE)
        first = max(min(int(worth[0]), best - 8), 0)
        lowest = float(total[best]) if now is None else min(float(total[best]), now)
        low = max(lowest - _BETTER, _FLOOR)
        return first, low, max(float(total[first:].max()), float(total[best]) + 6.0)

    def _label(self, x: Floats, curves: Mapping[str, Floats], first: int) -> None:
        """Name each curve where it is seen: clipping left of the best, rounding right of it."""
        colours = self._colours()
        best = int(np.argmin(curves["total"]))
        level = float(curves["total"][best])
        left = np.flatnonzero(curves["clipping"][: best + 1] >= level - _BETTER / 2)
        falls = int(left[-1]) if left.size else first
        middle, early = (first + best) // 2, (3 * first + best) // 4
        places = {
            "clipping": (falls, float(curves["clipping"][falls]) - 1.0),
            "rounding": (middle, float(curves["rounding"][middle])),
            "total": (early, float(curves["total"][early]) + 2.0),
        }
        self._labels.set_labels(
            tuple(
                EndLabel(float(x[at]), y, part, colours[part], after=part == "total")
                for part, (at, y) in places.items()
            )
        )

    def _range(self) -> tuple[float, float]:
        """The range that belongs to where the line is."""
        found = self._data
        assert found is not None
        factor = 2.0 ** float(self.line.value()) / float(found.threshold[-1])
        low, high = float(found.lo[-1]) * factor, float(found.hi[-1]) * factor
        return float(f"{low:.4g}"), float(f"{high:.4g}")

    def _dragged(self) -> None:
        self._moving = True
        if self._data is not None and not self._frame.isActive():
            self._frame.start()

    def _let_go(self) -> None:
        if not self._moving:
            return
        self._frame.stop()
        self._moving = False
        self.rested.emit(*self._range())
