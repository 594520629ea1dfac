"""The ranges that the methods would choose, as labelled ticks above a histogram."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFont,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from inspector.gui.theme import LIGHT, TEXT_SMALL, Theme
from inspector.quant.spec import RangeMethod
from inspector.report.units import value_text

HEIGHT = 22
_TEXT, _GAP = 13.0, 8.0
_NAMES = {
    "minmax": "min/max",
    "meanminmax": "mean",
    "movavg": "average",
    "percentile": "%",
    "kl": "KL",
    "mse": "MSE",
    "range": "by hand",
    "pinned": "from file",
    "ort-minmax": "ORT min/max",
    "ort-entropy": "ORT entropy",
}
_TIPS = {
    "pinned": "The very grid that was read from the file",
    "minmax": "From the smallest to the largest value: nothing is clipped",
    "movavg": "Moving average of each batch's smallest and largest value",
    "meanminmax": "Mean of each batch's smallest and largest value",
    "ort-minmax": "As onnxruntime's MinMax calibrator",
    "ort-entropy": "As onnxruntime's Entropy calibrator, which clips nothing",
    "ort-percentile": "As onnxruntime's Percentile calibrator: the left edge of a bin of 2048",
    "percentile": "Keeps this share of the values and clips the rest",
    "kl": "Least Kullback-Leibler divergence between the values before and after:\n"
    "keeps the shape of what is frequent, and clips what is rare",
    "mse": "Least mean squared error: best balance of clipping and rounding",
}


def method_name(method: RangeMethod) -> str:
    """A method as a plot has room for."""
    if method.percentile is not None:
        ort = "ORT " if method.kind == "ort-percentile" else ""
        return f"{ort}{method.percentile:.6g}\u2009%"
    return _NAMES[method.kind]


@dataclass(frozen=True, slots=True)
class RangeTick:
    """The range that a method would choose.

    Attributes:
        method: the method.
        low: lower end; of many channels that of the widest.
        high: upper end.
    """

    method: RangeMethod
    low: float
    high: float

    @property
    def text(self) -> str:
        """The method and its range."""
        ends = f"{value_text(self.low)} … {value_text(self.high)}"
        return f"{method_name(self.method)}: {ends}"


class RangeTicks(QWidget):
    """A strip of labels, each with lines to where its range ends; a click chooses the method.

    Args:
        place: pixels from the left of a value, on this widget; None where it is out of sight.

    Signals:
        chosen: a RangeMethod.
        pointed: what is below the pointer in words; empty when it has left.
    """

    chosen = Signal(object)
    pointed = Signal(str)

    def __init__(self, place: Callable[[float], float | None], parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Ranges of the methods")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self._place = place
        self._ticks: tuple[RangeTick, ...] = ()
        self._current: RangeMethod | None = None
        self._under: int | None = None
        self._focus = 0
        self._theme = LIGHT

    def sizeHint(self) -> QSize:
        """One line of text and the lines below it."""
        return QSize(60, HEIGHT)

    def show_ticks(self, ticks: tuple[RangeTick, ...], current: RangeMethod | None) -> None:
        """Show these ranges; the one of `current` is emphasized."""
        if (ticks, current) != (self._ticks, self._current):
            self._ticks, self._current, self._under = ticks, current, None
            self._focus = min(self._focus, max(len(ticks) - 1, 0))
            self.update()

    def ticks(self) -> tuple[RangeTick, ...]:
        """What is shown."""
        return self._ticks

    def apply_theme(self, theme: Theme) -> None:
        """Take on a theme's colours."""
        self._theme = theme
        self.update()

    def _font(self, tick: RangeTick) -> QFont:
        font = QFont(self.font())
        font.setPixelSize(TEXT_SMALL - 1)
        font.setBold(tick.method == self._current)
        return font

    def label_rects(self) -> list[QRectF]:
        """Where each label stands: as near above its upper end as the others let it."""
        if not self._ticks:
            return []
        widths = [
            QFontMetricsF(self._font(tick)).horizontalAdvance(method_name(tick.method))
            for tick in self._ticks
        ]
        middles = [self._end(tick.high) for tick in self._ticks]
        order = sorted(range(len(widths)), key=lambda n: (self._ticks[n].high, n))
        room = float(self.width())
        gap = min(_GAP, max((room - sum(widths)) / len(widths), 1.0))
        lefts = [0.0] * len(widths)
        right = room
        for number in reversed(order):
            lefts[number] = min(middles[number] - widths[number] / 2, right - widths[number])
            right = lefts[number] - gap
        left = 0.0
        for number in order:
            lefts[number] = max(lefts[number], left)
            left = lefts[number] + widths[number] + gap
        return [QRectF(x, 0, wide, _TEXT) for x, wide in zip(lefts, widths, strict=True)]

    def _end(self, value: float) -> float:
        place = self._place(value)
        return float(np.clip(0.0 if place is None else place, 0.0, self.width()))

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint the labels and the lines."""
        painter = QPainter(self)
        self.paint_on(painter)
        if self.hasFocus() and self._ticks:
            painter.setPen(QPen(QColor(self._theme.accent), 1))
            painter.drawRect(self.label_rects()[self._focus].adjusted(-2, 0.5, 2, -0.5))

    def paint_on(self, painter: QPainter) -> None:
        """Paint the labels and the lines on something else."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for number, (tick, rect) in enumerate(zip(self._ticks, self.label_rects(), strict=True)):
            lit = tick.method == self._current
            hot = number == self._under
            colour = QColor(self._theme.clip if lit else self._theme.text)
            if not (lit or hot):
                colour = QColor(self._theme.muted)
            painter.setPen(QPen(colour, 1.6 if lit else 1.0))
            for value in (tick.low, tick.high):
                place = self._place(value)
                if value != 0.0 and place is not None:
                    painter.drawLine(QPointF(place, HEIGHT - 4), QPointF(place, HEIGHT))
            place = self._place(tick.high)
            if place is not None:
                start = QPointF(float(np.clip(place, rect.left() + 2, rect.right() - 2)), _TEXT)
                painter.setPen(QPen(colour, 1.0))
                painter.drawLine(start, QPointF(place, HEIGHT - 4))
            painter.setFont(self._font(tick))
            painter.drawText(rect, int(Qt.AlignmentFlag.AlignCenter), method_name(tick.method))

    # Pointer and keys

    def number_at(self, place: QPointF) -> int | None:
        """The label at a place, or the nearest that is close to it."""
        found = None
        nearest = 6.0
        for number, rect in enumerate(self.label_rects()):
            apart = max(rect.left() - place.x(), place.x() - rect.right(), 0.0)
            if apart < nearest:
                found, nearest = number, apart
        return found

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell the range below the pointer."""
        self._under = self.number_at(event.position())
        self.setCursor(
            Qt.CursorShape.ArrowCursor if self._under is None else Qt.CursorShape.PointingHandCursor
        )
        self.pointed.emit("" if self._under is None else self._ticks[self._under].text)
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Tell that nothing is below the pointer."""
        super().leaveEvent(event)
        self._under = None
        self.pointed.emit("")
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose a method."""
        number = self.number_at(event.position())
        if number is not None and event.button() == Qt.MouseButton.LeftButton:
            self._focus = number
            self.chosen.emit(self._ticks[number].method)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Walk along the labels, and choose one."""
        key = event.key()
        order = sorted(range(len(self._ticks)), key=lambda n: (self._ticks[n].high, n))
        if order and key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            step = 1 if key == Qt.Key.Key_Right else -1
            place = min(max(order.index(self._focus) + step, 0), len(order) - 1)
            self._focus = order[place]
            self.pointed.emit(self._ticks[self._focus].text)
            self.update()
        elif order and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.chosen.emit(self._ticks[self._focus].method)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Begin with the method in use."""
        methods = [tick.method for tick in self._ticks]
        if self._current in methods:
            self._focus = methods.index(self._current)
        super().focusInEvent(event)

    def event(self, event: QEvent) -> bool:
        """Explain the method below the pointer."""
        if isinstance(event, QHelpEvent):
            number = self.number_at(QPointF(event.pos()))
            tick = None if number is None else self._ticks[number]
            text = "" if tick is None else f"{tick.text}\n{_TIPS[tick.method.kind]}"
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)
